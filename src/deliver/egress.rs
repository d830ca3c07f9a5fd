//! Which addresses may be connected to. Checked where the socket is made, after resolving: a name
//! that is resolved anew, or an address in place of a name, leads nowhere else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// `[egress]`, checked.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Egress {
    /// Allowed though `deny` names them.
    pub allow: Vec<IpNet>,
    /// Refused.
    pub deny: Vec<IpNet>,
}

/// An address that may not be connected to.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Denied {
    /// By the settings.
    #[error("{0} is refused by `egress.deny` ({1}); name it in `egress.allow` to let it through")]
    BySetting(IpAddr, IpNet),
    /// The address of a cloud's metadata: never.
    #[error("{0} is an address of cloud metadata, to which nothing is ever sent")]
    Metadata(IpAddr),
    /// No address of a receiver: unspecified, multicast or broadcast.
    #[error("{0} is not the address of a receiver")]
    NoHost(IpAddr),
}

impl Egress {
    /// Whether `address`, and whatever IPv4 address it wraps, may be connected to.
    pub fn check(&self, address: IpAddr) -> Result<(), Denied> {
        let unwrapped = unwrap(address);
        [Some(address), unwrapped].into_iter().flatten().try_for_each(|address| self.check_one(address))
    }

    fn check_one(&self, address: IpAddr) -> Result<(), Denied> {
        if METADATA.contains(&address) {
            return Err(Denied::Metadata(address));
        }
        let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
        if address.is_unspecified() || address.is_multicast() || broadcast {
            return Err(Denied::NoHost(address));
        }
        let within = |nets: &[IpNet]| nets.iter().find(|net| net.contains(&address)).copied();
        match within(&self.deny) {
            Some(net) if within(&self.allow).is_none() => Err(Denied::BySetting(address, net)),
            _ => Ok(()),
        }
    }
}

/// The IPv4 address that an IPv6 address stands for: v4-mapped and -compatible, NAT64, 6to4.
fn unwrap(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = address else { return None };
    let v4 = |high: u16, low: u16| {
        let bits = u32::from(high) << 16 | u32::from(low);
        Some(IpAddr::V4(Ipv4Addr::from_bits(bits)))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, ..] if v6 == Ipv6Addr::LOCALHOST || v6 == Ipv6Addr::UNSPECIFIED => None,
        [0, 0, 0, 0, 0, 0 | 0xFFFF, high, low]
        | [0x64, 0xFF9B, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => v4(high, low),
        _ => None,
    }
}

const METADATA: &[IpAddr] = &[
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xFD00, 0xEC2, 0, 0, 0, 0, 0, 0x254)),
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
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::169.254.169.254",
            "fd00:ec2::254",
        ] {
            assert!(denied(&everything, address), "{address}");
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
        let said = egress.check("10.2.0.1".parse().unwrap()).unwrap_err().to_string();
        assert!(said.contains("egress.deny") && said.contains("egress.allow"), "{said}");
    }

    #[test]
    fn no_host_has_these_addresses() {
        for address in ["0.0.0.0", "::", "255.255.255.255", "224.0.0.1", "ff02::1"] {
            assert!(denied(&Egress::default(), address), "{address}");
        }
    }
}
