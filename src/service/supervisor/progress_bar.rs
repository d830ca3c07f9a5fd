//! The progress of a comparison: a bar on a terminal, lines in the log otherwise.

use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::resync::ComparisonProgress;

/// Updates itself until it is finished.
pub(super) struct Bar {
    bar: ProgressBar,
    follower: tokio::task::JoinHandle<()>,
}

pub(super) fn bar(what: &'static str, progress: &ComparisonProgress, estimate: u64) -> Bar {
    let bar = ProgressBar::with_draw_target(Some(estimate.max(1)), ProgressDrawTarget::stderr());
    let style = "{msg} [{bar:40}] {human_pos}/{human_len} documents, {per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.set_message(what);
    let (follow, done, shown) = (bar.clone(), progress.done.clone(), !bar.is_hidden());
    let follower = tokio::spawn(async move {
        let mut ticks = 0_u32;
        loop {
            tokio::time::sleep(TICK).await;
            let position = done.load(Ordering::Relaxed);
            follow.set_length(estimate.max(position));
            follow.set_position(position);
            ticks += 1;
            if !shown && ticks.is_multiple_of(LOG_EVERY_TICKS) {
                tracing::info!(documents = position, of_about = estimate, "{what}");
            }
        }
    });
    Bar { bar, follower }
}

impl Bar {
    pub(super) fn finish(self) {
        self.follower.abort();
        self.bar.finish_and_clear();
    }
}

const TICK: Duration = Duration::from_millis(200);
const LOG_EVERY_TICKS: u32 = 50;
