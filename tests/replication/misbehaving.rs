//! A server that accepts every login and then sends what a test gives it.

use std::time::Duration;

use sidecar::clock::Clock;
use sidecar::position::Lsn;
use sidecar::source::{Connection, Conninfo, SourceError, StreamClosed, StreamOptions, StreamTimeouts};
use sidecar::time::Uptime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;

const LET_IN: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
const COPY_BOTH: &[u8] = b"W\0\0\0\x07\0\0\0";
const DATA: &[u8] = b"d\0\0\0\x1dw\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\0";

/// What becomes of a stream in which the server sends `sent`, and how many blocks came before.
async fn stream_of(sent: &[u8]) -> (Result<StreamClosed, SourceError>, usize) {
    stream_from(serve([LET_IN, COPY_BOTH, sent].map(<[u8]>::to_vec).to_vec()).await).await
}

async fn stream_from(port: u16) -> (Result<StreamClosed, SourceError>, usize) {
    patient_stream_from(port, Duration::from_secs(30)).await
}

async fn patient_stream_from(port: u16, timeout: Duration) -> (Result<StreamClosed, SourceError>, usize) {
    let connection = Connection::open(&conninfo(&[port], "")).await.expect("let in");
    let options = StreamOptions { slot: "s".into(), publication: "p".into(), from: Lsn(5), timeout };
    let stream = connection.start(&options).await.expect("a stream");
    let (_synced, synced) = watch::channel(Lsn(5));
    let (_stop, stop) = watch::channel(false);
    let mut blocks = 0;
    let running = stream.run(Clock::start(Uptime(0)), |_| blocks += 1, synced, stop);
    let ended = tokio::time::timeout(Duration::from_mins(1), running).await.expect("an end");
    (ended, blocks)
}

/// A server that answers the first messages of its one client with `answers`. The last is not
/// waited for.
async fn serve(mut answers: Vec<Vec<u8>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a client");
        let mut inbound = [0; 4096];
        let unasked = (answers.len() > 2).then(|| answers.pop()).flatten();
        for answer in answers {
            let _question = socket.read(&mut inbound).await.expect("a message");
            socket.write_all(&answer).await.expect("an answer");
        }
        socket.write_all(&unasked.unwrap_or_default()).await.expect("said");
        while socket.read(&mut inbound).await.is_ok_and(|length| length > 0) {}
    });
    port
}

fn conninfo(ports: &[u16], more: &str) -> Conninfo {
    let hosts = vec!["127.0.0.1"; ports.len()].join(",");
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    let text = format!("host={hosts} port={} user=u sslmode=disable {more}", ports.join(","));
    Conninfo::parse(&text, None).expect("a connection string")
}

#[tokio::test]
async fn bytes_that_are_no_message_stop_the_stream_behind_what_came_before() {
    let (ended, blocks) = stream_of(&[DATA, b"HTTP/1.1 400 Bad Request"].concat()).await;
    assert!(matches!(ended, Err(SourceError::Malformed { lsn: Lsn(7), .. })), "{ended:?}");
    assert_eq!(blocks, 1, "what was whole was handed over first");
    let (ended, _) = stream_of(&[DATA, b"Q\0\0\0\x04"].concat()).await;
    assert!(matches!(ended, Err(SourceError::Malformed { lsn: Lsn(7), .. })), "{ended:?}");
}

#[tokio::test]
async fn an_error_in_the_stream_says_nothing_of_the_slot() {
    let (ended, _) = stream_of(b"E\0\0\0\x0eC42704\0Mp\0\0").await;
    assert!(matches!(ended, Err(SourceError::Refused(_))), "{ended:?}");
    let (ended, _) = stream_of(b"E\0\0\0\x0eC55000\0Mp\0\0").await;
    assert!(matches!(ended, Err(SourceError::Server(_))), "{ended:?}");
    let (ended, _) = stream_of(b"E\0\0\0\x0eC57P01\0Mp\0\0").await;
    assert!(matches!(ended, Err(SourceError::Unreachable(_))), "{ended:?}");
}

#[tokio::test]
async fn what_comes_together_with_the_streams_beginning_is_not_left_lying() {
    let together = [COPY_BOTH, DATA, b"E\0\0\0\x0eC42704\0Mp\0\0"].concat();
    let (ended, blocks) = stream_from(serve(vec![LET_IN.to_vec(), together]).await).await;
    assert!(matches!(ended, Err(SourceError::Refused(_))), "{ended:?}");
    assert_eq!(blocks, 1);
}

#[tokio::test]
async fn a_server_that_ends_the_stream_is_not_in_error() {
    let (ended, blocks) = stream_of(b"N\0\0\0\x05\0c\0\0\0\x04C\0\0\0\x0bCOPY 0\0").await;
    assert_eq!((ended.expect("an end"), blocks), (StreamClosed::ByServer, 0));
}

#[tokio::test]
async fn a_standby_is_passed_over_where_the_primary_is_wanted() {
    let standby = [&LET_IN[..9], b"S\0\0\0\x16in_hot_standby\0on\0", &LET_IN[9..]].concat();
    let more = "target_session_attrs=read-write";
    let alone = Connection::open(&conninfo(&[serve(vec![standby.clone()]).await], more)).await.map(|_| ());
    assert!(matches!(alone, Err(SourceError::Unreachable(_))), "{alone:?}");
    let both = [serve(vec![standby.clone()]).await, serve(vec![LET_IN.to_vec()]).await];
    Connection::open(&conninfo(&both, more)).await.expect("the second lets us in");
    Connection::open(&conninfo(&[serve(vec![standby]).await], "")).await.expect("any will do");
}

/// A server that works through the same large transaction on each connection, silent all the while, and
/// then sends `sent`.
async fn busy(works_for: Duration, sent: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut inbound = [0; 4096];
                for answer in [LET_IN, COPY_BOTH] {
                    let _question = socket.read(&mut inbound).await.expect("a message");
                    socket.write_all(answer).await.expect("an answer");
                }
                // The pace of the server.
                tokio::time::sleep(works_for).await;
                let _gone = socket.write_all(sent).await;
                while socket.read(&mut inbound).await.is_ok_and(|length| length > 0) {}
            });
        }
    });
    port
}

#[tokio::test]
async fn a_server_that_is_silent_for_longer_than_the_first_timeout_delivers_in_the_end() {
    let port = busy(Duration::from_millis(1_500), &[DATA, b"c\0\0\0\x04"].concat().leak()[..]).await;
    let first = Duration::from_millis(300);
    let (mut timeouts, mut tries) = (StreamTimeouts::at_least(first), Vec::new());
    loop {
        let now = timeouts.at((Lsn(5), 0), first);
        tries.push(now);
        match patient_stream_from(port, now).await {
            (Err(SourceError::Silent { timeout: waited }), 0) => assert_eq!(waited, now),
            (ended, blocks) => {
                assert_eq!((ended.expect("an end"), blocks), (StreamClosed::ByServer, 1));
                break;
            }
        }
        timeouts.timed_out();
        assert!(tries.len() < 10, "{tries:?}");
    }
    assert!(tries.len() > 1, "{tries:?}");
    assert_eq!(timeouts.at((Lsn(7), 0), first), first, "the next point begins with the first timeout");
}
