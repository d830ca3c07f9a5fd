//! The receivers, and what they saw: every request that left, and whether its batch was taken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::Value;
use sidecar::deliver::{Outcome, OutgoingRequest, Reply, SendRequest};
use sidecar::outcome::OutcomeKind;
use sidecar::spool::Exchange;
use sidecar::time::Uptime;

use crate::oracle::records;

/// How a webhook answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Behaviour {
    /// 500, taking nothing.
    Fails,
    /// No answer, and sometimes takes the batch.
    Hangs,
    /// 422 to every batch.
    RefusesAll,
    /// 413 to more than this many bytes.
    RefusesOver(usize),
    Well,
}

/// A request, as it left.
pub struct Sent {
    /// Where to: the webhook's project, whatever the headers hold.
    pub host: String,
    pub headers: HashMap<String, String>,
    pub body: Bytes,
    /// When the receiver took it, by the number of the event.
    pub taken: Option<usize>,
    /// By the number of the event.
    pub at: usize,
    /// Answered with 413 or 422.
    pub refused: bool,
}

impl Sent {
    pub fn is_replayed(&self) -> bool {
        self.headers.contains_key("sidecar-replay") && !self.is_redelivered()
    }

    /// A dead letter, once more: requests for these count their ids from 1.
    pub fn is_redelivered(&self) -> bool {
        self.header("sidecar-replay").starts_with("00000000-0000-0000")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// On the wire: what was sent, where its outcome goes, and when the sender stops to wait.
struct Waiting {
    sent: usize,
    host: String,
    bytes: usize,
    on_outcome: Reply,
    deadline: Uptime,
}

#[derive(Default)]
pub struct Receivers {
    pub behaviours: HashMap<String, Behaviour>,
    /// All of them, always: they accept every request.
    are_well: bool,
    /// They refuse the content of some records, always.
    refuse_some: bool,
    pub sent: Vec<Sent>,
    /// Answers that never came to a batch that was taken, by lane.
    pub unheard: HashMap<(String, String), usize>,
    /// Records of each batch that was taken.
    taken: HashMap<String, usize>,
    posted: Arc<Mutex<Vec<Posted>>>,
    waiting: Vec<Waiting>,
    events: usize,
}

type Posted = (OutgoingRequest, Reply);

impl Receivers {
    pub fn new(are_well: bool, refuse_some: bool) -> Self {
        Self { are_well, refuse_some, ..Self::default() }
    }

    /// The batch holds a record that is always refused.
    fn refuses(&self, sent: usize) -> bool {
        self.refuse_some && records(&self.sent[sent]).iter().any(is_refused)
    }

    pub fn post(&self) -> SendRequest {
        let posted = Arc::clone(&self.posted);
        Box::new(move |ask, on_outcome| posted.lock().unwrap().push((ask, on_outcome)))
    }

    /// What the sidecar has just sent is on the wire.
    pub fn collect(&mut self, now: Uptime) {
        let posted = std::mem::take(&mut *self.posted.lock().unwrap());
        for (ask, on_outcome) in posted {
            self.events += 1;
            let host = ask.url.host().unwrap().to_owned();
            let headers = ask.headers.iter();
            let headers =
                headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
            self.waiting.push(Waiting {
                sent: self.sent.len(),
                host: host.clone(),
                bytes: ask.body.len(),
                on_outcome,
                deadline: now.plus(ask.timeout),
            });
            self.sent.push(Sent {
                host,
                headers,
                body: ask.body,
                taken: None,
                at: self.events,
                refused: false,
            });
        }
    }

    pub fn on_the_wire(&self) -> usize {
        self.waiting.len()
    }

    /// One request ends, as its receiver is disposed to.
    pub fn answer(&mut self, random: &mut StdRng, now: Uptime) {
        if self.waiting.is_empty() {
            return;
        }
        let at = random.random_range(0..self.waiting.len());
        let behaviour = self.behaviours.get(&self.waiting[at].host).copied().unwrap_or(Behaviour::Well);
        let is_late = now >= self.waiting[at].deadline;
        if behaviour == Behaviour::Hangs && !is_late {
            return;
        }
        let Waiting { sent, bytes, on_outcome, .. } = self.waiting.swap_remove(at);
        let outcome = match behaviour {
            _ if is_late && !self.are_well => {
                if random.random_bool(0.5) && !self.refuses(sent) {
                    self.take_unheard(sent);
                }
                outcome(None, OutcomeKind::Timeout)
            }
            Behaviour::Fails if random.random_bool(0.2) => {
                let wait = Some(Duration::from_secs(random.random_range(0..5)));
                Outcome { retry_after: wait, ..outcome(Some(429), OutcomeKind::Status) }
            }
            Behaviour::Fails => outcome(Some(500), OutcomeKind::Status),
            Behaviour::RefusesAll if !self.has_taken(sent) => {
                self.sent[sent].refused = true;
                outcome(Some(422), OutcomeKind::Status)
            }
            _ if self.refuses(sent) => {
                self.sent[sent].refused = true;
                outcome(Some(422), OutcomeKind::Status)
            }
            // What it took once, it does not refuse as too large the next time.
            Behaviour::RefusesOver(most) if bytes > most && !self.has_taken(sent) => {
                self.sent[sent].refused = true;
                outcome(Some(413), OutcomeKind::Status)
            }
            _ if !self.are_well && random.random_bool(0.05) => {
                // It answers 2xx and dies, or dies before it answers.
                if random.random_bool(0.7) {
                    self.take_unheard(sent);
                }
                outcome(None, OutcomeKind::Reset)
            }
            _ => {
                self.take(sent);
                outcome(Some(200), OutcomeKind::Delivered)
            }
        };
        on_outcome(outcome, Exchange::default());
    }

    /// The sender dies: some of what is on the wire arrives.
    pub fn sender_dies(&mut self, random: &mut StdRng) {
        self.collect(Uptime(0));
        for waiting in std::mem::take(&mut self.waiting) {
            if random.random_bool(0.5) && !self.refuses(waiting.sent) {
                self.take(waiting.sent);
            }
        }
    }

    /// Records of live batches that were taken, each batch once.
    pub fn taken_records(&self) -> usize {
        self.taken.values().sum()
    }

    /// The first moment at which a request stops to wait.
    pub fn deadline(&self) -> Option<Uptime> {
        self.waiting.iter().map(|waiting| waiting.deadline).min()
    }

    fn take(&mut self, sent: usize) {
        self.events += 1;
        let sent = &mut self.sent[sent];
        sent.taken = Some(self.events);
        let live = if sent.is_replayed() { 0 } else { records(sent).len() };
        self.taken.insert(sent.header("webhook-id").to_owned(), live);
    }

    fn has_taken(&self, sent: usize) -> bool {
        self.taken.contains_key(self.sent[sent].header("webhook-id"))
    }

    fn take_unheard(&mut self, sent: usize) {
        self.take(sent);
        let lane = {
            let sent = &self.sent[sent];
            (sent.host.clone(), sent.header("sidecar-callback").to_owned())
        };
        *self.unheard.entry(lane).or_default() += 1;
    }
}

/// One record of about 20.
pub fn is_refused(record: &Value) -> bool {
    let text = record.to_string();
    text.bytes().fold(17_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % 20 == 0
}

fn outcome(status: Option<u16>, kind: OutcomeKind) -> Outcome {
    Outcome { status, kind, detail: None, retry_after: None, directive: None }
}
