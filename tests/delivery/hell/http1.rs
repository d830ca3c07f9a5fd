//! What a receiver can do wrong in HTTP/1.

use std::io::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use super::receiver::{Wire, hang_unread};
use super::{Row, Server};

const NOW: Duration = Duration::ZERO;
const DRIP: Duration = Duration::from_millis(20);

pub fn rows() -> Vec<Row> {
    LazyLock::force(&BOMB);
    [tls(), time(), size(), form(), interim(), ends(), length()].concat()
}

fn row(name: &'static str, says: (&'static str, &'static str), misdeed: fn(&mut Wire)) -> Row {
    Row { name, says, server: Server::Http1(misdeed), large: false }
}

fn large(name: &'static str, says: (&'static str, &'static str), misdeed: fn(&mut Wire)) -> Row {
    Row { large: true, ..row(name, says, misdeed) }
}

/// One request, and then these bytes.
fn answer(wire: &mut Wire, bytes: &str) {
    if wire.request() {
        wire.say(bytes);
    }
}

fn tls() -> Vec<Row> {
    let tls = |name, says, misdeed| Row { server: Server::Tls(misdeed), ..row(name, says, misdeed) };
    let dripping = |wire: &mut Wire| {
        wire.say([0x16, 3, 3, 0x40, 0]);
        wire.repeat("x", DRIP);
    };
    vec![
        tls("TLS: no answer", ("timeout", "connect: no answer within"), Wire::hang),
        tls("TLS: in drips", ("timeout", "connect: no answer within"), dripping),
        tls("TLS: a port of plain text", ("tls", "InvalidContentType"), |wire| {
            wire.beginning();
            wire.say("HTTP/1.1 400 Bad Request\r\n\r\n");
        }),
        tls("TLS: closed", ("tls", "eof"), Wire::beginning),
        tls("TLS: bytes of 1 GiB", ("tls", "UnknownProtocolVersion"), |wire| {
            wire.beginning();
            wire.repeat([0x16; 65_536], NOW);
        }),
    ]
}

fn time() -> Vec<Row> {
    vec![
        row("no answer at all", ("timeout", "no answer within"), Wire::hang),
        row("status line in drips", ("timeout", "no answer within"), |wire| {
            answer(wire, "HTTP/1.1 200 ");
            wire.repeat("x", DRIP);
        }),
        row("header in drips", ("delivered", "its head did not end in time"), |wire| {
            answer(wire, "HTTP/1.1 200 OK\r\nx: ");
            wire.repeat("y", DRIP);
        }),
        row("headers in drips behind a 503", ("status", "its head did not end in time"), |wire| {
            answer(wire, "HTTP/1.1 503 No\r\n");
            wire.repeat("x: y\r\n", DRIP);
        }),
        row("body in drips", ("delivered", "its body did not end in time"), |wire| {
            answer(wire, "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n");
            wire.repeat("x", DRIP);
        }),
        row("chunks in drips behind a 500", ("status", "its body did not end in time"), |wire| {
            answer(wire, "HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n");
            wire.repeat("1\r\nx\r\n", DRIP);
        }),
        large("zero window: the request is never read", ("timeout", "no answer within"), |wire| {
            wire.beginning();
            hang_unread();
        }),
    ]
}

fn size() -> Vec<Row> {
    vec![
        row("endless body", ("delivered", "its body is longer than"), |wire| {
            answer(wire, "HTTP/1.1 200 OK\r\n\r\n");
            wire.repeat([b'x'; 65_536], NOW);
        }),
        row("endless body behind a 500", ("status", "its body is longer than"), |wire| {
            answer(wire, "HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n");
            wire.repeat(["10000\r\n", &"x".repeat(0x10000), "\r\n"].concat(), NOW);
        }),
        row("header of 1 GiB", ("delivered", "message head is too large"), |wire| {
            answer(wire, "HTTP/1.1 200 OK\r\nx: ");
            wire.repeat([b'y'; 65_536], NOW);
        }),
        row("header of 1 GiB behind a 500", ("status", "message head is too large"), |wire| {
            answer(wire, "HTTP/1.1 500 No\r\nx: ");
            wire.repeat([b'y'; 65_536], NOW);
        }),
        row("status line of 1 GiB", ("protocol", "message head is too large"), |wire| {
            answer(wire, "HTTP/1.1 200 ");
            wire.repeat([b'y'; 65_536], NOW);
        }),
        row("bytes of 1 GiB without a line", ("protocol", "invalid HTTP version"), |wire| {
            wire.request();
            wire.repeat([b'y'; 65_536], NOW);
        }),
        row("blank lines before the answer", ("protocol", ""), |wire| {
            wire.request();
            wire.repeat("\r\n".repeat(32_768), NOW);
        }),
        row("120 headers", ("delivered", ""), |wire| {
            answer(
                wire,
                &["HTTP/1.1 200 OK\r\n", &"x: y\r\n".repeat(120), "content-length: 0\r\n\r\n"].concat(),
            );
        }),
        row("5,000 headers", ("delivered", "message head is too large"), |wire| {
            answer(
                wire,
                &["HTTP/1.1 200 OK\r\n", &"x: y\r\n".repeat(5_000), "content-length: 0\r\n\r\n"].concat(),
            );
        }),
        row("headers without an end", ("delivered", "message head is too large"), |wire| {
            answer(wire, "HTTP/1.1 200 OK\r\n");
            wire.repeat("x: y\r\n".repeat(10_000), NOW);
        }),
        row("trailers without an end", ("delivered", "chunk trailers count overflow"), |wire| {
            answer(wire, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n");
            wire.repeat("x: y\r\n".repeat(10_000), NOW);
        }),
        row("chunk extensions without an end", ("delivered", "chunk extensions over limit"), |wire| {
            answer(wire, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;x=");
            wire.repeat("y".repeat(65_536), NOW);
        }),
        row("gzip bomb", ("delivered", "its body is longer than"), |wire| gzip_bomb(wire, "200 OK")),
        row("gzip bomb behind a 500", ("status", "its body is longer than"), |wire| {
            gzip_bomb(wire, "500 No");
        }),
    ]
}

/// 256 MiB in 256 KiB.
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..256 {
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
    }
    encoder.finish().unwrap()
});

fn gzip_bomb(wire: &mut Wire, status: &str) {
    let length = BOMB.len();
    answer(wire, &format!("HTTP/1.1 {status}\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n"));
    wire.say(&*BOMB);
    wire.hang();
}

fn form() -> Vec<Row> {
    vec![
        row("header lines that are none", ("delivered", ""), |wire| {
            answer(
                wire,
                "HTTP/1.1 200 OK\r\nno header\r\n: x\r\nb\u{1}d: x\r\n  folded\r\ncontent-length: 0\r\n\r\n",
            );
        }),
        row("header lines that are none behind a 503", ("status", "invalid HTTP header"), |wire| {
            answer(wire, "HTTP/1.1 503 No\r\nx\u{0}\r\n\u{7f}: x\r\ncontent-length: 2\r\n\r\nno");
        }),
        row("line feeds alone", ("delivered", ""), |wire| {
            answer(wire, "HTTP/1.1 200 OK\ncontent-length: 0\n\n");
        }),
        row("no reason", ("delivered", ""), |wire| {
            answer(wire, "HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n");
        }),
        row("version 3.0", ("delivered", "invalid HTTP version"), |wire| {
            answer(wire, "HTTP/3.0 200 OK\r\ncontent-length: 0\r\n\r\n");
        }),
        row("HTTP/1.0", ("delivered", ""), |wire| {
            answer(wire, "HTTP/1.0 200 OK\r\n\r\nok");
        }),
        row("HTTP/0.9", ("protocol", "invalid HTTP version"), |wire| {
            answer(wire, "<html>ok</html>\r\n");
        }),
        row("SSH", ("protocol", "invalid HTTP version"), |wire| {
            // Before the request is written, it would have it sent again at once.
            wire.request();
            wire.say("SSH-2.0-OpenSSH_9.6\r\n");
            wire.hang();
        }),
        row("TLS at a port of plain text", ("protocol", "invalid HTTP version"), |wire| {
            wire.request();
            wire.say([0x15, 3, 1, 0, 2, 2, 0x46]);
        }),
        row("bytes that are no text behind a 500", ("status", ""), |wire| {
            wire.request();
            wire.say(b"HTTP/1.1 500 No\r\ncontent-length: 6\r\n\r\n\xff\xfe\x00\x1b[1");
        }),
        row("status 999", ("status", ""), |wire| answer(wire, "HTTP/1.1 999 X\r\ncontent-length: 0\r\n\r\n")),
        row("status 099", ("protocol", "invalid HTTP status-code"), |wire| {
            answer(wire, "HTTP/1.1 099 X\r\ncontent-length: 0\r\n\r\n");
        }),
    ]
}

fn interim() -> Vec<Row> {
    vec![
        row("100 unasked", ("delivered", ""), |wire| {
            answer(wire, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }),
        row("100 and no more", ("timeout", "no answer within"), |wire| {
            answer(wire, "HTTP/1.1 100 Continue\r\n\r\n");
            wire.hang();
        }),
        row("100 and the end", ("reset", "closed before message completed"), |wire| {
            answer(wire, "HTTP/1.1 100 Continue\r\n\r\n");
        }),
        row("1,000 times 103, then 200", ("delivered", ""), |wire| {
            let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(1_000);
            answer(wire, &[&hints, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"].concat());
        }),
        row("103 without an end", ("protocol", "no final status within"), |wire| {
            wire.request();
            wire.repeat("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(1_000), NOW);
        }),
        row("101", ("status", ""), |wire| {
            answer(wire, "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n");
            wire.hang();
        }),
    ]
}

fn ends() -> Vec<Row> {
    vec![
        // Where that is seen before a byte of the request is written, it is sent again at once.
        row("closed at once", ("reset|delivered", ""), |_| {}),
        row("reset at once", ("reset|delivered", ""), Wire::reset),
        row("reset behind the request", ("reset", ""), |wire| {
            wire.request();
            wire.reset();
        }),
        row("closed within the status line", ("reset", "closed before message completed"), |wire| {
            answer(wire, "HTTP/1.1 200 O");
        }),
        row("closed behind the status line", ("delivered", "closed before message completed"), |wire| {
            answer(wire, "HTTP/1.1 200 OK\r\n");
        }),
        row("reset within the headers", ("delivered", ""), |wire| {
            answer(wire, "HTTP/1.1 200 OK\r\nx: y\r\n");
            wire.reset();
        }),
        row("reset behind the body", ("delivered", ""), |wire| {
            answer(wire, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            wire.reset();
        }),
        row("keep-alive, then closed", ("delivered", ""), |wire| {
            answer(wire, "HTTP/1.1 200 OK\r\nkeep-alive: timeout=60\r\ncontent-length: 2\r\n\r\nok");
        }),
        large("200 before the body is read, then reset", ("delivered", ""), |wire| {
            wire.beginning();
            wire.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            wire.reset();
        }),
        large("503 before the body is read, then reset", ("status", ""), |wire| {
            wire.beginning();
            wire.say("HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno");
            wire.reset();
        }),
        large("503 before the body is read, then nothing", ("status", ""), |wire| {
            wire.beginning();
            wire.say("HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno");
            hang_unread();
        }),
        large("reset within the request", ("reset", ""), |wire| {
            wire.beginning();
            wire.reset();
        }),
    ]
}

fn length() -> Vec<Row> {
    vec![
        row("body shorter than its length", ("delivered", "its body broke off"), |wire| {
            answer(wire, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nok");
        }),
        row("body longer than its length", ("delivered", ""), |wire| {
            answer(wire, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokay, and more");
            wire.hang();
        }),
        row("a second answer behind the first", ("delivered", ""), |wire| {
            let second = "HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\nno";
            answer(wire, &["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", second].concat());
            while wire.request() && wire.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok") {}
        }),
        row("204 with a body", ("delivered", ""), |wire| {
            answer(wire, "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello");
            wire.hang();
        }),
        row("two lengths", ("delivered", "invalid content-length"), |wire| {
            answer(wire, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok");
        }),
        row("a length that is none", ("delivered", "invalid content-length"), |wire| {
            answer(wire, "HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok");
        }),
        row("a length and chunks", ("delivered", ""), |wire| {
            answer(
                wire,
                "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            );
        }),
        row("a chunk of a size that is none", ("delivered", "Invalid chunk size"), |wire| {
            answer(wire, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nok\r\n");
        }),
        row("a chunk of 16 EiB", ("delivered", ""), |wire| {
            answer(wire, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nok\r\n");
        }),
    ]
}
