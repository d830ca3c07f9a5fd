//! A spool of format 1 with every kind of row, and what is read of it.
//!
//! `tests/fixtures/spool-1/spool.sqlite` was written by `writes_the_fixture`. It is never written again:
//! a new format gets a fixture of its own, and a migration that reads this one.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::*;
use crate::outcome::OutcomeKind;
use crate::record::{body, write_document};

pub(super) const AT: Timestamp = Timestamp(1_790_000_000_000_000);
pub(super) const UPTIME: Uptime = Uptime(60_000);
const EPOCH: Uuid = Uuid::from_u128(1);

const ACME_EXCLUDED: LaneNo = LaneNo(0);
const ACME_INGESTED: LaneNo = LaneNo(1);
const ACME_MODIFIED: LaneNo = LaneNo(2);
pub(super) const GLOBEX_INGESTED: LaneNo = LaneNo(4);
pub(super) const GLOBEX_MODIFIED: LaneNo = LaneNo(5);

const DELIVERED: Uuid = Uuid::from_u128(0x10);
const TOO_LARGE: Uuid = Uuid::from_u128(0x11);
const RETIRED: Uuid = Uuid::from_u128(0x12);
pub(super) const FIRST_HALF: Uuid = Uuid::from_u128(0x13);
const SECOND_HALF: Uuid = Uuid::from_u128(0x14);
const OF_REPLAY: Uuid = Uuid::from_u128(0x15);
const REPLAYED: Uuid = Uuid::from_u128(0x16);

/// The records, in the order of their numbers.
const RECORDS: [(LaneNo, &str); 12] = [
    (ACME_INGESTED, "a"),
    (ACME_INGESTED, "b"),
    (ACME_INGESTED, "c"),
    (ACME_MODIFIED, "d"),
    (ACME_MODIFIED, "e"),
    (ACME_MODIFIED, "f"),
    (ACME_EXCLUDED, "g"),
    (ACME_EXCLUDED, "h"),
    (GLOBEX_INGESTED, "i"),
    (GLOBEX_INGESTED, "j"),
    (GLOBEX_MODIFIED, "k"),
    (GLOBEX_MODIFIED, "l"),
];

const POSITION: StreamPosition = StreamPosition {
    resume_lsn: Lsn(900),
    last_end: Lsn(800),
    open: Some(OpenTransaction { commit: Lsn(1_000), changes_applied: 7, records_made: 12 }),
};

fn fixture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/spool-1/spool.sqlite")
}

fn fragment(id: &str) -> Vec<u8> {
    let mut fragment = Vec::new();
    write_document(&mut fragment, id, Some("key"));
    fragment
}

fn identity(id: &str) -> Identity {
    Identity(id.as_bytes().into())
}

/// A batch of these records, as delivery would cut it.
pub(super) fn cut(id: Uuid, first: u64, last: u64) -> Batch {
    let of = RECORDS
        .iter()
        .skip(usize::try_from(first).unwrap() - 1)
        .take(usize::try_from(last - first).unwrap() + 1);
    let fragments: Vec<Vec<u8>> = of.clone().map(|(_, id)| fragment(id)).collect();
    let lane = of.clone().next().unwrap().0;
    let body = body(lane.callback(), fragments.iter().map(Vec::as_slice));
    Batch {
        id,
        lane,
        first: Seq(first),
        last: Seq(last),
        records: u32::try_from(fragments.len()).unwrap(),
        body_bytes: body.len() as u64,
        body_sum: xxh3_64(&body),
        cut_at: AT,
        epoch: EPOCH,
        attempts: 0,
        replay: None,
    }
}

pub(super) fn ended(
    batch: &Batch,
    status: u16,
    outcome: OutcomeKind,
    fate: Fate,
    health: LaneHealth,
) -> Attempted {
    Attempted {
        batch: batch.id,
        lane: batch.lane,
        log: LoggedAttempt {
            took_micros: 1_500,
            status: Some(status),
            detail: (status != 200).then(|| "no thanks".to_owned()),
            ..LoggedAttempt::new(batch.attempts + 1, AT, outcome)
        },
        fate,
        health,
    }
}

pub(super) fn failing() -> LaneHealth {
    LaneHealth {
        failures: 2,
        failing_since: Some(Uptime(50_000)),
        retry_at: Some(Uptime(55_000)),
        ..LaneHealth::default()
    }
}

fn paused() -> LaneHealth {
    let paused = Pause { since: Uptime(40_000), reason: "410 Gone".into(), by: PausedBy::Operator };
    LaneHealth { paused: Some(paused), ..LaneHealth::default() }
}

fn without_webhook() -> LaneHealth {
    LaneHealth { without_webhook: Some(AT), ..LaneHealth::default() }
}

fn facts() -> HashMap<Fact, Vec<u8>> {
    let value = |fact| if fact == Fact::Epoch { Epochs::new(EPOCH).to_bytes() } else { b"{}".to_vec() };
    // Format 2 brought the pauses.
    Fact::ALL.into_iter().filter(|fact| *fact != Fact::Pauses).map(|fact| (fact, value(fact))).collect()
}

fn snapshot_group() -> Group {
    let mut builder = GroupBuilder::new(Seq(0));
    for (number, (lane, id)) in (1..).zip(RECORDS) {
        let position = Position { commit: Lsn(1_000), number };
        builder.push(lane, position, AT, WaitsFor::default(), u64::from(number), &fragment(id));
    }
    let mut shadow: Vec<_> =
        ["a", "b"].map(|id| (identity(id), Some(Arc::from(format!("entry {id}").as_bytes())))).into();
    shadow.sort();
    Group {
        chunks: builder.finish(AT, Uptime(30_000)),
        shadow,
        position: Some(POSITION),
        projects: vec![(ProjectNo(0), "acme".into()), (ProjectNo(1), "globex".into())],
        facts: facts().into_iter().map(|(fact, value)| (fact, Some(value))).collect(),
        growth: Growth { documents: 2, bytes: 16 },
        taken_at: Some(AT),
    }
}

fn replay(id: u128, first: u64, last: u64, low_watermark: Option<LowWatermark>) -> Op {
    Op::Replay(NewReplay {
        id: Uuid::from_u128(id),
        request: r#"{"from_lsn":"0/0"}"#.into(),
        requested_at: AT,
        rate: Some(100),
        ranges: vec![range(0, first, last, first - 1, 0)],
        low_watermark,
    })
}

fn range(no: u64, first: u64, last: u64, cursor: u64, sent: u64) -> LaneReplay {
    LaneReplay {
        replay: ReplayNo(no),
        lane: ACME_INGESTED,
        first: Seq(first),
        last: Seq(last),
        cursor: Seq(cursor),
        records: last - first + 1,
        sent,
        refused: 0,
    }
}

fn of_replay(batch: Batch, no: u64) -> Batch {
    Batch { replay: Some(ReplayNo(no)), ..batch }
}

/// Every operation, so that every kind of row is there.
pub(super) fn ops() -> Vec<Op> {
    let healthy = LaneHealth::default;
    let before = Some(LowWatermark {
        seq: Seq(0),
        position: Position { commit: Lsn(899), number: 0 },
        at: Timestamp(AT.0 - 1),
    });
    let (delivered, too_large, whole) = (cut(DELIVERED, 1, 2), cut(TOO_LARGE, 4, 4), cut(RETIRED, 9, 10));
    let (again, replayed) = (of_replay(cut(OF_REPLAY, 1, 1), 3), of_replay(cut(REPLAYED, 1, 1), 1));
    let attempted = |batch: &Batch, status, outcome, fate, health| {
        Op::Attempted(ended(batch, status, outcome, fate, health))
    };
    vec![
        Op::Commit(Arc::new(snapshot_group())),
        Op::Cut(delivered.clone()),
        attempted(&delivered, 200, OutcomeKind::Delivered, Fate::Delivered, healthy()),
        Op::Cut(too_large.clone()),
        attempted(&too_large, 413, OutcomeKind::Status, Fate::Dead(DeadReason::TooLarge), healthy()),
        Op::GiveUp { lane: ACME_MODIFIED, through: Seq(5), reason: DeadReason::GivenUp, at: AT },
        Op::Redeliver { dead: vec![DeadLetterNo(2)], id: Uuid::from_u128(0x30) },
        Op::Discard { lane: ACME_EXCLUDED, through: Seq(7) },
        Op::Cut(whole.clone()),
        attempted(&whole, 503, OutcomeKind::Status, Fate::Failed, failing()),
        Op::Retire { batch: RETIRED, successors: vec![cut(FIRST_HALF, 9, 9), cut(SECOND_HALF, 10, 10)] },
        replay(0x21, 1, 1, before),
        Op::Cut(replayed.clone()),
        attempted(&replayed, 200, OutcomeKind::Delivered, Fate::Delivered, healthy()),
        replay(0x22, 1, 2, before),
        Op::CancelReplay { replay: ReplayNo(2), at: AT },
        replay(0x23, 1, 2, before),
        Op::Cut(again),
        Op::SetHealth { lane: ACME_EXCLUDED, health: without_webhook() },
        Op::SetHealth { lane: GLOBEX_MODIFIED, health: paused() },
        Op::Tick(UPTIME),
    ]
}

/// A spool in which these operations were done.
pub(super) fn write(folder: &Path, ops: Vec<Op>) -> store::Store {
    let (mut store, _) = store::Store::open(folder, 1 << 30, AT).unwrap();
    for op in ops {
        let operation = format!("{op:?}");
        store.apply(vec![op]).remove(0).unwrap_or_else(|error| panic!("{error}: {operation}"));
    }
    store
}

/// The same as the one file of a fixture, which is written once.
pub(super) fn write_fixture(fixture: &Path, ops: Vec<Op>) {
    assert!(!fixture.exists(), "it is written once");
    let folder = tempfile::tempdir().unwrap();
    let store = write(folder.path(), ops);
    store.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;").unwrap();
    drop(store);
    std::fs::create_dir_all(fixture.parent().unwrap()).unwrap();
    std::fs::copy(folder.path().join(schema::FILE_NAME), fixture).unwrap();
}

#[test]
#[ignore = "writes the fixture of format 1 where it is not there"]
fn writes_the_fixture() {
    write_fixture(&fixture(), ops());
}

fn expected_lanes() -> Vec<LaneState> {
    let oldest = Some((AT, Uptime(30_000)));
    let pending = |lane, cursor, records, health| LaneState {
        lane,
        cursor: Seq(cursor),
        last: Seq(cursor + records),
        pending_records: records,
        pending_bytes: records * fragment("a").len() as u64,
        oldest,
        health,
        ..LaneState::default()
    };
    // What was in flight when the process ended was lost, and counts as an attempt.
    let lost = |batch: Batch, attempts| Batch { attempts, ..batch };
    vec![
        pending(ACME_EXCLUDED, 7, 1, without_webhook()),
        LaneState {
            ranges: vec![(range(3, 1, 2, 0, 0), vec![lost(of_replay(cut(OF_REPLAY, 1, 1), 3), 1)])],
            ..pending(ACME_INGESTED, 2, 1, LaneHealth::default())
        },
        LaneState { redeliveries: true, ..pending(ACME_MODIFIED, 5, 1, LaneHealth::default()) },
        LaneState {
            batches: vec![lost(cut(FIRST_HALF, 9, 9), 1), cut(SECOND_HALF, 10, 10)],
            ..pending(GLOBEX_INGESTED, 8, 2, failing())
        },
        pending(GLOBEX_MODIFIED, 10, 2, paused()),
    ]
}

fn expected_dead_letters() -> [DeadLetter; 2] {
    let bytes = fragment("a").len() as u64;
    let letter = |no, seq, reason| DeadLetter {
        no: DeadLetterNo(no),
        lane: ACME_MODIFIED,
        first: Seq(seq),
        last: Seq(seq),
        records: 1,
        bytes,
        reason,
        at: AT,
        batch: None,
        redelivery: None,
    };
    [
        DeadLetter { batch: Some(TOO_LARGE), ..letter(1, 4, DeadReason::TooLarge) },
        DeadLetter { redelivery: Some(Uuid::from_u128(0x30)), ..letter(2, 5, DeadReason::GivenUp) },
    ]
}

#[test]
fn every_row_of_a_spool_of_format_1_is_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(fixture(), folder.path().join(schema::FILE_NAME)).unwrap();
    let opened = open(folder.path());
    assert!(!opened.is_new);
    assert_eq!((opened.position, opened.last_seq, opened.uptime), (Some(POSITION), Seq(12), UPTIME));
    assert_eq!((opened.facts, opened.projects), (facts(), vec!["acme".into(), "globex".into()]));
    assert_eq!(opened.lanes, expected_lanes());

    let reader = opened.spool.reader().unwrap();
    let mut records = Vec::new();
    for lane in expected_lanes() {
        let mut seq = Seq(1);
        while let Some(chunk) = reader.chunk_holding(lane.lane, seq).unwrap() {
            let read = chunk.records().map(Result::unwrap);
            records.extend(read.map(|r| (r.seq.0, chunk.lane, r.fragment.to_vec(), r.committed_at)));
            seq = Seq(chunk.last.0 + 1);
        }
    }
    records.sort();
    let all = (1..).zip(RECORDS).map(|(seq, (lane, id))| (seq, lane, fragment(id), AT));
    assert_eq!(records, all.collect::<Vec<_>>());

    let entries = reader.shadow_after(None, 9).unwrap();
    assert_eq!(entries, ["a", "b"].map(|id| (identity(id), Arc::from(format!("entry {id}").as_bytes()))));
    assert_eq!(reader.dead_letters(DeadLetterNo(0), 9).unwrap(), expected_dead_letters());
    let attempt = |number, status: Option<u16>, outcome: OutcomeKind| (number, status, outcome);
    let attempts = |batch: Uuid| -> Vec<_> {
        let rows = reader.attempts(&batch).unwrap().into_iter();
        rows.map(|row| (row.number, row.status, row.outcome)).collect()
    };
    assert_eq!(attempts(DELIVERED), [attempt(1, Some(200), OutcomeKind::Delivered)]);
    assert_eq!(attempts(TOO_LARGE), [attempt(1, Some(413), OutcomeKind::Status)]);
    assert_eq!(attempts(RETIRED), [attempt(1, Some(503), OutcomeKind::Status)]);
    assert_eq!(attempts(FIRST_HALF), [attempt(1, None, OutcomeKind::Lost)]);
    assert_eq!(reader.attempts(&RETIRED).unwrap()[0].detail.as_deref(), Some("no thanks"));
    let batch = |id: Uuid| reader.batch(&id).unwrap().map(|(batch, _)| Batch { attempts: 0, ..batch });
    assert_eq!(batch(DELIVERED), Some(cut(DELIVERED, 1, 2)));
    assert_eq!(batch(RETIRED), Some(cut(RETIRED, 9, 10)));
    assert_eq!(batch(REPLAYED), Some(of_replay(cut(REPLAYED, 1, 1), 1)));
    opened.spool.close();
}

#[test]
fn replays_and_discards_of_format_1_are_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(fixture(), folder.path().join(schema::FILE_NAME)).unwrap();
    let opened = open(folder.path());
    let reader = opened.spool.reader().unwrap();
    let replays = reader.replays().unwrap();
    let states: Vec<_> =
        replays.iter().map(|replay| (replay.no.0, replay.state, replay.ended_at.is_some())).collect();
    let (running, done, cancelled) = (ReplayState::Running, ReplayState::Done, ReplayState::Cancelled);
    assert_eq!(states, [(3, running, false), (2, cancelled, true), (1, done, true)]);
    let last = &replays[0];
    assert_eq!((last.id, last.rate, last.requested_at), (Uuid::from_u128(0x23), Some(100), AT));
    assert_eq!(last.request, r#"{"from_lsn":"0/0"}"#);
    assert_eq!(reader.ranges(ReplayNo(1)).unwrap(), [range(1, 1, 1, 1, 1)]);
    assert_eq!(reader.ranges(ReplayNo(2)).unwrap(), [range(2, 1, 2, 0, 0)]);
    let window = reader.window(Seq(0)).unwrap().unwrap();
    assert_eq!(window.low_watermark.position, Position { commit: Lsn(899), number: 0 });
    let everything = Search { from: SearchStart::Since(AT), to: None, epoch_after: Seq(0) };
    let found = reader.search(&everything, &mut |_| true).unwrap().ranges;
    let found: Vec<_> = found.iter().map(|range| (range.lane, range.first.0, range.last.0)).collect();
    assert_eq!(found, [(ACME_INGESTED, 1, 2), (ACME_MODIFIED, 4, 5)], "7 was discarded, the rest is pending");
    let usage = reader.usage().unwrap();
    assert_eq!((usage.dead_records, usage.shadow_documents, usage.shadow_bytes), (2, 2, 16));
    opened.spool.close();
}

#[test]
fn a_new_file_has_the_newest_format() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).spool.close();
    let file = rusqlite::Connection::open(folder.path().join(schema::FILE_NAME)).unwrap();
    let format: i64 = file.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(format, migrations::newest(migrations::STEPS));
}
