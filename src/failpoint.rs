//! Crash points for tests: before and after each operation that makes something durable or depends on it.
//!
//! A build with debug assertions aborts at the `n`th pass of a point when `SIDECAR_FAILPOINT` is `point:n`,
//! for example `cut.after:3`. A release build ignores the variable.

/// The side of the operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// Before the operation.
    Before,
    /// After the operation, before its result is used.
    After,
}

/// Passes a crash point, and aborts if it is the selected one.
#[inline]
pub fn reach(edge: &str, side: Side) {
    if cfg!(debug_assertions) {
        armed::reach(edge, side);
    }
}

mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::Side;

    struct Wanted {
        edge: String,
        side: Side,
        passes: AtomicU32,
    }

    pub(super) fn reach(edge: &str, side: Side) {
        static WANTED: OnceLock<Option<Wanted>> = OnceLock::new();
        let wanted = WANTED.get_or_init(|| parse(&std::env::var("SIDECAR_FAILPOINT").ok()?));
        let Some(wanted) = wanted.as_ref().filter(|wanted| wanted.edge == edge && wanted.side == side) else {
            return;
        };
        if wanted.passes.fetch_sub(1, Ordering::SeqCst) == 1 {
            std::process::abort();
        }
    }

    fn parse(text: &str) -> Option<Wanted> {
        let (place, passes) = text.split_once(':')?;
        let (edge, side) = place.rsplit_once('.')?;
        let side = match side {
            "before" => Side::Before,
            "after" => Side::After,
            _ => return None,
        };
        Some(Wanted { edge: edge.to_owned(), side, passes: AtomicU32::new(passes.parse().ok()?) })
    }
}
