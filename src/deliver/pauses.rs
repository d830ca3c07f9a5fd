//! Pauses that stand until they are ended, for lanes that there are and for those to come. Pure.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::record::Callback;

/// Which lanes. Each field narrows it; without any, all lanes.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LaneScope {
    /// Those of this project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Those of this callback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<Callback>,
    /// Those whose webhook is on this host: `example.com`, or with a port `example.com:8443`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// A pause.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct StandingPause {
    /// Of which lanes.
    pub scope: LaneScope,
    /// Why.
    pub reason: String,
}

/// All pauses that stand. **A lane in the scope of one is paused.**
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Pauses(pub Vec<StandingPause>);

impl LaneScope {
    /// Whether a lane is in it. `host` is that of its webhook, with the port; empty where it has none.
    pub fn holds(&self, project: &str, callback: Callback, host: &str) -> bool {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        self.project.as_deref().is_none_or(|own| own == project)
            && self.callback.is_none_or(|own| own == callback)
            && self
                .host
                .as_deref()
                .is_none_or(|own| own.eq_ignore_ascii_case(host) || own.eq_ignore_ascii_case(name))
    }

    /// Whether every lane of `other` is in it.
    pub fn covers(&self, other: &Self) -> bool {
        fn covers<T: PartialEq>(own: Option<&T>, other: Option<&T>) -> bool {
            own.is_none() || own == other
        }
        covers(self.project.as_ref(), other.project.as_ref())
            && covers(self.callback.as_ref(), other.callback.as_ref())
            && covers(self.host.as_ref(), other.host.as_ref())
    }
}

impl Pauses {
    /// Adds a pause, in place of one of the same scope.
    #[must_use]
    pub fn with(mut self, pause: StandingPause) -> Self {
        self.0.retain(|other| other.scope != pause.scope);
        self.0.push(pause);
        self
    }

    /// Without those whose lanes are all in `scope`.
    #[must_use]
    pub fn without(mut self, scope: &LaneScope) -> Self {
        self.0.retain(|pause| !scope.covers(&pause.scope));
        self
    }

    /// The pause that a lane is in the scope of.
    pub fn of(&self, project: &str, callback: Callback, host: &str) -> Option<&StandingPause> {
        self.0.iter().find(|pause| pause.scope.holds(project, callback, host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(project: Option<&str>, callback: Option<Callback>, host: Option<&str>) -> LaneScope {
        LaneScope { project: project.map(Into::into), callback, host: host.map(Into::into) }
    }

    #[test]
    fn each_field_narrows_a_scope() {
        let holds = |scope: &LaneScope| scope.holds("p", Callback::Ingested, "h.example:443");
        for (project, callback, host, wanted) in [
            (None, None, None, true),
            (Some("p"), None, None, true),
            (Some("q"), None, None, false),
            (Some("p"), Some(Callback::Ingested), None, true),
            (Some("p"), Some(Callback::Modified), None, false),
            (None, None, Some("H.example"), true),
            (None, None, Some("h.example:443"), true),
            (None, None, Some("h.example:80"), false),
            (None, None, Some("example"), false),
        ] {
            assert_eq!(holds(&scope(project, callback, host)), wanted, "{project:?} {callback:?} {host:?}");
        }
        assert!(scope(None, None, Some("[::1]")).holds("p", Callback::Ingested, "[::1]:80"));
        assert!(!scope(None, None, Some("h")).holds("p", Callback::Ingested, ""), "without a webhook");
    }

    #[test]
    fn a_scope_ends_the_pauses_within_it_and_no_wider_one() {
        let pause = |scope: LaneScope| StandingPause { scope, reason: String::new() };
        let (all, of_p) = (scope(None, None, None), scope(Some("p"), None, None));
        let one = scope(Some("p"), Some(Callback::Modified), None);
        let pauses =
            [&all, &of_p, &one, &one].into_iter().fold(Pauses::default(), |p, s| p.with(pause(s.clone())));
        assert_eq!(pauses.0.len(), 3, "one a scope");
        assert_eq!(pauses.clone().without(&one).0, [pause(all.clone()), pause(of_p.clone())]);
        assert_eq!(pauses.clone().without(&of_p).0, [pause(all.clone())]);
        assert_eq!(pauses.without(&all).0, []);
    }
}
