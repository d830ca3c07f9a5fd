#![no_main]

// Whatever the server sends: a message or an error, never a panic.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = sidecar::decode::Message::parse(bytes);
});
