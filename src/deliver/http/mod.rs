//! One request over one connection: how it is addressed, signed, sent, and what its answer says.
//!
//! In comes a batch's body with its webhook; out goes an [`Outcome`](super::Outcome). Nothing here retries
//! or chooses what is sent.

pub(in crate::deliver) mod answer;
pub(in crate::deliver) mod client;
pub(in crate::deliver) mod connector;
pub(in crate::deliver) mod egress;
pub(in crate::deliver) mod location;
pub(in crate::deliver) mod proxy;
pub(in crate::deliver) mod request;
pub(in crate::deliver) mod signature;
pub(in crate::deliver) mod trust;
pub(in crate::deliver) mod wire;
