//! Bars of attempts by outcome, as SVG: no script, no style of its own. Pure.

use std::fmt::Write as _;

use super::texts as t;
use super::{show, texts};
use crate::admin::api::LaneActivity;

/// The attempts of a lane, a bar for each part of the time.
#[derive(Clone, Debug, Default)]
pub(super) struct Spark {
    /// The parts that were delivered: `M1 40V12h7V40Z…`
    pub(super) delivered: String,
    /// The parts that failed, on top of them.
    pub(super) failed: String,
    /// What it shows, in words.
    pub(super) words: String,
    /// Where it begins.
    pub(super) begins: String,
}

impl Spark {
    /// `None`: nothing was attempted.
    pub(super) fn of(activity: &LaneActivity) -> Option<Self> {
        let most =
            activity.bars.iter().map(|bar| bar.delivered + bar.failed).max().filter(|most| *most > 0)?;
        let (mut delivered, mut failed) = (String::new(), String::new());
        for (at, bar) in activity.bars.iter().enumerate() {
            let x = at * BAR;
            let (good, all) = (height(bar.delivered, most), height(bar.delivered + bar.failed, most));
            if bar.delivered > 0 {
                let _ = write!(delivered, "M{x} {HEIGHT}v-{good}h{WIDTH}v{good}z");
            }
            if bar.failed > 0 {
                // At least a line of it is seen.
                let top = all.saturating_sub(good).max(2);
                let _ = write!(failed, "M{x} {}v-{top}h{WIDTH}v{top}z", HEIGHT - good.min(HEIGHT - top));
            }
        }
        let sum = |of: fn(&crate::admin::api::ActivityBar) -> u64| activity.bars.iter().map(of).sum::<u64>();
        let bars = u32::try_from(activity.bars.len()).map_or(0.0, f64::from);
        let begins = t::ago(activity.bar_seconds * bars);
        let words = texts::project::attempts(
            &show::count(sum(|bar| bar.delivered + bar.failed), "attempt", "attempts"),
            &show::number(sum(|bar| bar.failed)),
        );
        Some(Self { delivered, failed, words, begins })
    }
}

/// Of so many among the most, in units of the chart.
fn height(count: u64, most: u64) -> u64 {
    let height = u128::from(count) * u128::from(HEIGHT) / u128::from(most.max(1));
    u64::try_from(height).unwrap_or(HEIGHT).max(u64::from(count > 0))
}

/// From one bar to the next.
const BAR: usize = 10;
const WIDTH: u64 = 8;
const HEIGHT: u64 = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::api::ActivityBar;

    #[test]
    fn what_failed_stands_on_what_was_delivered() {
        let bar = |delivered, failed| ActivityBar { delivered, failed };
        let activity = LaneActivity {
            bar_seconds: 3_600.0,
            bars: vec![bar(0, 0), bar(10, 0), bar(5, 5), bar(1_000, 0)],
            ..LaneActivity::default()
        };
        let spark = Spark::of(&activity).unwrap();
        assert_eq!(spark.delivered, "M10 40v-1h8v1zM20 40v-1h8v1zM30 40v-40h8v40z");
        assert_eq!(spark.failed, "M20 39v-2h8v2z");
        assert_eq!((spark.words.as_str(), spark.begins.as_str()), ("1,020 attempts, 5 failed", "4 h ago"));
        assert!(Spark::of(&LaneActivity::default()).is_none());
        let full = LaneActivity { bars: vec![bar(99, 1)], ..activity };
        assert_eq!(Spark::of(&full).unwrap().failed, "M0 2v-2h8v2z", "within the chart");
    }
}
