//! Slots for requests in flight, and the lanes that wait for one.
//!
//! Limits keep slots free, so that hanging receivers do not block others:
//!
//! 1. Lanes that fail hold a quarter at most; with those that are not proven, three quarters.
//! 2. A host never holds all. It may take more only while it holds less than a share of what is free,
//!    so that, however many hosts hang, each new one finds a slot.
//! 3. Waiting hosts are served in turn, and the lanes of each in the order in which they became ready;
//!    lanes that fail and others take turns.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::record::LaneNo;
use crate::time::Uptime;

/// The host of requests: its lanes hang together.
pub(in crate::deliver) type Host = Arc<str>;

/// A lane that waits for a slot or holds one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) enum Class {
    /// Its last attempt failed.
    Failing,
    /// It had a success lately.
    Proven,
    /// It is new, or had no success for long.
    Unproven,
}

/// As what a lane wants a slot or holds one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::deliver) struct SlotKey {
    pub(in crate::deliver) class: Class,
    pub(in crate::deliver) host: Host,
}

#[derive(Debug)]
pub(in crate::deliver) struct SlotQueue {
    max: usize,
    /// All slots in use.
    all: SlotCounts,
    /// Slots of failing lanes.
    failing: SlotCounts,
    /// Slots of lanes that fail or are not proven.
    doubtful: SlotCounts,
    /// Lanes that continue with a batch, served before all others.
    begun: VecDeque<(SlotKey, LaneNo)>,
    queues: [ClassQueue; 3],
    failing_was_last: bool,
    /// How many lanes have waited so far.
    tickets: u64,
    /// Until when a host counts as working.
    proven_hosts: HashMap<Host, Uptime>,
}

/// Slots that are held, in all and by each host.
#[derive(Debug, Default)]
struct SlotCounts {
    all: usize,
    hosts: HashMap<Host, usize>,
}

/// The waiting lanes of one class.
#[derive(Debug, Default)]
struct ClassQueue {
    /// Hosts in turn: each once, exactly those in `waiting`.
    hosts: VecDeque<Host>,
    waiting: HashMap<Host, VecDeque<(u64, LaneNo)>>,
}

/// A lane that may take a slot.
struct NextInLine {
    class: Class,
    /// Its host's place in the queue.
    at: usize,
    ticket: u64,
}

impl SlotQueue {
    pub(in crate::deliver) fn new(max: usize) -> Self {
        Self {
            max: max.max(1),
            all: SlotCounts::default(),
            failing: SlotCounts::default(),
            doubtful: SlotCounts::default(),
            begun: VecDeque::new(),
            queues: Default::default(),
            failing_was_last: false,
            tickets: 0,
            proven_hosts: HashMap::new(),
        }
    }

    pub(in crate::deliver) fn set_max(&mut self, max: usize) {
        self.max = max.max(1);
    }

    /// Slots that are held.
    pub(in crate::deliver) fn taken(&self) -> usize {
        self.all.all
    }

    /// A lane had a success: its host works. Returns until when that counts.
    pub(in crate::deliver) fn prove(&mut self, host: &Host, now: Uptime) -> Uptime {
        let until = now.plus(PROVEN_FOR);
        if self.proven_hosts.len() >= HOSTS_MAX && !self.proven_hosts.contains_key(host) {
            self.proven_hosts.retain(|_, until| *until > now);
        }
        self.proven_hosts.insert(Arc::clone(host), until);
        until
    }

    /// Adds the lane to the queue.
    pub(in crate::deliver) fn enqueue(&mut self, no: LaneNo, key: SlotKey) {
        if let Some(queue) = self.queues.get_mut(key.class as usize) {
            self.tickets += 1;
            queue.enqueue(key.host, (self.tickets, no));
        }
    }

    /// Adds the lane before all others: it continues with a batch.
    pub(in crate::deliver) fn enqueue_first(&mut self, no: LaneNo, key: SlotKey) {
        self.begun.push_back((key, no));
    }

    /// The next lane for which there is a slot, and as what it waited.
    pub(in crate::deliver) fn next(&mut self, now: Uptime) -> Option<(LaneNo, SlotKey)> {
        if self.taken() >= self.max {
            return None;
        }
        let may = |(place, _): &(SlotKey, LaneNo)| self.may_take(place.class, &place.host, now);
        if let Some((place, no)) = self.begun.iter().position(may).and_then(|at| self.begun.remove(at)) {
            return Some((no, place));
        }
        let well = [Class::Proven, Class::Unproven].into_iter().filter_map(|class| self.first(class, now));
        let well = well.min_by_key(|first| first.ticket);
        let failing = self.first(Class::Failing, now).filter(|_| well.is_none() || !self.failing_was_last);
        self.failing_was_last = failing.is_some();
        let NextInLine { class, at, .. } = failing.or(well)?;
        let (host, no) = self.queues.get_mut(class as usize)?.take(at)?;
        Some((no, SlotKey { class, host }))
    }

    /// The first lane of a class that may go. Only hosts that hold slots are passed over: no more than
    /// there are slots.
    fn first(&self, class: Class, now: Uptime) -> Option<NextInLine> {
        let queue = self.queues.get(class as usize).filter(|_| self.has_room(class))?;
        let at = queue.hosts.iter().position(|host| self.may_take(class, host, now))?;
        let (ticket, _) = queue.waiting.get(queue.hosts.get(at)?)?.front()?;
        Some(NextInLine { class, at, ticket: *ticket })
    }

    pub(in crate::deliver) fn take(&mut self, key: &SlotKey) {
        for held in self.held(key.class) {
            held.all += 1;
            *held.hosts.entry(Arc::clone(&key.host)).or_default() += 1;
        }
    }

    pub(in crate::deliver) fn give_back(&mut self, key: &SlotKey) {
        for held in self.held(key.class) {
            held.all -= 1;
            if let Some(of_host) = held.hosts.get_mut(&key.host) {
                *of_host -= 1;
                if *of_host == 0 {
                    held.hosts.remove(&key.host);
                }
            }
        }
    }

    fn held(&mut self, class: Class) -> impl Iterator<Item = &mut SlotCounts> {
        let doubtful = (class != Class::Proven).then_some(&mut self.doubtful);
        let failing = (class == Class::Failing).then_some(&mut self.failing);
        std::iter::once(&mut self.all).chain(doubtful).chain(failing)
    }

    /// Whether a host that holds none may take one.
    fn has_room(&self, class: Class) -> bool {
        let reserve = self.max / 4;
        (class == Class::Proven || self.doubtful.all < self.max - reserve)
            && (class != Class::Failing || self.failing.all < reserve.max(1))
    }

    fn may_take(&self, class: Class, host: &Host, now: Uptime) -> bool {
        let reserve = self.max / 4;
        let is_proven = self.proven_hosts.get(host).is_some_and(|until| *until > now);
        let share = if is_proven { TWO_THIRDS } else { HALF };
        self.all.leaves_room(host, self.max, MOST)
            && (class == Class::Proven || self.doubtful.leaves_room(host, self.max - reserve, share))
            && (class != Class::Failing || self.failing.leaves_room(host, reserve.max(1), HALF))
    }
}

impl SlotCounts {
    /// The more hosts hold as much as they may, the less each does, and the rest stays free.
    fn leaves_room(&self, host: &Host, max: usize, times: usize) -> bool {
        let never_all = max.saturating_sub(1).max(1);
        let held = self.hosts.get(host).copied().unwrap_or_default();
        held < never_all && held < times * max.saturating_sub(self.all)
    }
}

impl ClassQueue {
    fn enqueue(&mut self, host: Host, lane: (u64, LaneNo)) {
        let lanes = self.waiting.entry(Arc::clone(&host)).or_insert_with(|| {
            self.hosts.push_back(host);
            VecDeque::new()
        });
        lanes.push_back(lane);
    }

    /// The first lane of the host at this place, which goes to the end.
    fn take(&mut self, at: usize) -> Option<(Host, LaneNo)> {
        let host = self.hosts.remove(at)?;
        let lanes = self.waiting.get_mut(&host)?;
        let no = lanes.pop_front();
        if lanes.is_empty() {
            self.waiting.remove(&host);
        } else {
            self.hosts.push_back(Arc::clone(&host));
        }
        no.map(|(_, no)| (host, no))
    }
}

/// How long a success counts: the next request is not expected to hang.
const PROVEN_FOR: Duration = Duration::from_mins(10);
/// The number of hosts above which old ones are removed.
const HOSTS_MAX: usize = 4_096;
/// As much as is left free: a host alone takes half.
const HALF: usize = 1;
/// Twice what is left free.
const TWO_THIRDS: usize = 2;
/// Three times what is left free: a host alone takes three quarters.
const MOST: usize = 3;
