//! One seed: faults, then none, until everything has arrived.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use sidecar::capture::{ApplyError, GroupError, IndexLimits, Notification};
use sidecar::clock::{Clock, ManualClock};
use sidecar::spool::{DeadLetterNo, DeadReason, Replay, ReplayState};
use sidecar::time::{Timestamp, Uptime};

use crate::disk::{Death, disk};
use crate::model::Expected;
use crate::oracle::{FaultsSeen, check};
use crate::postgres::{PROJECTS, Postgres, START};
use crate::process::{Process, Refusals, Setup, manual_clock};
use crate::receivers::{Behaviour, Receivers, is_refused};
use crate::replays::{Entered, check_replays};

/// What a seed came to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Figures {
    pub records: usize,
    pub batches: usize,
    pub deaths: usize,
    pub power_losses: usize,
    pub cuts: usize,
    pub duplicates: usize,
    pub refused: usize,
    pub failed_syncs: usize,
    pub full_disks: usize,
    pub full_spools: usize,
    pub disk_steps: u64,
    pub replays: usize,
    pub replayed: usize,
    pub redelivered: usize,
    pub refused_records: usize,
}

impl Figures {
    pub fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.batches += other.batches;
        self.deaths += other.deaths;
        self.power_losses += other.power_losses;
        self.cuts += other.cuts;
        self.duplicates += other.duplicates;
        self.refused += other.refused;
        self.failed_syncs += other.failed_syncs;
        self.full_disks += other.full_disks;
        self.full_spools += other.full_spools;
        self.disk_steps += other.disk_steps;
        self.replays += other.replays;
        self.replayed += other.replayed;
        self.redelivered += other.redelivered;
        self.refused_records += other.refused_records;
    }
}

pub struct World {
    folder: PathBuf,
    pub(super) random: StdRng,
    clock: &'static ManualClock,
    /// As the world's clock shows it: steps of it are faults, too.
    wall: Timestamp,
    pub(super) setup: Setup,
    postgres: Postgres,
    pub(super) receivers: Receivers,
    pub(super) process: Option<Process>,
    /// The left loop waits for room.
    waits_for_room: bool,
    /// Those that were entered, by their ids.
    pub(super) replays: BTreeMap<String, Entered>,
    /// Refused records that each replay skipped.
    skipped: BTreeMap<String, u64>,
    pub(super) redeliveries: u128,
    figures: Figures,
    fault: Option<String>,
}

/// Runs a seed. What is wrong is an error.
pub fn run(seed: u64, folder: &Path) -> Result<Figures, String> {
    let mut world = World::new(seed, folder);
    let steps = world.random.random_range(100..900);
    let ended = (0..steps).try_for_each(|_| world.step()).and_then(|()| world.end_faults());
    world.end();
    ended?;
    world.check()
}

/// One transaction of many groups comes at once, in one piece.
pub fn flood(seed: u64, folder: &Path, rows: usize) -> Result<Figures, String> {
    let mut world = World::new(seed, folder);
    let index_limits = IndexLimits::default();
    world.setup =
        Setup { spool_bytes_max: 1 << 30, records_max: 500, bytes_max: 1 << 20, index_limits, ..world.setup };
    world.boot()?;
    world.connect();
    world.postgres.flood(&mut world.random, rows, world.wall);
    while let Some(block) = world.postgres.send(usize::MAX, world.wall) {
        world.process.as_ref().expect("it was booted").hand_over(block);
    }
    let ended = world.end_faults();
    world.end();
    ended?;
    world.check()
}

impl World {
    fn new(seed: u64, folder: &Path) -> Self {
        disk().format(seed);
        let mut random = StdRng::seed_from_u64(seed);
        let setup = Setup::draw(&mut random);
        Self {
            folder: folder.to_owned(),
            clock: manual_clock(),
            wall: Timestamp(1_700_000_000_000_000),
            setup,
            postgres: Postgres::new(),
            receivers: Receivers::new(setup.is_crowded(), setup.refusals == Refusals::Some),
            process: None,
            waits_for_room: false,
            replays: BTreeMap::new(),
            skipped: BTreeMap::new(),
            redeliveries: 0,
            figures: Figures::default(),
            fault: None,
            random,
        }
    }

    /// One thing happens.
    fn step(&mut self) -> Result<(), String> {
        if self.process.is_none() {
            self.boot()?;
        }
        match self.random.random_range(0..100) {
            0..12 => self.application(),
            12..30 => self.server(),
            30..48 => self.turn_left(),
            48..60 => self.turn_spool(),
            60..74 => self.turn_right(),
            74..84 => self.receiver(),
            84..92 => self.time(),
            92..95 => self.network(),
            95 => self.ask_replay(),
            96 if self.setup.gives_up() || self.setup.refusals == Refusals::All => self.ask_redelivery(),
            _ => self.faults(),
        }
        self.look()
    }

    fn application(&mut self) {
        let most = *[1, 3, 3, 30].choose(&mut self.random).unwrap();
        self.postgres.commit(&mut self.random, most, self.wall);
    }

    fn server(&mut self) {
        if !self.postgres.is_streaming() {
            return self.connect();
        }
        let block = match self.random.random_range(0..10) {
            0..2 => {
                let reply_requested = self.random.random_bool(0.5);
                self.postgres.keepalive(reply_requested)
            }
            2 => {
                self.postgres.elsewhere(&mut self.random);
                None
            }
            _ => {
                let messages = self.random.random_range(1..12);
                self.postgres.send(messages, self.wall)
            }
        };
        if let (Some(process), Some(block)) = (&self.process, block) {
            process.hand_over(block);
        }
    }

    fn connect(&mut self) {
        if self.waits_for_room {
            return;
        }
        let Some(process) = &mut self.process else { return };
        let Some(from) = process.connect() else { return };
        // While the loop settled, it may have run out of room: nothing is lost, it is read again.
        if from < self.postgres.confirmed {
            let confirmed = self.postgres.confirmed;
            self.fault.get_or_insert(format!("{confirmed} was confirmed, the spool holds all up to {from}"));
        }
        self.postgres.start(from);
    }

    fn turn_left(&mut self) {
        if let Some(process) = &mut self.process {
            process.left.step();
        }
        // What is confirmed reaches the server now or later.
        if self.random.random_bool(0.5) {
            self.confirm();
        }
    }

    fn confirm(&mut self) {
        if let Some(process) = self.process.as_ref().filter(|_| self.postgres.is_streaming()) {
            let confirmed = *process.capture.confirmed().borrow();
            self.postgres.confirm(confirmed.max(START));
        }
    }

    fn turn_spool(&mut self) {
        if let Some(process) = &self.process {
            process.spool.run_submitted();
        }
    }

    fn turn_right(&mut self) {
        if let Some(process) = &mut self.process {
            process.right.step();
        }
        self.receivers.collect(self.now());
    }

    fn receiver(&mut self) {
        let now = self.now();
        self.receivers.answer(&mut self.random, now);
    }

    fn time(&mut self) {
        let most = *[20, 600, 20_000].choose(&mut self.random).unwrap();
        let passed = self.random.random_range(0..most);
        self.pass(Duration::from_millis(passed));
    }

    fn pass(&mut self, time: Duration) {
        self.wall = self.wall.plus(time);
        self.clock.set(self.now().plus(time), self.wall);
    }

    fn now(&self) -> Uptime {
        Clock::manual(self.clock).uptime()
    }

    fn network(&mut self) {
        self.figures.cuts += 1;
        self.postgres.cut();
    }

    fn faults(&mut self) {
        match self.random.random_range(0..12) {
            0 => {
                let death = if self.random.random_bool(0.5) { Death::Killed } else { Death::PowerLost };
                self.die(death);
            }
            1 | 2 => {
                // In the midst of what it writes next.
                let mut disk = disk();
                disk.dies_at = Some(disk.steps + self.random.random_range(1..30));
            }
            3 => {
                let mut disk = disk();
                disk.sync_fails_at = Some(disk.steps + self.random.random_range(1..30));
            }
            4 => {
                self.figures.full_disks += 1;
                disk().fill(Clock::manual(self.clock), Duration::from_secs(3));
            }
            5 => self.postgres.crash(),
            6 => self.postgres.checkpoint(),
            7 => {
                let step = self.random.random_range(-3_600_000_000..3_600_000_000_i64);
                self.wall = Timestamp(self.wall.0 + step);
                self.pass(Duration::ZERO);
            }
            8 => self.stop(),
            _ if self.setup.is_crowded() => {}
            _ => {
                let project = (*PROJECTS.choose(&mut self.random).unwrap()).to_owned();
                let behaviour = match self.random.random_range(0..6) {
                    0 | 1 => Behaviour::Fails,
                    2 => Behaviour::Hangs,
                    3 if self.setup.refusals == Refusals::All => Behaviour::RefusesAll,
                    3 => Behaviour::RefusesOver(self.random.random_range(130..400)),
                    _ => Behaviour::Well,
                };
                self.receivers.behaviours.insert(project, behaviour);
            }
        }
    }

    /// What follows from the last step: notifications, room, deaths.
    fn look(&mut self) -> Result<(), String> {
        let (is_dead, sync_failed) = {
            let disk = disk();
            (disk.is_dead, disk.sync_failed)
        };
        let mut must_end = is_dead || sync_failed;
        let notifications = self.process.as_ref().map(Process::notifications).unwrap_or_default();
        for notification in notifications {
            match notification {
                Notification::ApplyFailed(_, error @ (ApplyError::DiskFull | ApplyError::SpoolFull)) => {
                    self.figures.full_spools += usize::from(matches!(error, ApplyError::SpoolFull));
                    self.waits_for_room = true;
                    self.postgres.cut();
                }
                Notification::RoomAvailable => self.waits_for_room = false,
                Notification::SpoolFailed(_)
                | Notification::ApplyFailed(_, ApplyError::GroupWriter { error: GroupError::Spool(_), .. })
                    if must_end => {}
                wrong => {
                    self.fault.get_or_insert(format!("{wrong:?}"));
                }
            }
        }
        if self.receivers.on_the_wire() > self.setup.in_flight_max {
            self.fault.get_or_insert(format!("{} requests in flight", self.receivers.on_the_wire()));
        }
        if let Some(process) = &self.process {
            let ranges = process.left.memory().into_iter().chain(process.right.memory());
            for (what, amount, limit) in ranges.filter(|(_, amount, limit)| amount > limit) {
                self.fault.get_or_insert(format!("{amount} {what}, and {limit} at most"));
            }
        }
        if sync_failed {
            self.figures.failed_syncs += 1;
            must_end = true;
        }
        if must_end {
            let death = if self.random.random_bool(0.5) { Death::Killed } else { Death::PowerLost };
            self.die(death);
        }
        self.fault.take().map_or(Ok(()), Err)
    }

    /// The process is gone, and all it held in memory.
    fn die(&mut self, death: Death) {
        self.receivers.collect(self.now());
        self.receivers.sender_dies(&mut self.random);
        self.postgres.cut();
        disk().is_dead = true;
        self.process = None;
        disk().restart(death);
        self.waits_for_room = false;
        self.figures.deaths += 1;
        self.figures.power_losses += usize::from(death == Death::PowerLost);
    }

    /// It is stopped in an orderly way: SQLite carries its log over.
    fn stop(&mut self) {
        self.receivers.collect(self.now());
        self.receivers.sender_dies(&mut self.random);
        self.postgres.cut();
        if let Some(process) = self.process.take() {
            process.spool.close();
        }
        let death = if self.random.random_bool(0.5) { Death::Killed } else { Death::PowerLost };
        disk().restart(death);
        self.waits_for_room = false;
        self.figures.deaths += 1;
    }

    fn boot(&mut self) -> Result<(), String> {
        let seed = self.random.random();
        let post = self.receivers.post();
        match Process::start(&self.folder, &self.setup, self.clock, self.wall, post, seed) {
            Ok(process) => {
                self.process = Some(process);
                self.know_replays();
            }
            Err(error) => {
                let faults = {
                    let disk = disk();
                    disk.is_dead || disk.sync_failed || disk.is_full()
                };
                if !faults {
                    return Err(format!("the spool cannot be opened: {error:#}"));
                }
                self.die(Death::PowerLost);
            }
        }
        Ok(())
    }

    /// Faults end. Everything committed must arrive, and be confirmed.
    fn end_faults(&mut self) -> Result<(), String> {
        self.receivers.behaviours.clear();
        disk().end_faults();
        for _ in 0..ROUNDS_MAX {
            if self.process.is_none() {
                self.boot()?;
            }
            if !self.postgres.is_streaming() {
                self.connect();
            }
            if let Some(process) = &self.process {
                while let Some(block) = self.postgres.send(64, self.wall) {
                    process.hand_over(block);
                }
                self.postgres.keepalive(true).into_iter().for_each(|block| process.hand_over(block));
            }
            for _ in 0..8 {
                self.turn_left();
                self.turn_spool();
                self.turn_right();
                while self.receivers.on_the_wire() > 0 {
                    self.receiver();
                    self.turn_right();
                    if self.receivers.deadline().is_none_or(|deadline| deadline > self.now()) {
                        break;
                    }
                }
                self.confirm();
                self.look()?;
            }
            if self.is_done() {
                self.figures.refused_records = self.check_refused()?;
                self.skipped = self.skipped_by_replays();
                return Ok(());
            }
            if self.receivers.on_the_wire() == 0 && self.setup.refusals != Refusals::Some {
                self.ask_redelivery();
            }
            self.pass(Duration::from_millis(600));
        }
        Err(format!(
            "after {ROUNDS_MAX} rounds without faults something has not arrived: {}, confirmed {} of {}",
            self.check().err().unwrap_or_default(),
            self.postgres.confirmed,
            self.postgres.wal
        ))
    }

    /// Every record that is accepted in the end.
    fn expected(&self) -> Vec<Expected> {
        let refuses = self.setup.refusals == Refusals::Some;
        let all = self.postgres.model.records.iter();
        all.filter(|record| !refuses || !is_refused(&record.json)).cloned().collect()
    }

    /// What became a dead letter because it was refused: nothing but records that always are, unless a
    /// receiver refused everything.
    fn check_refused(&self) -> Result<usize, String> {
        let Some(process) = self.process.as_ref().filter(|_| self.setup.refusals == Refusals::Some) else {
            return Ok(0);
        };
        let letters =
            process.reader.dead_letters(DeadLetterNo(0), 10_000).map_err(|error| error.to_string())?;
        for letter in &letters {
            let chunk = process.reader.chunk_holding(letter.lane, letter.first).unwrap().unwrap();
            let mut records = chunk.records().map(Result::unwrap);
            let record = records.find(|record| record.seq == letter.first).unwrap();
            let record: serde_json::Value = serde_json::from_slice(record.fragment).unwrap();
            if letter.reason != DeadReason::Refused || letter.records != 1 || !is_refused(&record) {
                return Err(format!("{record} became a dead letter: {letter:?}"));
            }
        }
        Ok(letters.len())
    }

    fn skipped_by_replays(&self) -> BTreeMap<String, u64> {
        let Some(process) = &self.process else { return BTreeMap::new() };
        let refused = |no| process.reader.ranges(no).unwrap().iter().map(|range| range.refused).sum();
        let replays = process.reader.replays().unwrap();
        replays.into_iter().map(|replay| (replay.id.to_string(), refused(replay.no))).collect()
    }

    fn is_done(&self) -> bool {
        let taken = self.receivers.taken_records();
        let replays = |process: &Process| {
            let running = |replay: &Replay| replay.state == ReplayState::Running;
            process.reader.replays().is_ok_and(|replays| !replays.iter().any(running))
        };
        self.process.as_ref().is_some_and(replays)
            && taken >= self.expected().len()
            && self.receivers.on_the_wire() == 0
            && self.postgres.confirmed == self.postgres.wal
    }

    fn end(&mut self) {
        disk().is_dead = true;
        self.process = None;
        disk().restart(Death::Killed);
    }

    fn check(&self) -> Result<Figures, String> {
        let faults = FaultsSeen {
            deaths: self.figures.deaths,
            unheard: &self.receivers.unheard,
            strict_order: self.setup.is_strict(),
        };
        let expected = self.expected();
        let verdict = check(&expected, &self.receivers.sent, &faults)?;
        let replayed = check_replays(&expected, &self.receivers.sent, &self.replays, &self.skipped, &faults)?;
        Ok(Figures {
            records: verdict.records,
            batches: verdict.batches,
            duplicates: verdict.duplicates,
            refused: self.receivers.sent.iter().filter(|sent| sent.refused).count(),
            disk_steps: disk().steps,
            replays: self.replays.len(),
            redelivered: self.receivers.sent.iter().filter(|sent| sent.is_redelivered()).count(),
            replayed,
            ..self.figures
        })
    }
}

/// Each passes more than half a second.
const ROUNDS_MAX: usize = 3_000;
