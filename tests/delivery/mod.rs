//! The right loop against real sockets: what receivers do, and what becomes of the records.

mod batches;
mod client_certificates;
mod deadline;
mod egress;
mod fixture;
mod format_1;
mod hell;
mod http2;
mod network;
mod oauth2;
mod policy;
mod receiver;
mod redelivery;
mod request_limits;
mod responses;
mod signatures;
mod stale_connections;
mod status_codes;
mod surge;
mod tls;
mod verifiers;
mod webhook_query;
