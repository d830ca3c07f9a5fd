//! The handle to delivery.

use std::sync::{Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use uuid::Uuid;

use super::driver::Driver;
use super::driver::event::Event;
use super::params::{LaneCounts, LaneView, Params};
use super::pauses::{LaneScope, Pauses};
use super::request_limits::HostLimits;
use super::scheduler::surge::SurgeLimit;
use crate::record::{LaneNo, Seq};
use crate::spool::{Done, LaneReplay, ReplayNo, SpoolError};

/// A handle to the running driver. Dropping it does not stop the driver: [`Deliver::stop`] does.
#[derive(Debug)]
pub struct Deliver {
    events: mpsc::Sender<Event>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Deliver {
    /// Starts the thread.
    pub fn start(params: Params) -> anyhow::Result<Self> {
        let (mut deliver, driver) = Self::without_thread(params)?;
        let thread = std::thread::Builder::new().name("deliver".into()).spawn(move || driver.run())?;
        deliver.thread = Mutex::new(Some(thread));
        Ok(deliver)
    }

    /// Without a thread: the caller runs the loop.
    pub fn without_thread(params: Params) -> anyhow::Result<(Self, Driver)> {
        let (events, happened) = mpsc::channel();
        let driver = Driver::new(params, (events.clone(), happened))?;
        Ok((Self { events, thread: Mutex::new(None) }, driver))
    }

    /// Records after `after` belong to this epoch, which is durable. Called before they are spooled.
    pub fn begin_epoch(&self, after: Seq, epoch: Uuid) {
        self.notify(Event::Epoch { after, epoch });
    }

    /// While held, nothing is cut or sent; requests in flight end.
    pub fn hold(&self, held: bool) {
        self.notify(Event::Hold(held));
    }

    /// These pauses stand from now on: nothing is sent of their lanes. Returns once that is durable for the
    /// lanes that there are. Requests in flight end.
    pub fn pause(&self, pauses: Pauses) -> Result<(), SpoolError> {
        self.set_pauses(pauses, None)
    }

    /// Resumes the lanes of `scope` that none of the pauses that stand is of, at once.
    pub fn resume(&self, pauses: Pauses, scope: LaneScope) -> Result<(), SpoolError> {
        self.set_pauses(pauses, Some(scope))
    }

    fn set_pauses(&self, pauses: Pauses, resumed: Option<LaneScope>) -> Result<(), SpoolError> {
        let (reply, replies) = mpsc::channel();
        self.notify(Event::Pauses { pauses, resumed, reply });
        loop {
            match replies.recv_timeout(VIEW_PATIENCE) {
                Ok(written) => written?,
                Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    return Err(SpoolError::NoReply("the delivery loop"));
                }
            }
        }
    }

    /// Settles the pending records of a lane up to `through` without sending them, once no request of it is in
    /// flight. A batch is skipped whole: one that reaches beyond `through` is sent.
    pub fn skip(&self, lane: LaneNo, through: Seq, patience: Duration) -> Result<Done, SpoolError> {
        let (reply, replied) = mpsc::sync_channel(1);
        self.notify(Event::Skip { lane, through, patience, reply });
        let done = replied.recv_timeout(patience + VIEW_PATIENCE);
        done.unwrap_or(Err(SpoolError::NoReply("the delivery loop")))
    }

    /// A replay is durable: its lanes send it from their next batch on.
    pub fn replay(&self, replay: ReplayNo, id: Uuid, rate: Option<u32>, ranges: Vec<LaneReplay>) {
        self.notify(Event::Replay { replay, id, rate, ranges });
    }

    /// Sends nothing more of a replay, and waits until that is durable. Requests in flight end.
    pub fn cancel_replay(&self, replay: ReplayNo) -> Result<(), SpoolError> {
        let (reply, replied) = mpsc::sync_channel(1);
        self.notify(Event::CancelReplay { replay, reply: Some(reply) });
        replied.recv_timeout(VIEW_PATIENCE).unwrap_or(Err(SpoolError::NoReply("the delivery loop")))
    }

    /// Dead letters of these lanes have a requested redelivery.
    pub fn redeliver(&self, lanes: Vec<LaneNo>) {
        self.notify(Event::Redeliver { lanes });
    }

    /// The routes have changed, and the limits are these from now on.
    pub fn routes_changed(
        &self,
        in_flight_max: usize,
        host_limits: HostLimits,
        lane_bytes_max: u64,
        surge: Option<SurgeLimit>,
    ) {
        self.notify(Event::Routed { in_flight_max, host_limits, lane_bytes_max, surge });
    }

    /// Every lane. Empty after the loop has ended.
    pub fn view(&self) -> Vec<LaneView> {
        let (reply, replied) = mpsc::sync_channel(1);
        self.notify(Event::View(reply));
        replied.recv_timeout(VIEW_PATIENCE).unwrap_or_default()
    }

    /// How many lanes there are in each condition. None after the loop has ended.
    pub fn counts(&self) -> LaneCounts {
        let (reply, replied) = mpsc::sync_channel(1);
        self.notify(Event::Count(reply));
        replied.recv_timeout(VIEW_PATIENCE).unwrap_or_default()
    }

    /// These lanes, of which each that delivery has. Costs nothing for the others.
    pub fn view_of(&self, lanes: Vec<LaneNo>) -> Vec<LaneView> {
        let (reply, replied) = mpsc::sync_channel(1);
        self.notify(Event::ViewOf { lanes, reply });
        replied.recv_timeout(VIEW_PATIENCE).unwrap_or_default()
    }

    /// Whether the loop answers.
    pub fn responds(&self) -> bool {
        let (reply, replied) = mpsc::sync_channel(1);
        self.notify(Event::ViewOf { lanes: Vec::new(), reply });
        replied.recv_timeout(VIEW_PATIENCE).is_ok()
    }

    /// Starts nothing new, waits up to `patience` for requests in flight and their outcomes, and ends.
    pub fn stop(&self, patience: Duration) {
        self.notify(Event::Stop { patience });
        let thread = self.thread.lock().ok().and_then(|mut slot| slot.take());
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    fn notify(&self, event: Event) {
        // A loop that has ended needs no events.
        let _ = self.events.send(event);
    }
}

/// A random number in 0.0..1.0.
pub fn random_jitter() -> f64 {
    fastrand::f64()
}

const VIEW_PATIENCE: Duration = Duration::from_secs(5);
