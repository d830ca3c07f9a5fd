//! An address, and texts of `[egress]`: what an address embeds is unwrapped, and nothing public embeds what is not.

#![no_main]

use std::net::{IpAddr, Ipv6Addr};

use sidecar::deliver::{EgressRule, Proxy, embedded, is_public};

libfuzzer_sys::fuzz_target!(|input: (u128, &str)| {
    let (bits, text) = input;
    let address = Ipv6Addr::from_bits(bits);
    let inside = embedded(address);
    assert!(inside.len() <= 4);
    assert!(!is_public(address.into()) || inside.iter().all(|v4| is_public(IpAddr::V4(*v4))));
    if let Ok(rule) = text.parse::<EgressRule>() {
        assert_eq!(rule.to_string().parse().as_ref(), Ok(&rule));
    }
    let _ = Proxy::parse(text);
});
