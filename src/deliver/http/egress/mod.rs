//! Where requests may go. Checked where the socket is made, after resolving: neither a name that is resolved
//! again nor an address in place of a name can bypass it. Behind a proxy that resolves names, names and
//! addresses in place of names are checked.

pub(in crate::deliver) mod addresses;
mod rule;

use std::net::IpAddr;

use self::addresses::{METADATA_HOSTS, is_metadata, is_no_host, is_public, reached};
use crate::deliver::webhook::SetBy;

pub use self::rule::{BadRule, EgressRule};

/// `[egress]`, validated.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Egress {
    /// Where the operator's webhooks may go; empty: everywhere.
    pub allow: Vec<EgressRule>,
    /// Where no webhook may go, although allowed.
    pub deny: Vec<EgressRule>,
    /// Where tenants' webhooks may go, besides public addresses over https.
    pub tenant_allow: Vec<EgressRule>,
}

/// What a connection is made to.
#[derive(Clone, Copy, Debug)]
pub(in crate::deliver) struct Target<'a> {
    /// In lower case; an address without brackets.
    pub(in crate::deliver) host: &'a str,
    pub(in crate::deliver) https: bool,
    pub(in crate::deliver) set_by: SetBy,
}

/// Why a connection is not made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Denied {
    /// Denied by the settings.
    #[error(
        "{0} is refused by `egress.deny` ({1}), which wins over `egress.allow`: narrow it to let this through"
    )]
    BySetting(String, EgressRule),
    /// A cloud's metadata service: always denied.
    #[error("{0} is an address of cloud metadata, to which nothing is ever sent")]
    Metadata(String),
    /// Not the address of a host: unspecified, multicast or broadcast.
    #[error("{0} is not the address of a receiver")]
    NoHost(IpAddr),
    /// Not among what is allowed.
    #[error("{0} is not in `egress.allow`: add its network or its host to let it through")]
    NotAllowed(String),
    /// A tenant's webhook to an address that is not public.
    #[error(
        "{0} is not a public address, and not in `egress.tenant_allow`: a tenant's webhook may not go there"
    )]
    NotPublic(String),
    /// A tenant's webhook without TLS.
    #[error("{0} is not in `egress.tenant_allow`: a tenant's webhook may go there over https only")]
    PlainHttp(String),
    /// A name whose address only the proxy knows.
    #[error(
        "the address of {0} is known to the proxy only: add the host to `egress.allow` to let it through"
    )]
    Unresolved(String),
}

impl Egress {
    /// Whether a host may be resolved and asked about at all.
    pub(in crate::deliver) fn check_host(&self, target: &Target<'_>) -> Result<(), Denied> {
        let host = name(target);
        let rule = self.deny.iter().find(|rule| rule.has_host(host));
        rule.map_or(Ok(()), |rule| Err(Denied::BySetting(host.to_owned(), rule.clone())))
    }

    /// Whether a connection may be made to `address`, which the host has.
    pub(in crate::deliver) fn check(&self, target: &Target<'_>, address: IpAddr) -> Result<(), Denied> {
        self.check_host(target)?;
        let reached = reached(address);
        if let Some(metadata) = reached.iter().find(|address| is_metadata(**address)) {
            return Err(Denied::Metadata(metadata.to_string()));
        }
        if let Some(none) = reached.iter().find(|address| is_no_host(**address)) {
            return Err(Denied::NoHost(*none));
        }
        for denied in &reached {
            if let Some(rule) = self.deny.iter().find(|rule| rule.has_address(*denied)) {
                return Err(Denied::BySetting(denied.to_string(), rule.clone()));
            }
        }
        let in_list = |list: &[EgressRule]| {
            let has = |address: &IpAddr| list.iter().any(|rule| rule.has_address(*address));
            // The address itself, or all that it embeds.
            let embedded = reached.get(1..).unwrap_or_default();
            has(&address) || !embedded.is_empty() && embedded.iter().all(has) || has_host(list, target)
        };
        match target.set_by {
            SetBy::Operator if self.allow.is_empty() || in_list(&self.allow) => Ok(()),
            SetBy::Operator => Err(Denied::NotAllowed(address.to_string())),
            SetBy::Tenant if in_list(&self.tenant_allow) => Ok(()),
            SetBy::Tenant if !target.https => Err(Denied::PlainHttp(name(target).to_owned())),
            SetBy::Tenant if is_public(address) => Ok(()),
            SetBy::Tenant => Err(Denied::NotPublic(address.to_string())),
        }
    }

    /// Whether a proxy may be asked for a host whose name only the proxy resolves.
    pub(in crate::deliver) fn check_unresolved(&self, target: &Target<'_>) -> Result<(), Denied> {
        if let Ok(address) = target.host.parse() {
            return self.check(target, address);
        }
        self.check_host(target)?;
        let host = name(target);
        if METADATA_HOSTS.contains(&host) {
            return Err(Denied::Metadata(host.to_owned()));
        }
        match target.set_by {
            SetBy::Operator if self.allow.is_empty() || has_host(&self.allow, target) => Ok(()),
            SetBy::Operator => Err(Denied::Unresolved(host.to_owned())),
            SetBy::Tenant if has_host(&self.tenant_allow, target) => Ok(()),
            SetBy::Tenant if !target.https => Err(Denied::PlainHttp(host.to_owned())),
            SetBy::Tenant if !is_local(host) => Ok(()),
            SetBy::Tenant => Err(Denied::NotPublic(host.to_owned())),
        }
    }
}

fn has_host(list: &[EgressRule], target: &Target<'_>) -> bool {
    list.iter().any(|rule| rule.has_host(name(target)))
}

/// The host without the dot that may end it.
fn name<'a>(target: &Target<'a>) -> &'a str {
    target.host.strip_suffix('.').unwrap_or(target.host)
}

/// Whether no public address has this name: <https://www.iana.org/assignments/special-use-domain-names>
fn is_local(host: &str) -> bool {
    match host.rsplit_once('.') {
        None => true,
        Some((front, last)) => {
            LOCAL_DOMAINS.contains(&last) || last == "arpa" && front.rsplit('.').next() == Some("home")
        }
    }
}

const LOCAL_DOMAINS: &[&str] = &[
    "corp",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localhost",
    "onion",
    "private",
    "test",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn egress(allow: &[&str], deny: &[&str], tenant_allow: &[&str]) -> Egress {
        let rules = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Egress { allow: rules(allow), deny: rules(deny), tenant_allow: rules(tenant_allow) }
    }

    fn target(host: &str, set_by: SetBy) -> Target<'_> {
        Target { host, https: true, set_by }
    }

    fn allows(egress: &Egress, set_by: SetBy, host: &str, address: &str) -> bool {
        egress.check(&target(host, set_by), address.parse().unwrap()).is_ok()
    }

    #[test]
    fn metadata_is_refused_to_both_whatever_is_allowed() {
        let all = egress(&["0.0.0.0/0", "::/0", ".internal"], &[], &["0.0.0.0/0", "::/0", ".internal"]);
        for set_by in [SetBy::Operator, SetBy::Tenant] {
            for address in
                ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254"]
            {
                let refused = all.check(&target("h.internal", set_by), address.parse().unwrap());
                assert!(matches!(refused, Err(Denied::Metadata(_))), "{address}: {refused:?}");
                let refused = all.check_unresolved(&target(address, set_by));
                assert!(matches!(refused, Err(Denied::Metadata(_))), "{address}: {refused:?}");
            }
            for host in ["metadata.google.internal", "metadata.google.internal."] {
                let refused = all.check_unresolved(&target(host, set_by));
                assert!(matches!(refused, Err(Denied::Metadata(_))), "{host}: {refused:?}");
            }
            for address in ["0.0.0.0", "224.0.0.1", "::", "ff02::1", "::ffff:255.255.255.255"] {
                let refused = all.check(&target("h.internal", set_by), address.parse().unwrap());
                assert!(matches!(refused, Err(Denied::NoHost(_))), "{address}: {refused:?}");
            }
            assert!(allows(&all, set_by, "h.internal", "127.0.0.1"));
        }
    }

    #[test]
    fn deny_wins_and_an_empty_allow_is_everything() {
        let open = egress(&[], &["10.0.0.0/8", "fe80::/10", ".bad.example"], &[]);
        for (host, address) in
            [("h", "10.2.0.1"), ("h", "::ffff:10.2.0.1"), ("h", "fe80::1"), ("a.bad.example", "1.1.1.1")]
        {
            assert!(!allows(&open, SetBy::Operator, host, address), "{host} at {address}");
        }
        for address in ["11.1.0.1", "127.0.0.1", "::1", "192.168.0.1"] {
            assert!(allows(&open, SetBy::Operator, "h", address), "{address}");
        }
        let both = egress(&["10.0.0.0/8", ".good.example"], &["10.1.0.0/16", "not.good.example"], &[]);
        for (host, address, allowed) in [
            ("h", "10.2.0.1", true),
            ("h", "::ffff:10.2.0.1", true),
            ("h", "64:ff9b::10.2.0.1", true),
            ("h", "10.1.0.1", false),
            ("h", "11.0.0.1", false),
            ("a.good.example", "11.0.0.1", true),
            ("a.good.example", "10.1.0.1", false),
            ("not.good.example", "11.0.0.1", false),
            ("not.good.example.", "11.0.0.1", false),
        ] {
            assert_eq!(allows(&both, SetBy::Operator, host, address), allowed, "{host} at {address}");
        }
        let error = both.check(&target("h", SetBy::Operator), "10.1.0.1".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("`egress.deny` (10.1.0.0/16)"), "{error}");
        let error = both.check(&target("h", SetBy::Operator), "11.0.0.1".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("add its network or its host"), "{error}");
    }

    #[test]
    fn a_tenants_webhook_goes_to_public_addresses_over_https_unless_listed() {
        let egress = egress(&["127.0.0.1"], &["8.8.8.8"], &["10.1.0.0/16", ".tenants.example"]);
        for (host, address, allowed) in [
            ("h.example", "1.1.1.1", true),
            ("h.example", "8.8.8.8", false),
            ("h.example", "127.0.0.1", false),
            ("h.example", "10.2.0.1", false),
            ("h.example", "64:ff9b::10.2.0.1", false),
            ("h.example", "2002:a02:1::1", false),
            ("h.example", "10.1.0.1", true),
            ("a.tenants.example", "192.168.0.1", true),
        ] {
            assert_eq!(allows(&egress, SetBy::Tenant, host, address), allowed, "{host} at {address}");
        }
        let plain = |host, address: &str| {
            egress.check(&Target { https: false, ..target(host, SetBy::Tenant) }, address.parse().unwrap())
        };
        assert_eq!(plain("h.example", "1.1.1.1"), Err(Denied::PlainHttp("h.example".into())));
        assert!(plain("h.example", "10.1.0.1").is_ok() && plain("a.tenants.example", "1.1.1.1").is_ok());
    }

    #[test]
    fn where_a_proxy_resolves_names_and_addresses_are_checked() {
        let egress = egress(&["10.0.0.0/8", ".good.example"], &[".bad.example"], &["lan.tenants.example"]);
        for (set_by, host, allowed) in [
            (SetBy::Operator, "10.1.0.1", true),
            (SetBy::Operator, "11.1.0.1", false),
            (SetBy::Operator, "a.good.example", true),
            (SetBy::Operator, "other.example", false),
            (SetBy::Operator, "a.bad.example", false),
            (SetBy::Tenant, "hooks.example.com", true),
            (SetBy::Tenant, "a.bad.example", false),
            (SetBy::Tenant, "localhost", false),
            (SetBy::Tenant, "db", false),
            (SetBy::Tenant, "db.internal.", false),
            (SetBy::Tenant, "nas.home.arpa", false),
            (SetBy::Tenant, "10.0.0.1", false),
            (SetBy::Tenant, "1.1.1.1", true),
            (SetBy::Tenant, "lan.tenants.example", true),
        ] {
            assert_eq!(egress.check_unresolved(&target(host, set_by)).is_ok(), allowed, "{set_by:?} {host}");
        }
    }
}
