//! Any text as `retry-after`, at any time.

#![no_main]

use sidecar::deliver::retry_after;
use sidecar::time::Timestamp;

libfuzzer_sys::fuzz_target!(|input: (i64, &str)| {
    let _ = retry_after(input.1, Timestamp(input.0));
});
