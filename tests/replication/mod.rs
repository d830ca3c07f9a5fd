//! The replication client against real servers, and against one that misbehaves.

mod authentication;
mod fixture;
mod misbehaving;
mod rotation;
mod streaming;
mod tls;
