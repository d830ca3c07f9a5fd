//! Every part dies, stops, sends garbage or runs out of room, while the application writes: nothing is
//! lost, changed, out of order, or sent to the wrong project.

mod corruption;
mod crash_points;
mod fault;
mod fixture;
mod lost_slot;
mod matrix;
