//! The table compared with the shadow; the first start is its simplest case.

mod seen;
