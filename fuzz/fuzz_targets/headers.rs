//! Bytes as an answer, and as the headers of one and of a webhook.

#![no_main]

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use sidecar::deliver::{HeaderNames, keep_alive, logged_headers, status_in};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for http2 in [false, true] {
        assert_eq!(status_in(bytes, http2, 3), status_in(bytes, http2, bytes.len()));
    }
    let mut headers = HeaderMap::new();
    let names = HeaderNames::new("sidecar").unwrap();
    for line in bytes.split(|byte| *byte == b'\n') {
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':').unwrap_or(line.len()));
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) else { continue };
        names.is_reserved(&name);
        let _ = value.to_str().map(keep_alive);
        headers.append(name, value);
    }
    let logged = logged_headers(&headers);
    assert!(logged.lines().count() <= headers.keys_len());
    assert!(!logged.replace('\n', "").contains(char::is_control));
    let _ = std::str::from_utf8(bytes).map(HeaderNames::new);
});
