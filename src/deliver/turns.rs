//! Whose turn it is: the requests that may be in flight, and the lanes that wait for one.
//!
//! Slots are kept apart, so that whoever hangs leaves some to others:
//!
//! 1. Lanes that fail hold a quarter at most; with those that are not proven, three quarters.
//! 2. A host never holds all. It may take more only while it holds less than a share of what is free,
//!    so that, however many hosts hang, each new one finds a slot.
//! 3. Waiting hosts are served in turn, and the lanes of each in the order in which they became ready.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::lane::Lane;
use crate::moment::Running;
use crate::record::LaneNo;

/// Where requests go: what hangs, hangs together.
pub(super) type Host = Arc<str>;

/// What is known of a lane that wants a slot or holds one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Class {
    /// Its last attempt failed.
    Failing,
    /// It had a success lately.
    Proven,
    /// It is new, or had no success for long.
    Unproven,
}

/// As what a lane wants a slot or holds one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Place {
    class: Class,
    host: Host,
}

#[derive(Debug)]
pub(super) struct Turns {
    max: usize,
    /// All that are held.
    all: Held,
    /// Those of lanes that fail.
    failing: Held,
    /// Those of lanes that fail or are not proven.
    doubtful: Held,
    queues: [Queue; 3],
    /// Whose queue was served last.
    last: usize,
    /// Until when a host counts as one that takes records.
    proven_hosts: HashMap<Host, Running>,
}

/// Slots that are held, in all and by each host.
#[derive(Debug, Default)]
struct Held {
    all: usize,
    hosts: HashMap<Host, usize>,
}

/// Lanes of one class that wait.
#[derive(Debug, Default)]
struct Queue {
    /// They go on with what they have begun.
    begun: VecDeque<(Host, LaneNo)>,
    /// Hosts in turn: each once, exactly those in `waiting`.
    hosts: VecDeque<Host>,
    waiting: HashMap<Host, VecDeque<LaneNo>>,
}

impl Turns {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max: max.max(1),
            all: Held::default(),
            failing: Held::default(),
            doubtful: Held::default(),
            queues: Default::default(),
            last: 2,
            proven_hosts: HashMap::new(),
        }
    }

    pub(super) fn set_max(&mut self, max: usize) {
        self.max = max.max(1);
    }

    /// Slots that are held.
    pub(super) fn taken(&self) -> usize {
        self.all.all
    }

    /// A lane had a success: its host takes records.
    pub(super) fn prove(&mut self, lane: &mut Lane, now: Running) {
        let until = now.plus(PROVEN_FOR);
        lane.proven_until = Some(until);
        if self.proven_hosts.len() >= HOSTS_MAX && !self.proven_hosts.contains_key(&lane.host) {
            self.proven_hosts.retain(|_, until| *until > now);
        }
        self.proven_hosts.insert(Arc::clone(&lane.host), until);
    }

    /// The lane waits for its turn; `first` where it goes on with what it has begun.
    pub(super) fn enqueue(&mut self, no: LaneNo, lane: &mut Lane, first: bool, now: Running) {
        if std::mem::replace(&mut lane.queued, true) {
            return;
        }
        let Place { class, host } = Place::of(lane, now);
        let Some(queue) = self.queues.get_mut(class as usize) else { return };
        if first {
            queue.begun.push_back((host, no));
        } else {
            queue.enqueue(host, no);
        }
    }

    /// The next lane for which there is a slot, and as what it waited.
    pub(super) fn next(&mut self, now: Running) -> Option<(LaneNo, Place)> {
        if self.taken() >= self.max {
            return None;
        }
        for step in 1..=CLASSES.len() {
            let at = (self.last + step) % CLASSES.len();
            let Some(class) = CLASSES.get(at).copied() else { continue };
            let mut queue = self.queues.get_mut(at).map(std::mem::take).unwrap_or_default();
            let next = queue.next(|host| self.may_take(class, host, now));
            if let Some(place) = self.queues.get_mut(at) {
                *place = queue;
            }
            if let Some((host, no)) = next {
                self.last = at;
                return Some((no, Place { class, host }));
            }
        }
        None
    }

    pub(super) fn take(&mut self, lane: &mut Lane, now: Running) {
        debug_assert!(lane.slot.is_none(), "a lane has one batch in flight");
        let place = Place::of(lane, now);
        for held in self.held(place.class) {
            held.all += 1;
            *held.hosts.entry(Arc::clone(&place.host)).or_default() += 1;
        }
        lane.slot = Some(place);
    }

    pub(super) fn give_back(&mut self, lane: &mut Lane) {
        let Some(place) = lane.slot.take() else { return };
        for held in self.held(place.class) {
            held.all -= 1;
            if let Some(of_host) = held.hosts.get_mut(&place.host) {
                *of_host -= 1;
                if *of_host == 0 {
                    held.hosts.remove(&place.host);
                }
            }
        }
    }

    fn held(&mut self, class: Class) -> impl Iterator<Item = &mut Held> {
        let doubtful = (class != Class::Proven).then_some(&mut self.doubtful);
        let failing = (class == Class::Failing).then_some(&mut self.failing);
        std::iter::once(&mut self.all).chain(doubtful).chain(failing)
    }

    fn may_take(&self, class: Class, host: &Host, now: Running) -> bool {
        let reserve = self.max / 4;
        let never_all = self.max.saturating_sub(1).max(1);
        let is_proven = self.proven_hosts.get(host).is_some_and(|until| *until > now);
        let share = if is_proven { MOST } else { HALF };
        self.all.of(host) < never_all
            && self.all.leaves_room(host, self.max, MOST)
            && (class == Class::Proven || self.doubtful.leaves_room(host, self.max - reserve, share))
            && (class != Class::Failing || self.failing.leaves_room(host, reserve.max(1), HALF))
    }
}

impl Held {
    fn of(&self, host: &Host) -> usize {
        self.hosts.get(host).copied().unwrap_or_default()
    }

    /// The more hosts hold as much as they may, the less each does, and the rest stays free.
    fn leaves_room(&self, host: &Host, max: usize, times: usize) -> bool {
        self.of(host) < times * max.saturating_sub(self.all)
    }
}

impl Queue {
    fn enqueue(&mut self, host: Host, no: LaneNo) {
        let lanes = self.waiting.entry(Arc::clone(&host)).or_insert_with(|| {
            self.hosts.push_back(host);
            VecDeque::new()
        });
        lanes.push_back(no);
    }

    /// Takes the first whose host may. Only hosts that hold slots are passed over, so the search is
    /// no longer than there are slots.
    fn next(&mut self, may: impl Fn(&Host) -> bool) -> Option<(Host, LaneNo)> {
        if let Some(at) = self.begun.iter().position(|(host, _)| may(host)) {
            return self.begun.remove(at);
        }
        let at = self.hosts.iter().position(may)?;
        let host = self.hosts.remove(at)?;
        let lanes = self.waiting.get_mut(&host)?;
        let no = lanes.pop_front();
        if lanes.is_empty() {
            self.waiting.remove(&host);
        } else {
            self.hosts.push_back(Arc::clone(&host));
        }
        no.map(|no| (host, no))
    }
}

impl Place {
    pub(super) fn of(lane: &Lane, now: Running) -> Self {
        let is_proven = lane.proven_until.is_some_and(|until| until > now);
        let class = match lane.is_failing() {
            true => Class::Failing,
            false if is_proven => Class::Proven,
            false => Class::Unproven,
        };
        Self { class, host: Arc::clone(&lane.host) }
    }
}

const CLASSES: [Class; 3] = [Class::Failing, Class::Proven, Class::Unproven];
/// How long a success tells that the next request will not hang.
const PROVEN_FOR: Duration = Duration::from_mins(10);
/// Hosts that are remembered before old ones are forgotten.
const HOSTS_MAX: usize = 4_096;
/// As much as is left free: a host alone takes half.
const HALF: usize = 1;
/// Three times what is left free: a host alone takes three quarters.
const MOST: usize = 3;
