//! Slots for requests in flight, and the lanes that wait for one.
//!
//! Limits keep slots free, so that hanging receivers do not block others:
//!
//! 1. Lanes that fail hold a quarter at most; with those that are not proven, three quarters.
//! 2. A host never holds all. It may take more only while it holds less than a share of what is free,
//!    so that, however many hosts hang, each new one finds a slot.
//! 3. Waiting hosts are served in turn, and the lanes of each in the order in which they became ready;
//!    lanes that fail and others take turns.
//! 4. The limits of webhooks and hosts hold for all their lanes together. Who waits for one is passed.

mod key;
mod limiter;
mod queue;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::limiter::Limiters;
use self::queue::{ClassQueue, Waiting};
use crate::deliver::request_limits::{HostLimits, RequestLimits, RequestRate};
use crate::record::LaneNo;
use crate::time::Uptime;

use self::key::Line;
pub(in crate::deliver) use self::key::{Class, Host, LimitedWebhook, SlotKey, WebhookId};

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
    host_limits: HostLimits,
    /// The rates of hosts, and who waits for their limits.
    hosts: Limiters,
    /// The rates of webhooks, and who waits for their limits.
    webhooks: Limiters,
    /// Slots held by each webhook with limits.
    of_webhooks: HashMap<WebhookId, usize>,
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

/// A lane that may go.
#[derive(Debug)]
pub(in crate::deliver) struct Turn {
    pub(in crate::deliver) lane: LaneNo,
    /// As what it waited.
    pub(in crate::deliver) key: SlotKey,
    /// It continues with a batch, for which the rate was charged already.
    pub(in crate::deliver) goes_on: bool,
}

/// A limit that is reached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::deliver) enum Limit {
    /// That of its host.
    Host,
    /// That of its webhook.
    Webhook(WebhookId),
}

/// A lane that may take a slot.
struct NextInLine {
    class: Class,
    /// Its host's place in the queue.
    at: usize,
    ticket: u64,
}

impl SlotQueue {
    pub(in crate::deliver) fn new(max: usize, host_limits: HostLimits) -> Self {
        Self {
            max: max.max(1),
            all: SlotCounts::default(),
            failing: SlotCounts::default(),
            doubtful: SlotCounts::default(),
            begun: VecDeque::new(),
            queues: Default::default(),
            host_limits,
            hosts: Limiters::default(),
            webhooks: Limiters::default(),
            of_webhooks: HashMap::new(),
            failing_was_last: false,
            tickets: 0,
            proven_hosts: HashMap::new(),
        }
    }

    pub(in crate::deliver) fn set_limits(&mut self, max: usize, host_limits: HostLimits) {
        (self.max, self.host_limits) = (max.max(1), host_limits);
    }

    /// Empties the queue as limits may have changed: the lanes that waited, in order. Rates start anew.
    pub(in crate::deliver) fn drain(&mut self) -> Vec<LaneNo> {
        (self.hosts, self.webhooks) = (Limiters::default(), Limiters::default());
        let mut waiting: Vec<Waiting> = self.queues.iter_mut().flat_map(ClassQueue::drain).collect();
        waiting.sort_unstable_by_key(|waiting| waiting.ticket);
        waiting.into_iter().map(|waiting| waiting.lane).collect()
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
    pub(in crate::deliver) fn enqueue(&mut self, lane: LaneNo, key: SlotKey) {
        self.tickets += 1;
        let ticket = self.tickets;
        if let Some(queue) = self.queues.get_mut(key.class as usize) {
            queue.enqueue(Waiting { ticket, lane, key });
        }
    }

    /// Adds the lane before all others: it continues with a batch.
    pub(in crate::deliver) fn enqueue_first(&mut self, no: LaneNo, key: SlotKey) {
        self.begun.push_back((key, no));
    }

    /// The next lane for which there is a slot, within all limits.
    pub(in crate::deliver) fn next(&mut self, now: Uptime) -> Option<Turn> {
        let woken = [self.hosts.woken(now), self.webhooks.woken(now)];
        woken.into_iter().flatten().for_each(|line| self.open(&line));
        if self.taken() >= self.max {
            return None;
        }
        let may = |(key, _): &(SlotKey, LaneNo)| {
            self.may_take(key.class, &key.host, now) && self.limit_reached(key, true, now).is_none()
        };
        if let Some((key, lane)) = self.begun.iter().position(may).and_then(|at| self.begun.remove(at)) {
            return Some(Turn { lane, key, goes_on: true });
        }
        let well = [self.first(Class::Proven, now), self.first(Class::Unproven, now)];
        let well = well.into_iter().flatten().min_by_key(|first| first.ticket);
        let failing = self.first(Class::Failing, now).filter(|_| well.is_none() || !self.failing_was_last);
        self.failing_was_last = failing.is_some();
        let NextInLine { class, at, .. } = failing.or(well)?;
        let Waiting { lane, key, .. } = self.queues.get_mut(class as usize)?.take(at)?;
        Some(Turn { lane, key, goes_on: false })
    }

    /// When a rate allows the next request of those that wait for it.
    pub(in crate::deliver) fn deadline(&self) -> Option<Uptime> {
        self.hosts.deadline().into_iter().chain(self.webhooks.deadline()).min()
    }

    /// The first lane of a class that may go. Only hosts that hold slots are passed over, no more than there
    /// are slots; those whose limit is reached leave the queue until they may go on.
    fn first(&mut self, class: Class, now: Uptime) -> Option<NextInLine> {
        let mut at = 0;
        while self.has_room(class) {
            let queue = self.queues.get(class as usize)?;
            let host = queue.host(at)?;
            if !self.may_take(class, host, now) {
                at += 1;
                continue;
            }
            let waiting = queue.first(host)?;
            let Some(limit) = self.limit_reached(&waiting.key, false, now) else {
                return Some(NextInLine { class, at, ticket: waiting.ticket });
            };
            let line = waiting.key.line();
            let queue = self.queues.get_mut(class as usize)?;
            match limit {
                Limit::Host => {
                    queue.close_host(at);
                    self.hosts.close(&Arc::clone(&line.host), line, now);
                }
                Limit::Webhook(id) => {
                    queue.close_line(at);
                    self.webhooks.close(&id, line, now);
                }
            }
        }
        None
    }

    /// The limit for which a lane waits that is ready.
    pub(in crate::deliver) fn limit_reached(
        &self,
        key: &SlotKey,
        goes_on: bool,
        now: Uptime,
    ) -> Option<Limit> {
        let limits = self.host_limits.of(&key.host);
        let in_flight = self.all.hosts.get(&key.host).copied().unwrap_or_default();
        if !self.hosts.allows(&key.host, limits, in_flight, goes_on, now) {
            return Some(Limit::Host);
        }
        let LimitedWebhook { id, limits } = key.webhook.as_ref()?;
        let in_flight = self.of_webhooks.get(id).copied().unwrap_or_default();
        let allows = self.webhooks.allows(id, *limits, in_flight, goes_on, now);
        (!allows).then(|| Limit::Webhook(Arc::clone(id)))
    }

    /// The line goes on.
    fn open(&mut self, line: &Line) {
        let Some(queue) = self.queues.get_mut(line.class as usize) else { return };
        queue.open_host(&line.host);
        if let Some(webhook) = &line.webhook {
            queue.open_line(&line.host, webhook);
        }
    }

    /// A lane goes on a turn, or, without a request, for an operation of the spool.
    pub(in crate::deliver) fn take(&mut self, key: &SlotKey, goes_on: bool, now: Uptime) {
        for held in self.held(key.class) {
            held.all += 1;
            *held.hosts.entry(Arc::clone(&key.host)).or_default() += 1;
        }
        if let Some(webhook) = &key.webhook {
            *self.of_webhooks.entry(Arc::clone(&webhook.id)).or_default() += 1;
        }
        if !goes_on {
            self.charge(key, now);
        }
    }

    fn charge(&mut self, key: &SlotKey, now: Uptime) {
        if let Some(rate) = self.rate_of_host(key) {
            self.hosts.take(&key.host, rate, now);
        }
        if let Some(LimitedWebhook { id, limits: RequestLimits { rate: Some(rate), .. } }) = &key.webhook {
            self.webhooks.take(id, *rate, now);
        }
    }

    /// The request of a turn was not made: the rate is not charged for it.
    pub(in crate::deliver) fn refund(&mut self, key: &SlotKey) {
        if let Some(rate) = self.rate_of_host(key) {
            self.hosts.refund(&key.host, rate);
        }
        if let Some(LimitedWebhook { id, limits: RequestLimits { rate: Some(rate), .. } }) = &key.webhook {
            self.webhooks.refund(id, *rate);
        }
    }

    fn rate_of_host(&self, key: &SlotKey) -> Option<RequestRate> {
        self.host_limits.of(&key.host).rate.filter(|_| !key.host.is_empty())
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
        let of_webhook = key.webhook.as_ref().map(|webhook| &webhook.id);
        if let Some(id) = of_webhook
            && let Some(held) = self.of_webhooks.get_mut(id)
        {
            *held -= 1;
            if *held == 0 {
                self.of_webhooks.remove(id);
            }
        }
        let freed = of_webhook.map(|id| self.webhooks.freed(id)).unwrap_or_default();
        let freed = freed.into_iter().chain(self.hosts.freed(&key.host));
        freed.collect::<Vec<_>>().iter().for_each(|line| self.open(line));
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
