//! Limits of requests, in virtual time: lanes that always have more to send, to receivers of different speeds.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;
use crate::deliver::request_limits::{HostLimits, RequestLimits, RequestRate};

struct World {
    scheduler: Scheduler,
    now: Uptime,
    /// When requests end.
    wire: BTreeMap<LaneNo, Uptime>,
    webhooks: BTreeMap<LaneNo, Arc<Webhook>>,
    round_trip: Duration,
    /// Requests that began: when, and of which lane.
    begun: Vec<(Uptime, LaneNo)>,
    last: u64,
    /// The most that were on the wire, by webhook and by host.
    most: BTreeMap<Arc<str>, usize>,
}

fn rate(requests: f64) -> RequestLimits {
    RequestLimits { rate: RequestRate::per_second(requests), in_flight_max: None }
}

fn at_most(max: u32) -> RequestLimits {
    RequestLimits { rate: None, in_flight_max: Some(max) }
}

/// The webhook of these lanes, who share its limits.
fn shared(name: &str, host: &str, requests: RequestLimits) -> Arc<Webhook> {
    let url = format!("http://{host}/").parse::<Uri>().unwrap().into();
    let limits = Limits { requests, ..limits() };
    Arc::new(Webhook { project: Some(name.to_owned()), limits, ..Webhook::new(url) })
}

impl World {
    fn new(slots: usize, hosts: HostLimits) -> Self {
        Self {
            scheduler: Scheduler::new(slots, hosts, u64::MAX),
            now: T0,
            wire: BTreeMap::new(),
            webhooks: BTreeMap::new(),
            round_trip: Duration::from_millis(30),
            begun: Vec::new(),
            last: 0,
            most: BTreeMap::new(),
        }
    }

    fn add(&mut self, webhook: &Arc<Webhook>) -> LaneNo {
        let project = ProjectNo(u32::try_from(self.webhooks.len()).unwrap());
        let lane = LaneNo::new(project, Callback::Ingested);
        let state = LaneState { lane, ..LaneState::default() };
        self.scheduler.add(state, Some(Arc::clone(webhook)), self.now);
        self.webhooks.insert(lane, Arc::clone(webhook));
        self.scheduler.appended(lane, 3, 30, self.now, self.now);
        lane
    }

    fn act(&mut self) {
        while let Some(action) = self.scheduler.poll(self.now) {
            match action {
                Action::Cut(no) => {
                    self.last += 3;
                    self.scheduler.cut(no, batch(no, self.last - 2, self.last, 3), self.now);
                }
                Action::Send(no, _) => {
                    self.begun.push((self.now, no));
                    self.wire.insert(no, self.now.plus(self.round_trip));
                    self.measure();
                }
                other => panic!("{other:?}"),
            }
        }
        let next = self.scheduler.deadline();
        assert!(next.is_none_or(|at| at > self.now), "it is not polled again for nothing: {next:?}");
    }

    fn measure(&mut self) {
        let mut flying: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        for no in self.wire.keys() {
            let webhook = &self.webhooks[no];
            *flying.entry(webhook.id()).or_default() += 1;
            *flying.entry(webhook.host()).or_default() += 1;
        }
        for (id, held) in flying {
            let most = self.most.entry(id).or_default();
            *most = held.max(*most);
        }
    }

    fn pass(&mut self, wait: Duration) {
        let until = self.now.plus(wait);
        self.act();
        while self.now < until {
            let next = self.wire.values().copied().chain(self.scheduler.deadline()).min();
            self.now = next.unwrap_or(until).clamp(self.now, until);
            let ended: Vec<LaneNo> =
                self.wire.iter().filter(|(_, at)| **at <= self.now).map(|(no, _)| *no).collect();
            ended.into_iter().for_each(|no| self.end(no, 200));
            self.act();
        }
    }

    fn end(&mut self, no: LaneNo, status: u16) {
        self.wire.remove(&no);
        let through = self.scheduler.lane(no).unwrap().batches()[0].last;
        let decision = self.scheduler.ended(no, &outcome(status), 0.5, self.now).unwrap();
        if decision.fate == Fate::Failed {
            return self.scheduler.attempt_recorded(no, None, self.now);
        }
        let settled = Settled { through, records: 3, bytes: 30, oldest: Some(self.now) };
        self.scheduler.settled(no, settled, self.now);
        self.scheduler.appended(no, 3, 30, self.now, self.now);
    }

    fn count(&self, no: LaneNo) -> usize {
        self.begun.iter().filter(|(_, lane)| *lane == no).count()
    }
}

#[test]
fn a_rate_holds_for_all_lanes_of_its_webhook_which_take_turns_and_for_no_other() {
    for (requests, seconds, expected, late) in
        [(10.0, 10, 100, 0), (0.5, 60, 30, 0), (500.0, 2, 1_000, 12), (3_000.0, 1, 3_000, 75)]
    {
        let mut world = World::new(400, HostLimits::default());
        world.round_trip = Duration::from_millis(5);
        let limited = shared("limited", "h", rate(requests));
        let lanes: Vec<LaneNo> = (0..20).map(|_| world.add(&limited)).collect();
        let other = world.add(&shared("other", "h", RequestLimits::default()));
        world.pass(SECOND * seconds);
        let counts: Vec<usize> = lanes.iter().map(|no| world.count(*no)).collect();
        let sum: usize = counts.iter().sum();
        // A fiftieth of a second is made up, as a wake-up may be late.
        let most = expected + late + 1;
        assert!((expected..=most).contains(&sum), "{requests} a second: {sum}");
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        // Lanes go first in, first out; a lane whose request is in flight is not waiting.
        assert!(most - least <= 1 + most / 6, "{requests} a second: {counts:?}");
        assert!(world.count(other) > 150, "another webhook of the host is not held up");
    }
}

#[test]
fn a_lane_that_waits_for_its_rate_sleeps_until_then() {
    let mut world = World::new(8, HostLimits::default());
    let no = world.add(&shared("limited", "h", rate(0.5)));
    world.act();
    world.now = later(SECOND);
    world.end(no, 200);
    world.act();
    assert!(world.wire.is_empty(), "the next may begin two seconds after the first");
    let at = world.scheduler.deadline().unwrap();
    assert!(at > later(Duration::from_millis(1_950)) && at <= later(SECOND * 2), "{at:?}");
    assert_eq!(world.scheduler.limit_reached(no, world.now), Some(Limit::Webhook("limited/*".into())));
    world.scheduler.hold(true);
    assert_ne!(world.scheduler.deadline(), Some(at), "while nothing is started, nothing wakes up for a rate");
    world.scheduler.hold(false);
    world.now = at;
    world.act();
    assert_eq!(world.wire.len(), 1);
    assert_eq!(world.scheduler.limit_reached(no, world.now), None);
}

#[test]
fn a_batch_is_as_full_as_if_it_were_cut_when_its_rate_allows() {
    let mut world = World::new(8, HostLimits::default());
    let limited = shared("limited", "h", rate(1.0));
    let (one, two) = (world.add(&limited), world.add(&limited));
    assert_eq!(world.scheduler.poll(T0), Some(Action::Cut(one)));
    assert_eq!(world.scheduler.poll(T0), None, "the other lane is cut when it may send");
    // What is cut and then waits for other lanes is not charged.
    world.scheduler.blocked(one, WaitsFor([Seq(9), Seq(0), Seq(0)]), T0);
    assert_eq!(world.scheduler.poll(T0), Some(Action::Cut(two)));
}

#[test]
fn a_retry_counts_as_a_request() {
    let mut world = World::new(8, HostLimits::default());
    let limited = shared("limited", "h", rate(0.1));
    let no = world.add(&limited);
    world.act();
    world.end(no, 500);
    world.pass(SECOND * 9);
    assert_eq!(world.begun.len(), 1, "its schedule would try it again after one second");
    world.pass(SECOND * 2);
    assert_eq!(world.begun.len(), 2);
}

#[test]
fn limits_in_flight_hold_for_webhooks_and_hosts_at_any_time_and_every_lane_has_its_turn() {
    for seed in 0..200 {
        let mut random = StdRng::seed_from_u64(seed);
        let slots = random.random_range(1..40);
        let hosts = ["a", "b", "c"];
        let named = [("a".to_owned(), at_most(random.random_range(1..6)))];
        let every = at_most(random.random_range(1..9));
        let limits = HostLimits { default: every, named: named.into() };
        let mut world = World::new(slots, limits.clone());
        let mut webhooks = Vec::new();
        for number in 0..random.random_range(1..8) {
            let own = match random.random_range(0..4) {
                0 => RequestLimits::default(),
                1 => rate(f64::from(random.random_range(20..2_000))),
                _ => at_most(random.random_range(1..5)),
            };
            webhooks.push(shared(&number.to_string(), hosts[random.random_range(0..3)], own));
        }
        for _ in 0..random.random_range(1..60) {
            let webhook = webhooks[random.random_range(0..webhooks.len())].clone();
            world.add(&webhook);
        }
        world.round_trip = Duration::from_millis(random.random_range(1..80));
        world.pass(SECOND * 20);
        for webhook in &webhooks {
            let most = |id: &str| world.most.get(id).copied().unwrap_or_default();
            let own = webhook.limits.requests.in_flight_max.map_or(slots, |max| max as usize);
            assert!(most(&webhook.id()) <= own, "seed {seed}: {}", webhook.id());
            let of_host = limits.of(&webhook.host()).in_flight_max.unwrap() as usize;
            assert!(most(&webhook.host()) <= of_host, "seed {seed}: {}", webhook.host());
        }
        for no in world.webhooks.keys() {
            assert!(world.count(*no) > 0, "seed {seed}: lane {no} starves");
        }
    }
}

#[test]
fn a_host_that_is_limited_is_used_up_to_its_limit_and_its_lanes_take_turns() {
    let hosts = HostLimits { default: at_most(4), named: BTreeMap::new() };
    let mut world = World::new(64, hosts);
    let lanes: Vec<LaneNo> =
        (0..100).map(|no: u32| world.add(&shared(&no.to_string(), "h", RequestLimits::default()))).collect();
    world.pass(SECOND * 30);
    assert_eq!(world.most[&*world.webhooks[&lanes[0]].host()], 4);
    let counts: Vec<usize> = lanes.iter().map(|no| world.count(*no)).collect();
    assert!(counts.iter().all(|count| *count == 40 || *count == 39 || *count == 41), "{counts:?}");
}

#[test]
fn a_limit_that_a_reload_changes_holds_from_the_next_request() {
    let mut world = World::new(64, HostLimits { default: at_most(1), named: BTreeMap::new() });
    for number in 0..10 {
        world.add(&shared(&number.to_string(), "h", RequestLimits::default()));
    }
    world.act();
    assert_eq!(world.wire.len(), 1);
    world.scheduler.set_limits(64, HostLimits { default: at_most(3), named: BTreeMap::new() }, u64::MAX);
    world.scheduler.requeue(world.now);
    world.act();
    assert_eq!(world.wire.len(), 3);
    world.scheduler.set_limits(64, HostLimits { default: rate(0.001), named: BTreeMap::new() }, u64::MAX);
    world.scheduler.requeue(world.now);
    world.act();
    assert_eq!(world.wire.len(), 4);
    world.scheduler.set_limits(64, HostLimits::default(), u64::MAX);
    world.scheduler.requeue(world.now);
    world.act();
    assert_eq!(world.wire.len(), 10);
    let webhook = shared("0", "h", at_most(1));
    let lanes: Vec<LaneNo> = world.webhooks.keys().copied().collect();
    for no in &lanes {
        world.webhooks.insert(*no, Arc::clone(&webhook));
        world.scheduler.routed(*no, Some(Arc::clone(&webhook)), world.now, Timestamp(0));
    }
    lanes.iter().for_each(|no| world.end(*no, 200));
    world.act();
    assert_eq!(world.wire.len(), 1);
}

#[test]
fn a_rate_that_a_reload_raises_is_not_waited_for_any_longer() {
    let mut world = World::new(8, HostLimits::default());
    let slow = shared("limited", "h", rate(0.001));
    let lanes = [world.add(&slow), world.add(&slow)];
    world.act();
    assert_eq!(world.begun.len(), 1);
    let fast = shared("limited", "h", rate(1_000.0));
    for no in lanes {
        world.webhooks.insert(no, Arc::clone(&fast));
        world.scheduler.routed(no, Some(Arc::clone(&fast)), world.now, Timestamp(0));
    }
    world.scheduler.requeue(world.now);
    world.act();
    assert_eq!(world.begun.len(), 2);
}
