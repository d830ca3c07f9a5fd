//! The settings of `[admin]` that decide who is served.

/// Who is served on the admin port.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AccessOptions {
    /// Names under which the port is served, besides `localhost`; in lower case.
    pub hosts: Vec<String>,
}
