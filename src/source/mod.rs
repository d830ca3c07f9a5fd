//! Postgres → frames: where it is, how to speak to it, and what is run on it.
//!
//! [`Conninfo`] says where; [`Connection`] is a replication connection and [`Stream`] what comes
//! from it; [`connect_sql`] opens an ordinary session over the same sockets, TLS and passwords. What
//! the handshake does, what a frame is and what may be confirmed are pure values.
//!
//! What is asked on such a session: [`survey`] reads all that the sidecar stands on, [`setup`] makes
//! what is missing, [`doctor`] judges, [`snapshot`] reads the table.

/// What rows hold in columns that were added after them.
pub mod added;
/// What the catalog says of a table.
pub mod catalog;
/// What columns are by their types.
pub mod column_types;
/// What can be wrong on the server, before it is.
pub mod doctor;
/// SELECTs over the documents table.
pub mod documents;
/// What tells an excluded document from a live one.
pub mod excluded;
/// Which columns tell one row from another.
pub mod identity;
/// The publication.
pub mod publication;
/// Names and texts as SQL writes them.
pub(crate) mod quote;
/// What is wrong, and what cures it.
pub mod refusal;
/// Which types fit which role.
pub mod roles;
/// A look at some documents.
pub mod sample;
/// All of it, read at once.
pub mod server_state;
/// The server's settings.
pub mod settings;
/// Makes and removes publication and slot.
pub mod setup;
/// The replication slot.
pub mod slot;
/// The table at one place of the log.
pub mod snapshot;
/// The standbys, as a primary sees them.
pub mod standbys;
/// What each column is taken for.
pub mod taken;
/// The forms of types' texts.
pub mod types;
/// The values that tell excluded documents, as the server writes them.
pub mod values;

mod connection;
mod conninfo;
mod error;
mod frame;
mod handshake;
mod passfile;
mod progress;
mod socket;
mod sql;
mod sqlstate;
mod stream;
mod texts;
mod tls;

pub use connection::{Connection, StreamOptions, SystemIdentity};
pub use conninfo::{
    BadConninfo, ChannelBinding, Conninfo, Endpoint, Host, KeepAlive, Negotiation, RequireAuth, SecretFile,
    SslMode,
};
pub use error::SourceError;
pub use frame::{Frame, MalformedFrame};
pub use handshake::ServerError;
pub use passfile::{read_secret, without_line_break};
pub use progress::{Patience, Place};
pub use sql::connect_sql;
pub use stream::{Block, Ended, Stream};
pub(crate) use tls::verifier;
