//! The table and the publication changed while the sidecar runs: what the stream tells is told on, and
//! what it does not tell is noticed.

mod columns;
mod helpers;
mod identity;
mod publication;
mod renamed;
mod rewrites;
