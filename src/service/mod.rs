//! The parts put together.
