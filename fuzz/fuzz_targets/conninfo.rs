#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = sidecar::source::Conninfo::parse(text, Some("user"));
});
