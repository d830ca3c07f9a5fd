//! One request over one connection: address, signature, transport, response.
//!
//! The input is a batch's body with its webhook, the result an [`Outcome`](super::Outcome). Retries and the
//! choice of batches are not made here.

pub(in crate::deliver) mod answer;
pub(in crate::deliver) mod client;
pub(in crate::deliver) mod client_credentials;
pub(in crate::deliver) mod connector;
pub(in crate::deliver) mod egress;
pub(in crate::deliver) mod logged_headers;
pub(in crate::deliver) mod proxy;
pub(in crate::deliver) mod race;
pub(in crate::deliver) mod request;
pub(in crate::deliver) mod target;
pub(in crate::deliver) mod tls_files;
pub(in crate::deliver) mod trust;
pub(in crate::deliver) mod wire;
