//! Postgres → frames: connections, the queries that run on them, and the replication stream.
//!
//! [`Conninfo`] says where the server is; [`Connection`] is a replication connection and [`Stream`] what it
//! receives; [`connect_sql`] opens an ordinary session over the same sockets, TLS and passwords. On such a
//! session [`catalog`] reads what the catalog says about the table, the publication and the slot,
//! [`documents`] reads the table itself, and [`preflight`] checks all of it and creates what is missing.

/// Queries of the catalog: table, types, publication, slot.
pub mod catalog;
/// The documents table itself: SELECTs, and a snapshot of it.
pub mod documents;
/// Checks before a start, and the steps that create what is missing.
pub mod preflight;
/// The application's own table of webhooks.
pub mod webhook_rows;

mod conninfo;
mod required;
mod wire;

pub use conninfo::{
    BadConninfo, ChannelBinding, Conninfo, Endpoint, Host, KeepAlive, Negotiation, PasswordSource,
    RequireAuth, SslMode, read_secret, without_line_break,
};
pub use required::{Required, RequiredColumn};
pub(crate) use wire::verifier;
pub use wire::{
    Connection, Frame, FrameBlock, MalformedFrame, ServerError, SourceError, Stream, StreamClosed,
    StreamOptions, StreamPoint, StreamTimeouts, SystemIdentity, connect_sql,
};
