//! Webhooks for the documents table of a Postgres database, with no change to the application.
//!
//! ```text
//!          left loop: capture                          hinge            right loop: deliver
//! ┌──────────┐ bytes ┌────────┐ changes ┌──────────┐ records ┌─────────────┐ batch ┌─────────┐ request
//! │ Postgres │──────▶│ decode │────────▶│ classify │────────▶│    spool    │──────▶│ deliver │────────▶ receiver
//! └──────────┘source └────────┘  pure   └──────────┘  pure   │ one SQLite  │       └─────────┘
//!      ▲                           shadow ▲    │ new shadow  │    file     │            │
//!      │                                  └────┼─────────────│             │◀───────────┘ outcome
//!      └──── confirmed LSN, only after the sync┴─────────────└─────────────┘
//! ```
//!
//! The modules stand in the order in which a change meets them; each uses only those before it.

/// Points in time, as values.
pub mod time;

/// Places in the database's log.
pub mod position;

/// The items of a payload, and their bytes.
pub mod record;

/// How an attempt ended.
pub mod outcome;

/// What every stage counts.
pub mod metrics;

/// The one place that reads clocks.
pub mod clock;

/// Where tests let the process die.
pub mod failpoint;

/// What the catalog says of a table. No I/O, no clock.
pub mod relation;

/// Postgres → frames.
pub mod source;

/// Frames → changes. No I/O, no clock.
pub mod decode;

/// Change + shadow entry → records + new entry. No I/O, no clock.
pub mod classify;

/// What is durable.
pub mod spool;

/// The left loop: frames → groups → spool → confirmed LSN.
pub mod capture;

/// The right loop: lanes → batches → receivers → outcomes.
pub mod deliver;

/// The table compared with the shadow; the first start is its simplest case.
pub mod resync;

/// What has settled, sent again from a place or time on.
pub mod replay;

/// The status of every stage → JSON, metrics, readiness.
pub mod admin;

/// `sidecar.toml` and the environment → checked settings.
pub mod settings;

/// The parts put together: supervisor, loops, listeners, signals.
pub mod service;

/// The commands.
pub mod cli;
