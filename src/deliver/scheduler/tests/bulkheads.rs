//! Who hangs leaves slots to others, in virtual time: lanes by the hundred on hosts that hang, and
//! one lane elsewhere that does not.

use std::collections::BTreeMap;

use super::*;

/// How lanes come to hang.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Past {
    /// They fail already.
    Failing,
    /// They are new.
    New,
    /// All went well up to now.
    Proven,
}

struct World {
    scheduler: Scheduler,
    now: Uptime,
    /// When requests end.
    wire: BTreeMap<LaneNo, Uptime>,
    hanging: BTreeMap<LaneNo, bool>,
    delivered: BTreeMap<LaneNo, u64>,
    last: u64,
}

const TIMEOUT: Duration = Duration::from_secs(15);
const ROUND_TRIP: Duration = Duration::from_millis(50);

impl World {
    fn new(slots: usize) -> Self {
        Self {
            scheduler: Scheduler::new(slots, HostLimits::default(), u64::MAX),
            now: T0,
            wire: BTreeMap::new(),
            hanging: BTreeMap::new(),
            delivered: BTreeMap::new(),
            last: 0,
        }
    }

    fn add(&mut self, host: &str, past: Past) -> LaneNo {
        let lane = LaneNo::new(ProjectNo(u32::try_from(self.hanging.len()).unwrap()), Callback::Ingested);
        let failing = LaneHealth { failures: 1, failing_since: Some(self.now), ..LaneHealth::default() };
        let health = if past == Past::Failing { failing } else { LaneHealth::default() };
        let state = LaneState { lane, health, ..LaneState::default() };
        self.scheduler.add(state, webhook_at(host, limits()), self.now);
        self.hanging.insert(lane, false);
        lane
    }

    fn append(&mut self, no: LaneNo) {
        self.scheduler.appended(no, 3, 30, self.now, self.now);
    }

    fn act(&mut self) {
        while let Some(action) = self.scheduler.poll(self.now) {
            match action {
                Action::Cut(no) => {
                    self.last += 3;
                    self.scheduler.cut(no, batch(no, self.last - 2, self.last, 3), self.now);
                }
                Action::Send(no, _) => {
                    let takes = if self.hanging[&no] { TIMEOUT } else { ROUND_TRIP };
                    self.wire.insert(no, self.now.plus(takes));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Requests that end are answered; lanes always have more to send.
    fn pass(&mut self, wait: Duration) {
        let until = self.now.plus(wait);
        self.act();
        while self.now < until {
            let next = self.wire.values().copied().chain(self.scheduler.deadline()).min();
            self.now = next.unwrap_or(until).clamp(self.now, until);
            let ended: Vec<LaneNo> =
                self.wire.iter().filter(|(_, at)| **at <= self.now).map(|(no, _)| *no).collect();
            ended.into_iter().for_each(|no| self.end(no));
            self.act();
        }
    }

    fn end(&mut self, no: LaneNo) {
        self.wire.remove(&no);
        if self.hanging[&no] {
            let late = Outcome {
                status: None,
                kind: crate::outcome::OutcomeKind::Timeout,
                detail: None,
                retry_after: None,
                directive: None,
            };
            self.scheduler.ended(no, &late, 0.5, self.now).unwrap();
            return self.scheduler.attempt_recorded(no, None, self.now);
        }
        let through = self.scheduler.lane(no).unwrap().batches()[0].last;
        self.scheduler.ended(no, &outcome(200), 0.5, self.now).unwrap();
        let settled = Settled { through, records: 3, bytes: 30, oldest: Some(self.now) };
        self.scheduler.settled(no, settled, self.now);
        *self.delivered.entry(no).or_default() += 1;
        self.append(no);
    }
}

/// Lanes on hosts that hang; a lane elsewhere is sent from within a round trip at any time.
fn check(slots: usize, hosts: usize, lanes: usize, past: Past, other: Past) {
    let mut world = World::new(slots);
    let hanging: Vec<LaneNo> =
        (0..lanes).map(|number| world.add(&format!("host{}", number % hosts), past)).collect();
    let healthy = (other == Past::Proven).then(|| world.add("elsewhere", other));
    for no in hanging.iter().chain(&healthy) {
        world.append(*no);
    }
    if past == Past::Proven || other == Past::Proven {
        world.pass(SECOND * 2);
    }
    hanging.iter().for_each(|no| *world.hanging.get_mut(no).unwrap() = true);
    // What is on the wire already hangs, too.
    let by = world.now.plus(TIMEOUT);
    world.wire.iter_mut().filter(|(no, _)| hanging.contains(no)).for_each(|(_, ends)| *ends = by);
    world.pass(SECOND);
    let healthy = healthy.unwrap_or_else(|| {
        let new = world.add("elsewhere", Past::New);
        world.append(new);
        new
    });
    for second in 0..35 {
        let before = world.delivered.get(&healthy).copied().unwrap_or_default();
        world.pass(SECOND);
        let came = world.delivered.get(&healthy).copied().unwrap_or_default() - before;
        assert!(
            came >= 16,
            "in second {second}, {came} batches: {slots} slots, {lanes} {past:?} lanes hang on {hosts} hosts, {other:?} elsewhere"
        );
        assert!(world.scheduler.under_way() <= slots);
    }
}

#[test]
fn whatever_number_of_lanes_hangs_a_lane_elsewhere_finds_a_slot() {
    for (slots, hosts) in
        [(4, 1), (8, 1), (8, 2), (16, 1), (16, 3), (16, 4), (64, 1), (64, 2), (64, 10), (64, 16)]
    {
        for lanes in [hosts, 320] {
            for past in [Past::Failing, Past::New, Past::Proven] {
                for other in [Past::New, Past::Proven] {
                    check(slots, hosts, lanes, past, other);
                }
            }
        }
    }
}

/// However many hosts hang: who had a success lately is not held up by those that are new.
#[test]
fn whatever_number_of_new_hosts_hangs_a_proven_lane_finds_a_slot() {
    for slots in [4, 8, 16, 64] {
        for past in [Past::Failing, Past::New] {
            let mut world = World::new(slots);
            let healthy = world.add("elsewhere", Past::New);
            world.append(healthy);
            world.pass(SECOND);
            for number in 0..320 {
                let no = world.add(&format!("host{number}"), past);
                world.hanging.insert(no, true);
                world.append(no);
            }
            for second in 0..35 {
                let before = world.delivered[&healthy];
                world.pass(SECOND);
                let came = world.delivered[&healthy] - before;
                assert!(came >= 16, "in second {second}, {came} batches: {slots} slots, {past:?}");
            }
        }
    }
}

#[test]
fn a_host_alone_takes_most_slots() {
    for (slots, at_least) in [(1, 1), (2, 1), (3, 2), (4, 3), (8, 6), (16, 12), (64, 48)] {
        let mut world = World::new(slots);
        for _ in 0..320 {
            let no = world.add("only", Past::New);
            world.append(no);
        }
        world.pass(ROUND_TRIP * 320 * 2 / u32::try_from(at_least).unwrap());
        assert_eq!(world.wire.len(), at_least, "{slots} slots");
        let least = (0..320).map(|no| world.delivered.get(&LaneNo::new(ProjectNo(no), Callback::Ingested)));
        assert!(least.min().flatten() > Some(&0), "each lane has its turn");
    }
}
