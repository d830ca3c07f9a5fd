//! Nothing that is begun for an attempt lives longer than the attempt.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use sidecar::deliver::{Limits, Proxy};
use sidecar::record::Callback::Ingested;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::delivery::fixture::{Setup, limits, webhook};
use crate::delivery::tls::TlsServer;
use crate::support::until_blocking;

/// Our sockets that lead to a port and that somebody holds.
fn sockets_to(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let leads_there = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[2].ends_with(&format!(":{port:04X}")) && fields[9] != "0"
    };
    table.lines().skip(1).filter(leads_there).count()
}

/// Serves each connection in a thread, and then waits until the client goes.
fn server(serve: impl Fn(&mut TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, serve) = (stream.unwrap(), serve.clone());
            std::thread::spawn(move || {
                serve(&mut stream);
                while stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {}
            });
        }
    });
    address
}

/// The same bytes again and again.
fn trickles(first: &'static str, again: &'static str) -> SocketAddr {
    server(move |stream| {
        let _ = stream.read(&mut [0; 8192]);
        let mut sent = stream.write_all(first.as_bytes());
        while sent.is_ok() {
            // The pace of the receiver.
            std::thread::sleep(Duration::from_millis(20));
            sent = stream.write_all(again.as_bytes());
        }
    })
}

/// A port whose queue of connections is full: no connection is accepted there.
fn full() -> (SocketAddr, Vec<TcpStream>, socket2::Socket) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        waiting.push(stream);
    }
    (address, waiting, socket)
}

fn to(address: SocketAddr, scheme: &str) -> Setup {
    Setup::new([webhook(&format!("{scheme}://{address}/"))])
}

/// One attempt is made; when it has ended, so has everything that was begun for it.
fn check(name: &str, port: u16, mut setup: Setup, others: usize) {
    setup.webhooks[0].limits = Limits {
        timeout: Duration::from_millis(400),
        connect_timeout: Duration::from_mins(1),
        retry_schedule: vec![Duration::from_hours(1)],
        response_bytes_max: 1 << 30,
        ..limits()
    };
    let mut fixture = setup.start();
    // Large enough that a receiver who does not read leaves something unsent.
    fixture.spool(Ingested, &["x".repeat(8 << 20).as_str()]);
    fixture.wait("the attempt", |lanes| lanes[0].last_outcome.is_some());
    until_blocking(&format!("{name}: the socket to be closed"), || {
        (sockets_to(port) <= others).then_some(())
    });
    until_blocking(&format!("{name}: its tasks to end"), || (fixture.tasks() == 0).then_some(()));
}

#[test]
fn whatever_hangs_ends_with_its_attempt() {
    let (queue, waiting, _socket) = full();
    check("a connection that is not taken", queue.port(), to(queue, "http"), waiting.len());
    let silent = server(|_| {});
    let members = [
        ("TLS that does not begin", silent, "https"),
        ("a request that is not read", silent, "http"),
        ("TLS that trickles", trickles("\u{16}\u{3}\u{3}", "\0"), "https"),
        ("an interim answer again and again", trickles("", "HTTP/1.1 102 X\r\n\r\n"), "http"),
        ("a status line that trickles", trickles("HTTP/1.1 500 ", "x"), "http"),
        ("a head that trickles", trickles("HTTP/1.1 500 X\r\n", "x: y\r\n"), "http"),
        ("a head that hangs", trickles("HTTP/1.1 500 X\r\n", ""), "http"),
        ("a body that trickles", trickles("HTTP/1.1 500 X\r\ncontent-length: 99999\r\n\r\n", "x"), "http"),
        ("a body that hangs", trickles("HTTP/1.1 500 X\r\ncontent-length: 99999\r\n\r\n", ""), "http"),
        (
            "a success whose body trickles",
            trickles("HTTP/1.1 200 X\r\ncontent-length: 99999\r\n\r\n", "x"),
            "http",
        ),
        (
            "chunks that trickle",
            trickles("HTTP/1.1 500 X\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
            "http",
        ),
        ("a body until the end", trickles("HTTP/1.1 500 X\r\n\r\n", "x"), "http"),
    ];
    for (name, address, scheme) in members {
        check(name, address.port(), to(address, scheme), 0);
    }
}

#[test]
fn whatever_hangs_in_a_proxy_ends_with_its_attempt() {
    let (queue, waiting, _socket) = full();
    for (name, proxy, others, scheme) in [
        ("a proxy that takes no connection", queue, waiting.len(), "https"),
        ("a tunnel that is not made", server(|_| {}), 0, "https"),
        ("a tunnel whose making trickles", trickles("HTTP/1.1 200 OK\r\n", "x"), 0, "https"),
        ("TLS within a tunnel", trickles("HTTP/1.1 200 OK\r\n\r\n", ""), 0, "https"),
        ("a proxy that does not answer", server(|_| {}), 0, "http"),
    ] {
        let mut setup = Setup::new([webhook(&format!("{scheme}://receiver.invalid/"))]);
        setup.proxy = Some(Proxy::parse(&format!("http://{proxy}")).unwrap());
        check(name, proxy.port(), setup, others);
    }
}

#[test]
fn whatever_hangs_behind_tls_ends_with_its_attempt() {
    for (protocol, bytes) in [
        ("http/1.1", &b""[..]),
        ("http/1.1", b"HTTP/1.1 500 X\r\ncontent-length: 9\r\n\r\nx"),
        ("h2", b""),
        ("h2", &[0, 0, 0, 4, 0, 0, 0, 0, 0]),
        ("h2", &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]),
        (
            "h2",
            &[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 1, 4, 0, 0, 0, 1, 0x8E, 0, 0, 1, 0, 0, 0, 0, 0, 1, b'x'],
        ),
    ] {
        let server = TlsServer::start(protocol, move |_, mut stream| async move {
            let _ = stream.read(&mut [0; 24]).await;
            let _ = stream.write_all(bytes).await;
            let _ = stream.flush().await;
            while stream.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {}
        });
        check(&format!("{protocol} after {bytes:x?}"), server.address.port(), server.setup(), 0);
    }
}

#[test]
fn what_is_never_read_behind_tls_ends_with_its_attempt() {
    for (protocol, bytes) in
        [("http/1.1", &b""[..]), ("h2", &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0x7F, 0xFF, 0xFF, 0xFF])]
    {
        let server = TlsServer::start(protocol, move |_, mut stream| async move {
            let _ = stream.write_all(bytes).await;
            let _ = stream.flush().await;
            std::future::pending::<()>().await;
        });
        check(&format!("{protocol} that is not read"), server.address.port(), server.setup(), 0);
    }
}
