//! A connection that had rested and was closed meanwhile is no failure of the receiver.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sidecar::deliver::{Limits, Proxy};
use sidecar::record::Callback::Ingested;

use crate::delivery::fixture::{Fixture, Setup, limits, webhook};
use crate::support::until_blocking;

/// What becomes of a connection after its first answer.
#[derive(Clone, Copy, Debug)]
enum End {
    /// It is closed at once.
    Closed,
    /// It is reset at once.
    Reset,
    /// The client gets a 408 for idling too long, and the connection is closed.
    Delivered,
    /// It is closed when the next request begins.
    ClosedAtNext,
    /// It is closed when the next request has come whole.
    ClosedBehindNext,
    /// It is reset when the next request begins.
    ResetAtNext,
    /// It is closed within the next answer's status line.
    ClosedInAnswer,
    /// The next request has no answer.
    Hangs,
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Serves every connection once, and then ends it so. Counts connections.
fn server(end: End) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&connections);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || {
                request(&mut stream);
                stream.write_all(OK).unwrap();
                end_so(stream, end);
            });
        }
    });
    (address, connections)
}

fn end_so(mut stream: TcpStream, end: End) {
    let reset = |stream: &TcpStream| {
        socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
    };
    match end {
        End::Closed => stream.shutdown(Shutdown::Both).unwrap(),
        End::Reset => reset(&stream),
        End::Delivered => {
            stream.write_all(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n").unwrap();
        }
        End::ClosedAtNext => drop(stream.peek(&mut [0])),
        End::ClosedBehindNext => request(&mut stream),
        End::ResetAtNext => {
            let _ = stream.peek(&mut [0]);
            reset(&stream);
        }
        End::ClosedInAnswer => {
            request(&mut stream);
            let _ = stream.write_all(b"HTTP/1.1 2");
        }
        End::Hangs => while stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {},
    }
}

/// A request of one small record, to its end.
fn request(stream: &mut TcpStream) {
    let mut came = Vec::new();
    let mut buffer = [0; 4096];
    while !came.ends_with(b"]}") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(read) => came.extend_from_slice(&buffer[..read]),
        }
    }
}

fn deliver(fixture: &mut Fixture, records: usize) -> Vec<String> {
    for id in 0..records {
        fixture.spool(Ingested, &[&id.to_string()]);
        fixture.settle();
    }
    fixture.attempts().into_iter().map(|(number, _, outcome)| format!("{number} {outcome}")).collect()
}

fn setup(address: SocketAddr, through_proxy: bool) -> Setup {
    let mut setup = if through_proxy {
        let mut setup = Setup::new([webhook("http://receiver.invalid/")]);
        setup.proxy = Some(Proxy::parse(&format!("http://{address}")).unwrap());
        setup
    } else {
        Setup::new([webhook(&format!("http://{address}/"))])
    };
    setup.webhooks[0].limits = Limits { timeout: Duration::from_millis(500), ..limits() };
    setup
}

#[test]
fn a_stale_connection_is_replaced_at_once_and_is_no_attempt() {
    let ends =
        [End::Closed, End::Reset, End::Delivered, End::ClosedAtNext, End::ClosedBehindNext, End::ResetAtNext];
    for end in ends {
        for through_proxy in [false, true] {
            let (address, connections) = server(end);
            let attempts = deliver(&mut setup(address, through_proxy).start(), 5);
            assert_eq!(attempts, ["1 delivered"; 5], "{end:?}, proxy {through_proxy}");
            until_blocking("all connections", || (connections.load(Ordering::SeqCst) == 5).then_some(()));
        }
    }
}

#[test]
fn a_connection_that_ends_within_an_answer_or_hangs_is_a_failure() {
    for (end, word) in [(End::ClosedInAnswer, "reset"), (End::Hangs, "timeout")] {
        let (address, _) = server(end);
        let attempts = deliver(&mut setup(address, false).start(), 2);
        assert_eq!(
            attempts,
            ["1 delivered".to_owned(), format!("1 {word}"), "2 delivered".into()],
            "{end:?}"
        );
    }
}
