//! After an outage of a host, its lanes open with few requests, not with a flood.

use super::*;

const LANES: u32 = 500;
const SLOTS: usize = 64;

/// Every lane of one host is due at once, after failures.
fn after_an_outage() -> Scheduler {
    let mut scheduler = Scheduler::new(SLOTS, HostLimits::default(), 1 << 30);
    let health = LaneHealth { failures: 9, failing_since: Some(T0), ..LaneHealth::default() };
    for project in 0..LANES {
        let lane = LaneNo::new(ProjectNo(project), Callback::Ingested);
        let state = LaneState {
            lane,
            pending_records: 30,
            pending_bytes: 300,
            oldest: Some((Timestamp(0), T0)),
            batches: vec![batch(lane, 1, 3, 3)],
            health: health.clone(),
            ..LaneState::default()
        };
        scheduler.add(state, webhook_at("back.test", limits()), T0);
    }
    scheduler
}

fn sent(scheduler: &mut Scheduler, now: Uptime) -> Vec<Batch> {
    std::iter::from_fn(|| scheduler.poll(now))
        .filter_map(|action| if let Action::Send(_, batch) = action { Some(batch) } else { None })
        .collect()
}

#[test]
fn a_host_gets_few_requests_until_one_succeeds_and_each_lane_one_batch() {
    let mut scheduler = after_an_outage();
    let first = sent(&mut scheduler, T0);
    assert!((1..=SLOTS / 8).contains(&first.len()), "{} requests at first", first.len());
    // As long as it is down, no more go out at a time.
    let mut in_flight = first;
    for _ in 0..100 {
        let batch = in_flight.remove(0);
        scheduler.ended(batch.lane, &outcome(503), 0.5, T0).unwrap();
        scheduler.attempt_recorded(batch.lane, None, T0);
        in_flight.extend(sent(&mut scheduler, T0));
        assert!(in_flight.len() <= SLOTS / 8, "{} requests at a time", in_flight.len());
    }
    // With each success one more lane is healthy; a lane has one batch in flight.
    for succeeded in 1..200 {
        let batch = in_flight.remove(0);
        scheduler.ended(batch.lane, &outcome(200), 0.5, T0).unwrap();
        let settled = Settled { through: batch.last, records: 30, bytes: 300, oldest: None };
        scheduler.settled(batch.lane, settled, T0);
        in_flight.extend(sent(&mut scheduler, T0));
        let mut lanes: Vec<LaneNo> = in_flight.iter().map(|batch| batch.lane).collect();
        lanes.sort_unstable();
        lanes.dedup();
        assert_eq!(lanes.len(), in_flight.len(), "a lane has one batch in flight");
        assert!(in_flight.len() <= SLOTS / 4, "{} requests after {succeeded} successes", in_flight.len());
    }
}
