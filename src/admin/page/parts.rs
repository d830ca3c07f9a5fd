//! What several pages show: the state of a lane, what is undelivered. Pure.

use super::texts as t;
use crate::admin::api::{LaneStatus, Status};
use crate::deliver::LaneCondition;

/// A state as an icon and a word: never by colour alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Pill {
    /// `ok`, `quiet`, `warn` or `bad`
    pub(super) tone: &'static str,
    pub(super) icon: &'static str,
    pub(super) word: &'static str,
}

impl Pill {
    pub(super) const fn ok(word: &'static str) -> Self {
        Self { tone: "ok", icon: "✓", word }
    }

    pub(super) const fn quiet(word: &'static str) -> Self {
        Self { tone: "quiet", icon: "○", word }
    }

    pub(super) const fn warn(word: &'static str) -> Self {
        Self { tone: "warn", icon: "!", word }
    }

    pub(super) const fn bad(word: &'static str) -> Self {
        Self { tone: "bad", icon: "✕", word }
    }

    /// The condition of a lane.
    pub(super) const fn of_lane(state: LaneCondition) -> Self {
        match state {
            LaneCondition::Busy => Self { tone: "ok", icon: "→", word: t::lane::BUSY },
            LaneCondition::Failing => Self::bad(t::lane::FAILING),
            LaneCondition::Idle => Self::ok(t::lane::IDLE),
            LaneCondition::NeedsOwner => Self::bad(t::lane::NEEDS_OWNER),
            LaneCondition::Paused => Self { tone: "warn", icon: "‖", word: t::lane::PAUSED },
            LaneCondition::Throttled => Self { tone: "warn", icon: "≈", word: t::lane::THROTTLED },
            LaneCondition::Waiting => Self { tone: "ok", icon: "…", word: t::lane::WAITING },
            LaneCondition::WithoutWebhook => Self::quiet(t::lane::WITHOUT_WEBHOOK),
        }
    }
}

/// Records that no receiver has taken, and that somebody has to act on: nothing that is merely on its way.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Undelivered {
    /// In dead letters, those that a receiver refused among them.
    pub(super) dead_letters: u64,
    /// Waiting in lanes that fail.
    pub(super) failing: u64,
    /// The lanes that fail.
    pub(super) lanes: u64,
}

impl Undelivered {
    pub(super) fn of(status: &Status) -> Self {
        let failing: Vec<&LaneStatus> = status.lanes.iter().filter(|lane| is_failing(lane)).collect();
        Self {
            dead_letters: status.spool.dead_letter_records,
            failing: failing.iter().map(|lane| lane.pending.records).sum(),
            lanes: failing.len() as u64,
        }
    }

    pub(super) fn total(self) -> u64 {
        self.dead_letters + self.failing
    }
}

/// Whether the last attempt of a lane failed.
pub(super) fn is_failing(lane: &LaneStatus) -> bool {
    matches!(lane.state, LaneCondition::Failing | LaneCondition::NeedsOwner)
}
