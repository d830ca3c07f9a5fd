//! The right loop as others hold it.

use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use super::driver::{Driver, Event};
use super::http::client::SendRequest;
use super::scheduler::condition::LaneCondition;
use super::webhook::Routes;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::outcome::OutcomeKind;
use crate::record::{LaneNo, Seq};
use crate::spool::{Epochs, LaneReplay, ReplayNo, Spool, SpoolError};

/// What the right loop starts from.
pub struct Params {
    /// Where records are and outcomes go.
    pub spool: Spool,
    /// Nothing is cut or sent before [`Deliver::hold`] lets go.
    pub held: bool,
    /// Which epoch a record is of.
    pub epochs: Epochs,
    /// Which webhook answers for which lane.
    pub routes: watch::Receiver<Arc<Routes>>,
    /// Requests in flight over all webhooks.
    pub in_flight_max: usize,
    /// Most that a failing or paused lane holds.
    pub lane_bytes_max: u64,
    /// `spool.bytes_max`
    pub spool_bytes_max: u64,
    /// How long a lane without a webhook is kept.
    pub retain: Duration,
    /// Makes requests.
    pub post: SendRequest,
    /// Chance for jitter, 0.0..1.0.
    pub jitter: Box<dyn FnMut() -> f64 + Send>,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// Told once, when the spool can no longer be written or read.
    pub on_failure: Box<dyn Fn(SpoolError) + Send>,
}

/// The right loop at work. Dropping it stops nothing: [`Deliver::stop`] does.
#[derive(Debug)]
pub struct Deliver {
    events: mpsc::Sender<Event>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A lane, as it is shown.
#[derive(Clone, Debug)]
pub struct LaneView {
    /// Which.
    pub lane: LaneNo,
    /// Its project's name.
    pub project: String,
    /// Whether a webhook answers for it.
    pub has_webhook: bool,
    /// What it is doing, or what keeps it from doing it.
    pub state: LaneCondition,
    /// Every record up to here is settled.
    pub cursor: Seq,
    /// Whether a request is on the wire.
    pub in_flight: bool,
    /// Records that are not settled.
    pub pending_records: u64,
    /// Bytes of their fragments.
    pub pending_bytes: u64,
    /// Ranges of replays that are left to send.
    pub replay_parts: usize,
    /// For how long the oldest has waited.
    pub oldest: Option<Duration>,
    /// Failed attempts since the last success.
    pub failures: u32,
    /// How long until the next attempt.
    pub next_attempt: Option<Duration>,
    /// How the last attempt ended.
    pub last_outcome: Option<OutcomeKind>,
    /// Why it is paused.
    pub reason: Option<String>,
}

impl Deliver {
    /// Starts the thread.
    pub fn start(params: Params) -> anyhow::Result<Self> {
        let (mut deliver, driver) = Self::without_thread(params)?;
        let thread = std::thread::Builder::new().name("deliver".into()).spawn(move || driver.run())?;
        deliver.thread = Mutex::new(Some(thread));
        Ok(deliver)
    }

    /// Without a thread: the caller turns the loop.
    pub fn without_thread(params: Params) -> anyhow::Result<(Self, Driver)> {
        let (events, happened) = mpsc::channel();
        let driver = Driver::new(params, (events.clone(), happened))?;
        Ok((Self { events, thread: Mutex::new(None) }, driver))
    }

    /// What is spooled behind `after` is of this epoch, which is durable. Told before its records are.
    pub fn begin_epoch(&self, after: Seq, epoch: Uuid) {
        self.notify(Event::Epoch { after, epoch });
    }

    /// While held, nothing is cut or sent; what is in flight ends.
    pub fn hold(&self, held: bool) {
        self.notify(Event::Hold(held));
    }

    /// Sends nothing of these lanes until they are resumed. Their records are kept until
    /// `delivery.give_up_after`.
    pub fn pause(&self, lanes: Vec<LaneNo>, reason: String) {
        self.notify(Event::Pause { lanes, reason });
    }

    /// Goes on with these lanes, at once.
    pub fn resume(&self, lanes: Vec<LaneNo>) {
        self.notify(Event::Resume { lanes });
    }

    /// A replay is durable: it enters its lanes at their next batch.
    pub fn replay(&self, replay: ReplayNo, id: Uuid, rate: Option<u32>, parts: Vec<LaneReplay>) {
        self.notify(Event::Replay { replay, id, rate, parts });
    }

    /// Sends nothing more of a replay, and waits until that is durable. What is on the wire ends.
    pub fn cancel_replay(&self, replay: ReplayNo) -> Result<(), SpoolError> {
        let (reply, replied) = mpsc::sync_channel(1);
        self.notify(Event::CancelReplay { replay, reply: Some(reply) });
        replied.recv_timeout(VIEW_PATIENCE).unwrap_or(Err(SpoolError::NoReply("the delivery loop")))
    }

    /// Dead letters of these lanes are marked for one more attempt.
    pub fn redeliver(&self, lanes: Vec<LaneNo>) {
        self.notify(Event::Redeliver { lanes });
    }

    /// The routes have changed, and the limits are these from now on.
    pub fn routed(&self, in_flight_max: usize, lane_bytes_max: u64) {
        self.notify(Event::Routed { in_flight_max, lane_bytes_max });
    }

    /// Every lane. Empty where the loop has ended.
    pub fn view(&self) -> Vec<LaneView> {
        let (reply, replied) = mpsc::sync_channel(1);
        self.notify(Event::View(reply));
        replied.recv_timeout(VIEW_PATIENCE).unwrap_or_default()
    }

    /// Begins nothing new, waits up to `patience` for what is in flight and its outcome, and ends.
    pub fn stop(&self, patience: Duration) {
        self.notify(Event::Stop { patience });
        let thread = self.thread.lock().ok().and_then(|mut slot| slot.take());
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    fn notify(&self, event: Event) {
        // A loop that has ended needs to know nothing more.
        let _ = self.events.send(event);
    }
}

/// Chance, 0.0..1.0: the random bits of a UUID.
pub fn random_jitter() -> f64 {
    let (high, _) = Uuid::new_v4().as_u64_pair();
    f64::from(u32::try_from(high >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

const VIEW_PATIENCE: Duration = Duration::from_secs(5);
