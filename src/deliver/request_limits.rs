//! Limits of requests: how many begin in a second, and how many are in flight.

use std::collections::BTreeMap;
use std::time::Duration;

/// How many requests begin in a second, as the time between two of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RequestRate(Duration);

impl RequestRate {
    /// So many requests a second; `None` where that is not from 0.001 to 10,000.
    pub fn per_second(requests: f64) -> Option<Self> {
        (PER_SECOND_MIN..=PER_SECOND_MAX)
            .contains(&requests)
            .then(|| Self(Duration::from_secs_f64(1.0 / requests)))
    }

    /// The time from one request to the next.
    pub(super) fn interval(self) -> Duration {
        self.0
    }
}

/// Limits of the requests of a webhook, or to a host. `None` is no limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RequestLimits {
    /// How many begin in a second.
    pub rate: Option<RequestRate>,
    /// How many are in flight.
    pub in_flight_max: Option<u32>,
}

impl RequestLimits {
    /// Whether there is a limit.
    pub(super) fn is_limited(self) -> bool {
        self.rate.is_some() || self.in_flight_max.is_some()
    }
}

/// The limits of each host.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HostLimits {
    /// Those of a host that is not named.
    pub default: RequestLimits,
    /// By name, or by name and port as in `example.com:8443`, which comes first.
    pub named: BTreeMap<String, RequestLimits>,
}

impl HostLimits {
    /// The limits of a host with its port.
    pub(super) fn of(&self, host: &str) -> RequestLimits {
        if self.named.is_empty() {
            return self.default;
        }
        let by_name = || self.named.get(host.rsplit_once(':')?.0);
        self.named.get(host).or_else(by_name).copied().unwrap_or(self.default)
    }
}

const PER_SECOND_MIN: f64 = 0.001;
const PER_SECOND_MAX: f64 = 10_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_may_be_a_fraction_and_has_a_range() {
        let interval = |requests| RequestRate::per_second(requests).map(RequestRate::interval);
        assert_eq!(interval(0.5), Some(Duration::from_secs(2)));
        assert_eq!(interval(10.0), Some(Duration::from_millis(100)));
        for requests in [0.0, -1.0, 0.000_9, 10_001.0, f64::NAN, f64::INFINITY] {
            assert_eq!(interval(requests), None, "{requests}");
        }
    }

    #[test]
    fn a_host_with_its_port_comes_before_its_name_and_that_before_the_default() {
        let at_most = |n| RequestLimits { in_flight_max: Some(n), ..RequestLimits::default() };
        let named =
            [("h".to_owned(), at_most(2)), ("h:81".to_owned(), at_most(3)), ("[::1]".to_owned(), at_most(4))];
        let limits = HostLimits { default: at_most(1), named: named.into() };
        for (host, expected) in [("h:81", 3), ("h:80", 2), ("[::1]:80", 4), ("other:81", 1)] {
            assert_eq!(limits.of(host), at_most(expected), "{host}");
        }
    }
}
