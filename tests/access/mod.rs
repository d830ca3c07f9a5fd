//! Who may use the admin port: tokens, links, sessions, tenants, names of hosts, TLS.

mod browser;
mod fixture;
mod port;
mod tenants;
mod tokens;
