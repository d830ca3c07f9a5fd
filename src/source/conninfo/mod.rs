//! Where Postgres is and how to authenticate. In: a URL or `key=value` string as libpq accepts it, a
//! password file, a command that prints the password. Out: a [`Conninfo`], and the password at the time of a connection.
//!
//! Guarantees: a parameter that cannot be honoured is rejected, not ignored; no text panics; no error and
//! no log line repeats what may be part of a password.
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING>

pub(super) mod command;
mod options;
mod parse;
pub(super) mod passfile;
mod text;
mod values;

pub use options::{
    BadConninfo, ChannelBinding, Conninfo, Endpoint, Host, KeepAlive, Negotiation, PasswordSource,
    RequireAuth, SslMode,
};
pub use passfile::{read_secret, without_line_break};

#[cfg(test)]
mod tests;
