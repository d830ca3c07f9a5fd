//! The spool on a real disk.

mod format_1;
mod resend;
mod row_bytes;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use uuid::Uuid;

use super::*;
use crate::classify::Identity;
use crate::clock::Clock;
use crate::position::{Lsn, Position};
use crate::record::{Callback, LaneNo, ProjectNo, Seq, WaitsFor};
use crate::spool::engine::Engine;
use crate::spool::*;
use crate::time::{Timestamp, Uptime};

const OPTIONS: Options = Options { bytes_max: 64 << 20, retain: Duration::from_hours(24) };

fn lane(callback: Callback) -> LaneNo {
    LaneNo::new(ProjectNo(0), callback)
}

fn open(folder: &Path) -> Opened {
    Spool::open(folder, OPTIONS).unwrap()
}

/// A group of `records` records in one lane, each of `size` bytes.
fn group(builder: &mut GroupBuilder, lane: LaneNo, records: u64, size: usize, at: Timestamp) -> Group {
    for number in 0..records {
        let position = Position { commit: Lsn(builder.last().0 * 8), number: 1 };
        builder.push(lane, position, at, WaitsFor::default(), number, &vec![b'x'; size]);
    }
    Group { chunks: builder.finish(at, Uptime(1)), ..Group::default() }
}

fn commit(spool: &Spool, group: Group) -> Result<Done, SpoolError> {
    spool.apply(Op::Commit(Arc::new(group)))
}

fn batch(lane: LaneNo, first: u64, last: u64) -> Batch {
    let records = u32::try_from(last - first + 1).unwrap();
    Batch {
        id: Uuid::now_v7(),
        lane,
        first: Seq(first),
        last: Seq(last),
        records,
        body_bytes: 11 + u64::from(records) * 101 - 1,
        body_sum: 7,
        cut_at: Timestamp(1),
        epoch: Uuid::nil(),
        attempts: 0,
        replay: None,
    }
}

fn attempted(batch: &Batch, fate: Fate) -> Op {
    Op::Attempted(Attempted {
        batch: batch.id,
        lane: batch.lane,
        number: batch.attempts + 1,
        started_at: batch.cut_at,
        took_micros: 3,
        status: Some(200),
        outcome: crate::outcome::OutcomeKind::Delivered,
        detail: None,
        fate,
        health: LaneHealth::default(),
    })
}

#[test]
fn what_is_committed_is_there_after_a_new_start_and_numbers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open(folder.path());
    assert!(opened.is_new && opened.lanes.is_empty());
    let mut builder = GroupBuilder::new(opened.last_seq);
    let position = StreamPosition {
        resume_lsn: Lsn(9),
        last_end: Lsn(8),
        open: Some(OpenTransaction { commit: Lsn(u64::MAX), changes_applied: 4, records_made: 3 }),
    };
    let identity = Identity(b"7".as_slice().into());
    let whole = Group {
        shadow: vec![(identity.clone(), Some(b"entry".as_slice().into()))],
        growth: Growth { documents: 1, bytes: 6 },
        position: Some(position),
        projects: vec![(ProjectNo(0), "p".into())],
        facts: vec![(Fact::Mapping, Some(b"{}".to_vec()))],
        ..group(&mut builder, lane(Callback::Ingested), 3, 100, Timestamp(5))
    };
    commit(&opened.spool, whole).unwrap();
    opened.spool.close();

    let again = open(folder.path());
    assert!(!again.is_new);
    assert_eq!((again.position, again.last_seq), (Some(position), Seq(3)));
    assert_eq!(again.projects, ["p"]);
    assert_eq!(again.facts[&Fact::Mapping], b"{}");
    assert_eq!(again.lanes.len(), 1);
    assert_eq!((again.lanes[0].pending_records, again.lanes[0].pending_bytes), (3, 300));
    let reader = again.spool.reader().unwrap();
    assert_eq!(reader.shadow(&identity).unwrap().as_deref(), Some(b"entry".as_slice()));
    assert_eq!(reader.usage().unwrap().shadow_documents, 1);
}

#[test]
fn a_batch_found_unsettled_counts_as_one_lost_attempt_and_is_the_same_batch() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open(folder.path());
    let mut builder = GroupBuilder::new(Seq(0));
    commit(&opened.spool, group(&mut builder, lane(Callback::Modified), 10, 100, Timestamp(5))).unwrap();
    let cut = batch(lane(Callback::Modified), 1, 4);
    opened.spool.apply(Op::Cut(cut.clone())).unwrap();
    opened.spool.close();
    for lost in 1..=2 {
        let again = open(folder.path());
        assert_eq!(again.lanes[0].batches, [Batch { attempts: lost, ..cut.clone() }]);
        assert_eq!(again.lanes[0].health, LaneHealth::default(), "a lost attempt is no failure");
        again.spool.close();
    }
}

#[test]
fn cuts_and_outcomes_that_do_not_fit_are_refused_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path()).spool;
    let mut builder = GroupBuilder::new(Seq(0));
    let ingested = lane(Callback::Ingested);
    commit(&spool, group(&mut builder, ingested, 5, 100, Timestamp(5))).unwrap();
    commit(&spool, group(&mut builder, ingested, 5, 100, Timestamp(5))).unwrap();
    let refused = |op| matches!(spool.apply(op), Err(SpoolError::Refused(_)));
    assert!(refused(Op::Cut(batch(ingested, 6, 8))), "it would pass over records");
    assert!(refused(Op::Cut(batch(ingested, 2, 4))), "it would pass over a record of the same chunk");
    assert!(refused(Op::Cut(batch(ingested, 1, 11))), "there is no eleventh record");
    let cut = batch(ingested, 1, 5);
    spool.apply(Op::Cut(cut.clone())).unwrap();
    assert!(refused(Op::Cut(batch(ingested, 6, 8))), "one batch in flight");
    assert!(refused(attempted(&batch(ingested, 1, 5), Fate::Delivered)), "another batch's attempt");
    let give_up =
        |through| Op::GiveUp { lane: ingested, through, reason: DeadReason::GivenUp, at: Timestamp(9) };
    assert!(refused(give_up(Seq(3))), "a batch is given up whole");
    assert!(refused(give_up(Seq(11))), "there is no eleventh record");
    spool.apply(attempted(&cut, Fate::Delivered)).unwrap();
    let state = &spool.reader().unwrap().lanes().unwrap()[0];
    assert_eq!((state.cursor, state.pending_records, state.pending_bytes), (Seq(5), 5, 500));
    let given_up = spool.apply(give_up(Seq(8))).unwrap();
    assert_eq!(given_up, Done::Settled { records: 3, bytes: 300 });
    assert_eq!(spool.reader().unwrap().usage().unwrap().dead_records, 3);
}

#[test]
fn what_is_discarded_leaves_nothing_behind_and_a_cut_inside_a_chunk_begins_where_the_last_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = store::Store::open(folder.path(), 1 << 30, Timestamp(1)).unwrap();
    let mut builder = GroupBuilder::new(Seq(0));
    let of = lane(Callback::Ingested);
    let mut apply = |op: Op| store.apply(vec![op]).remove(0);
    apply(Op::Commit(Arc::new(group(&mut builder, of, 10, 100, Timestamp(1))))).unwrap();
    let first = batch(of, 1, 4);
    apply(Op::Cut(first.clone())).unwrap();
    apply(attempted(&first, Fate::Delivered)).unwrap();
    assert!(matches!(apply(Op::Cut(batch(of, 6, 8))), Err(SpoolError::Refused(_))), "5 would be passed over");
    apply(Op::Commit(Arc::new(group(&mut builder, of, 10, 100, Timestamp(1))))).unwrap();
    let second = batch(of, 5, 10);
    apply(Op::Cut(second.clone())).unwrap();
    let Op::Attempted(failed) = attempted(&second, Fate::Failed) else { unreachable!() };
    let detail = Some("schön".to_owned());
    apply(Op::Attempted(Attempted { detail, ..failed })).unwrap();
    let gone = apply(Op::Discard { lane: of, through: Seq(20) }).unwrap();
    assert_eq!(gone, Done::Settled { records: 16, bytes: 1_600 });
    while store.sweep(Timestamp(i64::MAX)).unwrap().more {}
    for table in ["chunk", "batch", "attempt"] {
        assert_eq!(store.one::<i64>(&format!("SELECT count(*) FROM {table}"), []).unwrap(), 0, "{table}");
    }
    assert_eq!(store.meta.live_bytes, 0, "what went is counted as it came");
}

#[test]
fn a_name_that_is_damaged_is_refused_and_never_read_as_another_project() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path()).spool;
    commit(&spool, Group { projects: vec![(ProjectNo(0), "acme".into())], ..Group::default() }).unwrap();
    spool.close();
    let file = rusqlite::Connection::open(folder.path().join(schema::FILE_NAME)).unwrap();
    file.execute("UPDATE project SET name = 'acne'", []).unwrap();
    let refused = Spool::open(folder.path(), OPTIONS).unwrap_err();
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
}

#[test]
fn a_retired_batch_makes_way_for_its_halves_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path()).spool;
    let mut builder = GroupBuilder::new(Seq(0));
    let ingested = lane(Callback::Ingested);
    commit(&spool, group(&mut builder, ingested, 5, 100, Timestamp(5))).unwrap();
    let whole = batch(ingested, 1, 5);
    spool.apply(Op::Cut(whole.clone())).unwrap();
    let halves = vec![batch(ingested, 1, 2), batch(ingested, 3, 5)];
    let short = vec![batch(ingested, 1, 2), batch(ingested, 3, 4)];
    assert!(spool.apply(Op::Retire { batch: whole.id, successors: short }).is_err());
    spool.apply(Op::Retire { batch: whole.id, successors: halves.clone() }).unwrap();
    assert_eq!(spool.reader().unwrap().lanes().unwrap()[0].batches, halves);
    assert!(spool.apply(attempted(&halves[1], Fate::Delivered)).is_err(), "the first comes first");
    spool.apply(attempted(&halves[0], Fate::Delivered)).unwrap();
    spool.apply(attempted(&halves[1], Fate::Dead(DeadReason::TooLarge))).unwrap();
    let state = &spool.reader().unwrap().lanes().unwrap()[0];
    assert_eq!((state.cursor, state.pending_records), (Seq(5), 0));
}

#[test]
fn a_second_sidecar_on_a_spool_is_refused_with_the_first_ones_pid() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let said = Spool::open(folder.path(), OPTIONS).unwrap_err().to_string();
    assert!(said.contains(&std::process::id().to_string()), "{said}");
    first.spool.close();
    drop(first);
    open(folder.path()).spool.close();
}

#[test]
fn a_newer_format_and_a_strange_file_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).spool.close();
    let file = folder.path().join(schema::FILE_NAME);
    let sql = |text: &str| rusqlite::Connection::open(&file).unwrap().execute_batch(text).unwrap();
    sql("PRAGMA user_version = 99");
    assert!(matches!(Spool::open(folder.path(), OPTIONS), Err(OpenError::Newer { found: 99, .. })));
    sql("PRAGMA user_version = 1; PRAGMA application_id = 5");
    assert!(matches!(Spool::open(folder.path(), OPTIONS), Err(OpenError::NotASpool { .. })));
}

/// Everything that can be read of a spool, or the first refusal.
fn all(folder: &Path) -> Result<Vec<String>, String> {
    let opened = Spool::open(folder, OPTIONS).map_err(|error| error.to_string())?;
    let read = || -> Result<Vec<String>, SpoolError> {
        let reader = opened.spool.reader()?;
        let mut told = vec![format!("{:?} {:?} {:?}", opened.position, opened.facts, opened.projects)];
        for state in reader.lanes()? {
            let mut seq = Seq(1);
            while let Some(chunk) = reader.chunk_holding(state.lane, seq)? {
                told.extend(chunk.records().map(|record| format!("{record:?}")));
                seq = Seq(chunk.last.0 + 1);
            }
            let batches = state.batches.iter().map(|batch| Batch { attempts: 0, ..batch.clone() });
            told.push(format!("{:?} {:?}", state.cursor, batches.collect::<Vec<_>>()));
        }
        told.extend(reader.shadow_after(None, 1_000)?.iter().map(|entry| format!("{entry:?}")));
        Ok(told)
    };
    let told = read().map_err(|error| error.to_string());
    opened.spool.close();
    told
}

#[test]
fn damage_is_refused_or_harmless_and_never_read_as_other_content() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path()).spool;
    let mut builder = GroupBuilder::new(Seq(0));
    for round in 0_u8..10 {
        let shadow = (0..50_u8).map(|number| {
            let entry: Box<[u8]> = vec![number; 40].into();
            (Identity(vec![round, number].into()), Some(entry))
        });
        let callback = Callback::ALL[usize::from(round) % 3];
        let group = Group {
            shadow: shadow.collect(),
            projects: vec![(ProjectNo(u32::from(round)), format!("a project named {round}"))],
            ..group(&mut builder, lane(callback), 20, 200, Timestamp(5))
        };
        commit(&spool, group).unwrap();
    }
    spool.apply(Op::Cut(batch(lane(Callback::Excluded), 1, 9))).unwrap();
    spool.close();
    let whole = all(folder.path()).unwrap();
    let file = folder.path().join(schema::FILE_NAME);
    let bytes = std::fs::read(&file).unwrap();
    let mut dice = StdRng::seed_from_u64(7);
    let (mut refused, mut harmless) = (0, 0);
    for _ in 0..150 {
        let mut damaged = bytes.clone();
        let at = dice.random_range(0..damaged.len());
        damaged[at] ^= 1 << dice.random_range(0..8);
        for leftover in ["spool.sqlite-wal", "spool.sqlite-shm"] {
            let _ = std::fs::remove_file(folder.path().join(leftover));
        }
        std::fs::write(&file, damaged).unwrap();
        match all(folder.path()) {
            Err(_) => refused += 1,
            Ok(told) => {
                harmless += 1;
                // A record may have become unreachable, which the order of numbers shows elsewhere;
                // what is read is what was written.
                let unknown: Vec<&String> = told.iter().filter(|line| !whole.contains(line)).collect();
                assert!(unknown.is_empty(), "byte {at}: {unknown:?}");
            }
        }
    }
    println!("{refused} refused, {harmless} harmless");
    assert!(refused > 20);
}

#[test]
fn near_its_limit_delivered_records_go_first_then_the_fullest_dead_then_there_is_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let now = Clock::now();
    let (mut store, _) = store::Store::open(folder.path(), 1 << 20, now).unwrap();
    let mut builder = GroupBuilder::new(Seq(0));
    let apply = |store: &mut store::Store, op: Op| store.apply(vec![op]).remove(0).unwrap();
    let (delivered, dead, healthy) =
        (lane(Callback::Excluded), lane(Callback::Ingested), lane(Callback::Modified));
    for of in [delivered, dead, healthy] {
        for _ in 0..3 {
            apply(&mut store, Op::Commit(Arc::new(group(&mut builder, of, 100, 1_000, now))));
        }
    }
    let cut = batch(delivered, 1, 300);
    apply(&mut store, Op::Cut(cut.clone()));
    apply(&mut store, attempted(&cut, Fate::Delivered));
    apply(&mut store, Op::GiveUp { lane: dead, through: Seq(600), reason: DeadReason::GivenUp, at: now });
    let cutoff = Timestamp(0);
    let chunks = |store: &store::Store, of: LaneNo| -> i64 {
        store.one("SELECT count(*) FROM chunk WHERE lane = ?1", [of.0.cast_signed()]).unwrap()
    };
    assert!(store.is_near());
    store.sweep(cutoff).unwrap();
    assert!(chunks(&store, delivered) < 3, "delivered records go first");
    assert_eq!((chunks(&store, dead), store.meta.dead_records), (3, 300));
    // Pressed further, dead letters follow.
    for _ in 0..3 {
        apply(&mut store, Op::Commit(Arc::new(group(&mut builder, healthy, 100, 1_000, now))));
    }
    while store.sweep(cutoff).unwrap().more {}
    assert_eq!((chunks(&store, delivered), store.meta.dead_records), (0, 0));
    assert_eq!(chunks(&store, healthy), 6, "what is pending is never removed");
    for _ in 0..6 {
        apply(&mut store, Op::Commit(Arc::new(group(&mut builder, healthy, 100, 1_000, now))));
        while store.sweep(cutoff).unwrap().more {}
    }
    assert_eq!((store.room, chunks(&store, dead), chunks(&store, healthy)), (Room::Full, 0, 12));
}

#[test]
fn a_full_disk_changes_nothing_and_the_same_group_is_taken_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = store::Store::open(folder.path(), 1 << 30, Timestamp(1)).unwrap();
    let mut builder = GroupBuilder::new(Seq(0));
    let of = lane(Callback::Ingested);
    let first = Arc::new(group(&mut builder, of, 10, 100, Timestamp(1)));
    store.apply(vec![Op::Commit(first)]).remove(0).unwrap();
    let (meta, lanes) = (store.meta.clone(), store.lanes.clone());
    let limit = |store: &store::Store, pages: i64| -> i64 {
        store.connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| row.get(0)).unwrap()
    };
    limit(&store, 1);
    let second = Arc::new(group(&mut builder, of, 500, 1_000, Timestamp(1)));
    // A small operation handed in together with it is not done either, and is told so.
    let refused = store.apply(vec![Op::Tick(Uptime(99)), Op::Commit(Arc::clone(&second))]);
    assert_eq!(refused, [Err(SpoolError::DiskFull), Err(SpoolError::DiskFull)]);
    assert_eq!((&store.meta, &store.lanes), (&meta, &lanes));
    limit(&store, 1_000_000);
    store.apply(vec![Op::Commit(second)]).remove(0).unwrap();
    assert_eq!(store.lanes[&of].pending_records, 510);
    drop(store);
    let (again, _) = store::Store::open(folder.path(), 1 << 30, Timestamp(2)).unwrap();
    assert_eq!(again.lanes[&of].pending_records, 510);
}

#[test]
fn age_removes_settled_records_and_never_pending_ones() {
    let folder = tempfile::tempdir().unwrap();
    let old = Timestamp(1_000);
    let (mut store, _) = store::Store::open(folder.path(), 1 << 30, old).unwrap();
    let mut builder = GroupBuilder::new(Seq(0));
    let of = lane(Callback::Ingested);
    store.apply(vec![Op::Commit(Arc::new(group(&mut builder, of, 100, 100, old)))]);
    store.apply(vec![Op::Commit(Arc::new(group(&mut builder, of, 100, 100, old)))]);
    let cut = Batch { cut_at: old, ..batch(of, 1, 100) };
    store.apply(vec![Op::Cut(cut.clone())]);
    store.apply(vec![attempted(&cut, Fate::Delivered)]);
    let before = store.meta.live_bytes;
    store.sweep(old).unwrap();
    assert_eq!(store.meta.live_bytes, before, "not old enough");
    store.sweep(Timestamp(2_000)).unwrap();
    let left: i64 = store.one("SELECT count(*) FROM chunk", []).unwrap();
    let batches: i64 = store.one("SELECT count(*) FROM batch", []).unwrap();
    assert_eq!(
        (left, batches, store.meta.low_watermark.map(|low_watermark| low_watermark.seq)),
        (1, 0, Some(Seq(100)))
    );
    assert!(store.meta.live_bytes < before);
}
