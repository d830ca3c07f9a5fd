//! Webhooks for the documents table of a Postgres database, with no change to the application.
//!
//! ```text
//!                      capture                                                     deliver
//! ┌──────────┐ bytes ┌────────┐ changes ┌──────────┐ records ┌─────────────┐ batch ┌─────────┐ request
//! │ Postgres │──────▶│ decode │────────▶│ classify │────────▶│    spool    │──────▶│ deliver │────────▶ receiver
//! └──────────┘source └────────┘  pure   └──────────┘  pure   │ one SQLite  │       └─────────┘
//!      ▲                           shadow ▲    │ new shadow  │    file     │            │
//!      │                                  └────┼─────────────│             │◀───────────┘ outcome
//!      └──── confirmed LSN, only after the sync┴─────────────└─────────────┘
//! ```
//!
//! The modules are in the order in which a change passes through them. Each uses only those before it.

/// Timestamps and uptime, as values.
pub mod time;

/// Secrets: values that nothing prints.
pub mod secret;

/// Sizes and durations, as people read them.
pub mod amount;

/// LSNs, and the positions of records.
pub mod position;

/// Records: the items of a payload, and their bytes.
pub mod record;

/// Outcomes of delivery attempts.
pub mod outcome;

/// Metrics of all stages.
pub mod metrics;

/// The only reader of clocks.
pub mod clock;

/// Crash points for tests.
pub mod failpoint;

/// What the catalog says about a table. No I/O, no clock.
pub mod relation;

/// Postgres → frames.
pub mod source;

/// Frames → changes. No I/O, no clock.
pub mod decode;

/// Change + shadow entry → records + new entry. No I/O, no clock.
pub mod classify;

/// Everything durable: records, batches, shadow, position.
pub mod spool;

/// The capture loop: frames → groups → spool → confirmed LSN.
pub mod capture;

/// Which changes are worth a message to the operators, and the message. No I/O, no clock.
pub mod alert;

/// The delivery loop: lanes → batches → receivers → outcomes.
pub mod deliver;

/// The comparison of the table with the shadow. The first start compares with an empty shadow.
pub mod resync;

/// Settled records, sent again from an LSN or a time on.
pub mod replay;

/// Status, metrics and readiness over HTTP; the API of the commands.
pub mod admin;

/// `sidecar.toml` and the environment → validated settings.
pub mod settings;

/// The running service: supervisor, loops, listeners, signals.
pub mod service;

/// The commands of the command line.
pub mod cli;
