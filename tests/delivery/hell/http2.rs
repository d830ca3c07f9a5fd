//! What a receiver can do wrong in TLS and in HTTP/2.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;

use tokio::io::AsyncWriteExt as _;

use super::receiver::Seen;
use super::{Row, Server};
use crate::delivery::http2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, OK, RST_STREAM, SETTINGS, Stream, begin,
    frame, hang, request,
};
use crate::delivery::tls::TlsServer;

/// What the first connection does.
pub type Misdeed = fn(Connection) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// One side of a connection.
pub struct Connection {
    stream: Stream,
    seen: Seen,
}

impl Connection {
    async fn request(&mut self) -> u32 {
        request(&mut self.stream, |body| self.seen.keep(body)).await.unwrap_or(1)
    }

    /// Whether the client still takes it.
    async fn say(&mut self, bytes: &[u8]) -> bool {
        let is_taken = self.stream.write_all(bytes).await.is_ok() && self.stream.flush().await.is_ok();
        self.seen.wrote(if is_taken { bytes.len() } else { 0 });
        is_taken
    }

    /// Says it again and again, up to a GiB.
    async fn repeat(&mut self, bytes: &[u8]) {
        while self.seen.written() < 1 << 30 && self.say(bytes).await {}
    }
}

/// Listens; the first connection misbehaves, if there is a misdeed, and others take every request.
pub fn start(misdeed: Option<Misdeed>) -> (TlsServer, Seen) {
    let seen = Seen::default();
    let shared = seen.clone();
    let server = TlsServer::start("h2", move |number, mut stream| {
        let seen = shared.clone();
        seen.connections.fetch_add(1, Ordering::SeqCst);
        async move {
            if let Some(misdeed) = misdeed.filter(|_| number == 0) {
                return misdeed(Connection { stream, seen }).await;
            }
            begin(&mut stream).await;
            while let Some(id) = request(&mut stream, |body| seen.keep(body)).await {
                let good = frame(HEADERS, END_HEADERS | END_STREAM, id, &[OK]);
                let _ = stream.write_all(&good).await;
                let _ = stream.flush().await;
            }
        }
    });
    (server, seen)
}

fn row(name: &'static str, says: (&'static str, &'static str), misdeed: Misdeed) -> Row {
    Row { name, says, server: Server::Http2(misdeed), large: false }
}

/// `:status: 503` and `:status: 103`, not indexed.
const NO: &[u8] = &[0x08, 3, b'5', b'0', b'3'];
const HINTS: &[u8] = &[0x08, 3, b'1', b'0', b'3'];
const PING: u8 = 6;
const WINDOW_OF_NOTHING: &[u8] = &[0, 4, 0, 0, 0, 0];

pub fn rows() -> Vec<Row> {
    [broken_off(), endless()].concat()
}

fn broken_off() -> Vec<Row> {
    vec![
        row("h2: GOAWAY within the answer", ("delivered", "its body broke off"), |mut to| {
            Box::pin(async move {
                begin(&mut to.stream).await;
                let id = to.request().await;
                to.say(&frame(HEADERS, END_HEADERS, id, &[OK])).await;
                to.say(&frame(GOAWAY, 0, 0, &[id.to_be_bytes(), [0; 4]].concat())).await;
            })
        }),
        row("h2: GOAWAY behind the request, no answer", ("reset", ""), |mut to| {
            Box::pin(async move {
                begin(&mut to.stream).await;
                let id = to.request().await;
                to.say(&frame(GOAWAY, 0, 0, &[id.to_be_bytes(), [0; 4]].concat())).await;
            })
        }),
        row("h2: GOAWAY, and the answer all the same", ("delivered", ""), |mut to| {
            Box::pin(async move {
                begin(&mut to.stream).await;
                let id = to.request().await;
                to.say(&frame(GOAWAY, 0, 0, &[id.to_be_bytes(), [0; 4]].concat())).await;
                to.say(&frame(HEADERS, END_HEADERS | END_STREAM, id, &[OK])).await;
                hang(&mut to.stream).await;
            })
        }),
        row("h2: 503, and the stream is reset", ("status", "its body broke off"), |mut to| {
            Box::pin(async move {
                begin(&mut to.stream).await;
                let id = to.request().await;
                to.say(&frame(HEADERS, END_HEADERS, id, NO)).await;
                to.say(&frame(RST_STREAM, 0, id, &[0, 0, 0, 2])).await;
                hang(&mut to.stream).await;
            })
        }),
    ]
}

fn endless() -> Vec<Row> {
    vec![
        row("h2: headers without an end", ("delivered", "protocol error"), |mut to| {
            Box::pin(async move {
                begin(&mut to.stream).await;
                let id = to.request().await;
                to.say(&frame(HEADERS, 0, id, &[OK])).await;
                to.repeat(&frame(
                    CONTINUATION,
                    0,
                    id,
                    &[&[0, 1, b'x', 0x7F, 0x80, 0x7F][..], &[b'y'; 16_255]].concat(),
                ))
                .await;
            })
        }),
        row(
            "h2: endless body, windows ignored",
            ("delivered", "its body broke off|its body is longer"),
            |mut to| {
                Box::pin(async move {
                    // What is read before the window's end is noticed may be more than a body may have.
                    begin(&mut to.stream).await;
                    let id = to.request().await;
                    to.say(&frame(HEADERS, END_HEADERS, id, &[OK])).await;
                    to.repeat(&frame(DATA, 0, id, &[b'x'; 16_384])).await;
                })
            },
        ),
        row("h2: 103 without an end", ("protocol", "no final status within"), |mut to| {
            Box::pin(async move {
                begin(&mut to.stream).await;
                let id = to.request().await;
                to.repeat(&frame(HEADERS, END_HEADERS, id, HINTS).repeat(100)).await;
            })
        }),
        row("h2: a flood of pings", ("protocol", "no final status within"), |mut to| {
            Box::pin(async move {
                begin(&mut to.stream).await;
                to.request().await;
                to.repeat(&frame(PING, 0, 0, &[0; 8]).repeat(100)).await;
            })
        }),
        row("h2: a flood of settings", ("protocol", "no final status within"), |mut to| {
            Box::pin(async move {
                begin(&mut to.stream).await;
                to.request().await;
                to.repeat(&frame(SETTINGS, 0, 0, &[]).repeat(100)).await;
            })
        }),
        row("h2: zero window", ("timeout", "no answer within"), |mut to| {
            Box::pin(async move {
                let mut preface = [0; 24];
                let _ = tokio::io::AsyncReadExt::read_exact(&mut to.stream, &mut preface).await;
                to.say(&frame(SETTINGS, 0, 0, WINDOW_OF_NOTHING)).await;
                hang(&mut to.stream).await;
            })
        }),
        row("h2: spoken as HTTP/1", ("protocol", "invalid size"), |mut to| {
            Box::pin(async move {
                // An answer before the request would have it sent again at once, as one that was not processed.
                let mut preface = [0; 24];
                let _ = tokio::io::AsyncReadExt::read_exact(&mut to.stream, &mut preface).await;
                to.request().await;
                to.say(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
                hang(&mut to.stream).await;
            })
        }),
    ]
}
