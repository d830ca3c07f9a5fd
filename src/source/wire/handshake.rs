//! Authentication: a state machine from the start-up message to ReadyForQuery. Pure: bytes in, bytes out.
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP>

use std::fmt;

use bytes::{Bytes, BytesMut};
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{self, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256};
use postgres_protocol::message::backend::{ErrorResponseBody, Message};
use postgres_protocol::message::frontend;

use super::frame::message_length;
use crate::secret::Secret;
use crate::source::conninfo::{ChannelBinding, RequireAuth};

/// What the caller does next.
#[derive(Debug)]
pub(in crate::source) enum Action {
    /// Read more bytes.
    Read,
    /// Nothing: the server is ready for a command.
    Ready,
    /// Send these bytes.
    Send(Bytes),
}

/// The state of one handshake.
pub(in crate::source) struct Handshake {
    user: String,
    password: Option<Secret>,
    channel: Channel,
    policy: Policy,
    startup: Option<Bytes>,
    auth_state: AuthState,
    /// The server's messages from AuthenticationOk to ReadyForQuery, verbatim.
    greeting: BytesMut,
    /// The server's version, once reported.
    pub(in crate::source) server_version: Option<String>,
    /// The database's encoding, once reported.
    pub(in crate::source) server_encoding: Option<String>,
    /// The server reported that it is a standby (14+).
    pub(in crate::source) standby: bool,
}

/// Which authentication is acceptable.
#[derive(Clone, Copy, Debug)]
pub(in crate::source) struct Policy {
    pub(in crate::source) binding: ChannelBinding,
    /// The accepted authentication methods.
    pub(in crate::source) methods: RequireAuth,
}

/// How far authentication has come.
enum AuthState {
    /// The server has requested nothing yet.
    Initial,
    /// A password was sent, in clear text or hashed. It does not authenticate the server.
    Password,
    /// SCRAM is in progress: the server has not proved yet that it knows the password.
    ScramStarted { scram: ScramSha256, bound: bool },
    /// The server has proved that it knows the password.
    ScramFinished { bound: bool },
    /// AuthenticationOk was accepted.
    Done,
}

/// What the connection runs over.
#[derive(Clone, Debug)]
pub(in crate::source) enum Channel {
    /// A Unix socket or unencrypted TCP.
    Plain,
    /// TLS, with the `tls-server-end-point` hash if the certificate's algorithm has one.
    Tls { end_point: Option<Vec<u8>> },
}

/// An ErrorResponse of the server.
/// <https://www.postgresql.org/docs/current/protocol-error-fields.html>
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServerError {
    /// Five characters. <https://www.postgresql.org/docs/current/errcodes-appendix.html>
    pub sqlstate: String,
    /// The primary message.
    pub message: String,
    /// The detail, with schema, table, column and context if the server sent them.
    pub detail: Option<String>,
    /// The hint.
    pub hint: Option<String>,
}

/// Why the handshake failed.
#[derive(Debug, thiserror::Error)]
pub(in crate::source) enum HandshakeError {
    #[error("{0}")]
    Refused(ServerError),
    #[error("{0}")]
    Policy(&'static str),
    #[error("the server's handshake is malformed: {0}")]
    Malformed(String),
}

impl Handshake {
    pub(in crate::source) fn new<'a>(
        user: &str,
        password: Option<Secret>,
        channel: Channel,
        policy: Policy,
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, HandshakeError> {
        let mut startup = BytesMut::new();
        frontend::startup_message(parameters, &mut startup).map_err(malformed)?;
        Ok(Self {
            user: user.to_owned(),
            password,
            channel,
            policy,
            startup: Some(startup.freeze()),
            auth_state: AuthState::Initial,
            greeting: BytesMut::new(),
            server_version: None,
            server_encoding: None,
            standby: false,
        })
    }

    /// Consumes the complete messages in `inbound`, up to the next action.
    pub(in crate::source) fn advance(&mut self, inbound: &mut BytesMut) -> Result<Action, HandshakeError> {
        if let Some(startup) = self.startup.take() {
            return Ok(Action::Send(startup));
        }
        loop {
            let length = message_length(inbound).map_err(malformed)?;
            let Some((kind, length)) = length.filter(|(_, length)| inbound.len() >= *length) else {
                return Ok(Action::Read);
            };
            let mut whole = inbound.split_to(length);
            let as_it_came = whole.clone();
            let message = Message::parse(&mut whole).map_err(malformed)?;
            match message.ok_or_else(|| malformed("a message"))? {
                Message::ErrorResponse(body) => return Err(HandshakeError::Refused(server_error(&body))),
                Message::NoticeResponse(_) => {}
                Message::AuthenticationOk => {
                    self.authenticated()?;
                    self.greeting.extend_from_slice(&as_it_came);
                }
                other if !matches!(self.auth_state, AuthState::Done) => {
                    return self.authenticate(other).map(Action::Send);
                }
                Message::ParameterStatus(body) => {
                    match (body.name(), body.value()) {
                        (Ok("server_version"), Ok(version)) => self.server_version = Some(version.to_owned()),
                        (Ok("server_encoding"), Ok(encoding)) => {
                            self.server_encoding = Some(encoding.to_owned());
                        }
                        (Ok("in_hot_standby"), Ok(value)) => self.standby = value == "on",
                        _ => {}
                    }
                    self.greeting.extend_from_slice(&as_it_came);
                }
                Message::BackendKeyData(_) => self.greeting.extend_from_slice(&as_it_came),
                Message::ReadyForQuery(_) => {
                    self.greeting.extend_from_slice(&as_it_came);
                    return Ok(Action::Ready);
                }
                _ => return Err(malformed(format_args!("a message of kind {:?}", char::from(kind)))),
            }
        }
    }

    /// The server's messages from AuthenticationOk to ReadyForQuery, for a client that does its own
    /// handshake.
    pub(in crate::source) fn into_greeting(self) -> BytesMut {
        self.greeting
    }

    /// Handles AuthenticationOk. The server must not skip the proof of its identity that we require.
    fn authenticated(&mut self) -> Result<(), HandshakeError> {
        let bound = match self.auth_state {
            AuthState::ScramStarted { .. } => return Err(HandshakeError::Policy(SERVER_UNPROVEN)),
            AuthState::ScramFinished { bound } => bound,
            AuthState::Initial if !self.policy.methods.none => {
                return Err(HandshakeError::Policy(NOT_REQUIRED));
            }
            AuthState::Done | AuthState::Initial | AuthState::Password => false,
        };
        if self.policy.binding == ChannelBinding::Require && !bound {
            return Err(HandshakeError::Policy(UNBOUND));
        }
        self.auth_state = AuthState::Done;
        Ok(())
    }

    fn authenticate(&mut self, message: Message) -> Result<Bytes, HandshakeError> {
        let (mut out, methods) = (BytesMut::new(), self.policy.methods);
        let is_allowed = match &message {
            Message::AuthenticationCleartextPassword => methods.password,
            Message::AuthenticationMd5Password(_) => methods.md5,
            Message::AuthenticationSasl(_) => methods.scram,
            _ => true,
        };
        if !is_allowed {
            return Err(HandshakeError::Policy(NOT_REQUIRED));
        }
        match (message, std::mem::replace(&mut self.auth_state, AuthState::Password)) {
            (Message::AuthenticationCleartextPassword, AuthState::Initial) => {
                if matches!(self.channel, Channel::Plain) {
                    return Err(HandshakeError::Policy(CLEAR_TEXT));
                }
                let password = self.unbound_password()?;
                frontend::password_message(password.as_bytes(), &mut out).map_err(malformed)?;
            }
            (Message::AuthenticationMd5Password(body), AuthState::Initial) => {
                let password = self.unbound_password()?;
                let hash = md5_hash(self.user.as_bytes(), password.as_bytes(), body.salt());
                frontend::password_message(hash.as_bytes(), &mut out).map_err(malformed)?;
            }
            (Message::AuthenticationSasl(body), AuthState::Initial) => {
                let mechanisms = body.mechanisms().collect::<Vec<_>>().map_err(malformed)?;
                self.begin_scram(&mechanisms, &mut out)?;
            }
            (Message::AuthenticationSaslContinue(body), AuthState::ScramStarted { mut scram, bound }) => {
                scram.update(body.data()).map_err(malformed)?;
                frontend::sasl_response(scram.message(), &mut out).map_err(malformed)?;
                self.auth_state = AuthState::ScramStarted { scram, bound };
            }
            (Message::AuthenticationSaslFinal(body), AuthState::ScramStarted { mut scram, bound }) => {
                scram.finish(body.data()).map_err(|_| HandshakeError::Policy(SERVER_UNPROVEN))?;
                self.auth_state = AuthState::ScramFinished { bound };
            }
            (
                Message::AuthenticationGss
                | Message::AuthenticationKerberosV5
                | Message::AuthenticationScmCredential
                | Message::AuthenticationSspi,
                _,
            ) => return Err(HandshakeError::Policy(UNKNOWN_KIND)),
            _ => return Err(malformed("a message out of turn")),
        }
        Ok(out.freeze())
    }

    fn begin_scram(&mut self, mechanisms: &[&str], out: &mut BytesMut) -> Result<(), HandshakeError> {
        let end_point = match &self.channel {
            Channel::Tls { end_point: Some(hash) } if self.policy.binding != ChannelBinding::Disable => {
                Some(hash)
            }
            Channel::Tls { .. } | Channel::Plain => None,
        };
        let (mechanism, bound, data) = match end_point {
            Some(hash) if mechanisms.contains(&SCRAM_SHA_256_PLUS) => {
                (SCRAM_SHA_256_PLUS, true, sasl::ChannelBinding::tls_server_end_point(hash.clone()))
            }
            Some(_) => (SCRAM_SHA_256, false, sasl::ChannelBinding::unrequested()),
            None => (SCRAM_SHA_256, false, sasl::ChannelBinding::unsupported()),
        };
        if self.policy.binding == ChannelBinding::Require && !bound {
            return Err(HandshakeError::Policy(UNBOUND));
        }
        if !mechanisms.contains(&mechanism) {
            return Err(HandshakeError::Policy("the server offers no SCRAM-SHA-256"));
        }
        let scram = ScramSha256::new(self.password()?.as_bytes(), data);
        frontend::sasl_initial_response(mechanism, scram.message(), out).map_err(malformed)?;
        self.auth_state = AuthState::ScramStarted { scram, bound };
        Ok(())
    }

    /// The password, for a method that is not bound to the channel. An error if binding is required.
    fn unbound_password(&self) -> Result<&str, HandshakeError> {
        match self.policy.binding {
            ChannelBinding::Require => Err(HandshakeError::Policy(UNBOUND)),
            ChannelBinding::Disable | ChannelBinding::Prefer => self.password(),
        }
    }

    fn password(&self) -> Result<&str, HandshakeError> {
        self.password
            .as_ref()
            .map(|password| password.expose().as_str())
            .ok_or(HandshakeError::Policy(NO_PASSWORD))
    }
}

/// Extracts the fields of an ErrorResponse.
pub(in crate::source) fn server_error(body: &ErrorResponseBody) -> ServerError {
    let mut error = ServerError::default();
    let (mut table, mut column, mut context) = (None, None, None);
    let mut fields = body.fields();
    while let Ok(Some(field)) = fields.next() {
        let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => error.sqlstate = value,
            b'M' => error.message = value,
            b'D' => error.detail = Some(value),
            b'H' => error.hint = Some(value),
            b't' => table = Some(value),
            b'c' => column = Some(value),
            b'W' => context = Some(value),
            _ => {}
        }
    }
    error.detail = detail(error.detail.as_deref(), table.as_deref(), column.as_deref(), context.as_deref());
    error
}

/// The detail, object names and context of an error, in one line.
pub(in crate::source) fn detail(
    detail: Option<&str>,
    table: Option<&str>,
    column: Option<&str>,
    context: Option<&str>,
) -> Option<String> {
    let named = |what: &str, name: Option<&str>| Some(format!("{what} {}", name?));
    let parts = [detail.map(str::to_owned), named("table", table), named("column", column)];
    let context = context.map(|text| text.replace('\n', ", "));
    let parts: Vec<String> = parts.into_iter().chain([context]).flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn malformed(what: impl fmt::Display) -> HandshakeError {
    HandshakeError::Malformed(what.to_string())
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.sqlstate)?;
        let more = [&self.detail, &self.hint];
        more.into_iter().flatten().try_for_each(|sentence| write!(f, "; {sentence}"))
    }
}

const CLEAR_TEXT: &str = "the server requests the password in clear text over a connection without TLS: \
     use sslmode=require or more, or scram-sha-256 in pg_hba.conf";
const SERVER_UNPROVEN: &str = "the server did not prove that it knows the password: \
     it is not the server it claims to be";
const NO_PASSWORD: &str = "the server requests a password, and none is given: \
     set `postgres.password`, or add a line to ~/.pgpass";
const NOT_REQUIRED: &str = "the server accepted the connection, or requested a password, by a method that `require_auth` forbids: \
     look at pg_hba.conf, and at whether this is the server";
const UNBOUND: &str = "`channel_binding` is `require`, and the server lets us in without it: \
     it needs TLS, and scram-sha-256 in pg_hba.conf and for the role's password";
const UNKNOWN_KIND: &str = "the server requests an authentication method other than a password or certificate \
     (scram-sha-256, md5, password, cert or trust in pg_hba.conf)";

#[cfg(test)]
mod tests;
