//! Streams: what comes, what is confirmed, and how they end.

use std::sync::mpsc;
use std::time::Duration;

use sidecar::clock::Clock;
use sidecar::position::Lsn;
use sidecar::source::{Connection, Frame, FrameBlock, SourceError, StreamClosed, StreamOptions, connect_sql};
use sidecar::time::Uptime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::replication::fixture::{Server, on_all_versions};

/// A stream under way, and the ends of everything that goes in and out of it.
struct Streaming {
    blocks: mpsc::Receiver<FrameBlock>,
    synced: watch::Sender<Lsn>,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<StreamClosed, SourceError>>,
}

/// One message of pgoutput, or a keepalive.
#[derive(Debug, Eq, PartialEq)]
enum StreamPart {
    Keepalive(Lsn),
    /// Its end LSN.
    Commit(Lsn),
    /// Its whole length.
    Insert(usize),
    Other,
}

impl Streaming {
    async fn start(server: &Server, name: &str) -> Self {
        Self::try_start(server, name, name).await.expect("a stream")
    }

    async fn try_start(server: &Server, slot: &str, publication: &str) -> Result<Self, SourceError> {
        let dbname = publication.split('-').next().unwrap_or(publication);
        let connection = Connection::open(&server.conninfo(dbname)).await.expect("a connection");
        let options = StreamOptions {
            slot: slot.into(),
            publication: publication.into(),
            from: Lsn(0),
            timeout: DEADLINE,
        };
        let stream = connection.start(&options).await?;
        let (into_blocks, blocks) = mpsc::channel();
        let (synced, of_synced) = watch::channel(Lsn(0));
        let (stop, of_stop) = watch::channel(false);
        let hand_over = move |block| {
            let _ = into_blocks.send(block);
        };
        let task = tokio::spawn(stream.run(Clock::start(Uptime(0)), hand_over, of_synced, of_stop));
        Ok(Self { blocks, synced, stop, task })
    }

    /// The next block, within a deadline.
    fn block(&self) -> FrameBlock {
        self.blocks.recv_timeout(DEADLINE).expect("a block")
    }

    /// Everything up to the `commits`th commit.
    fn receive(&self, commits: usize) -> Vec<StreamPart> {
        let mut received = Vec::new();
        while received.iter().filter(|one| matches!(one, StreamPart::Commit(_))).count() < commits {
            received.extend(parts(&self.block()));
        }
        received
    }

    async fn stop(self) -> Result<StreamClosed, SourceError> {
        self.stop.send(true).expect("a stream under way");
        self.task.await.expect("no panic")
    }
}

/// What the spool would do: treats every LSN between transactions as synced at once.
fn confirm_all(blocks: mpsc::Receiver<FrameBlock>, synced: watch::Sender<Lsn>) {
    std::thread::spawn(move || {
        for block in blocks {
            for part in parts(&block) {
                if let StreamPart::Keepalive(whole) | StreamPart::Commit(whole) = part {
                    synced.send_modify(|lsn| *lsn = (*lsn).max(whole));
                }
            }
        }
    });
}

fn parts(block: &FrameBlock) -> Vec<StreamPart> {
    let one = |frame| match frame {
        Ok(Frame::Keepalive { end, .. }) => StreamPart::Keepalive(end),
        Ok(Frame::Data { body, .. }) => match (body.first(), body.get(10..18)) {
            (Some(b'C'), Some(end)) => {
                StreamPart::Commit(Lsn(u64::from_be_bytes(end.try_into().expect("eight bytes"))))
            }
            (Some(b'I'), _) => StreamPart::Insert(body.len()),
            _ => StreamPart::Other,
        },
        Err(malformed) => panic!("{malformed}"),
    };
    block.frames().map(one).collect()
}

fn last_commit(received: &[StreamPart]) -> Lsn {
    let commit = |one: &StreamPart| if let StreamPart::Commit(end) = one { Some(*end) } else { None };
    received.iter().rev().find_map(commit).expect("a commit")
}

async fn confirmed(client: &Client, slot: &str) -> Lsn {
    let sql = "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = $1";
    client.query_one(sql, &[&slot]).await.expect("a slot").get::<_, String>(0).parse().expect("an LSN")
}

/// Waits until the slot's confirmed LSN is at least `lsn`, and says which it is.
async fn confirmed_reaches(client: &Client, slot: &str, lsn: Lsn) -> Lsn {
    let reached = async || Some(confirmed(client, slot).await).filter(|at| *at >= lsn);
    crate::support::until_within(DEADLINE, "the confirmed LSN", reached).await
}

async fn insert(client: &Client, from: i32, count: i32, bytes: i32) {
    let sql = format!(
        "INSERT INTO documents SELECT id, repeat('x', {bytes}) FROM generate_series({from}, {}) AS id",
        from + count - 1
    );
    client.batch_execute(&sql).await.expect("rows");
}

async fn log_end(client: &Client) -> Lsn {
    let sql = "SELECT pg_current_wal_lsn()::text";
    client.query_one(sql, &[]).await.expect("an LSN").get::<_, String>(0).parse().expect("an LSN")
}

on_all_versions! {
    async fn a_connection_says_which_cluster_it_is(server: &Server) {
        let (name, client) = server.database().await;
        let mut connection = Connection::open(&server.conninfo(&name)).await.expect("a connection");
        let identity = connection.identify_system().await.expect("an identity");
        let sql = "SELECT system_identifier::text FROM pg_control_system()";
        assert_eq!(identity.system_id, client.query_one(sql, &[]).await.expect("one").get::<_, String>(0));
        assert_eq!((identity.timeline, identity.dbname.as_str()), (1, name.as_str()));
        assert!(identity.flush > Lsn(0) && identity.flush <= log_end(&client).await);
        let version = connection.server_version.expect("a version");
        assert!(version.starts_with(&server.version.to_string()), "{version}");
    }

    async fn a_command_that_fails_leaves_the_connection_usable(server: &Server) {
        let (name, _client) = server.database().await;
        let mut connection = Connection::open(&server.conninfo(&name)).await.expect("a connection");
        let failed = connection.simple("DROP_REPLICATION_SLOT no_such_slot").await;
        assert!(matches!(failed, Err(SourceError::Refused(_))), "{failed:?}");
        assert_eq!(connection.simple("SELECT 1, NULL").await.expect("a row"), [[Some("1".to_owned()), None]]);
    }

    async fn what_is_confirmed_is_what_was_synced_to_the_byte(server: &Server) {
        let (name, client) = server.database().await;
        let streaming = Streaming::start(server, &name).await;
        insert(&client, 1, 3, 10).await;
        insert(&client, 4, 3, 10).await;
        let received = streaming.receive(2);
        assert_eq!(received.iter().filter(|one| matches!(one, StreamPart::Insert(_))).count(), 6);
        let first = received.iter().find_map(|one| if let StreamPart::Commit(end) = one { Some(*end) } else { None });
        let (first, last) = (first.expect("a commit"), last_commit(&received));
        streaming.synced.send(first).expect("a stream under way");
        assert_eq!(confirmed_reaches(&client, &name, first).await, first);
        streaming.synced.send(last).expect("a stream under way");
        assert_eq!(streaming.stop().await.expect("stopped"), StreamClosed::Stopped);
        assert_eq!(confirmed(&client, &name).await, last);
    }

    async fn a_stopped_stream_has_confirmed_all_and_freed_the_slot_and_the_rest_comes_again(server: &Server) {
        let (name, client) = server.database().await;
        insert(&client, 1, 1, 10).await;
        insert(&client, 2, 20_000, 600).await;
        let first = Streaming::start(server, &name).await;
        let whole = last_commit(&first.receive(1));
        // Much is still unread, on our side of the socket too, when this is confirmed.
        first.synced.send(whole).expect("a stream under way");
        let clock = Clock::start(Uptime(0));
        assert_eq!(first.stop().await.expect("stopped"), StreamClosed::Stopped);
        assert!(clock.elapsed() < Duration::from_secs(3), "{:?}", clock.elapsed());
        let sql = "SELECT active FROM pg_replication_slots WHERE slot_name = $1";
        assert!(!client.query_one(sql, &[&name]).await.expect("a slot").get::<_, bool>(0), "the slot is free");
        assert_eq!(confirmed(&client, &name).await, whole);
        let again = Streaming::start(server, &name).await;
        let received = again.receive(1);
        assert_eq!(received.iter().filter(|one| matches!(one, StreamPart::Insert(_))).count(), 20_000);
        again.stop().await.expect("stopped");
    }

    async fn an_idle_database_confirms_while_another_writes(server: &Server) {
        let (name, client) = server.database().await;
        let (_other, busy) = server.database().await;
        let streaming = Streaming::start(server, &name).await;
        confirm_all(streaming.blocks, streaming.synced);
        insert(&busy, 1, 1_000, 1_000).await;
        let end = log_end(&busy).await;
        // Something must make the server speak: it does once what it sends lies this far.
        confirmed_reaches(&client, &name, end).await;
        streaming.stop.send(true).expect("a stream under way");
        streaming.task.await.expect("no panic").expect("stopped");
    }

    async fn a_missing_slot_and_one_in_use_are_different_errors(server: &Server) {
        let (name, _client) = server.database().await;
        let missing = Streaming::try_start(server, "no_such_slot", &name).await.map(|_| ());
        assert!(matches!(missing, Err(SourceError::SlotMissing(_))), "{missing:?}");
        let holder = Streaming::start(server, &name).await;
        match Streaming::try_start(server, &name, &name).await.map(|_| ()) {
            Err(SourceError::SlotActive(error)) => assert!(error.message.contains("PID"), "{error}"),
            other => panic!("{other:?}"),
        }
        holder.stop().await.expect("stopped");
    }

    async fn a_slow_reader_holds_the_server_back_and_loses_nothing(server: &Server) {
        let (name, client) = server.database().await;
        insert(&client, 1, 40_000, 1_000).await;
        let streaming = Streaming::start(server, &name).await;
        // Nobody takes the blocks: what comes stops when the budget is spent.
        let mut held: Vec<FrameBlock> = Vec::new();
        while let Ok(block) = streaming.blocks.recv_timeout(QUIET) {
            held.push(block);
        }
        let mut inserts = inserted(&held).len();
        assert!(inserts > 0 && inserts < 12_000, "{inserts} of 40,000 rows of 1 KB came");
        drop(held);
        while inserts < 40_000 {
            inserts += inserted(&[streaming.block()]).len();
        }
        streaming.stop().await.expect("stopped");
    }

    async fn messages_larger_than_the_budget_come_one_at_a_time(server: &Server) {
        let (name, client) = server.database().await;
        for id in 1..=3 {
            insert(&client, id, 1, 20_000_000).await;
        }
        let streaming = Streaming::start(server, &name).await;
        let (mut held, mut seen) = (Vec::new(), 0);
        while seen < 3 {
            while let Ok(block) = streaming.blocks.recv_timeout(QUIET) {
                held.push(block);
            }
            let lengths = inserted(&held);
            assert!(lengths.len() <= 1, "{lengths:?} were under way together");
            assert!(lengths.iter().all(|length| *length > 20_000_000));
            seen += lengths.len();
            assert!(!held.is_empty(), "the stream stands still");
            held.clear();
        }
        streaming.stop().await.expect("stopped");
    }
}

fn inserted(blocks: &[FrameBlock]) -> Vec<usize> {
    let insert = |one: &StreamPart| if let StreamPart::Insert(length) = one { Some(*length) } else { None };
    blocks.iter().flat_map(parts).filter_map(|one| insert(&one)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_shuts_down_at_once_with_a_client_that_is_idle() {
    for version in [15, 18] {
        let server = tokio::task::spawn_blocking(move || Server::start(version)).await.expect("a server");
        let (name, client) = server.database().await;
        let streaming = Streaming::start(&server, &name).await;
        confirm_all(streaming.blocks, streaming.synced);
        insert(&client, 1, 10, 10).await;
        let clock = Clock::start(Uptime(0));
        server.stop_fast().await;
        assert!(clock.elapsed() < Duration::from_secs(2), "{version}: {:?}", clock.elapsed());
        let ended = streaming.task.await.expect("no panic");
        assert!(matches!(ended, Ok(StreamClosed::ByServer)), "{version}: {ended:?}");
        let refused = connect_sql(&server.conninfo(&name)).await.map(|_| ());
        assert!(matches!(refused, Err(SourceError::Unreachable(_))), "{version}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publication_that_is_gone_is_no_missing_slot() {
    // The newest servers warn instead, and skip.
    let server = Server::shared(15).await;
    let (name, client) = server.database().await;
    client.batch_execute(&format!("DROP PUBLICATION {name}")).await.expect("dropped");
    insert(&client, 1, 1, 10).await;
    let streaming = Streaming::start(server, &name).await;
    let ended = tokio::time::timeout(DEADLINE, streaming.task).await.expect("an end").expect("no panic");
    assert!(matches!(ended, Err(SourceError::Refused(_))), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_nobody_can_stop_or_confirm_any_more_ends() {
    let server = Server::shared(15).await;
    let (name, _client) = server.database().await;
    let Streaming { synced, stop, task, blocks: _blocks } = Streaming::start(server, &name).await;
    drop(stop);
    let ended = tokio::time::timeout(DEADLINE, task).await.expect("an end").expect("no panic");
    assert_eq!(ended.expect("stopped"), StreamClosed::Stopped);
    drop(synced);
}

/// How long nothing comes until it is taken that nothing will.
const QUIET: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_mins(2);
