//! What the stream cannot tell is found by comparing: exactly the differences go out.

mod concurrent_writers;
mod edge_cases;
mod fixture;
mod lost_slots;
mod on_demand;
mod reloaded_webhooks;
mod stopped_streams;
