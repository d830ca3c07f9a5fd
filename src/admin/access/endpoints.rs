//! Every endpoint, and what it takes. One that is not listed here answers nobody.

use super::capability::Capability::{self, Manage, Secret, SendAgain, View};

/// One method of one path.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// As the router has it: `/api/v1/replays/{no}`.
    pub path: &'static str,
    /// What it takes; empty: everybody may call it.
    pub needs: &'static [Capability],
    /// Who is served.
    pub reach: Reach,
}

/// Whom an endpoint serves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// Only a caller of all projects.
    Operator,
    /// A caller of one project too: it sees that project and nothing else.
    Tenant,
}

impl Endpoint {
    /// Whether it changes nothing.
    pub fn is_read(&self) -> bool {
        self.method == "GET"
    }

    /// The methods of a path; none: no endpoint has it.
    pub(super) fn methods(path: &str) -> Vec<&'static str> {
        let methods =
            ENDPOINTS.iter().filter(|endpoint| endpoint.path == path).map(|endpoint| endpoint.method);
        methods.flat_map(|method| if method == "GET" { vec!["GET", "HEAD"] } else { vec![method] }).collect()
    }

    /// The endpoint of a request.
    pub fn find(method: &str, path: &str) -> Option<&'static Self> {
        // A GET route answers HEAD too.
        let method = if method == "HEAD" { "GET" } else { method };
        ENDPOINTS.iter().find(|endpoint| endpoint.path == path && endpoint.method == method)
    }
}

/// A form or a page that everybody may use.
const fn public(method: &'static str, path: &'static str) -> Endpoint {
    Endpoint { method, path, needs: &[], reach: Reach::Tenant }
}

const fn tenant(method: &'static str, path: &'static str, needs: &'static [Capability]) -> Endpoint {
    Endpoint { method, path, needs, reach: Reach::Tenant }
}

const fn operator(method: &'static str, path: &'static str, needs: &'static [Capability]) -> Endpoint {
    Endpoint { method, path, needs, reach: Reach::Operator }
}

/// Every endpoint.
pub const ENDPOINTS: &[Endpoint] = &[
    public("GET", "/-/healthy"),
    public("GET", "/-/ready"),
    public("GET", "/link"),
    public("POST", "/link"),
    public("GET", "/sign-in"),
    public("POST", "/sign-in"),
    public("POST", "/sign-out"),
    public("GET", "/assets/page.css"),
    public("GET", "/assets/page.js"),
    public("GET", "/assets/icon.svg"),
    operator("GET", "/", &[View]),
    tenant("GET", "/projects", &[View]),
    tenant("GET", "/project", &[View]),
    tenant("GET", "/webhook", &[View]),
    tenant("POST", "/webhook", &[Manage]),
    tenant("GET", "/webhook/remove", &[View]),
    tenant("POST", "/webhook/remove", &[Manage]),
    tenant("GET", "/webhook/test", &[View]),
    tenant("POST", "/webhook/test", &[SendAgain]),
    tenant("GET", "/webhook/rotate", &[View]),
    tenant("POST", "/webhook/rotate", &[Manage, Secret]),
    tenant("GET", "/webhook/hand-over", &[View]),
    tenant("GET", "/lanes/pause", &[View]),
    tenant("POST", "/lanes/pause", &[Manage]),
    tenant("POST", "/lanes/resume", &[Manage]),
    tenant("GET", "/lanes/skip", &[View]),
    tenant("POST", "/lanes/skip", &[Manage]),
    tenant("GET", "/lanes/recover", &[View]),
    tenant("POST", "/lanes/recover", &[SendAgain]),
    tenant("GET", "/lanes/send-existing", &[View]),
    tenant("POST", "/lanes/send-existing", &[SendAgain]),
    tenant("GET", "/api/v1/projects", &[View]),
    tenant("GET", "/api/v1/projects/{project}", &[View]),
    tenant("GET", "/dead-letters", &[View]),
    tenant("GET", "/dead-letter", &[View]),
    tenant("GET", "/dead-letters/redeliver", &[View]),
    tenant("POST", "/dead-letters/redeliver", &[SendAgain]),
    tenant("GET", "/dead-letters/discard", &[View]),
    tenant("POST", "/dead-letters/discard", &[Manage]),
    tenant("GET", "/replay", &[View]),
    tenant("GET", "/replay/start", &[View]),
    tenant("POST", "/replay/start", &[SendAgain]),
    tenant("GET", "/replay/cancel", &[View]),
    tenant("POST", "/replay/cancel", &[SendAgain]),
    tenant("GET", "/tail", &[View]),
    tenant("GET", "/audit", &[View]),
    operator("GET", "/doctor", &[View]),
    operator("GET", "/settings", &[View]),
    operator("GET", "/api/v1/doctor", &[View]),
    operator("GET", "/api/v1/settings", &[View]),
    tenant("GET", "/deliveries", &[View]),
    tenant("GET", "/delivery", &[View]),
    tenant("GET", "/deliveries/redeliver", &[View]),
    tenant("POST", "/deliveries/redeliver", &[SendAgain]),
    tenant("GET", "/deliveries/discard", &[View]),
    tenant("POST", "/deliveries/discard", &[Manage]),
    tenant("GET", "/deliveries/replay", &[View]),
    tenant("POST", "/deliveries/replay", &[SendAgain]),
    tenant("GET", "/jobs", &[View]),
    tenant("GET", "/job", &[View]),
    tenant("GET", "/job/cancel", &[View]),
    tenant("POST", "/job/cancel", &[SendAgain]),
    tenant("GET", "/document", &[View]),
    operator("GET", "/table", &[View]),
    operator("GET", "/table/resync", &[View]),
    operator("POST", "/table/resync", &[Manage]),
    operator("GET", "/table/cancel", &[View]),
    operator("POST", "/table/cancel", &[Manage]),
    tenant("GET", "/api/openapi.json", &[View]),
    tenant("GET", "/api/schemas/{file}", &[View]),
    operator("GET", "/metrics", &[View]),
    operator("GET", "/api/v1/status", &[View]),
    operator("GET", "/api/v1/activity", &[View]),
    tenant("GET", "/api/v1/audit", &[View]),
    operator("GET", "/api/v1/links", &[Manage]),
    operator("POST", "/api/v1/links", &[Manage]),
    operator("DELETE", "/api/v1/links/{id}", &[Manage]),
    operator("GET", "/api/v1/tokens", &[Manage]),
    operator("POST", "/api/v1/tokens", &[Manage]),
    operator("DELETE", "/api/v1/tokens/{name}", &[Manage]),
    tenant("GET", "/api/v1/tail", &[View]),
    // Of one project, `as_ingested` alone; all else takes `manage`.
    tenant("POST", "/api/v1/resync", &[SendAgain]),
    operator("DELETE", "/api/v1/resync", &[Manage]),
    tenant("GET", "/api/v1/replays", &[View]),
    tenant("POST", "/api/v1/replays", &[SendAgain]),
    tenant("DELETE", "/api/v1/replays/{no}", &[SendAgain]),
    tenant("GET", "/api/v1/dead-letters", &[View]),
    tenant("GET", "/api/v1/dead-letters/{no}", &[View]),
    tenant("POST", "/api/v1/dead-letters/redeliver", &[SendAgain]),
    tenant("POST", "/api/v1/dead-letters/discard", &[Manage]),
    tenant("GET", "/api/v1/deliveries", &[View]),
    tenant("GET", "/api/v1/deliveries/{webhook_id}", &[View]),
    tenant("POST", "/api/v1/deliveries/redeliver", &[SendAgain]),
    tenant("POST", "/api/v1/deliveries/discard", &[Manage]),
    tenant("POST", "/api/v1/deliveries/replay", &[SendAgain]),
    tenant("GET", "/api/v1/jobs", &[View]),
    tenant("GET", "/api/v1/jobs/{no}", &[View]),
    tenant("DELETE", "/api/v1/jobs/{no}", &[SendAgain]),
    tenant("GET", "/api/v1/projects/{project}/documents/{id}", &[View]),
    tenant("GET", "/api/v1/projects/{project}/hand-over", &[View]),
    tenant("GET", "/api/v1/projects/{project}/records", &[View]),
    tenant("GET", "/api/v1/webhooks", &[View]),
    operator("POST", "/api/v1/webhooks/apply", &[Manage]),
    // URLs are written in full: `apply` reads them.
    tenant("GET", "/api/v1/webhooks/export", &[View, Secret]),
    tenant("POST", "/api/v1/webhooks/pause", &[Manage]),
    tenant("POST", "/api/v1/webhooks/resume", &[Manage]),
    tenant("POST", "/api/v1/webhooks/rotate", &[Manage, Secret]),
    tenant("POST", "/api/v1/webhooks/secret", &[Secret]),
    tenant("POST", "/api/v1/webhooks/skip", &[Manage]),
    tenant("POST", "/api/v1/webhooks/test", &[SendAgain]),
    tenant("GET", "/api/v1/webhooks/{project}/{callback}", &[View]),
    tenant("PATCH", "/api/v1/webhooks/{project}/{callback}", &[Manage]),
    tenant("PUT", "/api/v1/webhooks/{project}/{callback}", &[Manage]),
    tenant("DELETE", "/api/v1/webhooks/{project}/{callback}", &[Manage]),
];
