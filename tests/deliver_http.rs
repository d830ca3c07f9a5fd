//! The right loop against real sockets: what receivers do, and what becomes of the records.

#[path = "deliver_http/lab.rs"]
mod lab;
#[path = "deliver_http/receiver.rs"]
mod receiver;

#[path = "deliver_http/answers.rs"]
mod answers;
#[path = "deliver_http/batches.rs"]
mod batches;
#[path = "deliver_http/network.rs"]
mod network;
