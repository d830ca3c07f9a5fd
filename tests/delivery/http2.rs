//! HTTP/2 down to the frames: the frames that a receiver sends, and what becomes of the records.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sidecar::deliver::Limits;
use sidecar::record::Callback::{Excluded, Ingested};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::delivery::fixture::{Fixture, limits};
use crate::delivery::tls::TlsServer;

pub type Stream = TlsStream<TcpStream>;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
/// `:status: 200` of the static table.
pub const OK: u8 = 0x88;

/// <https://www.rfc-editor.org/rfc/rfc9113#section-4.1>
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header that is in no table, its texts as they are.
fn header(name: &[u8], value: &[u8]) -> Vec<u8> {
    let length = |text: &[u8]| {
        // An integer with a prefix of seven bits: <https://www.rfc-editor.org/rfc/rfc7541#section-5.1>
        if text.len() < 127 {
            return vec![u8::try_from(text.len()).unwrap()];
        }
        let (mut left, mut bytes) = (text.len() - 127, vec![127]);
        while left >= 128 {
            bytes.push(u8::try_from(left % 128).unwrap() | 128);
            left /= 128;
        }
        bytes.push(u8::try_from(left).unwrap());
        bytes
    };
    [&[0][..], &length(name), name, &length(value), value].concat()
}

/// The rest of a request: the stream that it is on. `keep` gets its body.
pub async fn request(stream: &mut Stream, keep: impl FnOnce(Vec<u8>)) -> Option<u32> {
    let mut body = Vec::new();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.ok()?;
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        if head[3] == DATA {
            body.extend_from_slice(&payload);
        }
        if matches!(head[3], DATA | HEADERS) && head[4] & END_STREAM != 0 {
            keep(body);
            return Some(id);
        }
    }
}

pub async fn begin(stream: &mut Stream) {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
}

/// Waits until the client goes.
pub async fn hang(stream: &mut Stream) {
    while stream.read_u8().await.is_ok() {}
}

pub type Frames = Arc<dyn Fn(u32) -> Vec<u8> + Send + Sync>;

fn frames(frames: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> Frames {
    Arc::new(frames)
}

/// A good answer.
fn good() -> Frames {
    frames(|id| frame(HEADERS, END_HEADERS | END_STREAM, id, &[OK]))
}

/// Answers requests with these frames in turn, over all connections, then well. Where one is `None`,
/// the connection is closed. Counts requests and connections.
pub fn server(replies: Vec<Option<Frames>>, hangs: bool) -> (TlsServer, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (requests, connections) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, opened, replies) = (Arc::clone(&requests), Arc::clone(&connections), Arc::new(replies));
    let server = TlsServer::start("h2", move |_, mut stream| {
        let (count, replies) = (Arc::clone(&count), Arc::clone(&replies));
        opened.fetch_add(1, Ordering::SeqCst);
        async move {
            begin(&mut stream).await;
            while let Some(id) = request(&mut stream, drop).await {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let reply = replies.get(number).cloned().unwrap_or_else(|| Some(good()));
                let Some(reply) = reply else { return };
                let _ = stream.write_all(&reply(id)).await;
                let _ = stream.flush().await;
                if hangs && number < replies.len() {
                    return hang(&mut stream).await;
                }
            }
        }
    });
    (server, requests, connections)
}

fn fixture(server: &TlsServer) -> Fixture {
    let mut setup = server.setup();
    let limits = Limits { timeout: Duration::from_secs(1), ..limits() };
    setup.webhooks[0].limits = limits;
    setup.start()
}

/// Answers that are wrong behind their status of 200.
fn broken() -> Vec<(&'static str, Frames)> {
    let block = |rest: Vec<u8>| {
        frames(move |id| frame(HEADERS, END_HEADERS | END_STREAM, id, &[&[OK], &rest[..]].concat()))
    };
    let large = |bytes: usize| {
        frames(move |id| {
            let block = [&[OK], &header(b"x", &vec![b'y'; bytes])[..]].concat();
            let mut all = Vec::new();
            for (number, part) in block.chunks(16_384).enumerate() {
                let kind = if number == 0 { HEADERS } else { CONTINUATION };
                let last = (number + 1) * 16_384 >= block.len();
                let flags = (u8::from(number == 0) * END_STREAM) | (u8::from(last) * END_HEADERS);
                all.extend(frame(kind, flags, id, part));
            }
            all
        })
    };
    let many =
        |count: usize| block((0..count).flat_map(|n| header(format!("x-{n}").as_bytes(), b"y")).collect());
    let behind = |kind: u8, flags: u8, payload: &'static [u8]| {
        frames(move |id| [frame(HEADERS, END_HEADERS, id, &[OK]), frame(kind, flags, id, payload)].concat())
    };
    let status = |bytes: &'static [u8]| frames(move |id| frame(HEADERS, END_HEADERS, id, bytes));
    vec![
        ("a name in capitals", block(header(b"Bad", b"x"))),
        ("a name with a blank", block(header(b"bad name", b"x"))),
        ("an empty name", block(header(b"", b"x"))),
        ("a control character", block(header(b"x", b"a\x01b"))),
        ("a line break", block(header(b"x", b"a\r\nb"))),
        ("a header of a connection", block(header(b"connection", b"close"))),
        ("a coding", block(header(b"transfer-encoding", b"chunked"))),
        ("an unknown pseudo header", block(header(b":x", b"y"))),
        ("a status behind", block([header(b"x", b"y"), header(b":status", b"200")].concat())),
        ("a length that is none", block(header(b"content-length", b"two"))),
        ("a length and no body", block(header(b"content-length", b"9"))),
        ("120 headers", many(120)),
        ("500 headers", many(500)),
        ("17 KiB of headers", large(17 * 1024)),
        ("64 KiB of headers", large(64 * 1024)),
        ("900 KiB of headers", large(900 * 1024)),
        ("4 MiB of headers", large(4 * 1024 * 1024)),
        ("bytes that are no block", block(vec![0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF])),
        ("an index of nothing", block(vec![0xFE])),
        ("a stream reset behind", behind(RST_STREAM, 0, &[0, 0, 0, 2])),
        ("a stream refused behind", behind(RST_STREAM, 0, &[0, 0, 0, 7])),
        ("a body cut off by leaving", behind(GOAWAY, 0, &[0; 8])),
        ("a bad frame behind", behind(DATA, PADDED | END_STREAM, &[9])),
        ("a body without an end", behind(DATA, 0, b"ok")),
        ("a status as a text", status(&[0x08, 3, b'2', b'0', b'2'])),
        ("a status as a Huffman text", status(&[0x48, 0x82, 0x10, 0x01])),
        ("a status behind a table's size", status(&[0x20, OK])),
    ]
}

#[test]
fn a_success_is_one_whatever_is_wrong_behind_its_status() {
    let members: Vec<_> = broken()
        .into_iter()
        .flat_map(|(name, reply)| [(name, reply.clone(), true), (name, reply, false)])
        .collect();
    assert!(members.len() > 50);
    let members = std::sync::Mutex::new(members);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some((name, reply, hangs)) = { members.lock().unwrap().pop() } {
                    let (server, requests, _) = server(vec![Some(reply)], hangs);
                    let mut fixture = fixture(&server);
                    fixture.spool(Ingested, &["a"]);
                    fixture.settle();
                    let (attempts, requests) = (fixture.attempts(), requests.load(Ordering::SeqCst));
                    let is_good = attempts[0].1.is_some_and(|status| status / 100 == 2);
                    assert!(is_good && requests == 1, "{name}, hangs {hangs}: {attempts:?} after {requests}");
                }
            });
        }
    });
}

/// `RST_STREAM` with this error code.
pub fn reset(code: u32) -> Frames {
    frames(move |id| frame(RST_STREAM, 0, id, &code.to_be_bytes()))
}

/// `GOAWAY`; the last stream is `below` streams of ours before this one.
pub fn leave(below: u32, code: u32) -> Frames {
    let payload = move |id: u32| [id.saturating_sub(2 * below).to_be_bytes(), code.to_be_bytes()].concat();
    frames(move |id| frame(GOAWAY, 0, 0, &payload(id)))
}

/// How the attempts for two records ended, and how many requests and connections they took.
fn outcomes_of(replies: Vec<Option<Frames>>) -> (Vec<String>, usize, usize) {
    let (server, requests, connections) = server(replies, false);
    let mut fixture = fixture(&server);
    for id in ["a", "b"] {
        fixture.spool(Ingested, &[id]);
        fixture.settle();
    }
    let outcomes = fixture.attempts().into_iter().map(|(.., outcome)| outcome).collect();
    (outcomes, requests.load(Ordering::SeqCst), connections.load(Ordering::SeqCst))
}

#[test]
fn what_a_receiver_says_it_has_not_begun_is_sent_again_at_once_and_counts_once() {
    let ok = || Some(good());
    let delivered = || vec!["delivered".to_owned(); 2];
    for (name, replies) in [
        ("a stream refused on a new connection", vec![Some(reset(7))]),
        ("a stream refused on a used connection", vec![ok(), Some(reset(7))]),
        ("leaving before the stream, on a new connection", vec![Some(leave(1, 0))]),
        ("leaving before the stream, on a used connection", vec![ok(), Some(leave(1, 0))]),
        ("leaving for calm before the stream", vec![ok(), Some(leave(1, 11))]),
        ("a used connection closed without a word", vec![ok(), None]),
    ] {
        assert_eq!(outcomes_of(replies), (delivered(), 3, 2), "{name}");
    }
}

#[test]
fn what_a_receiver_may_have_begun_is_a_failure_and_nothing_is_repeated_twice() {
    let counted = |word: &str| vec![word.to_owned(), "delivered".to_owned(), "delivered".to_owned()];
    for (name, replies, requests) in [
        ("a stream refused twice", vec![Some(reset(7)), Some(reset(7))], 4),
        ("a stream ended by an error", vec![Some(reset(2))], 3),
        ("a stream cancelled", vec![Some(reset(8))], 3),
        ("a new connection closed without a word", vec![None], 3),
    ] {
        let (outcomes, came, _) = outcomes_of(replies);
        assert_eq!((outcomes, came), (counted("reset"), requests), "{name}");
    }
}

#[test]
fn requests_at_the_same_time_share_no_connection() {
    let (server, requests, connections) = server(vec![Some(frames(|_| Vec::new()))], true);
    let mut fixture = fixture(&server);
    fixture.spool(Ingested, &["a"]);
    crate::support::until_blocking("the first request", || {
        (requests.load(Ordering::SeqCst) == 1).then_some(())
    });
    fixture.spool(Excluded, &["b"]);
    fixture.wait("the second", |lanes| {
        lanes.iter().any(|lane| lane.last_outcome.is_some_and(sidecar::outcome::OutcomeKind::is_success))
    });
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    // The log of attempts follows the lane's state.
    crate::support::until_blocking("the second in the log", || {
        (!fixture.attempts().is_empty()).then_some(())
    });
    assert_eq!(fixture.attempts().len(), 1, "the first hangs still, and holds nobody up");
}
