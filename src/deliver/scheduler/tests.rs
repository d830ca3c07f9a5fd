//! The rules, one by one. `simulation` holds them together under random faults.

mod bulkheads;
mod outage;
mod refusals;
mod request_limits;
mod simulation;
mod timers;

use hyper::Uri;

use super::*;
use crate::deliver::scheduler::condition::LaneCondition;
use crate::deliver::webhook::Limits;
use crate::outcome::OutcomeKind;
use crate::record::{ProjectNo, Seq, WaitsFor};
use crate::spool::{BatchId, DeadReason, Fate, LaneHealth};
use crate::time::Timestamp;

const INGESTED: LaneNo = LaneNo(1);
const MODIFIED: LaneNo = LaneNo(2);
const T0: Uptime = Uptime(1_000_000);

fn webhook(limits: Limits) -> Option<Arc<Webhook>> {
    webhook_at("localhost", limits)
}

#[expect(clippy::unnecessary_wraps, reason = "a lane may have none")]
fn webhook_at(host: &str, limits: Limits) -> Option<Arc<Webhook>> {
    let url = format!("http://{host}/").parse::<Uri>().unwrap().into();
    Some(Arc::new(Webhook { limits, ..Webhook::new(url) }))
}

fn limits() -> Limits {
    Limits { records_max: 3, bytes_max: 100, retry_schedule: vec![SECOND], ..Limits::default() }
}

fn batch(lane: LaneNo, first: u64, last: u64, records: u32) -> Batch {
    Batch {
        id: BatchId::now_v7(),
        lane,
        first: Seq(first),
        last: Seq(last),
        records,
        body_bytes: 10 * u64::from(records),
        body_sum: 0,
        cut_at: Timestamp(0),
        epoch: BatchId::nil(),
        attempts: 0,
        replay: None,
    }
}

fn outcome(status: u16) -> Outcome {
    Outcome {
        status: Some(status),
        kind: OutcomeKind::of_status(status),
        detail: None,
        retry_after: None,
        directive: None,
    }
}

fn candidate(after: [u64; 3]) -> Candidate {
    Candidate { seq: Seq(0), document: 0, after: WaitsFor(after.map(Seq)), bytes: 10 }
}

fn later(wait: Duration) -> Uptime {
    T0.plus(wait)
}

/// Two lanes of one project, empty.
fn scheduler() -> Scheduler {
    with_slots(8)
}

fn with_slots(slots: usize) -> Scheduler {
    let mut scheduler = Scheduler::new(slots, HostLimits::default(), 1_000);
    for lane in [INGESTED, MODIFIED] {
        scheduler.add(LaneState { lane, ..LaneState::default() }, webhook(limits()), T0);
    }
    scheduler
}

/// A batch of the lane is cut, sent, and answered; what follows is written at once.
fn deliver(scheduler: &mut Scheduler, cut: Batch, status: u16, now: Uptime) -> Decision {
    let no = cut.lane;
    let settled = Settled { through: cut.last, records: cut.records.into(), bytes: 10, oldest: None };
    if scheduler.lane(no).unwrap().batches().is_empty() {
        assert_eq!(scheduler.poll(now), Some(Action::Cut(no)));
        scheduler.cut(no, cut, now);
    }
    assert!(matches!(scheduler.poll(now), Some(Action::Send(lane, _)) if lane == no));
    let decided = scheduler.ended(no, &outcome(status), 0.5, now).unwrap();
    match decided.fate {
        Fate::Failed => scheduler.attempt_recorded(no, None, now),
        _ => scheduler.settled(no, settled, now),
    }
    decided
}

#[test]
fn a_lane_is_due_when_it_is_full_or_its_oldest_record_has_waited() {
    let mut one = scheduler();
    one.appended(INGESTED, 1, 10, T0, T0);
    assert_eq!((one.poll(T0), one.deadline()), (None, Some(later(limits().wait_max))));
    assert_eq!(one.poll(later(limits().wait_max)), Some(Action::Cut(INGESTED)));
    let mut many = scheduler();
    many.appended(INGESTED, 3, 30, T0, T0);
    assert_eq!(many.poll(T0), Some(Action::Cut(INGESTED)));
    let mut large = scheduler();
    large.appended(INGESTED, 2, 100, T0, T0);
    assert_eq!(large.poll(T0), Some(Action::Cut(INGESTED)));
}

#[test]
fn after_a_death_that_set_the_clock_back_nothing_waits_longer() {
    let oldest = Some((Timestamp(0), later(SECOND * 10)));
    let state = LaneState { lane: INGESTED, pending_records: 2, oldest, ..LaneState::default() };
    let mut scheduler = Scheduler::new(8, HostLimits::default(), 1_000);
    scheduler.add(state, webhook(limits()), T0);
    assert_eq!(scheduler.deadline(), Some(later(limits().wait_max)));
    let settled = Settled { through: Seq(1), records: 1, bytes: 0, oldest: Some(later(SECOND * 10)) };
    scheduler.settled(INGESTED, settled, T0);
    assert_eq!(scheduler.deadline(), Some(later(limits().wait_max)));
}

#[test]
fn a_batch_has_limits_and_a_larger_record_goes_alone() {
    let scheduler = scheduler();
    let of = |bytes: &[u64]| {
        let candidates: Vec<Candidate> =
            bytes.iter().map(|bytes| Candidate { bytes: *bytes, ..candidate([0; 3]) }).collect();
        scheduler.run(INGESTED, &candidates, T0)
    };
    assert_eq!(of(&[10, 10, 10, 10]), Run::Records(3));
    assert_eq!(of(&[60, 40, 1]), Run::Records(2));
    assert_eq!(of(&[60, 41]), Run::Records(1));
    assert_eq!(of(&[500, 1]), Run::Records(1));
}

#[test]
fn a_lane_has_one_batch_in_flight() {
    let mut scheduler = scheduler();
    scheduler.appended(INGESTED, 9, 90, T0, T0);
    assert_eq!(scheduler.poll(T0), Some(Action::Cut(INGESTED)));
    assert_eq!(scheduler.poll(T0), None);
    scheduler.cut(INGESTED, batch(INGESTED, 1, 3, 3), T0);
    assert!(matches!(scheduler.poll(T0), Some(Action::Send(INGESTED, _))));
    assert_eq!(scheduler.poll(T0), None);
    scheduler.ended(INGESTED, &outcome(200), 0.5, T0).unwrap();
    assert_eq!(scheduler.poll(T0), None, "before its outcome is written, nothing more is sent");
}

/// i1(doc1) m2(doc2) i3(doc2) m4(doc1): cut by count, each lane would wait for the other.
#[test]
fn only_sendable_records_are_cut_so_no_two_lanes_wait_on_each_other() {
    let mut scheduler = scheduler();
    scheduler.appended(INGESTED, 2, 20, T0, T0);
    scheduler.appended(MODIFIED, 2, 20, T0, T0);
    let ingested = [candidate([0, 0, 0]), candidate([0, 0, 2])];
    let modified = [candidate([0, 0, 0]), candidate([0, 1, 0])];
    assert_eq!(scheduler.run(INGESTED, &ingested, T0), Run::Records(1));
    assert_eq!(scheduler.run(MODIFIED, &modified, T0), Run::Records(1));
    let ripe = later(limits().wait_max);
    let settled = |through| Settled { through: Seq(through), records: 1, bytes: 10, oldest: Some(T0) };
    scheduler.settled(INGESTED, settled(1), ripe);
    scheduler.settled(MODIFIED, settled(2), ripe);
    assert_eq!(scheduler.run(INGESTED, &ingested[1..], ripe), Run::Records(1));
    assert_eq!(scheduler.run(MODIFIED, &modified[1..], ripe), Run::Records(1));
}

#[test]
fn a_record_waits_for_a_failing_lane_from_its_first_failure_and_no_longer_than_order_wait() {
    let mut scheduler = scheduler();
    scheduler.appended(INGESTED, 3, 30, T0, T0);
    deliver(&mut scheduler, batch(INGESTED, 1, 3, 3), 500, T0);
    let again = later(SECOND * 30);
    deliver(&mut scheduler, batch(INGESTED, 1, 3, 3), 500, again);
    scheduler.appended(MODIFIED, 3, 30, T0, again);
    let waits = [candidate([0, 3, 0])];
    let over = later(limits().order_wait);
    assert_eq!(scheduler.run(MODIFIED, &waits, Uptime(over.0 - 1)), Run::Blocked);
    assert_eq!(scheduler.run(MODIFIED, &waits, over), Run::Records(1));
    assert_eq!(scheduler.poll(again), Some(Action::Cut(MODIFIED)));
    scheduler.blocked(MODIFIED, waits[0].after, again);
    let at_its_end = [scheduler.poll(over), scheduler.poll(over)];
    assert!(at_its_end.contains(&Some(Action::Cut(MODIFIED))), "it is looked at again when the wait is over");
    scheduler.blocked(MODIFIED, waits[0].after, again);
    scheduler.pause(INGESTED, String::new(), again);
    assert_eq!(scheduler.poll(again), Some(Action::Cut(MODIFIED)), "a paused lane is not waited for");
}

#[test]
fn a_record_waits_for_a_lane_that_succeeds_but_is_behind_as_long_as_it_takes() {
    let mut scheduler = scheduler();
    scheduler.appended(INGESTED, 9, 90, T0, T0);
    scheduler.appended(MODIFIED, 3, 30, T0, T0);
    let (waits, much_later) = ([candidate([0, 9, 0])], later(limits().order_wait * 100));
    assert_eq!(scheduler.run(MODIFIED, &waits, much_later), Run::Blocked);
    scheduler.settled(INGESTED, Settled { through: Seq(9), records: 9, bytes: 90, oldest: None }, much_later);
    assert_eq!(scheduler.run(MODIFIED, &waits, much_later), Run::Records(1));
}

#[test]
fn a_lane_without_a_webhook_or_unknown_is_not_waited_for() {
    let mut scheduler = scheduler();
    scheduler.appended(INGESTED, 9, 90, T0, T0);
    assert_eq!(scheduler.run(MODIFIED, &[candidate([7, 0, 0])], T0), Run::Records(1));
    scheduler.routed(INGESTED, None, T0, Timestamp(5));
    assert_eq!(scheduler.run(MODIFIED, &[candidate([0, 9, 0])], T0), Run::Records(1));
}

#[test]
fn failing_lanes_share_a_quarter_of_the_requests() {
    let mut scheduler = Scheduler::new(8, HostLimits::default(), 1_000);
    let failing = LaneHealth { failures: 1, failing_since: Some(T0), ..LaneHealth::default() };
    for number in 0..20 {
        let lane = LaneNo::new(ProjectNo(number), Callback::Ingested);
        let health = if number < 10 { failing.clone() } else { LaneHealth::default() };
        let webhook = webhook_at(&format!("host{number}"), limits());
        scheduler.add(LaneState { lane, health, ..LaneState::default() }, webhook, T0);
        scheduler.lanes.get_mut(&lane).unwrap().prove(later(SECOND));
        scheduler.appended(lane, 3, 30, T0, T0);
    }
    let begun: Vec<LaneNo> = std::iter::from_fn(|| scheduler.poll(T0))
        .map(|action| match action {
            Action::Cut(lane) => lane,
            other => panic!("{other:?}"),
        })
        .collect();
    let failing = begun.iter().filter(|lane| lane.project().0 < 10).count();
    assert_eq!((begun.len(), failing), (8, 2));
}

#[test]
fn with_a_single_slot_failing_lanes_and_others_take_turns() {
    let mut scheduler = with_slots(1);
    let failing = LaneHealth { failures: 1, failing_since: Some(T0), ..LaneHealth::default() };
    for number in 1..5 {
        let lane = LaneNo::new(ProjectNo(number), Callback::Ingested);
        let health = if number < 3 { failing.clone() } else { LaneHealth::default() };
        scheduler.add(LaneState { lane, health, ..LaneState::default() }, webhook(limits()), T0);
        scheduler.appended(lane, 3, 30, T0, T0);
    }
    let mut order = Vec::new();
    while let Some(Action::Cut(lane)) = scheduler.poll(T0) {
        order.push(lane.project().0);
        scheduler.blocked(lane, WaitsFor::default(), T0);
        scheduler.hold(false);
        scheduler.pause(lane, String::new(), T0);
    }
    assert_eq!(order, [1, 3, 2, 4]);
}

#[test]
fn a_batch_refused_as_too_large_is_sent_in_smaller_ones_and_a_single_record_is_a_dead_letter() {
    let mut scheduler = scheduler();
    scheduler.appended(INGESTED, 3, 30, T0, T0);
    assert_eq!(scheduler.poll(T0), Some(Action::Cut(INGESTED)));
    scheduler.cut(INGESTED, batch(INGESTED, 1, 3, 3), T0);
    assert!(matches!(scheduler.poll(T0), Some(Action::Send(..))));
    let decided = scheduler.ended(INGESTED, &outcome(413), 0.5, T0).unwrap();
    assert_eq!(decided, Decision { fate: Fate::Failed, prefix: Some(1) });
    let first = batch(INGESTED, 1, 1, 1);
    scheduler.attempt_recorded(INGESTED, Some(first.clone()), T0);
    let decided = deliver(&mut scheduler, first, 413, T0);
    assert_eq!(decided.fate, Fate::Dead(DeadReason::TooLarge));
    let lane = scheduler.lane(INGESTED).unwrap();
    assert_eq!((lane.cursor(), lane.health().size_limit.map(|limit| limit.bytes)), (Seq(1), Some(15)));
    scheduler.appended(INGESTED, 1, 10, T0, T0);
    assert_eq!(deliver(&mut scheduler, batch(INGESTED, 2, 2, 1), 200, T0).fate, Fate::Delivered);
    assert_eq!(scheduler.lane(INGESTED).unwrap().cursor(), Seq(2));
}

#[test]
fn a_failing_lane_is_tried_again_by_its_schedule() {
    let mut scheduler = scheduler();
    scheduler.appended(INGESTED, 3, 30, T0, T0);
    deliver(&mut scheduler, batch(INGESTED, 1, 3, 3), 503, T0);
    assert_eq!((scheduler.poll(T0), scheduler.deadline()), (None, Some(later(SECOND))));
    let Some(Action::Send(_, again)) = scheduler.poll(later(SECOND)) else { panic!("it is due") };
    assert_eq!(again.attempts, 1);
}

#[test]
fn only_what_waited_for_give_up_after_in_a_lane_that_failed_as_long_is_given_up() {
    let mut scheduler = scheduler();
    let after = limits().give_up_after;
    scheduler.appended(INGESTED, 3, 30, T0, T0);
    let failed_at = later(SECOND * 100);
    deliver(&mut scheduler, batch(INGESTED, 1, 3, 3), 500, failed_at);
    scheduler.hold(true);
    assert_eq!(scheduler.poll(later(after)), None, "the oldest waited as long, but the lane failed for less");
    let given_up = failed_at.plus(after);
    assert_eq!(
        scheduler.poll(given_up),
        Some(Action::GiveUp(INGESTED, GiveUp::SpooledBy(Uptime(given_up.0 - 259_200_000))))
    );
    assert_eq!(scheduler.poll(given_up), None, "it is at work");
}

#[test]
fn a_healthy_lane_gives_nothing_up_however_old_or_much_it_is() {
    let mut scheduler = scheduler();
    scheduler.hold(true);
    scheduler.appended(INGESTED, 900, 900_000, T0, T0);
    assert_eq!(scheduler.poll(later(limits().give_up_after * 10)), None);
    assert_eq!(scheduler.largest_unhealthy(true), None);
}

#[test]
fn a_paused_lane_gives_up_what_it_holds_too_much_of_and_the_largest_for_want_of_room() {
    let mut scheduler = scheduler();
    scheduler.appended(INGESTED, 90, 900, T0, T0);
    scheduler.appended(MODIFIED, 91, 910, T0, T0);
    scheduler.pause(INGESTED, String::new(), T0);
    scheduler.pause(MODIFIED, String::new(), T0);
    assert_eq!(scheduler.poll(T0), None);
    assert_eq!(scheduler.largest_unhealthy(true), Some(MODIFIED));
    scheduler.appended(INGESTED, 11, 110, T0, T0);
    assert_eq!(scheduler.poll(T0), Some(Action::GiveUp(INGESTED, GiveUp::Bytes(10, DeadReason::LaneFull))));
}

#[test]
fn a_webhook_that_comes_back_starts_anew_and_one_that_was_changed_is_tried_at_once() {
    let mut scheduler = scheduler();
    scheduler.appended(INGESTED, 3, 30, T0, T0);
    deliver(&mut scheduler, batch(INGESTED, 1, 3, 3), 500, T0);
    let gone = scheduler.routed(INGESTED, None, T0, Timestamp(5)).unwrap();
    assert_eq!((gone.without_webhook, gone.failures), (Some(Timestamp(5)), 1));
    assert_eq!(scheduler.poll(later(limits().give_up_after * 2)), None, "its time does not run");
    let lane = scheduler.lane(INGESTED).unwrap();
    assert!(
        lane.is_orphaned(Timestamp(5_000_005), SECOND * 5)
            && !lane.is_orphaned(Timestamp(5_000_004), SECOND * 5)
    );
    let back = scheduler.routed(INGESTED, webhook(limits()), T0, Timestamp(9)).unwrap();
    assert_eq!(back, LaneHealth::default());
    assert!(matches!(scheduler.poll(T0), Some(Action::Send(INGESTED, _))));
    scheduler.ended(INGESTED, &outcome(500), 0.5, T0).unwrap();
    scheduler.attempt_recorded(INGESTED, None, T0);
    assert_eq!(scheduler.routed(INGESTED, webhook(limits()), T0, Timestamp(9)), None);
    assert_eq!(scheduler.poll(T0), None, "the same webhook changes nothing");
    let changed = webhook(Limits { timeout: SECOND, ..limits() });
    assert!(scheduler.routed(INGESTED, changed, T0, Timestamp(9)).is_some());
    assert!(matches!(scheduler.poll(T0), Some(Action::Send(INGESTED, _))));
}

#[test]
fn a_pause_during_an_attempt_outlives_its_end() {
    let mut scheduler = scheduler();
    scheduler.appended(INGESTED, 6, 60, T0, T0);
    assert_eq!(scheduler.poll(T0), Some(Action::Cut(INGESTED)));
    scheduler.cut(INGESTED, batch(INGESTED, 1, 3, 3), T0);
    assert!(matches!(scheduler.poll(T0), Some(Action::Send(..))));
    scheduler.ended(INGESTED, &outcome(500), 0.5, T0).unwrap();
    scheduler.pause(INGESTED, "by hand".into(), T0);
    scheduler.attempt_recorded(INGESTED, None, T0);
    let lane = scheduler.lane(INGESTED).unwrap();
    assert_eq!((lane.condition(), lane.health().failures), (LaneCondition::Paused, 1));
    assert_eq!(scheduler.poll(later(SECOND * 9)), None);
    scheduler.resume(INGESTED, later(SECOND * 9));
    assert!(matches!(scheduler.poll(later(SECOND * 9)), Some(Action::Send(..))));
}

#[test]
fn while_held_nothing_is_begun() {
    let mut scheduler = scheduler();
    scheduler.hold(true);
    scheduler.appended(INGESTED, 3, 30, T0, T0);
    assert_eq!(scheduler.poll(T0), None);
    scheduler.hold(false);
    assert_eq!(scheduler.poll(T0), Some(Action::Cut(INGESTED)));
}

#[test]
fn ready_lanes_are_served_in_turn() {
    let mut scheduler = with_slots(1);
    let mut order = Vec::new();
    scheduler.appended(INGESTED, 9, 90, T0, T0);
    scheduler.appended(MODIFIED, 9, 90, T0, T0);
    for first in [1, 4, 7, 10, 13, 16] {
        let Some(Action::Cut(lane)) = scheduler.poll(T0) else { panic!("both are ready") };
        scheduler.cut(lane, batch(lane, first, first + 2, 3), T0);
        assert!(matches!(scheduler.poll(T0), Some(Action::Send(sent, _)) if sent == lane));
        scheduler.ended(lane, &outcome(200), 0.5, T0).unwrap();
        let settled = Settled { through: Seq(first + 2), records: 3, bytes: 30, oldest: Some(T0) };
        scheduler.settled(lane, settled, T0);
        order.push(lane);
    }
    assert_eq!(order, [INGESTED, MODIFIED, INGESTED, MODIFIED, INGESTED, MODIFIED]);
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn what_could_not_be_given_up_for_want_of_room_is_given_up_later_and_nothing_spins() {
    let mut scheduler = scheduler();
    scheduler.appended(INGESTED, 3, 30, T0, T0);
    assert_eq!(deliver(&mut scheduler, batch(INGESTED, 1, 3, 3), 500, T0).fate, Fate::Failed);
    let over = T0.plus(limits().give_up_after);
    // What was begun half a second before could not be written, and is begun again in a second.
    let before = Uptime(over.0 - 500);
    assert!(matches!(scheduler.poll(before), Some(Action::Send(INGESTED, _))));
    scheduler.not_written(INGESTED, SECOND, before);
    assert_eq!(scheduler.poll(over), None, "nothing is begun before that");
    let again = before.plus(SECOND);
    assert_eq!(scheduler.deadline(), Some(again));
    assert!(matches!(scheduler.poll(again), Some(Action::GiveUp(INGESTED, GiveUp::SpooledBy(_)))));
}
