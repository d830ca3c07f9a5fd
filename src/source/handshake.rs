//! Being let in: a machine from the start-up message to ReadyForQuery. Pure: bytes in, bytes out.
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP>

use std::fmt;

use bytes::{Bytes, BytesMut};
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::backend::{ErrorResponseBody, Message};
use postgres_protocol::message::frontend;

/// What to do next.
#[derive(Debug)]
pub(super) enum Next {
    /// More bytes are needed.
    Read,
    /// The server waits for a command.
    Ready,
    /// Send these.
    Send(Bytes),
}

/// What it takes to be let in.
pub(super) struct Handshake {
    user: String,
    password: Option<String>,
    /// The tls-server-end-point of the TLS channel, where there is one.
    channel: Channel,
    startup: Option<Bytes>,
    scram: Option<ScramSha256>,
    /// The server's version, once it said.
    pub(super) server_version: Option<String>,
}

/// What the bytes travel through.
#[derive(Clone, Debug)]
pub(super) enum Channel {
    /// A local or unencrypted socket.
    Plain,
    /// TLS; the hash of the server's certificate, where its algorithm has one.
    Tls { end_point: Option<Vec<u8>>, binding_required: bool },
}

/// What the server says when it refuses.
/// <https://www.postgresql.org/docs/current/protocol-error-fields.html>
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServerError {
    /// Five letters. <https://www.postgresql.org/docs/current/errcodes-appendix.html>
    pub sqlstate: String,
    /// The sentence.
    pub message: String,
    /// More of it.
    pub detail: Option<String>,
    /// What the server advises.
    pub hint: Option<String>,
}

/// Why the handshake ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("{0}")]
    Refused(ServerError),
    #[error("{0}")]
    Policy(&'static str),
    #[error("the server's handshake is malformed: {0}")]
    Malformed(String),
}

impl Handshake {
    pub(super) fn new<'a>(
        user: &str,
        password: Option<String>,
        channel: Channel,
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, HandshakeError> {
        let mut startup = BytesMut::new();
        frontend::startup_message(parameters, &mut startup).map_err(malformed)?;
        let startup = Some(startup.freeze());
        Ok(Self { user: user.to_owned(), password, channel, startup, scram: None, server_version: None })
    }

    /// Takes what `inbound` holds of whole messages, up to the next thing to do.
    pub(super) fn advance(&mut self, inbound: &mut BytesMut) -> Result<Next, HandshakeError> {
        if let Some(startup) = self.startup.take() {
            return Ok(Next::Send(startup));
        }
        loop {
            super::frame::message_length(inbound).map_err(malformed)?;
            let Some(message) = Message::parse(inbound).map_err(malformed)? else { return Ok(Next::Read) };
            match message {
                Message::ReadyForQuery(_) => return Ok(Next::Ready),
                Message::ErrorResponse(body) => return Err(HandshakeError::Refused(server_error(&body))),
                Message::ParameterStatus(body) => {
                    if body.name().is_ok_and(|name| name == "server_version") {
                        self.server_version = body.value().ok().map(str::to_owned);
                    }
                }
                Message::AuthenticationOk | Message::BackendKeyData(_) | Message::NoticeResponse(_) => {}
                other => return self.authenticate(other).map(Next::Send),
            }
        }
    }

    fn authenticate(&mut self, message: Message) -> Result<Bytes, HandshakeError> {
        let mut out = BytesMut::new();
        match message {
            Message::AuthenticationCleartextPassword => {
                if matches!(self.channel, Channel::Plain) {
                    return Err(HandshakeError::Policy(
                        "the server asks for the password in clear text over a connection without TLS: \
                         use sslmode=require or more, or scram-sha-256 in pg_hba.conf",
                    ));
                }
                frontend::password_message(self.password()?.as_bytes(), &mut out).map_err(malformed)?;
            }
            Message::AuthenticationMd5Password(body) => {
                let hash = md5_hash(self.user.as_bytes(), self.password()?.as_bytes(), body.salt());
                frontend::password_message(hash.as_bytes(), &mut out).map_err(malformed)?;
            }
            Message::AuthenticationSasl(body) => {
                let mechanisms = body.mechanisms().collect::<Vec<_>>().map_err(malformed)?;
                self.begin_scram(&mechanisms, &mut out)?;
            }
            Message::AuthenticationSaslContinue(body) => {
                let scram = self.scram.as_mut().ok_or_else(|| malformed("SASL without a beginning"))?;
                scram.update(body.data()).map_err(malformed)?;
                frontend::sasl_response(scram.message(), &mut out).map_err(malformed)?;
            }
            Message::AuthenticationSaslFinal(body) => {
                let scram = self.scram.as_mut().ok_or_else(|| malformed("SASL without a beginning"))?;
                scram.finish(body.data()).map_err(|_| {
                    HandshakeError::Policy("the server does not know the password that it checks: it is not the server it claims to be")
                })?;
            }
            _ => {
                return Err(HandshakeError::Policy(
                    "the server asks for a kind of authentication other than a password or certificate \
                     (scram-sha-256, md5, password, cert or trust in pg_hba.conf)",
                ));
            }
        }
        Ok(out.freeze())
    }

    fn begin_scram(&mut self, mechanisms: &[&str], out: &mut BytesMut) -> Result<(), HandshakeError> {
        let plus_offered = mechanisms.contains(&SCRAM_SHA_256_PLUS);
        let (mechanism, binding) = match &self.channel {
            Channel::Tls { end_point: Some(hash), .. } if plus_offered => {
                (SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(hash.clone()))
            }
            Channel::Tls { binding_required: true, .. } => {
                return Err(HandshakeError::Policy("channel_binding=require, and the server offers none"));
            }
            Channel::Tls { end_point: Some(_), .. } => (SCRAM_SHA_256, ChannelBinding::unrequested()),
            Channel::Tls { .. } | Channel::Plain => (SCRAM_SHA_256, ChannelBinding::unsupported()),
        };
        if mechanism == SCRAM_SHA_256 && !mechanisms.contains(&SCRAM_SHA_256) {
            return Err(HandshakeError::Policy("the server offers no SCRAM-SHA-256"));
        }
        let scram = ScramSha256::new(self.password()?.as_bytes(), binding);
        frontend::sasl_initial_response(mechanism, scram.message(), out).map_err(malformed)?;
        self.scram = Some(scram);
        Ok(())
    }

    fn password(&self) -> Result<&str, HandshakeError> {
        self.password.as_deref().ok_or(HandshakeError::Policy(
            "the server asks for a password, and none is given: set `postgres.password`, or a line in ~/.pgpass",
        ))
    }
}

/// The fields of an ErrorResponse.
pub(super) fn server_error(body: &ErrorResponseBody) -> ServerError {
    let mut error = ServerError::default();
    let mut fields = body.fields();
    while let Ok(Some(field)) = fields.next() {
        let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => error.sqlstate = value,
            b'M' => error.message = value,
            b'D' => error.detail = Some(value),
            b'H' => error.hint = Some(value),
            _ => {}
        }
    }
    error
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn handshake(channel: Channel) -> Handshake {
        let mut handshake = Handshake::new("u", Some("geheim".into()), channel, [("user", "u")]).unwrap();
        assert!(
            matches!(handshake.advance(&mut BytesMut::new()), Ok(Next::Send(_))),
            "first the start-up message"
        );
        handshake
    }

    fn sent(channel: Channel, message: &[u8]) -> Result<Bytes, HandshakeError> {
        match handshake(channel).advance(&mut BytesMut::from(message))? {
            Next::Send(bytes) => Ok(bytes),
            other => panic!("{other:?}"),
        }
    }

    const CLEAR_TEXT: &[u8] = b"R\0\0\0\x08\0\0\0\x03";
    const BOTH_SCRAMS: &[u8] = b"R\0\0\0\x2aX";

    fn tls(end_point: Option<Vec<u8>>, binding_required: bool) -> Channel {
        Channel::Tls { end_point, binding_required }
    }

    fn sasl(mechanisms: &[&str]) -> Vec<u8> {
        let mut body = 10_i32.to_be_bytes().to_vec();
        mechanisms.iter().for_each(|name| body.extend_from_slice(format!("{name}\0").as_bytes()));
        body.push(0);
        let mut message = BOTH_SCRAMS[..1].to_vec();
        message.extend_from_slice(&i32::try_from(body.len() + 4).unwrap().to_be_bytes());
        message.extend_from_slice(&body);
        message
    }

    #[test]
    fn a_password_goes_in_clear_text_only_over_tls() {
        assert!(matches!(sent(Channel::Plain, CLEAR_TEXT), Err(HandshakeError::Policy(_))));
        assert!(sent(tls(None, false), CLEAR_TEXT).unwrap().ends_with(b"geheim\0"));
    }

    #[test]
    fn scram_is_bound_to_the_channel_where_it_can_be() {
        let both = sasl(&[SCRAM_SHA_256_PLUS, SCRAM_SHA_256]);
        let mechanism = |channel| {
            let bytes = sent(channel, &both).unwrap();
            String::from_utf8_lossy(&bytes[5..]).split('\0').next().unwrap().to_owned()
        };
        assert_eq!(mechanism(tls(Some(vec![1]), false)), SCRAM_SHA_256_PLUS);
        assert_eq!(mechanism(Channel::Plain), SCRAM_SHA_256);
        let only_plain = sasl(&[SCRAM_SHA_256]);
        assert!(matches!(sent(tls(Some(vec![1]), true), &only_plain), Err(HandshakeError::Policy(_))));
        assert!(sent(tls(Some(vec![1]), false), &only_plain).is_ok());
    }

    #[test]
    fn an_error_ends_it_with_the_servers_words() {
        let error = b"E\0\0\0\x21SFATAL\0C28P01\0Mno\0Dbecause\0\0\0\0";
        let mut inbound = BytesMut::from(&error[..]);
        inbound[4] = u8::try_from(error.len() - 1 - 2).unwrap();
        let refused = handshake(Channel::Plain).advance(&mut inbound).unwrap_err();
        assert_eq!(refused.to_string(), "no (28P01); because");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, kind in "[RSKZEN]", body: Vec<u8>) {
            let _ = handshake(Channel::Plain).advance(&mut BytesMut::from(&bytes[..]));
            let mut message = kind.into_bytes();
            message.extend_from_slice(&i32::try_from(body.len() + 4).unwrap().to_be_bytes());
            message.extend_from_slice(&body);
            let _ = handshake(Channel::Plain).advance(&mut BytesMut::from(&message[..]));
        }
    }
}
