//! What is particular to a file of SQLite: its format, its damage, its lock, a full disk.

mod format_1;
mod format_2;
mod format_3;
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
use crate::spool::contract::{EngineFactory, batch, contract_tests};
use crate::spool::engine::Engine;
use crate::spool::*;
use crate::time::{Timestamp, Uptime};

/// The folders of the contract's spools.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl EngineFactory for Folder {
    fn another(&self) -> Self {
        Self::new()
    }

    fn open(&self, bytes_max: u64, now: Timestamp) -> OpenEngine {
        super::open(self.0.path(), bytes_max, now, Checkpoints::OnCommit).unwrap()
    }
}

contract_tests!(Folder::new());

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
fn of_attempts_the_last_million_is_kept() {
    let folder = Folder::new();
    let mut spool = folder.open(1 << 30, Timestamp(0));
    let file = rusqlite::Connection::open(folder.0.path().join("spool.sqlite")).unwrap();
    for no in [1, 2, 300, 301, 1_000_300] {
        let sql = "INSERT INTO attempt (no, batch, number, started_at, took_micros, outcome) \
                   VALUES (?1, x'00', 1, 5, 0, 'delivered')";
        file.execute(sql, [no]).unwrap();
    }
    while spool.engine.sweep(Timestamp(0)).unwrap().more {}
    let mut left = file.prepare("SELECT no FROM attempt ORDER BY no").unwrap();
    let left: Vec<i64> = left.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(left, [301, 1_000_300]);
}

#[test]
fn a_second_sidecar_on_a_spool_is_refused_with_the_first_ones_pid() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let message = Spool::open(folder.path(), OPTIONS).unwrap_err().to_string();
    assert!(message.contains(&std::process::id().to_string()), "{message}");
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
        let mut lines = vec![format!("{:?} {:?} {:?}", opened.position, opened.facts, opened.projects)];
        for state in reader.lanes()? {
            let mut seq = Seq(1);
            while let Some(chunk) = reader.chunk_holding(state.lane, seq)? {
                lines.extend(chunk.records().map(|record| format!("{record:?}")));
                seq = Seq(chunk.last.0 + 1);
            }
            let batches = state.batches.iter().map(|batch| Batch { attempts: 0, ..batch.clone() });
            lines.push(format!("{:?} {:?}", state.cursor, batches.collect::<Vec<_>>()));
        }
        lines.extend(reader.shadow_after(None, 1_000)?.iter().map(|entry| format!("{entry:?}")));
        Ok(lines)
    };
    let lines = read().map_err(|error| error.to_string());
    opened.spool.close();
    lines
}

#[test]
fn damage_is_refused_or_harmless_and_never_read_as_other_content() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path()).spool;
    let mut builder = GroupBuilder::new(Seq(0));
    for round in 0_u8..10 {
        let shadow = (0..50_u8).map(|number| {
            let entry: Arc<[u8]> = vec![number; 40].into();
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
            Ok(lines) => {
                harmless += 1;
                // A record may have become unreachable, which the order of numbers shows elsewhere;
                // what is read is what was written.
                let unknown: Vec<&String> = lines.iter().filter(|line| !whole.contains(line)).collect();
                assert!(unknown.is_empty(), "byte {at}: {unknown:?}");
            }
        }
    }
    println!("{refused} refused, {harmless} harmless");
    assert!(refused > 20);
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
    // A small operation submitted together with it is not done either, and gets the error.
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

/// The writer's own clock goes on from the life before, as retries do.
#[test]
fn the_uptime_goes_on_in_every_life() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).spool;
    first.apply(Op::Tick(Uptime(70_000))).unwrap();
    first.close();
    let second = open(folder.path());
    let clock = Clock::start(second.uptime);
    while clock.uptime() <= Uptime(70_000) {
        second.spool.apply(Op::Tick(Uptime(0))).unwrap();
    }
    second.spool.apply(Op::Tick(Uptime(0))).unwrap();
    second.spool.close();
    assert!(open(folder.path()).uptime > Uptime(70_000));
}
