//! Which lane sends what, when. A machine: what happened in, what to do out; no I/O, no clock.
//!
//! 1. A lane has one batch in flight, and its cursor moves only over settled records.
//! 2. Only sendable records are cut: a batch never waits for another lane once it is cut. The
//!    earliest unsettled record of a project is always sendable, so no two lanes wait on each other.
//! 3. Lanes that fail share a quarter of the requests in flight; ready lanes are served in turn.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::lane::{Blocked, Due, Lane, Phase};
use super::retry::{Outcome, Verdict, verdict};
use super::webhook::Webhook;
use crate::moment::Running;
use crate::record::{After, Callback, LaneNo, Seq};
use crate::spool::{Batch, DeadReason, Fate, LaneState, Standing};

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Read the lane's head, ask [`Dispatch::run`] how much of it may go, and write the cut down.
    Cut(LaneNo),
    /// Give up what is pending in the lane as told.
    GiveUp(LaneNo, GiveUp),
    /// Make the request.
    Send(LaneNo, Batch),
}

/// Which records of a lane are given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum GiveUp {
    /// The oldest, of so many bytes.
    Bytes(u64, DeadReason),
    /// Those spooled at this time or earlier.
    SpooledBy(Running),
}

/// What a record of a lane's head means to the decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Head {
    pub(super) after: After,
    pub(super) bytes: u64,
}

/// How much of a head may go now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Run {
    /// Nothing: it waits for other lanes.
    Blocked,
    /// The first so many records.
    Records(usize),
}

/// What follows from an attempt, to be written down.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Decided {
    pub(super) fate: Fate,
    pub(super) standing: Standing,
    /// The batch is to be cut in two.
    pub(super) halve: bool,
}

/// All lanes.
#[derive(Debug)]
pub(super) struct Dispatch {
    lanes: HashMap<LaneNo, Lane>,
    /// One entry a lane: when it is to be looked at next.
    timers: BTreeSet<(Running, LaneNo)>,
    ready: VecDeque<LaneNo>,
    ready_failing: VecDeque<LaneNo>,
    slots: Slots,
    lane_bytes_max: u64,
    /// Nothing new is begun.
    held: bool,
}

#[derive(Debug)]
struct Slots {
    max: usize,
    taken: usize,
    taken_failing: usize,
}

impl Dispatch {
    pub(super) fn new(in_flight_max: usize, lane_bytes_max: u64) -> Self {
        Self {
            lanes: HashMap::new(),
            timers: BTreeSet::new(),
            ready: VecDeque::new(),
            ready_failing: VecDeque::new(),
            slots: Slots { max: in_flight_max.max(1), taken: 0, taken_failing: 0 },
            lane_bytes_max,
            held: false,
        }
    }

    pub(super) fn add(&mut self, state: LaneState, webhook: Option<Arc<Webhook>>, now: Running) {
        let no = state.lane;
        self.lanes.insert(no, Lane::new(state, webhook));
        self.look_again(no, now);
    }

    pub(super) fn lane(&self, no: LaneNo) -> Option<&Lane> {
        self.lanes.get(&no)
    }

    pub(super) fn lanes(&self) -> impl Iterator<Item = (&LaneNo, &Lane)> {
        self.lanes.iter()
    }

    /// Requests and cuts under way.
    pub(super) fn under_way(&self) -> usize {
        self.slots.taken
    }

    /// While held, nothing new is begun; what is under way ends.
    pub(super) fn hold(&mut self, held: bool) {
        self.held = held;
    }

    pub(super) fn set_limits(&mut self, in_flight_max: usize, lane_bytes_max: u64) {
        self.slots.max = in_flight_max.max(1);
        self.lane_bytes_max = lane_bytes_max;
    }

    /// Records were spooled.
    pub(super) fn appended(&mut self, no: LaneNo, records: u64, bytes: u64, spooled: Running, now: Running) {
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        lane.pending_records += records;
        lane.pending_bytes += bytes;
        lane.oldest.get_or_insert(spooled);
        self.look_again(no, now);
    }

    /// The lane's webhook is this one from now on.
    pub(super) fn routed(&mut self, no: LaneNo, webhook: Option<Arc<Webhook>>, now: Running) {
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        lane.webhook = webhook;
        self.changed(no, now);
    }

    /// The lane's standing was changed by hand and written down.
    pub(super) fn stands(&mut self, no: LaneNo, standing: Standing, now: Running) {
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        lane.standing = standing;
        self.changed(no, now);
    }

    /// The next thing to do, if there is one now.
    pub(super) fn poll(&mut self, now: Running) -> Option<Action> {
        while let Some((at, no)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, no));
            if let Some(lane) = self.lanes.get_mut(&no) {
                lane.timer = None;
            }
            if let Some(what) = self.give_up(no, now) {
                self.seize(no);
                return Some(Action::GiveUp(no, what));
            }
            self.look_again(no, now);
        }
        if self.held {
            return None;
        }
        self.next_ready(now)
    }

    /// When to poll again, if nothing happens before.
    pub(super) fn deadline(&self) -> Option<Running> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// How much of a lane's head may go: the longest run of sendable records, up to the limits.
    pub(super) fn run(&self, no: LaneNo, head: &[Head], now: Running) -> Run {
        let Some(limits) =
            self.lanes.get(&no).and_then(|lane| lane.webhook.as_ref()).map(|webhook| &webhook.limits)
        else {
            return Run::Blocked;
        };
        let mut bytes = 0_u64;
        let mut records = 0;
        for record in head.iter().take(usize::try_from(limits.records_max).unwrap_or(usize::MAX)) {
            bytes = bytes.saturating_add(record.bytes);
            let fits = records == 0 || bytes <= limits.bytes_max;
            if !fits || !self.is_sendable(no, record.after, limits.order_wait, now) {
                break;
            }
            records += 1;
        }
        if records == 0 { Run::Blocked } else { Run::Records(records) }
    }

    /// A cut is durable: its batch goes out next.
    pub(super) fn cut(&mut self, no: LaneNo, batch: Batch, now: Running) {
        self.release(no);
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        lane.batches.push_back(batch);
        lane.blocked = None;
        // It keeps its turn.
        self.enqueue(no, true);
        self.look_again(no, now);
    }

    /// Nothing was cut: the head with this `after` waits for other lanes.
    pub(super) fn blocked(&mut self, no: LaneNo, after: After, now: Running) {
        self.release(no);
        let wait = self
            .lanes
            .get(&no)
            .and_then(|lane| lane.webhook.as_ref())
            .map(|webhook| webhook.limits.order_wait);
        let until = self.unsettled(no, after).filter_map(|other| other.standing.failing_since).max();
        let until = until.zip(wait).map(|(since, wait)| since.plus(wait));
        // Where one of those it waits for does not fail, only that lane's progress helps.
        let all_fail = self.unsettled(no, after).all(Lane::is_failing);
        if let Some(lane) = self.lanes.get_mut(&no) {
            lane.blocked = Some(Blocked { until: until.filter(|_| all_fail) });
        }
        self.look_again(no, now);
    }

    /// What was begun for the lane could not be written: it is begun again after `wait`.
    pub(super) fn not_written(&mut self, no: LaneNo, wait: Duration, now: Running) {
        self.release(no);
        if let Some(lane) = self.lanes.get_mut(&no) {
            lane.not_before = Some(now.plus(wait));
        }
        self.look_again(no, now);
    }

    /// An attempt ended. What follows is to be written down; until [`Dispatch::settled`] or
    /// [`Dispatch::tried`] says that it is, the lane waits.
    pub(super) fn ended(
        &mut self,
        no: LaneNo,
        outcome: &Outcome,
        dice: f64,
        now: Running,
    ) -> Option<Decided> {
        let lane = self.lanes.get_mut(&no)?;
        let batch = lane.batches.front()?;
        lane.phase = Phase::Settling;
        lane.last_outcome = Some(outcome.word);
        let schedule =
            lane.webhook.as_ref().map(|webhook| webhook.limits.retry_schedule.clone()).unwrap_or_default();
        let standing = Standing { retry_at: None, ..lane.standing.clone() };
        Some(match verdict(outcome, standing.failures, &schedule, dice) {
            Verdict::Delivered => Decided {
                fate: Fate::Delivered,
                standing: Standing { failures: 0, failing_since: None, ..standing },
                halve: false,
            },
            Verdict::TooLarge if batch.records > 1 => Decided { fate: Fate::Waits, standing, halve: true },
            Verdict::TooLarge => Decided { fate: Fate::Dead(DeadReason::TooLarge), standing, halve: false },
            Verdict::RetryIn(wait) => Decided {
                fate: Fate::Waits,
                standing: Standing {
                    failures: standing.failures.saturating_add(1),
                    failing_since: standing.failing_since.or(Some(now)),
                    retry_at: Some(now.plus(wait)),
                    ..standing
                },
                halve: false,
            },
        })
    }

    /// A failed attempt is written down; `successors` stand in for the batch where it was retired.
    pub(super) fn tried(
        &mut self,
        no: LaneNo,
        standing: Standing,
        successors: Option<Vec<Batch>>,
        now: Running,
    ) {
        self.release(no);
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        lane.standing = standing;
        match successors {
            Some(successors) => {
                lane.batches.pop_front();
                successors.into_iter().rev().for_each(|batch| lane.batches.push_front(batch));
            }
            None => {
                if let Some(batch) = lane.batches.front_mut() {
                    batch.attempts = batch.attempts.saturating_add(1);
                }
            }
        }
        self.changed(no, now);
    }

    /// Records up to `through` are settled, durably. `oldest` is when the next was spooled.
    pub(super) fn settled(&mut self, no: LaneNo, settled: Settled, now: Running) {
        self.release(no);
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        debug_assert!(settled.through >= lane.cursor, "a cursor never moves back");
        lane.cursor = settled.through;
        lane.pending_records = lane.pending_records.saturating_sub(settled.records);
        lane.pending_bytes = lane.pending_bytes.saturating_sub(settled.bytes);
        lane.oldest = settled.oldest;
        lane.batches.retain(|batch| batch.last > settled.through);
        if let Some(standing) = settled.standing {
            lane.standing = standing;
        }
        self.changed(no, now);
    }

    /// The lane that should give up records for want of room: the largest of those that fail, are
    /// paused or have no webhook, and are not just at work.
    pub(super) fn largest_ailing(&self) -> Option<LaneNo> {
        self.lanes
            .iter()
            .filter(|(_, lane)| lane.pending_bytes > 0 && lane.phase == Phase::Idle)
            .filter(|(_, lane)| lane.is_failing() || lane.stands_still())
            .max_by_key(|(no, lane)| (lane.pending_bytes, **no))
            .map(|(no, _)| *no)
    }

    /// Takes a lane for an operation of its own; `false` where it is at work.
    pub(super) fn seize(&mut self, no: LaneNo) -> bool {
        let Some(lane) = self.lanes.get_mut(&no).filter(|lane| lane.phase == Phase::Idle) else {
            return false;
        };
        lane.phase = Phase::Settling;
        self.slots.take(lane);
        true
    }

    /// The operation that it was taken for is not to be done.
    pub(super) fn unseize(&mut self, no: LaneNo, now: Running) {
        self.release(no);
        self.look_again(no, now);
    }

    fn next_ready(&mut self, now: Running) -> Option<Action> {
        loop {
            let failing = self.slots.has_room(true);
            let no = match self.ready_failing.pop_front_if(|_| failing) {
                Some(no) => no,
                None if self.slots.has_room(false) => self.ready.pop_front()?,
                None => return None,
            };
            let Some(lane) = self.lanes.get_mut(&no) else { continue };
            lane.queued = false;
            if lane.due(now) != Due::Now {
                self.look_again(no, now);
                continue;
            }
            self.slots.take(lane);
            if let Some(batch) = lane.batches.front() {
                lane.phase = Phase::InFlight;
                return Some(Action::Send(no, batch.clone()));
            }
            lane.phase = Phase::Cutting;
            return Some(Action::Cut(no));
        }
    }

    /// Whether everything that must be settled before a record is, or its wait is over.
    fn is_sendable(&self, no: LaneNo, after: After, order_wait: Duration, now: Running) -> bool {
        self.unsettled(no, after)
            .all(|other| other.standing.failing_since.is_some_and(|since| now.since(since) >= order_wait))
    }

    /// The lanes that a record with this `after` still waits for, were no wait ever over. One that is
    /// paused, without a webhook or unknown is waited for not at all.
    fn unsettled(&self, no: LaneNo, after: After) -> impl Iterator<Item = &Lane> {
        Callback::ALL.into_iter().zip(after.0).filter_map(move |(callback, seq)| {
            let other = self.lanes.get(&LaneNo::new(no.project(), callback))?;
            (callback != no.callback() && other.cursor < seq && !other.stands_still()).then_some(other)
        })
    }

    /// A lane moved or stands otherwise: so may those of its project that wait for it.
    fn changed(&mut self, no: LaneNo, now: Running) {
        for callback in Callback::ALL {
            let sibling = LaneNo::new(no.project(), callback);
            if let Some(lane) = self.lanes.get_mut(&sibling) {
                lane.blocked = None;
                self.look_again(sibling, now);
            }
        }
    }

    fn release(&mut self, no: LaneNo) {
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        lane.phase = Phase::Idle;
        self.slots.give_back(lane);
    }

    /// Puts the lane where it belongs: in a queue, at a time, or nowhere.
    fn look_again(&mut self, no: LaneNo, now: Running) {
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        lane.give_up_at = lane
            .without_success_since()
            .zip(lane.give_up_after())
            .map(|(since, after)| since.plus(after).max(lane.give_up_at.unwrap_or_default()));
        let at_once = lane.overflows(self.lane_bytes_max).then_some(now);
        let give_up = at_once.or(lane.give_up_at).max(lane.not_before.filter(|_| at_once.is_some()));
        let give_up = give_up.filter(|_| lane.pending_records > 0 && lane.phase == Phase::Idle);
        let due = lane.due(now);
        let at = match due {
            Due::At(at) => Some(give_up.map_or(at, |give_up| give_up.min(at))),
            Due::Never | Due::Now => give_up,
        };
        if lane.timer != at {
            self.timers.extend(at.map(|at| (at, no)));
            if let Some(earlier) = std::mem::replace(&mut lane.timer, at) {
                self.timers.remove(&(earlier, no));
            }
        }
        if due == Due::Now {
            self.enqueue(no, false);
        }
    }

    fn enqueue(&mut self, no: LaneNo, first: bool) {
        let Some(lane) = self.lanes.get_mut(&no).filter(|lane| !lane.queued) else { return };
        lane.queued = true;
        let queue = if lane.is_failing() { &mut self.ready_failing } else { &mut self.ready };
        if first { queue.push_front(no) } else { queue.push_back(no) }
    }

    /// What the lane has to give up now, by age or by size.
    fn give_up(&mut self, no: LaneNo, now: Running) -> Option<GiveUp> {
        let lane =
            self.lanes.get_mut(&no).filter(|lane| lane.phase == Phase::Idle && lane.pending_records > 0)?;
        if lane.not_before.is_some_and(|at| at > now) {
            return None;
        }
        if lane.overflows(self.lane_bytes_max) {
            let over = lane.pending_bytes - self.lane_bytes_max;
            return Some(GiveUp::Bytes(over, DeadReason::LaneFull));
        }
        let after = lane.give_up_after()?;
        let at = lane.give_up_at.filter(|at| *at <= now)?;
        // Records become old one by one; they are given up in bulk, now and then.
        lane.give_up_at =
            Some(at.max(now).plus((after / 100).clamp(Duration::from_secs(1), Duration::from_mins(1))));
        let by = Running(now.0.saturating_sub(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)));
        lane.oldest.filter(|oldest| *oldest <= by)?;
        Some(GiveUp::SpooledBy(by))
    }
}

/// Records that are settled.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settled {
    pub(super) through: Seq,
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// When the record behind them was spooled; `None` where none is.
    pub(super) oldest: Option<Running>,
    /// The lane's standing from now on, where it changed.
    pub(super) standing: Option<Standing>,
}

impl Slots {
    fn has_room(&self, failing: bool) -> bool {
        self.taken < self.max && (!failing || self.taken_failing < (self.max / 4).max(1))
    }

    fn take(&mut self, lane: &mut Lane) {
        debug_assert!(lane.slot.is_none(), "a lane has one batch in flight");
        lane.slot = Some(lane.is_failing());
        self.taken += 1;
        self.taken_failing += usize::from(lane.is_failing());
    }

    fn give_back(&mut self, lane: &mut Lane) {
        if let Some(failing) = lane.slot.take() {
            self.taken -= 1;
            self.taken_failing -= usize::from(failing);
        }
    }
}
