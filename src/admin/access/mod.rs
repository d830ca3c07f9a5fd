//! Who makes a request, what they may do, and of which projects they see anything.
//!
//! ```text
//! host rule ──▶ authentication (socket, token, cookie, proxy's user) ──▶ Access ──▶ authorize ──▶ handler
//!                                                                                  (endpoints)
//! ```
//!
//! 1. Every request that reaches a handler has an [`Access`] as an extension.
//! 2. An endpoint that [`endpoints`] does not list answers nobody.
//! 3. Every method of [`super::Control`] that lists, finds or changes something takes the [`Access`], and keeps to its
//!    [`Scope`].

mod attempts;
mod authenticate;
mod authorize;
mod caller;
mod capability;
mod client;
mod endpoints;
mod granted;
mod host;
mod options;
mod origin;
mod scope;
mod socket_peer;

pub use caller::Caller;
pub use capability::Capability;
pub use endpoints::{ENDPOINTS, Endpoint, Reach};
pub use granted::Access;
pub use options::AccessOptions;
pub use scope::Scope;

pub(super) use attempts::FailedLogins;
pub(super) use authenticate::{COOKIE, Gate, authenticate, cookie};
pub(super) use authorize::authorize;
pub(super) use client::{Client, TcpPeer};
pub(super) use socket_peer::{SocketPeer, of_socket};
