//! Every timer wakes its lane, at its time and not before.

use super::*;
use crate::deliver::scheduler::lane::Timer;
use crate::spool::{LaneReplay, ReplayNo};

/// A scheduler in which one timer alone keeps a lane from what it does next, when it expires, and what the
/// lane does then.
fn held_by(timer: Timer) -> (Scheduler, Uptime, Action) {
    let mut one = scheduler();
    match timer {
        Timer::BatchWait => {
            one.appended(INGESTED, 1, 10, T0, T0);
            (one, later(limits().wait_max), Action::Cut(INGESTED))
        }
        Timer::GiveUp => {
            one.appended(INGESTED, 1, 10, T0, T0);
            one.pause(INGESTED, "a test".into(), T0);
            let at = later(limits().give_up_after);
            (one, at, Action::GiveUp(INGESTED, GiveUp::SpooledBy(T0)))
        }
        Timer::OrderWait => {
            deliver_failing(&mut one, MODIFIED);
            one.appended(INGESTED, 3, 30, T0, T0);
            assert_eq!(one.poll(T0), Some(Action::Cut(INGESTED)));
            one.blocked(INGESTED, WaitsFor([Seq(0), Seq(0), Seq(9)]), T0);
            (one, later(limits().order_wait), Action::Cut(INGESTED))
        }
        Timer::RateLimit => {
            one.replay(ReplayNo(1), Some(2), &[replay_part(INGESTED)], T0);
            assert_eq!(one.poll(T0), Some(Action::Cut(INGESTED)));
            let sent = Batch { replay: Some(ReplayNo(1)), ..batch(INGESTED, 1, 2, 2) };
            one.cut(INGESTED, sent, T0);
            assert!(matches!(one.poll(T0), Some(Action::Send(INGESTED, _))));
            one.ended(INGESTED, &outcome(200), 0.5, T0);
            assert!(!one.advanced(INGESTED, ReplayNo(1), Seq(2), T0));
            (one, later(SECOND), Action::Cut(INGESTED))
        }
        Timer::ReplayOrderWait => {
            deliver_failing(&mut one, MODIFIED);
            one.replay(ReplayNo(1), None, &[replay_part(INGESTED), replay_part(MODIFIED)], T0);
            assert_eq!(one.poll(T0), Some(Action::Cut(INGESTED)));
            one.blocked(INGESTED, WaitsFor([Seq(0), Seq(0), Seq(9)]), T0);
            (one, later(limits().order_wait), Action::Cut(INGESTED))
        }
        Timer::Retry => {
            one.appended(INGESTED, 3, 30, T0, T0);
            let cut = batch(INGESTED, 1, 3, 3);
            deliver(&mut one, cut.clone(), 500, T0);
            (one, later(SECOND), Action::Send(INGESTED, Batch { attempts: 1, ..cut }))
        }
        Timer::WriteRetry => {
            one.appended(INGESTED, 3, 30, T0, T0);
            assert_eq!(one.poll(T0), Some(Action::Cut(INGESTED)));
            one.not_written(INGESTED, SECOND, T0);
            (one, later(SECOND), Action::Cut(INGESTED))
        }
    }
}

/// The lane fails from now on, and its next attempt is far away.
fn deliver_failing(scheduler: &mut Scheduler, lane: LaneNo) {
    let slow = Limits { retry_schedule: vec![Duration::from_hours(24)], ..limits() };
    scheduler.routed(lane, webhook(slow), T0, Timestamp(0));
    scheduler.appended(lane, 3, 30, T0, T0);
    deliver(scheduler, batch(lane, 7, 9, 3), 500, T0);
}

fn replay_part(lane: LaneNo) -> LaneReplay {
    let (first, last, cursor) = (Seq(1), Seq(9), Seq(0));
    LaneReplay { replay: ReplayNo(1), lane, first, last, cursor, records: 9, sent: 0, refused: 0 }
}

#[test]
fn every_timer_wakes_its_lane_at_its_time_and_not_before() {
    for timer in Timer::ALL {
        let (mut scheduler, at, action) = held_by(timer);
        assert_eq!(scheduler.poll(T0), None, "{timer:?} holds the lane");
        assert_eq!(scheduler.deadline(), Some(at), "{timer:?} is the next wake-up");
        assert_eq!(scheduler.poll(Uptime(at.0 - 1)), None, "{timer:?} holds the lane until its time");
        assert_eq!(scheduler.poll(at), Some(action), "{timer:?} lets the lane go at its time");
    }
}
