//! The settings of `[admin]` that decide who is served, and how.

use std::path::PathBuf;

use ipnet::IpNet;

/// Who is served on the admin port, and how.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AccessOptions {
    /// Names under which the port is served, besides `localhost`; in lower case.
    pub hosts: Vec<String>,
    /// What comes before every path: empty, or `/a/b`.
    pub base_path: String,
    /// Origins of pages that may show this one in a frame.
    pub frame_ancestors: Vec<String>,
    /// The header in which a trusted proxy names the user; in lower case.
    pub user_header: Option<String>,
    /// Whose headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The files of the port's certificate and its key.
    pub tls: Option<(PathBuf, PathBuf)>,
}
