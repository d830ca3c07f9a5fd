//! Any bytes as one message of the stream: read or refused, never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sidecar::decode::Message;

fuzz_target!(|bytes: &[u8]| {
    let _ = Message::parse(bytes);
});
