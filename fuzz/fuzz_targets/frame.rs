#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = sidecar::source::Frame::parse(bytes);
});
