//! Arguments and exit status.

fn main() {}
