//! What an IP address is: what it embeds, and whether it is public, of no host, or of a cloud's metadata
//! service.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address, and all IPv4 addresses that it may reach.
pub(in crate::deliver) fn reached(address: IpAddr) -> Vec<IpAddr> {
    match address {
        IpAddr::V4(_) => vec![address],
        IpAddr::V6(v6) => [address].into_iter().chain(embedded(v6).into_iter().map(IpAddr::V4)).collect(),
    }
}

/// The IPv4 addresses that an IPv6 address may reach.
pub fn embedded(v6: Ipv6Addr) -> Vec<Ipv4Addr> {
    if v6 == Ipv6Addr::LOCALHOST || v6 == Ipv6Addr::UNSPECIFIED {
        return Vec::new();
    }
    let segments = v6.segments();
    let bits = v6.to_bits();
    let at =
        |bit: u32| Ipv4Addr::from_bits(u32::try_from(bits >> (96 - bit) & 0xFFFF_FFFF).unwrap_or_default());
    // <https://www.rfc-editor.org/rfc/rfc6052#section-2.2>: bits 64 to 71 are left out.
    let joined = (bits >> 64) << 56 | bits & ((1 << 56) - 1);
    let around =
        |bit: u32| Ipv4Addr::from_bits(u32::try_from(joined >> (88 - bit) & 0xFFFF_FFFF).unwrap_or_default());
    match segments {
        // Compatible, mapped, and translated.
        [0, 0, 0, 0, 0, 0 | 0xFFFF, ..] | [0, 0, 0, 0, 0xFFFF, 0, ..] | [0x64, 0xFF9B, 0, 0, 0, 0, ..] => {
            vec![at(96)]
        }
        // NAT64 of a network's own, whose prefix may have any length: what it reads as by chance is no
        // host, and is not meant.
        [0x64, 0xFF9B, 1, ..] => {
            let all = [at(96), around(48), around(56), around(64)];
            all.into_iter().filter(|v4| v4.octets()[0] != 0).collect()
        }
        // 6to4, and Teredo with its server and its client.
        [0x2002, ..] => vec![at(16)],
        [0x2001, 0, ..] => vec![at(32), Ipv4Addr::from_bits(!at(96).to_bits())],
        // ISATAP, below any prefix.
        [_, _, _, _, 0 | 0x200, 0x5EFE, ..] => vec![at(96)],
        _ => Vec::new(),
    }
}

/// Whether it is reachable from the whole internet, by the registries of special addresses:
/// <https://www.iana.org/assignments/iana-ipv4-special-registry>,
/// <https://www.iana.org/assignments/iana-ipv6-special-registry>. What it embeds must be public too.
pub fn is_public(address: IpAddr) -> bool {
    let v6 = match address {
        IpAddr::V4(v4) => return is_public_v4(v4),
        IpAddr::V6(v6) => v6,
    };
    let is_global = match v6.segments() {
        [0, 0, 0, 0, 0, 0xFFFF, ..] | [0x64, 0xFF9B, 0, 0, 0, 0, ..] => true,
        // Protocols (Teredo among them), documentation, 6to4, documentation.
        [0x2001, 0..=0x1FF | 0xDB8, ..] | [0x2002, ..] | [0x3FFF, 0..=0xFFF, ..] => false,
        [first, ..] => (0x2000..0x4000).contains(&first),
    };
    is_global && embedded(v6).into_iter().all(is_public_v4)
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    // In order: this network, private, shared, loopback, link-local, private, protocols, documentation,
    // relays of 6to4, private, benchmarks, documentation twice, multicast and what is above.
    !matches!(
        v4.octets(),
        [0 | 10 | 127 | 224.., ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [192, 168, ..]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
    )
}

/// Whether it is not the address of a host: unspecified, multicast or broadcast.
pub(in crate::deliver) fn is_no_host(address: IpAddr) -> bool {
    // "This network" leads to the machine itself where a system takes it at all.
    let is_none = match address {
        IpAddr::V4(v4) => v4.octets()[0] == 0 || v4 == Ipv4Addr::BROADCAST,
        IpAddr::V6(v6) => v6.is_unspecified(),
    };
    is_none || address.is_multicast()
}

pub(in crate::deliver) fn is_metadata(address: IpAddr) -> bool {
    METADATA.contains(&address)
}

/// The names of metadata services, for proxies that resolve names.
pub(in crate::deliver) const METADATA_HOSTS: &[&str] = &[
    "instance-data",
    "instance-data.ec2.internal",
    "metadata",
    "metadata.goog",
    "metadata.google.internal",
    "metadata.tencentyun.com",
];

/// Where clouds tell machines who they are: AWS, its containers and pods, Azure, Google, Alibaba,
/// Oracle, Tencent and Scaleway.
const METADATA: &[IpAddr] = &[
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 0, 23)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 42, 42)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xFD00, 0xEC2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xFD00, 0xEC2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xFD20, 0xCE, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xFD00, 0x42, 0, 0, 0, 0, 0, 0x42)),
    IpAddr::V6(Ipv6Addr::new(0xFD00, 0xC1, 0, 0, 0, 0, 0xA9FE, 0xA9FE)),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An IPv4 address in every wrapping.
    fn wrappings(v4: Ipv4Addr) -> Vec<String> {
        let [a, b, c, d] = v4.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        vec![
            v4.to_string(),
            format!("::ffff:{v4}"),
            format!("::{v4}"),
            format!("::ffff:0:{v4}"),
            format!("64:ff9b::{v4}"),
            format!("64:ff9b:1::{v4}"),
            format!("64:ff9b:1:7:8::{v4}"),
            format!("64:ff9b:1:{high:x}:{c:02x}:{d:02x}00::"),
            format!("64:ff9b:1:{:x}:{b:02x}:{low:x}::", 0x700 | u16::from(a)),
            format!("64:ff9b:1:7:{a:02x}:{b:02x}{c:02x}:{d:02x}00:0"),
            format!("2002:{high:x}:{low:x}::1"),
            format!("2001:0:{high:x}:{low:x}::1"),
            format!("2001:0:101:101:8000:0:{:x}:{:x}", !high, !low),
            format!("fe80::5efe:{v4}"),
            format!("2001:db8::200:5efe:{v4}"),
        ]
    }

    #[test]
    fn metadata_is_seen_however_it_is_wrapped() {
        let mut tried = 0;
        for address in METADATA {
            let forms = match address {
                IpAddr::V4(v4) => wrappings(*v4),
                IpAddr::V6(v6) => vec![v6.to_string()],
            };
            for form in forms {
                assert!(reached(form.parse().unwrap()).into_iter().any(is_metadata), "{form}");
                tried += 1;
            }
        }
        assert!(tried > 120);
        for form in ["2001:db8::1", "2606:4700::1111", "fd00:ec2::1", "2001:4860:4860::8888", "::1"] {
            assert_eq!(reached(form.parse().unwrap()).len(), 1, "{form}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn every_wrapping_of_an_address_reaches_it(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            // What a NAT64 prefix of unknown length reads as such is no host.
            prop_assume!(v4.octets()[0] != 0);
            for form in wrappings(v4) {
                prop_assert!(reached(form.parse().unwrap()).contains(&IpAddr::V4(v4)), "{}", form);
                prop_assert!(is_public_v4(v4) || !is_public(form.parse().unwrap()), "{}", form);
            }
        }

        #[test]
        fn any_address_is_unwrapped_into_a_few(bits: u128) {
            let v6 = Ipv6Addr::from_bits(bits);
            prop_assert!(embedded(v6).len() <= 4);
            prop_assert!(!is_public(v6.into()) || !is_no_host(v6.into()) && !is_metadata(v6.into()));
        }
    }

    #[test]
    fn public_is_what_the_whole_internet_can_reach() {
        for address in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2001:200::1",
            "2606:4700::1111",
            "3fff:1000::1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.1.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::8.8.8.8",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:808:808::1",
            "2606:4700::5efe:10.0.0.1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn no_host_has_these_addresses() {
        for address in
            ["0.0.0.0", "0.1.2.3", "::ffff:0.0.0.1", "::2", "::", "255.255.255.255", "224.0.0.1", "ff02::1"]
        {
            assert!(reached(address.parse().unwrap()).into_iter().any(is_no_host), "{address}");
        }
    }
}
