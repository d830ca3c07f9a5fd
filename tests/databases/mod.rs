//! Databases that differ from those that the other tests use: wide tables, texts that are no UTF-8,
//! sessions that may not write or are ended.

mod encoding;
mod helpers;
mod read_only;
mod session;
mod wide;
