//! Who may use the admin port: tokens, links, sessions, tenants, names of hosts, TLS.

mod audit;
mod browser;
mod fields;
mod fixture;
mod lists;
mod openapi;
mod port;
mod schemathesis;
mod tenants;
mod tokens;
mod versions;
