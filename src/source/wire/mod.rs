//! The protocol on the socket. In: a [`Conninfo`](super::Conninfo). Out: SQL sessions, replication
//! connections and, from these, a stream of frames; every failure as a [`SourceError`].
//!
//! Guarantees: passwords and certificates are used as libpq would; malformed bytes are an error and never a
//! panic; only LSNs that the caller reported as synced are confirmed; a silent server is noticed within its
//! timeout. The handshake, frames and progress are pure.

pub(super) mod connection;
pub(super) mod cursor;
pub(super) mod error;
pub(super) mod frame;
pub(super) mod handshake;
pub(super) mod pace;
pub(super) mod progress;
pub(super) mod socket;
pub(super) mod sql;
pub(super) mod sqlstate;
pub(super) mod stream;
pub(super) mod tls;
pub(super) mod transport;

pub use connection::{Connection, StreamOptions, SystemIdentity};
pub use error::SourceError;
pub use frame::{Frame, MalformedFrame};
pub use handshake::ServerError;
pub use progress::{StreamPoint, StreamTimeouts};
pub use sql::connect_sql;
pub use stream::{FrameBlock, Stream, StreamClosed};
pub(crate) use tls::verifier;
