//! Where Postgres is and how to authenticate. In: a URL or `key=value` string as libpq accepts it, and a
//! password file. Out: a [`Conninfo`], and the password at the time of a connection.
//!
//! Guarantees: a parameter that cannot be honoured is rejected, not ignored; no text panics; no error and
//! no log line repeats what may be part of a password.
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING>

mod options;
mod parse;
pub(super) mod passfile;
mod text;
mod values;

pub use options::{
    BadConninfo, ChannelBinding, Conninfo, Endpoint, Host, KeepAlive, Negotiation, RequireAuth, SecretFile,
    SslMode,
};
pub use passfile::{read_secret, without_line_break};

#[cfg(test)]
mod tests;
