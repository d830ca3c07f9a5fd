//! The parts put together: supervisor, loops, listeners, signals.

mod continuity;
