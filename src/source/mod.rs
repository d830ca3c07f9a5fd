//! Postgres → frames: where it is, how to speak to it, and what is run on it.
//!
//! [`Conninfo`] says where; [`Connection`] is a replication connection and [`Stream`] what comes
//! from it; [`connect_sql`] opens an ordinary session over the same sockets, TLS and passwords. What
//! the handshake does, what a frame is and what may be confirmed are pure values.

mod conninfo;
mod frame;
mod handshake;
mod passfile;
mod progress;
mod socket;
mod sql;
mod stream;
mod tls;

pub use conninfo::{BadConninfo, Conninfo, Host, SslMode};
pub use frame::{Frame, MalformedFrame};
pub use handshake::ServerError;
pub use socket::SourceError;
pub use sql::connect_sql;
pub use stream::{Block, Connection, Ended, Stream, StreamOptions, SystemIdentity};
