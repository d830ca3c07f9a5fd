//! The table and the publication changed while the sidecar runs: what the stream has is delivered, and
//! what it lacks is noticed.

mod columns;
mod helpers;
mod identity;
mod publication;
mod renamed;
mod rewrites;
