//! A disk that can lose what was not synced, under SQLite's own feet.
//!
//! SQLite runs on a VFS of ours (the crate `sqlite-vfs`: a safe trait, its own bindings, nothing to
//! install), made its default for this program. So the spool's code is the shipped code down to its
//! pragmas, and what is lost is decided by the writes and syncs that SQLite really makes: with
//! `synchronous` turned down it makes no sync, and records are lost. Copies of files, cut back at a death,
//! would need to know what was synced, and could not check it.
//!
//! Each file has its content, as the process sees it, and what is durable: after a loss of power the
//! durable bytes are left, and any of the writes since, whole, in part or not at all.

use std::collections::HashMap;
use std::io::{Error, ErrorKind};
use std::ops::Range;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sidecar::clock::Clock;
use sidecar::time::Uptime;
use sqlite_vfs::wip::{WalIndex, WalIndexLock};
use sqlite_vfs::{DatabaseHandle, LockKind, OpenAccess, OpenOptions, Vfs};

thread_local! {
    /// Every thread has a disk of its own, so that histories run beside one another.
    static DISK: &'static Mutex<Disk> = Box::leak(Box::default());
}

/// This thread's disk. SQLite holds it while it works on it, and nothing else does then.
pub fn disk() -> MutexGuard<'static, Disk> {
    DISK.with(|disk| *disk).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes it SQLite's default, once.
pub fn mount() {
    static MOUNTED: LazyLock<()> = LazyLock::new(|| {
        sqlite_vfs::register("simulated", Mount, true).unwrap();
    });
    LazyLock::force(&MOUNTED);
}

#[derive(Default)]
pub struct Disk {
    files: HashMap<String, File>,
    /// By database: its shared index of the log.
    indexes: HashMap<String, Index>,
    random: Option<StdRng>,
    handles: u64,
    /// Writes, syncs and so on that were requested.
    pub steps: u64,
    /// The process dies at this step.
    pub dies_at: Option<u64>,
    /// The next sync from this step on fails.
    pub sync_fails_at: Option<u64>,
    /// There is no room before this: the loop may wait for it within one of its turns.
    full_until: Option<(Clock, Uptime)>,
    /// The process is dead: it can do nothing any more.
    pub is_dead: bool,
    /// A sync failed.
    pub sync_failed: bool,
}

#[derive(Default)]
struct File {
    content: Vec<u8>,
    durable: Vec<u8>,
    /// Since the last sync, in order.
    unsynced: Vec<Change>,
    locks: HashMap<u64, LockKind>,
}

enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Default)]
struct Index {
    regions: HashMap<u32, [u8; REGION]>,
    /// By slot: who holds it how.
    locks: HashMap<u8, HashMap<u64, WalIndexLock>>,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Death {
    /// Killed: what was written stays.
    Killed,
    /// The power fails: what was not synced may be lost.
    PowerLost,
}

impl Disk {
    /// An empty disk.
    pub fn format(&mut self, seed: u64) {
        *self = Self { random: Some(StdRng::seed_from_u64(seed)), ..Self::default() };
    }

    /// What the next process finds. All handles must be closed.
    pub fn restart(&mut self, death: Death) {
        let mut random = self.random.take().unwrap();
        let mut names: Vec<String> = self.files.keys().cloned().collect();
        names.sort_unstable();
        for name in names {
            let file = self.files.get_mut(&name).unwrap();
            assert!(file.locks.is_empty(), "{name} is still open");
            if death == Death::PowerLost {
                file.content = file.after_power_loss(&mut random);
            }
            file.unsynced.clear();
            file.durable.clone_from(&file.content);
        }
        self.indexes.clear();
        self.random = Some(random);
        self.end_faults();
        (self.is_dead, self.sync_failed) = (false, false);
    }

    /// No fault is to come.
    pub fn end_faults(&mut self) {
        (self.dies_at, self.sync_fails_at, self.full_until) = (None, None, None);
    }

    /// There is no room for so long.
    pub fn fill(&mut self, clock: Clock, time: Duration) {
        self.full_until = Some((clock, clock.uptime().plus(time)));
    }

    pub fn is_full(&self) -> bool {
        self.full_until.is_some_and(|(clock, until)| clock.uptime() < until)
    }

    /// A step that changes something: refused to a dead process.
    fn step(&mut self) -> Result<(), Error> {
        self.steps += 1;
        if self.dies_at.is_some_and(|at| self.steps >= at) {
            self.is_dead = true;
        }
        if self.is_dead { Err(Error::other("the process is dead")) } else { Ok(()) }
    }

    fn file(&mut self, name: &str) -> &mut File {
        self.files.entry(name.to_owned()).or_default()
    }

    fn index(&mut self, name: &str) -> &mut Index {
        self.indexes.entry(name.to_owned()).or_default()
    }
}

impl File {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.content, usize::MAX);
        self.unsynced.push(change);
    }

    fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.durable, usize::MAX);
        }
    }

    /// Of each change all, nothing, or a beginning of whole sectors.
    fn after_power_loss(&self, random: &mut StdRng) -> Vec<u8> {
        let mut left = self.durable.clone();
        // Often everything is lost, or all but the end: the cases that an ordered disk makes.
        let kept_from_start = match random.random_range(0..4) {
            0 => 0,
            1 => random.random_range(0..=self.unsynced.len()),
            _ => usize::MAX,
        };
        for (at, change) in self.unsynced.iter().enumerate() {
            let bytes = match kept_from_start {
                usize::MAX => match random.random_range(0..3) {
                    0 => 0,
                    1 => SECTOR * random.random_range(0..9_usize),
                    _ => usize::MAX,
                },
                kept if at < kept => usize::MAX,
                _ => 0,
            };
            change.apply(&mut left, bytes);
        }
        left
    }
}

impl Change {
    /// Applies its first `bytes` bytes.
    fn apply(&self, content: &mut Vec<u8>, bytes: usize) {
        match self {
            Self::Write(offset, data) => {
                let data = &data[..data.len().min(bytes)];
                let end = offset + data.len();
                if data.is_empty() {
                    return;
                }
                content.resize(content.len().max(end), 0);
                content[*offset..end].copy_from_slice(data);
            }
            Self::Length(length) if bytes > 0 => content.resize(*length, 0),
            Self::Length(_) => {}
        }
    }
}

struct Mount;

struct Handle {
    name: String,
    number: u64,
    lock: LockKind,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut disk = disk();
        if let Some(file) = disk.files.get_mut(&self.name) {
            file.locks.remove(&self.number);
        }
    }
}

impl Vfs for Mount {
    type Handle = Handle;

    fn open(&self, db: &str, opts: OpenOptions) -> Result<Handle, Error> {
        let mut disk = disk();
        let is_there = disk.files.contains_key(db);
        let creates = matches!(opts.access, OpenAccess::Create | OpenAccess::CreateNew);
        if !is_there && !creates {
            return Err(ErrorKind::NotFound.into());
        }
        if !is_there {
            disk.step()?;
        }
        disk.handles += 1;
        let number = disk.handles;
        disk.file(db).locks.insert(number, LockKind::None);
        Ok(Handle { name: db.to_owned(), number, lock: LockKind::None })
    }

    fn delete(&self, db: &str) -> Result<(), Error> {
        let mut disk = disk();
        disk.step()?;
        disk.files.remove(db);
        Ok(())
    }

    fn exists(&self, db: &str) -> Result<bool, Error> {
        Ok(disk().files.contains_key(db))
    }

    fn temporary_name(&self) -> String {
        let mut disk = disk();
        disk.handles += 1;
        format!("temporary-{}", disk.handles)
    }

    fn random(&self, buffer: &mut [i8]) {
        let mut disk = disk();
        if let Some(random) = &mut disk.random {
            buffer.fill_with(|| random.random());
        }
    }

    /// Nobody else moves meanwhile.
    fn sleep(&self, duration: Duration) -> Duration {
        duration
    }
}

impl DatabaseHandle for Handle {
    type WalIndex = SharedIndex;

    fn size(&self) -> Result<u64, Error> {
        Ok(disk().file(&self.name).content.len() as u64)
    }

    fn read_exact_at(&mut self, buf: &mut [u8], offset: u64) -> Result<(), Error> {
        let mut disk = disk();
        let content = &disk.file(&self.name).content;
        let offset = usize::try_from(offset).unwrap().min(content.len());
        let there = (content.len() - offset).min(buf.len());
        buf[..there].copy_from_slice(&content[offset..offset + there]);
        buf[there..].fill(0);
        if there < buf.len() { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    fn write_all_at(&mut self, buf: &[u8], offset: u64) -> Result<(), Error> {
        let mut disk = disk();
        disk.step()?;
        if disk.is_full() {
            return Err(ErrorKind::WriteZero.into());
        }
        let offset = usize::try_from(offset).unwrap();
        let file = disk.file(&self.name);
        if file.content.len() < offset {
            file.change(Change::Length(offset));
        }
        file.change(Change::Write(offset, buf.to_vec()));
        Ok(())
    }

    fn sync(&mut self, _data_only: bool) -> Result<(), Error> {
        let mut disk = disk();
        disk.step()?;
        if disk.sync_fails_at.is_some_and(|at| disk.steps >= at) {
            disk.sync_failed = true;
            return Err(Error::other("the sync failed"));
        }
        disk.file(&self.name).sync();
        Ok(())
    }

    fn set_len(&mut self, size: u64) -> Result<(), Error> {
        let mut disk = disk();
        disk.step()?;
        disk.file(&self.name).change(Change::Length(usize::try_from(size).unwrap()));
        Ok(())
    }

    fn lock(&mut self, lock: LockKind) -> Result<bool, Error> {
        let mut disk = disk();
        let locks = &mut disk.file(&self.name).locks;
        let others = || locks.iter().filter(|(number, _)| **number != self.number).map(|(_, lock)| *lock);
        let rank = |lock: LockKind| match lock {
            LockKind::None => 0,
            LockKind::Shared => 1,
            LockKind::Reserved => 2,
            LockKind::Pending => 3,
            LockKind::Exclusive => 4,
        };
        let highest = others().map(rank).max().unwrap_or(0);
        let is_free = rank(lock) <= rank(self.lock)
            || match lock {
                LockKind::None => true,
                LockKind::Shared => highest < 3,
                LockKind::Reserved => highest < 2,
                LockKind::Pending | LockKind::Exclusive => highest < 1,
            };
        if is_free {
            self.lock = lock;
            locks.insert(self.number, lock);
        }
        Ok(is_free)
    }

    fn reserved(&mut self) -> Result<bool, Error> {
        let mut disk = disk();
        let locks = &disk.file(&self.name).locks;
        Ok(locks.values().any(|lock| !matches!(lock, LockKind::None | LockKind::Shared)))
    }

    fn current_lock(&self) -> Result<LockKind, Error> {
        Ok(self.lock)
    }

    fn wal_index(&self, _readonly: bool) -> Result<SharedIndex, Error> {
        Ok(SharedIndex { name: self.name.clone(), number: self.number })
    }
}

/// What the connections to one database share of its log.
struct SharedIndex {
    name: String,
    number: u64,
}

impl WalIndex for SharedIndex {
    fn map(&mut self, region: u32) -> Result<[u8; REGION], Error> {
        let mut disk = disk();
        Ok(*disk.index(&self.name).regions.entry(region).or_insert(EMPTY))
    }

    fn lock(&mut self, slots: Range<u8>, lock: WalIndexLock) -> Result<bool, Error> {
        let mut disk = disk();
        let locks = &mut disk.index(&self.name).locks;
        let is_free = |slot: u8| {
            let held = locks.get(&slot).into_iter().flatten();
            let mut others = held.filter(|(number, _)| **number != self.number).map(|(_, lock)| *lock);
            match lock {
                WalIndexLock::None => true,
                WalIndexLock::Shared => others.all(|lock| lock != WalIndexLock::Exclusive),
                WalIndexLock::Exclusive => others.next().is_none(),
            }
        };
        if !slots.clone().all(is_free) {
            return Ok(false);
        }
        for slot in slots {
            let held = locks.entry(slot).or_default();
            match lock {
                WalIndexLock::None => held.remove(&self.number),
                lock => held.insert(self.number, lock),
            };
        }
        Ok(true)
    }

    fn delete(self) -> Result<(), Error> {
        disk().indexes.remove(&self.name);
        Ok(())
    }

    fn pull(&mut self, region: u32, data: &mut [u8; REGION]) -> Result<(), Error> {
        if let Some(shared) = disk().index(&self.name).regions.get(&region) {
            data.copy_from_slice(shared);
        }
        Ok(())
    }

    fn push(&mut self, region: u32, data: &[u8; REGION]) -> Result<(), Error> {
        let mut disk = disk();
        disk.index(&self.name).regions.insert(region, *data);
        Ok(())
    }
}

/// The test of the test: with syncs a commit is there after every loss of power, without them often not.
#[test]
fn the_disk_loses_what_was_not_synced_and_nothing_else() {
    mount();
    let mut lost = [0, 0];
    for seed in 0..40 {
        for (synchronous, lost) in ["FULL", "OFF"].into_iter().zip(&mut lost) {
            disk().format(seed);
            let connection = rusqlite::Connection::open("some.sqlite").unwrap();
            connection
                .execute_batch(&format!(
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous};
                     CREATE TABLE one (n INTEGER); INSERT INTO one VALUES (1);"
                ))
                .unwrap();
            disk().is_dead = true;
            drop(connection);
            disk().restart(Death::PowerLost);
            let connection = rusqlite::Connection::open("some.sqlite").unwrap();
            let found = connection.query_row("SELECT n FROM one", [], |row| row.get::<_, i64>(0));
            *lost += usize::from(found != Ok(1));
        }
    }
    println!("lost of 40: {lost:?}");
    assert!(lost[0] == 0 && lost[1] > 10);
}

const REGION: usize = 32_768;
static EMPTY: [u8; REGION] = [0; REGION];
const SECTOR: usize = 512;
