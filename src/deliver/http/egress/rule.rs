//! One entry of `egress.allow`, `egress.deny` or `egress.tenant_allow`: a network, or hosts by name.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use url::Host;

/// A network, or hosts by name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EgressRule {
    /// A host, and with a dot in front the hosts below it too.
    Host {
        /// In lower case, without dots around it.
        name: String,
        /// Whether the hosts below it are meant too.
        below: bool,
    },
    /// The addresses of a network.
    Net(IpNet),
}

/// The text is no rule.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{0}` is not a network like \"10.0.0.0/8\", nor a host like \"hooks.example.com\" or, with all hosts below it, \".example.com\""
)]
pub struct BadRule(String);

impl EgressRule {
    /// Whether it is about an address.
    pub(in crate::deliver) fn has_address(&self, address: IpAddr) -> bool {
        matches!(self, Self::Net(net) if net.contains(&address))
    }

    /// Whether it is about a host, by its name alone.
    pub(in crate::deliver) fn has_host(&self, host: &str) -> bool {
        let Self::Host { name, below } = self else { return false };
        let front = host.strip_suffix(name.as_str());
        front.is_some_and(|front| front.is_empty() || *below && front.ends_with('.'))
    }
}

impl FromStr for EgressRule {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<Self, BadRule> {
        let bad = || BadRule(text.to_owned());
        if let Ok(net) = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
            return Ok(Self::Net(net));
        }
        let (below, name) = text.strip_prefix('.').map_or((false, text), |name| (true, name));
        let Ok(Host::Domain(name)) = Host::parse(name) else { return Err(bad()) };
        let name = name.strip_suffix('.').unwrap_or(&name);
        // After parsing, which turns other full stops and asterisks of Unicode into these.
        if name.contains('*') || name.split('.').any(str::is_empty) {
            return Err(bad());
        }
        Ok(Self::Host { name: name.to_owned(), below })
    }
}

impl fmt::Display for EgressRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { name, below: true } => write!(f, ".{name}"),
            Self::Host { name, below: false } => f.write_str(name),
            Self::Net(net) => net.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_a_network_a_host_or_a_host_with_those_below_it() {
        let rule = |text: &str| text.parse::<EgressRule>().unwrap();
        for (text, shown) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("::1", "::1/128"),
            ("Hooks.Example.com.", "hooks.example.com"),
            (".example.com", ".example.com"),
            (".bücher.example", ".xn--bcher-kva.example"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(rule(text).to_string(), shown, "{text}");
        }
        for text in [
            "",
            ".",
            "..example.com",
            "example.com..",
            "a..example.com",
            "example.com\u{3002}\u{3002}",
            "\u{ff0a}.example.com",
            "*.example.com",
            "10.0.0.0/33",
            "10.1",
            "0x7f.1",
            "a b",
            "http://h/",
            "h:80",
            "[::1]",
        ] {
            assert_eq!(text.parse::<EgressRule>(), Err(BadRule(text.into())), "{text}");
        }
        let below = rule(".example.com");
        assert!(below.has_host("example.com") && below.has_host("a.b.example.com"));
        assert!(!below.has_host("badexample.com") && !below.has_host("example.com.evil"));
        let one = rule("example.com");
        assert!(one.has_host("example.com") && !one.has_host("a.example.com"));
        assert!(
            rule("10.0.0.0/8").has_address("10.1.2.3".parse().unwrap())
                && !one.has_address("10.1.2.3".parse().unwrap())
        );
    }
}
