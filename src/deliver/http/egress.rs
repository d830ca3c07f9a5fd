//! Which addresses may be connected to. Checked where the socket is made, after resolving: neither a name
//! that is resolved again nor an address in place of a name can bypass it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// `[egress]`, validated.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Egress {
    /// Allowed although in `deny`.
    pub allow: Vec<IpNet>,
    /// Denied.
    pub deny: Vec<IpNet>,
}

/// An address that may not be connected to.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Denied {
    /// Denied by the settings.
    #[error("{0} is refused by `egress.deny` ({1}); name it in `egress.allow` to let it through")]
    BySetting(IpAddr, IpNet),
    /// A cloud's metadata service: always denied.
    #[error("{0} is an address of cloud metadata, to which nothing is ever sent")]
    Metadata(IpAddr),
    /// Not the address of a host: unspecified, multicast or broadcast.
    #[error("{0} is not the address of a receiver")]
    NoHost(IpAddr),
}

impl Egress {
    /// Whether `address`, and any IPv4 address embedded in it, may be connected to.
    pub fn check(&self, address: IpAddr) -> Result<(), Denied> {
        self.check_one(address)?;
        let IpAddr::V6(v6) = address else { return Ok(()) };
        wrapped(v6).into_iter().try_for_each(|v4| self.check_one(IpAddr::V4(v4)))
    }

    fn check_one(&self, address: IpAddr) -> Result<(), Denied> {
        if METADATA.contains(&address) {
            return Err(Denied::Metadata(address));
        }
        // "This network" leads to the machine itself where a system takes it at all.
        let no_host = match address {
            IpAddr::V4(v4) => v4.octets()[0] == 0 || v4 == Ipv4Addr::BROADCAST,
            IpAddr::V6(v6) => v6.is_unspecified(),
        };
        if no_host || address.is_multicast() {
            return Err(Denied::NoHost(address));
        }
        let within = |nets: &[IpNet]| nets.iter().find(|net| net.contains(&address)).copied();
        match within(&self.deny) {
            Some(net) if within(&self.allow).is_none() => Err(Denied::BySetting(address, net)),
            _ => Ok(()),
        }
    }
}

/// The IPv4 addresses that may be embedded in an IPv6 address.
fn wrapped(v6: Ipv6Addr) -> Vec<Ipv4Addr> {
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

    fn denied(egress: &Egress, address: &str) -> bool {
        egress.check(address.parse().unwrap()).is_err()
    }

    #[test]
    fn metadata_is_never_reached_however_it_is_written() {
        let everything =
            Egress { allow: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()], deny: Vec::new() };
        let wrappings = |v4: Ipv4Addr| {
            let [a, b, c, d] = v4.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            [
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
        };
        let mut tried = 0;
        for address in METADATA {
            let forms = match address {
                IpAddr::V4(v4) => wrappings(*v4).to_vec(),
                IpAddr::V6(v6) => vec![v6.to_string()],
            };
            for form in forms {
                let refused = everything.check(form.parse().unwrap());
                assert!(matches!(refused, Err(Denied::Metadata(_))), "{form}: {refused:?}");
                tried += 1;
            }
        }
        assert!(tried > 120);
        let private = Egress { deny: vec!["10.0.0.0/8".parse().unwrap()], allow: Vec::new() };
        for form in wrappings(Ipv4Addr::new(10, 1, 2, 3)) {
            assert!(denied(&private, &form), "{form}");
        }
        for form in wrappings(Ipv4Addr::new(198, 51, 100, 7)) {
            assert!(!denied(&private, &form), "{form}");
        }
        for form in ["2001:db8::1", "2606:4700::1111", "fd00:ec2::1", "2001:4860:4860::8888", "::1"] {
            assert!(!denied(&private, form), "{form}");
        }
    }

    #[test]
    fn what_is_denied_may_be_allowed_by_name_and_the_error_says_how() {
        let egress = Egress {
            allow: vec!["10.1.0.0/16".parse().unwrap()],
            deny: vec!["10.0.0.0/8".parse().unwrap(), "fe80::/10".parse().unwrap()],
        };
        assert!(
            denied(&egress, "10.2.0.1") && denied(&egress, "::ffff:10.2.0.1") && denied(&egress, "fe80::1")
        );
        assert!(!denied(&egress, "10.1.0.1") && !denied(&egress, "127.0.0.1") && !denied(&egress, "::1"));
        let error = egress.check("10.2.0.1".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("egress.deny") && error.contains("egress.allow"), "{error}");
    }

    #[test]
    fn no_host_has_these_addresses() {
        for address in
            ["0.0.0.0", "0.1.2.3", "::ffff:0.0.0.1", "::2", "::", "255.255.255.255", "224.0.0.1", "ff02::1"]
        {
            assert!(denied(&Egress::default(), address), "{address}");
        }
    }
}
