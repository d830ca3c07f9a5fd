//! What the stream lacks is found by comparing: exactly the differences are sent.

mod concurrent_writers;
mod edge_cases;
mod fixture;
mod lost_slots;
mod on_demand;
mod reloaded_webhooks;
mod stopped_streams;
