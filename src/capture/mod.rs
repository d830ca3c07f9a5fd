//! The left loop: frames → changes → groups of records, shadow and position → the spool → the LSN
//! that may be confirmed.

mod stand;
