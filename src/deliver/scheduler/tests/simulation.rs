//! Random faults in virtual time: appends, failing and hanging receivers, pauses, lost webhooks,
//! writes that land late, and deaths. What the machine does is held against a model of its own.
//!
//! `SIDECAR_SEED=n` runs one seed alone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;

/// What the disk holds of a lane.
#[derive(Clone, Default)]
struct Stored {
    records: Vec<Spooled>,
    cursor: Seq,
    batches: Vec<Batch>,
    health: LaneHealth,
    /// The first failure after the last success, as the model saw it.
    failing_since: Option<Uptime>,
}

#[derive(Clone, Copy)]
struct Spooled {
    seq: Seq,
    after: WaitsFor,
    at: Uptime,
}

enum Write {
    Cut(Batch),
    /// Delivered, given up or too large.
    Settled {
        no: LaneNo,
        through: Seq,
        stands: Option<Stands>,
    },
    LaneHealth(LaneNo, Stands),
    Tried {
        no: LaneNo,
        attempts: u32,
        successor: Option<Batch>,
        stands: Stands,
    },
}

/// A lane's health that is submitted, with what the model knows then.
struct Stands {
    health: LaneHealth,
    failing_since: Option<Uptime>,
}

struct World {
    rng: StdRng,
    now: Uptime,
    scheduler: Scheduler,
    disk: BTreeMap<LaneNo, Stored>,
    /// The last records of each document of a project.
    trail: BTreeMap<(u32, u32), [Seq; 3]>,
    last: Seq,
    writes: VecDeque<Write>,
    wire: BTreeMap<LaneNo, Uptime>,
    /// The model's own view of who fails, ahead of the disk.
    failing_since: BTreeMap<LaneNo, Uptime>,
    /// Those that had a success since the start.
    proven: BTreeSet<LaneNo>,
    /// Broken receivers.
    broken: BTreeSet<LaneNo>,
    routes: BTreeSet<LaneNo>,
    paused: BTreeSet<LaneNo>,
    ends: BTreeMap<BatchId, (Seq, Seq)>,
    delivered: u64,
    given_up: u64,
}

const PROJECTS: u32 = 3;
const SLOTS: usize = 5;

/// Where the lanes of a project send.
fn host(no: LaneNo) -> &'static str {
    if no.project().0 == 0 { "a" } else { "b" }
}

fn world_limits() -> Limits {
    Limits {
        records_max: 4,
        bytes_max: 60,
        retry_schedule: vec![SECOND, SECOND * 7],
        order_wait: SECOND * 20,
        give_up_after: SECOND * 300,
        ..Limits::default()
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let lanes = (0..PROJECTS * 3).map(|no| LaneNo(no.into()));
        let mut world = Self {
            rng: StdRng::seed_from_u64(seed),
            now: T0,
            scheduler: Scheduler::new(SLOTS, HostLimits::default(), 1_000),
            disk: lanes.clone().map(|no| (no, Stored::default())).collect(),
            trail: BTreeMap::new(),
            last: Seq(0),
            writes: VecDeque::new(),
            wire: BTreeMap::new(),
            failing_since: BTreeMap::new(),
            proven: BTreeSet::new(),
            broken: BTreeSet::new(),
            routes: lanes.collect(),
            paused: BTreeSet::new(),
            ends: BTreeMap::new(),
            delivered: 0,
            given_up: 0,
        };
        world.start();
        world
    }

    /// A start from the disk: everything else is forgotten.
    fn start(&mut self) {
        self.writes.clear();
        self.wire.clear();
        self.scheduler = Scheduler::new(SLOTS, HostLimits::default(), 1_000);
        self.failing_since.clear();
        self.proven.clear();
        self.paused.clear();
        for (no, stored) in &mut self.disk {
            if let Some(batch) = stored.batches.first_mut() {
                batch.attempts += 1;
            }
            self.failing_since.extend(stored.failing_since.map(|since| (*no, since)));
            self.paused.extend(stored.health.paused.is_some().then_some(*no));
            let pending = stored.pending();
            let state = LaneState {
                lane: *no,
                cursor: stored.cursor,
                pending_records: pending.len() as u64,
                pending_bytes: 10 * pending.len() as u64,
                oldest: pending.first().map(|record| (Timestamp(0), record.at)),
                batches: stored.batches.clone(),
                health: stored.health.clone(),
                ..LaneState::default()
            };
            self.scheduler.add(state, webhook_at(host(*no), world_limits()), self.now);
        }
        let lanes: Vec<LaneNo> = self.disk.keys().copied().collect();
        lanes.into_iter().for_each(|no| self.route(no));
    }

    fn route(&mut self, no: LaneNo) {
        let webhook = if self.routes.contains(&no) { webhook_at(host(no), world_limits()) } else { None };
        let before = self.scheduler.lane(no).unwrap().health().without_webhook;
        let health = self.scheduler.routed(no, webhook, self.now, Timestamp(0));
        if before.is_some() && self.routes.contains(&no) {
            self.failing_since.remove(&no);
        }
        if !self.routes.contains(&no) {
            self.proven.remove(&no);
        }
        self.writes.extend(health.map(|health| Write::LaneHealth(no, self.stands(no, health))));
    }

    /// One transaction: some documents of a project change, each record waiting for the earlier
    /// ones of its document.
    fn append(&mut self) {
        let project = self.rng.random_range(0..PROJECTS);
        let mut encoded: BTreeMap<LaneNo, u64> = BTreeMap::new();
        for _ in 0..self.rng.random_range(1..6) {
            let document = self.rng.random_range(0..4);
            let callback = Callback::ALL[self.rng.random_range(0..3)];
            let no = LaneNo::new(ProjectNo(project), callback);
            self.last = Seq(self.last.0 + 1);
            let trail = self.trail.entry((project, document)).or_default();
            let mut after = WaitsFor(*trail);
            after.0[callback.index()] = Seq(0);
            trail[callback.index()] = self.last;
            self.disk.get_mut(&no).unwrap().records.push(Spooled { seq: self.last, after, at: self.now });
            *encoded.entry(no).or_default() += 1;
        }
        for (no, records) in encoded {
            self.scheduler.appended(no, records, records * 10, self.now, self.now);
        }
    }

    fn act(&mut self) {
        while let Some(action) = self.scheduler.poll(self.now) {
            match action {
                Action::Cut(no) => self.cut(no),
                Action::GiveUp(no, what) => self.give_up(no, what),
                Action::Redeliver(no) => panic!("{no} has no dead letters"),
                Action::Send(no, batch) => self.send(no, &batch),
            }
        }
        assert!(self.scheduler.deadline().is_none_or(|at| at > self.now), "nothing due is left undone");
        let waits = |lane: &Lane| lane.is_blocked(self.now);
        for (no, lane) in self.scheduler.lanes().filter(|(_, lane)| waits(lane)) {
            let head = self.disk[no].pending().iter().find(|record| record.seq > lane.cursor());
            assert!(head.is_none_or(|head| !self.may_go(*no, *head)), "{no} is held back for nothing");
        }
    }

    fn cut(&mut self, no: LaneNo) {
        let lane = self.scheduler.lane(no).unwrap();
        assert!(lane.batches().is_empty() && !self.paused.contains(&no) && self.routes.contains(&no));
        let stored = &self.disk[&no];
        assert_eq!(lane.cursor(), stored.cursor, "the cursor is the one that is durable");
        let head: Vec<Spooled> = stored.pending().iter().take(10).copied().collect();
        let candidates: Vec<Candidate> = head
            .iter()
            .map(|record| Candidate { seq: record.seq, document: 0, after: record.after, bytes: 10 })
            .collect();
        match self.scheduler.run(no, &candidates, self.now) {
            Run::Blocked => {
                assert!(!self.may_go(no, head[0]), "{no} is held back for nothing");
                self.scheduler.blocked(no, head[0].after, self.now);
            }
            Run::Records(records) => {
                let batch =
                    batch(no, head[0].seq.0, head[records - 1].seq.0, u32::try_from(records).unwrap());
                let all = head[..records].iter().all(|record| self.may_go(no, *record));
                assert!(all, "{no} overtakes another lane");
                self.writes.push_back(Write::Cut(batch));
            }
        }
    }

    /// The rule, in the model's words: what was made of the document before is settled on the disk,
    /// or its lane is paused, has no webhook, or has failed for `order_wait`.
    fn may_go(&self, no: LaneNo, record: Spooled) -> bool {
        Callback::ALL.into_iter().all(|callback| {
            let other = LaneNo::new(no.project(), callback);
            let since = self.failing_since.get(&other);
            self.disk[&other].cursor >= record.after.0[callback.index()]
                || self.paused.contains(&other)
                || !self.routes.contains(&other)
                || since.is_some_and(|since| self.now.since(*since) >= world_limits().order_wait)
        })
    }

    fn send(&mut self, no: LaneNo, batch: &Batch) {
        let stored = &self.disk[&no];
        assert_eq!(stored.batches.first().map(|first| first.id), Some(batch.id), "what is sent is durable");
        assert_eq!(
            stored.pending()[0].seq,
            batch.first,
            "a lane is sent in order, and no record is left out"
        );
        let ends = self.ends.entry(batch.id).or_insert((batch.first, batch.last));
        assert_eq!(*ends, (batch.first, batch.last), "a batch never changes");
        let ends_at = self.now.plus(Duration::from_millis(self.rng.random_range(1..3_000)));
        assert_eq!(self.wire.insert(no, ends_at), None, "a lane has one batch in flight");
        let on_the_wire = |of: &dyn Fn(&LaneNo) -> bool| self.wire.keys().filter(|no| of(no)).count();
        let failing = on_the_wire(&|no| self.failing_since.contains_key(no));
        assert!(self.wire.len() <= SLOTS && failing <= (SLOTS / 4).max(1), "{:?}", self.wire);
        let doubtful = on_the_wire(&|no| self.failing_since.contains_key(no) || !self.proven.contains(no));
        assert!(doubtful <= SLOTS - SLOTS / 4, "{:?}", self.wire);
        let most = ["a", "b"].map(|one| on_the_wire(&|no| host(*no) == one)).into_iter().max();
        assert!(most < Some(SLOTS), "one host has all: {:?}", self.wire);
    }

    fn answer(&mut self, no: LaneNo) {
        self.wire.remove(&no);
        let status = match self.rng.random_range(0..20) {
            0 => 413,
            _ if self.broken.contains(&no) => 500,
            _ => 200,
        };
        let batch = self.scheduler.lane(no).unwrap().batches()[0].clone();
        let decided = self.scheduler.ended(no, &outcome(status), 0.5, self.now).unwrap();
        match status {
            200 => {
                self.failing_since.remove(&no);
                self.proven.extend(self.routes.contains(&no).then_some(no));
            }
            500 => drop(self.failing_since.entry(no).or_insert(self.now)),
            _ => {}
        }
        self.delivered += u64::from(status == 200);
        let stands = self.stands(no, self.scheduler.lane(no).unwrap().health().clone());
        self.writes.push_back(match decided.fate {
            Fate::Failed => {
                let successor = decided.prefix.map(|records| self.prefix(&batch, records));
                Write::Tried { no, attempts: batch.attempts + 1, successor, stands }
            }
            _ => Write::Settled { no, through: batch.last, stands: Some(stands) },
        });
    }

    fn prefix(&self, whole: &Batch, records: u32) -> Batch {
        let of = &self.disk[&whole.lane].pending()[..records as usize];
        batch(whole.lane, of[0].seq.0, of[of.len() - 1].seq.0, records)
    }

    fn give_up(&mut self, no: LaneNo, what: GiveUp) {
        assert!(self.paused.contains(&no) || self.failing_since.contains_key(&no), "{no} is healthy");
        let stored = &self.disk[&no];
        let pending = stored.pending();
        let through = match what {
            GiveUp::SpooledBy(by) => {
                assert!(self.now.since(by) >= world_limits().give_up_after);
                pending.iter().take_while(|record| record.at <= by).last()
            }
            GiveUp::Bytes(bytes, _) => {
                pending.get(usize::try_from(bytes.div_ceil(10)).unwrap() - 1).or(pending.last())
            }
        };
        let whole = through.map(|record| {
            let batch = stored.batches.iter().find(|b| b.first <= record.seq && record.seq < b.last);
            batch.map_or(record.seq, |batch| Seq(batch.first.0 - 1))
        });
        match whole.filter(|through| *through > stored.cursor) {
            Some(through) => {
                self.given_up += 1;
                self.writes.push_back(Write::Settled { no, through, stands: None });
            }
            None => self.scheduler.end_lease(no, self.now),
        }
    }

    /// The oldest write becomes durable, and the scheduler is notified.
    fn land(&mut self) {
        let now = self.now;
        match self.writes.pop_front() {
            None => {}
            Some(Write::Cut(batch)) => {
                self.disk.get_mut(&batch.lane).unwrap().batches.push(batch.clone());
                self.scheduler.cut(batch.lane, batch, now);
            }
            Some(Write::Tried { no, attempts, successor, stands }) => {
                let stored = self.disk.get_mut(&no).unwrap();
                stored.batches[0].attempts = attempts;
                if let Some(successor) = successor.clone() {
                    stored.batches = vec![successor];
                }
                stored.stands(stands);
                self.scheduler.attempt_recorded(no, successor, now);
            }
            Some(Write::Settled { no, through, stands }) => {
                let stored = self.disk.get_mut(&no).unwrap();
                let before = stored.pending().len();
                stored.cursor = through;
                stored.batches.retain(|batch| batch.last > through);
                if let Some(stands) = stands {
                    stored.stands(stands);
                }
                let records = (before - stored.pending().len()) as u64;
                let oldest = stored.pending().first().map(|record| record.at);
                self.scheduler.settled(no, Settled { through, records, bytes: records * 10, oldest }, now);
            }
            Some(Write::LaneHealth(no, stands)) => self.disk.get_mut(&no).unwrap().stands(stands),
        }
    }

    fn pause(&mut self, no: LaneNo) {
        let health = if self.paused.remove(&no) {
            self.scheduler.resume(no, self.now)
        } else {
            self.paused.insert(no);
            self.scheduler.pause(no, "by hand".into(), self.now)
        };
        self.writes.extend(health.map(|health| Write::LaneHealth(no, self.stands(no, health))));
    }

    fn unroute(&mut self, no: LaneNo) {
        if !self.routes.remove(&no) {
            self.routes.insert(no);
        }
        self.route(no);
    }

    fn stands(&self, no: LaneNo, health: LaneHealth) -> Stands {
        Stands { health, failing_since: self.failing_since.get(&no).copied() }
    }

    /// Something happens, and what follows from it is done.
    fn step(&mut self) {
        let no = LaneNo(self.rng.random_range(0..u64::from(PROJECTS) * 3));
        match self.rng.random_range(0..100) {
            0..30 => self.append(),
            30..55 => self.land(),
            55..60 if !self.broken.remove(&no) => drop(self.broken.insert(no)),
            60..62 => self.pause(no),
            62..64 => self.unroute(no),
            64 => self.start(),
            65..67 => self.pass(SECOND * 200),
            _ => self.pass(Duration::from_millis(500)),
        }
        self.act();
    }

    /// Time passes up to what happens next, or for so long at most.
    fn pass(&mut self, most: Duration) {
        let answer = self.wire.iter().map(|(no, at)| (*at, *no)).min();
        let next = self.scheduler.deadline().into_iter().chain(answer.map(|(at, _)| at)).min();
        let until = self.now.plus(most);
        self.now = next.map_or(until, |next| next.min(until)).max(self.now);
        if let Some((_, no)) = answer.filter(|(at, _)| *at <= self.now) {
            self.answer(no);
        }
    }

    /// Everything works again: within a while, nothing is left.
    fn clears_up(&mut self) {
        self.broken.clear();
        for no in self.disk.keys().copied().collect::<Vec<_>>() {
            if self.paused.contains(&no) {
                self.pause(no);
            }
            if !self.routes.contains(&no) {
                self.unroute(no);
            }
        }
        let by = self.now.plus(SECOND * 3_600);
        while self.disk.values().any(|stored| !stored.pending().is_empty()) {
            self.act();
            self.land();
            self.act();
            self.pass(SECOND);
            assert!(self.now < by, "records are left though nothing is in the way");
        }
    }
}

impl Stored {
    fn pending(&self) -> &[Spooled] {
        &self.records[self.records.partition_point(|record| record.seq <= self.cursor)..]
    }

    fn stands(&mut self, Stands { health, failing_since }: Stands) {
        (self.health, self.failing_since) = (health, failing_since);
    }
}

#[test]
fn under_any_faults_order_and_batches_are_kept_and_nothing_stays_behind() {
    let one = std::env::var("SIDECAR_SEED").ok().and_then(|seed| seed.parse().ok());
    let (mut delivered, mut given_up) = (0, 0);
    for seed in one.map_or(0..300, |seed| seed..seed + 1) {
        println!("seed {seed}");
        let mut world = World::new(seed);
        (0..600).for_each(|_| world.step());
        world.clears_up();
        (delivered, given_up) = (delivered + world.delivered, given_up + world.given_up);
    }
    println!("{delivered} batches delivered, {given_up} times given up");
    assert!(one.is_some() || (delivered > 10_000 && given_up > 100));
}
