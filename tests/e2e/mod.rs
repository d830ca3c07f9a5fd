//! From a committed change to a delivered webhook: the real program between real servers and real
//! sockets.

mod cases;
mod changes;
mod first_start;
mod full_disk;
mod full_spool;
mod isolation;
mod kills;
mod lifecycle;
mod mappings;
mod memory;
