use super::*;
use proptest::prelude::*;

fn handshake(channel: Channel, binding: ChannelBinding) -> Handshake {
    let password = Some(crate::secret::Secret::of_text("geheim"));
    let policy = Policy { binding, methods: RequireAuth::default() };
    let mut handshake = Handshake::new("u", password, channel, policy, [("user", "u")]).unwrap();
    let first = handshake.advance(&mut BytesMut::new());
    assert!(matches!(first, Ok(Action::Send(_))), "first the start-up message");
    handshake
}

fn advance(
    channel: Channel,
    binding: ChannelBinding,
    messages: &[&[u8]],
) -> Result<Option<Bytes>, HandshakeError> {
    let mut handshake = handshake(channel, binding);
    let mut inbound = BytesMut::from(&messages.concat()[..]);
    let mut sent = None;
    loop {
        match handshake.advance(&mut inbound)? {
            Action::Send(bytes) => sent = Some(bytes),
            Action::Read | Action::Ready => return Ok(sent),
        }
    }
}

fn tls(end_point: Option<Vec<u8>>) -> Channel {
    Channel::Tls { end_point }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind][..], &length, body].concat()
}

fn sasl_offer(mechanisms: &[&str]) -> Vec<u8> {
    let names: String = mechanisms.iter().flat_map(|name| [name, "\0"]).collect();
    message(b'R', &[&10_i32.to_be_bytes(), names.as_bytes(), b"\0"].concat())
}

fn is_policy(result: &Result<Option<Bytes>, HandshakeError>, sentence: &str) -> bool {
    matches!(result, Err(HandshakeError::Policy(message)) if *message == sentence)
}

const OK: &[u8] = b"R\0\0\0\x08\0\0\0\0";
const ASKS_CLEAR_TEXT: &[u8] = b"R\0\0\0\x08\0\0\0\x03";
const ASKS_MD5: &[u8] = b"R\0\0\0\x0c\0\0\0\x05salt";
const READY: &[u8] = b"Z\0\0\0\x05I";

#[test]
fn a_password_goes_in_clear_text_only_over_tls() {
    let refused = advance(Channel::Plain, ChannelBinding::Prefer, &[ASKS_CLEAR_TEXT]);
    assert!(is_policy(&refused, CLEAR_TEXT));
    let sent = advance(tls(None), ChannelBinding::Prefer, &[ASKS_CLEAR_TEXT]).unwrap().unwrap();
    assert!(sent.ends_with(b"geheim\0"));
}

#[test]
fn scram_is_bound_to_the_channel_where_it_can_be() {
    let both = sasl_offer(&[SCRAM_SHA_256_PLUS, SCRAM_SHA_256]);
    let mechanism = |channel, binding| {
        let bytes = advance(channel, binding, &[&both]).unwrap().unwrap();
        String::from_utf8_lossy(&bytes[5..]).split('\0').next().unwrap().to_owned()
    };
    assert_eq!(mechanism(tls(Some(vec![1])), ChannelBinding::Prefer), SCRAM_SHA_256_PLUS);
    assert_eq!(mechanism(tls(Some(vec![1])), ChannelBinding::Require), SCRAM_SHA_256_PLUS);
    assert_eq!(mechanism(tls(Some(vec![1])), ChannelBinding::Disable), SCRAM_SHA_256);
    assert_eq!(mechanism(tls(None), ChannelBinding::Prefer), SCRAM_SHA_256);
    assert_eq!(mechanism(Channel::Plain, ChannelBinding::Prefer), SCRAM_SHA_256);
}

#[test]
fn where_binding_is_required_no_server_talks_its_way_around_it() {
    let unbound = sasl_offer(&[SCRAM_SHA_256]);
    let offers: [&[u8]; 4] = [OK, ASKS_CLEAR_TEXT, ASKS_MD5, &unbound];
    for offer in offers {
        let refused = advance(tls(Some(vec![1])), ChannelBinding::Require, &[offer, READY]);
        assert!(is_policy(&refused, UNBOUND), "{refused:?}");
        assert!(advance(tls(Some(vec![1])), ChannelBinding::Prefer, &[offer]).is_ok());
    }
    let both = sasl_offer(&[SCRAM_SHA_256_PLUS, SCRAM_SHA_256]);
    let refused = advance(Channel::Plain, ChannelBinding::Require, &[&both]);
    assert!(is_policy(&refused, UNBOUND), "a socket without TLS cannot be bound to: {refused:?}");
}

#[test]
fn a_server_that_begins_scram_must_prove_itself_before_it_lets_us_in() {
    let offer = sasl_offer(&[SCRAM_SHA_256]);
    let refused = advance(Channel::Plain, ChannelBinding::Prefer, &[&offer, OK, READY]);
    assert!(is_policy(&refused, SERVER_UNPROVEN), "{refused:?}");
    let forged = message(b'R', &[&12_i32.to_be_bytes()[..], b"v=AAAA"].concat());
    assert!(advance(Channel::Plain, ChannelBinding::Prefer, &[&offer, &forged]).is_err());
    let turned = advance(tls(None), ChannelBinding::Prefer, &[&offer, ASKS_CLEAR_TEXT]);
    assert!(turned.is_err(), "nor may it ask for the password in another way");
}

#[test]
fn nobody_is_ready_before_we_are_let_in() {
    assert!(advance(Channel::Plain, ChannelBinding::Prefer, &[READY]).is_err());
    let mut inbound = BytesMut::from(&[OK, b"S\0\0\0\x08a\0b\0", READY, b"more"].concat()[..]);
    let mut handshake = handshake(Channel::Plain, ChannelBinding::Prefer);
    assert!(matches!(handshake.advance(&mut inbound), Ok(Action::Ready)));
    assert_eq!(&inbound[..], b"more");
    assert_eq!(handshake.into_greeting(), [OK, b"S\0\0\0\x08a\0b\0", READY].concat()[..]);
}

#[test]
fn an_error_ends_it_with_the_servers_words() {
    let error = message(b'E', b"SFATAL\0C28P01\0Mno\0Dbecause\0\0");
    let refused = advance(Channel::Plain, ChannelBinding::Prefer, &[&error]).unwrap_err();
    assert_eq!(refused.to_string(), "no (28P01); because");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, kind in "[RSKZEN]", body: Vec<u8>) {
        let _ = advance(Channel::Plain, ChannelBinding::Prefer, &[&bytes]);
        let message = message(kind.as_bytes()[0], &body);
        let _ = advance(tls(Some(vec![1])), ChannelBinding::Prefer, &[&message, &bytes]);
    }

    #[test]
    fn every_cut_of_what_a_server_says_asks_for_more(at in 0_usize..22) {
        let all = [OK, b"S\0\0\0\x08a\0b\0", READY].concat();
        let mut handshake = handshake(Channel::Plain, ChannelBinding::Prefer);
        let mut inbound = BytesMut::from(&all[..at]);
        prop_assert!(matches!(handshake.advance(&mut inbound), Ok(Action::Read)));
        inbound.extend_from_slice(&all[at..]);
        prop_assert!(matches!(handshake.advance(&mut inbound), Ok(Action::Ready)));
    }
}

#[test]
fn what_require_auth_forbids_ends_the_handshake_before_a_password_is_sent() {
    let (ok, clear) = (b"R\0\0\0\x08\0\0\0\0".as_slice(), b"R\0\0\0\x08\0\0\0\x03".as_slice());
    let md5 = b"R\0\0\0\x0c\0\0\0\x05salt".as_slice();
    let scram = b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0".as_slice();
    let nothing = RequireAuth { password: false, md5: false, scram: false, none: false };
    let cases = [
        (ok, RequireAuth { none: true, ..nothing }),
        (clear, RequireAuth { password: true, ..nothing }),
        (md5, RequireAuth { md5: true, ..nothing }),
        (scram, RequireAuth { scram: true, ..nothing }),
    ];
    for (at, (message, _)) in cases.iter().enumerate() {
        for (other, (_, may)) in cases.iter().enumerate() {
            let policy = Policy { binding: ChannelBinding::Prefer, methods: *may };
            let channel = Channel::Tls { end_point: None };
            let mut handshake = Handshake::new(
                "u",
                Some(crate::secret::Secret::of_text("p")),
                channel,
                policy,
                [("user", "u")],
            )
            .unwrap();
            assert!(handshake.advance(&mut BytesMut::new()).is_ok());
            let next = handshake.advance(&mut BytesMut::from(*message));
            assert_eq!(next.is_ok(), at == other, "{message:?}, {may:?}: {next:?}");
        }
    }
}
