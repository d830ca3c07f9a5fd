//! The waiting lanes of one class.
//!
//! Hosts take turns, and the lanes of a host go in the order in which they became ready. Lanes whose webhook
//! has limits stand in a line of their own, so that others of the host pass them. A line or a host whose
//! limit is reached is closed until it may go on: it costs nothing meanwhile.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::key::{Host, Line, SlotKey, WebhookId};
use crate::record::LaneNo;

#[derive(Debug, Default)]
pub(super) struct ClassQueue {
    /// The hosts that may go, in turn; each once.
    turns: VecDeque<Host>,
    hosts: HashMap<Host, HostQueue>,
}

/// A lane that waits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Waiting {
    /// How many had begun to wait when it did.
    pub(super) ticket: u64,
    pub(super) lane: LaneNo,
    pub(super) key: SlotKey,
}

/// The waiting lanes of one host.
#[derive(Debug, Default)]
struct HostQueue {
    /// By webhook with limits; `None` are all others. None is empty.
    lines: HashMap<Option<WebhookId>, VecDeque<Waiting>>,
    /// The lines that may go, by the ticket of their first lane.
    open: BTreeMap<u64, Option<WebhookId>>,
    /// The host's limit is reached.
    is_closed: bool,
    /// It is among `turns`: exactly where it is not closed and has an open line.
    has_turn: bool,
}

impl ClassQueue {
    pub(super) fn enqueue(&mut self, waiting: Waiting) {
        let Line { host, webhook, .. } = waiting.key.line();
        let queue = self.hosts.entry(Arc::clone(&host)).or_default();
        let line = queue.lines.entry(webhook.clone()).or_default();
        let ticket = waiting.ticket;
        line.push_back(waiting);
        if line.len() == 1 {
            queue.open.insert(ticket, webhook);
            self.give_turn(&host);
        }
    }

    /// Every lane that waited, in no order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Waiting> {
        self.turns.clear();
        let hosts = std::mem::take(&mut self.hosts).into_values();
        hosts.flat_map(|queue| queue.lines.into_values().flatten())
    }

    /// The host whose turn comes after `at` others.
    pub(super) fn host(&self, at: usize) -> Option<&Host> {
        self.turns.get(at)
    }

    /// The first lane of a host that may go.
    pub(super) fn first(&self, host: &Host) -> Option<&Waiting> {
        let queue = self.hosts.get(host)?;
        let (_, webhook) = queue.open.first_key_value()?;
        queue.lines.get(webhook)?.front()
    }

    /// The limit of the host at this place is reached.
    pub(super) fn close_host(&mut self, at: usize) {
        if let Some(queue) = self.turns.remove(at).and_then(|host| self.hosts.get_mut(&host)) {
            (queue.is_closed, queue.has_turn) = (true, false);
        }
    }

    /// The host may go on.
    pub(super) fn open_host(&mut self, host: &Host) {
        if let Some(queue) = self.hosts.get_mut(host) {
            queue.is_closed = false;
            self.give_turn(host);
        }
    }

    /// The limit of the webhook of the first lane of the host at this place is reached.
    pub(super) fn close_line(&mut self, at: usize) {
        let Some(queue) = self.turns.get(at).and_then(|host| self.hosts.get_mut(host)) else { return };
        queue.open.pop_first();
        if queue.open.is_empty() {
            queue.has_turn = false;
            self.turns.remove(at);
        }
    }

    /// The webhook's lanes may go on.
    pub(super) fn open_line(&mut self, host: &Host, webhook: &WebhookId) {
        let Some(queue) = self.hosts.get_mut(host) else { return };
        let webhook = Some(Arc::clone(webhook));
        if let Some(first) = queue.lines.get(&webhook).and_then(VecDeque::front) {
            queue.open.insert(first.ticket, webhook);
            self.give_turn(host);
        }
    }

    /// The first lane of the host at this place, which goes to the end.
    pub(super) fn take(&mut self, at: usize) -> Option<Waiting> {
        let host = self.turns.remove(at)?;
        let queue = self.hosts.get_mut(&host)?;
        queue.has_turn = false;
        let (_, webhook) = queue.open.pop_first()?;
        let line = queue.lines.get_mut(&webhook)?;
        let taken = line.pop_front();
        match line.front() {
            Some(next) => drop(queue.open.insert(next.ticket, webhook)),
            None => drop(queue.lines.remove(&webhook)),
        }
        if queue.lines.is_empty() {
            self.hosts.remove(&host);
        } else {
            self.give_turn(&host);
        }
        taken
    }

    fn give_turn(&mut self, host: &Host) {
        let Some(queue) = self.hosts.get_mut(host) else { return };
        if !queue.has_turn && !queue.is_closed && !queue.open.is_empty() {
            queue.has_turn = true;
            self.turns.push_back(Arc::clone(host));
        }
    }
}
