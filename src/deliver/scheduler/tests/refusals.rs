//! Refused records are found among accepted ones, in few requests, and a receiver that refuses everything
//! gets no dead letters.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;
use crate::outcome::{Directive, REFUSES_ALL, may_be_taken};

const SCHEDULE: [u64; 3] = [1, 5, 30];

fn patient(records_max: u32) -> Limits {
    Limits {
        records_max,
        bytes_max: 1 << 20,
        retry_schedule: SCHEDULE.map(Duration::from_secs).to_vec(),
        ..Limits::default()
    }
}

/// One lane, its disk and its receiver, without faults of the disk.
struct Bench {
    scheduler: Scheduler,
    now: Uptime,
    /// The numbers of its records; all of ten bytes.
    records: u64,
    cursor: u64,
    /// Each request: its first and last record, and the status of its answer.
    requests: Vec<(u64, u64, u16)>,
    delivered: Vec<u64>,
    dead: Vec<(u64, DeadReason)>,
}

impl Bench {
    fn new(records: u64, records_max: u32) -> Self {
        let mut scheduler = Scheduler::new(8, HostLimits::default(), 1 << 30);
        let state = LaneState { lane: INGESTED, ..LaneState::default() };
        scheduler.add(state, webhook(patient(records_max)), T0);
        let mut bench = Self {
            scheduler,
            now: T0,
            records: 0,
            cursor: 0,
            requests: Vec::new(),
            delivered: Vec::new(),
            dead: Vec::new(),
        };
        bench.append(records);
        bench
    }

    fn append(&mut self, records: u64) {
        self.records += records;
        self.scheduler.appended(INGESTED, records, records * 10, self.now, self.now);
    }

    fn lane(&self) -> &Lane {
        self.scheduler.lane(INGESTED).unwrap()
    }

    /// Sends until nothing is left, or until this many requests were made.
    fn run(&mut self, requests_max: usize, mut answer: impl FnMut(&Batch) -> Outcome) {
        while self.requests.len() < requests_max {
            match self.scheduler.poll(self.now) {
                Some(Action::Cut(_)) => self.cut(),
                Some(Action::Send(_, batch)) => {
                    let outcome = answer(&batch);
                    self.requests.push((batch.first.0, batch.last.0, outcome.status.unwrap_or_default()));
                    self.ended(&batch, &outcome);
                }
                Some(other) => panic!("{other:?}"),
                None => match self.scheduler.deadline() {
                    Some(at) if !self.lane().is_suspended() => self.now = at,
                    _ => return,
                },
            }
        }
    }

    fn cut(&mut self) {
        let lane = self.lane();
        let after = lane.range_at_work().unwrap().after.0;
        let candidates: Vec<Candidate> =
            (after + 1..=self.records).map(|seq| Candidate { seq: Seq(seq), ..candidate([0; 3]) }).collect();
        let Run::Records(records) = self.scheduler.run(INGESTED, &candidates, self.now) else {
            panic!("a cut without records")
        };
        let cut = batch(INGESTED, after + 1, after + records as u64, u32::try_from(records).unwrap());
        self.scheduler.cut(INGESTED, cut, self.now);
    }

    /// What the driver and the spool do with an outcome.
    fn ended(&mut self, batch: &Batch, outcome: &Outcome) {
        let decided = self.scheduler.ended(INGESTED, outcome, 0.5, self.now).unwrap();
        let settles = decided.fate != Fate::Failed || may_be_taken(outcome.kind, outcome.status);
        let before = self.lane().batches().iter().take_while(|open| open.last < batch.first && settles);
        let refused: Vec<u64> = before.map(|open| open.first.0).collect();
        self.dead.extend(refused.iter().map(|seq| (*seq, DeadReason::Refused)));
        let records = batch.first.0..=batch.last.0;
        match decided.fate {
            Fate::Delivered => self.delivered.extend(records),
            Fate::Dead(reason) => self.dead.extend(records.map(|seq| (seq, reason))),
            Fate::Failed => {
                let successor = decided.prefix.map(|records| {
                    super::batch(INGESTED, batch.first.0, batch.first.0 + u64::from(records) - 1, records)
                });
                self.scheduler.attempt_recorded(INGESTED, successor, self.now);
            }
        }
        let through = if decided.fate == Fate::Failed { refused.last().copied() } else { Some(batch.last.0) };
        if let Some(through) = through {
            let records = through - self.cursor;
            self.cursor = through;
            let oldest = (through < self.records).then_some(T0);
            let settled = Settled { through: Seq(through), records, bytes: records * 10, oldest };
            self.scheduler.settled(INGESTED, settled, self.now);
        }
    }
}

/// 422 where a refused record is in the batch.
fn refusing(bad: &BTreeSet<u64>) -> impl Fn(&Batch) -> Outcome {
    |batch| outcome(if bad.range(batch.first.0..=batch.last.0).next().is_some() { 422 } else { 200 })
}

fn log2_up(records: u64) -> usize {
    records.next_power_of_two().trailing_zeros() as usize
}

fn refused(records: &BTreeSet<u64>) -> Vec<(u64, DeadReason)> {
    records.iter().map(|seq| (*seq, DeadReason::Refused)).collect()
}

#[test]
fn a_refused_record_costs_log2_of_its_batch_and_one_more_request() {
    for records in 2..=200 {
        for position in 1..=records {
            let bad = BTreeSet::from([position]);
            let mut bench = Bench::new(records, 200);
            bench.append(1); // There is always one to probe with.
            bench.run(1_000, refusing(&bad));
            assert_eq!(bench.dead, refused(&bad), "{position} of {records}");
            assert_eq!(bench.delivered.len() as u64, records);
            // Besides the batch itself and what is left of it.
            let whole = records.max(200.min(records + 1));
            let extra = bench.requests.len() - 3 - usize::from(bench.requests.last().unwrap().2 == 200);
            assert!(extra <= log2_up(whole) + 1, "{extra} for {position} of {records}: {:?}", bench.requests);
            assert!(bench.delivered.is_sorted());
        }
    }
}

#[test]
fn any_number_of_refused_records_is_found_and_nothing_else_given_up() {
    for seed in 0..2_000 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (records, records_max) = (rng.random_range(1..300), rng.random_range(1..120));
        let share = [0.003, 0.02, 0.2][rng.random_range(0..3)];
        let bad: BTreeSet<u64> = (1..=records).filter(|_| rng.random_bool(share)).collect();
        let mut bench = Bench::new(records, records_max);
        bench.append(1);
        bench.run(20_000, refusing(&bad));
        assert_eq!(bench.dead, refused(&bad), "seed {seed}");
        let good: Vec<u64> = (1..=records + 1).filter(|seq| !bad.contains(seq)).collect();
        assert_eq!(bench.delivered, good, "seed {seed}");
        let batches = (records + 1).div_ceil(u64::from(records_max));
        let most = bad.len() * (log2_up(records_max.into()) + 1 + 1 + 2) + usize::try_from(batches).unwrap();
        let probed = bench.requests.len();
        assert!(probed <= most + bad.len(), "seed {seed}: {probed} of {most}, {} refused", bad.len());
    }
}

#[test]
fn a_receiver_that_refuses_everything_for_a_while_gets_every_record_in_order() {
    for (seed, refusals) in (0..200).zip((0..400).step_by(2)) {
        let mut rng = StdRng::seed_from_u64(seed);
        let records = rng.random_range(1..150);
        let mut bench = Bench::new(records, rng.random_range(1..40));
        bench.run(refusals, |_| outcome(422));
        if refusals > 20 {
            let lane = bench.lane();
            assert_eq!((lane.cause(), lane.condition()), (Some(&REFUSES_ALL), LaneCondition::NeedsOwner));
        }
        // Where it recovers between a refusal and the probe behind it, these cannot be told apart.
        let isolated = if bench.lane().is_probing() { bench.lane().batches().len() as u64 } else { 0 };
        bench.run(10_000, |_| outcome(200));
        assert!(bench.dead.iter().all(|(seq, _)| *seq <= isolated), "seed {seed}: {:?}", bench.dead);
        assert_eq!((bench.dead.len() + bench.delivered.len()) as u64, records, "seed {seed}");
        assert!(bench.delivered.is_sorted());
    }
}

#[test]
fn a_run_of_refused_records_at_the_front_is_passed_in_the_end() {
    for length in 1..=60 {
        let bad: BTreeSet<u64> = (1..=length).collect();
        let mut bench = Bench::new(length + 5, 100);
        bench.run(5_000, refusing(&bad));
        assert_eq!((&bench.dead, bench.delivered.len()), (&refused(&bad), 5), "{length}");
        assert!(bench.now.since(T0) < Duration::from_mins(5), "{length}: after {:?}", bench.now.since(T0));
    }
}

#[test]
fn a_lone_record_that_is_refused_waits_by_the_schedule_until_there_is_another() {
    let mut bench = Bench::new(1, 100);
    bench.run(8, |_| outcome(400));
    assert_eq!((bench.requests.len(), bench.dead.len()), (8, 0));
    assert!(bench.now.since(T0) > SECOND * 100, "it follows the schedule");
    bench.append(1);
    bench.run(100, refusing(&BTreeSet::from([1])));
    assert_eq!((bench.dead, bench.delivered), (vec![(1, DeadReason::Refused)], vec![2]));
}

/// Its first `refusals_max` attempts follow the schedule; the search does not.
#[test]
fn other_refusals_begin_the_count_again_and_failures_do_not() {
    let mut bench = Bench::new(4, 4);
    let mut answers = [422, 400, 503, 400, 429, 400, 200, 422, 200].into_iter();
    bench.run(9, |_| outcome(answers.next().unwrap()));
    let sent: Vec<(u64, u64)> = bench.requests.iter().map(|(first, last, _)| (*first, *last)).collect();
    assert_eq!(sent, [(1, 4), (1, 4), (1, 4), (1, 4), (1, 4), (1, 4), (1, 2), (3, 3), (4, 4)]);
    assert_eq!(bench.dead, [(3, DeadReason::Refused)]);
}

#[test]
fn what_was_refused_is_never_sent_behind_a_record_that_may_have_been_taken() {
    for seed in 0..2_000 {
        let mut rng = StdRng::seed_from_u64(seed);
        let records = rng.random_range(1..40);
        let bad: BTreeSet<u64> = (1..=records).filter(|_| rng.random_bool(0.3)).collect();
        let mut bench = Bench::new(records, rng.random_range(1..12));
        bench.append(1); // The last one is accepted.
        let mut last_taken = 0;
        bench.run(20_000, |batch| {
            // A batch that was taken, and whose answer was lost, is sent again; nothing before it is.
            let is_late = batch.last.0 < last_taken;
            assert!(!is_late, "seed {seed}: {} is sent behind {last_taken}", batch.first.0);
            let answer = match rng.random_range(0..20) {
                0 => Outcome { status: None, kind: OutcomeKind::Timeout, ..outcome(0) },
                1 => outcome(429),
                2 => outcome(503),
                3 => outcome(401),
                _ => refusing(&bad)(batch),
            };
            let would = refusing(&bad)(batch).kind.is_success() && rng.random_bool(0.5);
            let takes = answer.kind.is_success() || may_be_taken(answer.kind, answer.status) && would;
            if takes {
                last_taken = last_taken.max(batch.last.0);
            }
            answer
        });
        let sent: Vec<u64> =
            bench.delivered.iter().copied().chain(bench.dead.iter().map(|(seq, _)| *seq)).collect();
        assert_eq!(BTreeSet::from_iter(sent).len() as u64, bench.cursor, "seed {seed}");
        assert!(bench.delivered.is_sorted() && bench.delivered.iter().all(|seq| !bad.contains(seq)));
    }
}

#[test]
fn a_limit_of_size_bounds_the_next_batches_and_is_raised_after_an_hour() {
    let mut bench = Bench::new(100, 100);
    let limited = |batch: &Batch| outcome(if batch.body_bytes > 300 { 413 } else { 200 });
    bench.run(100, limited);
    let refused = bench.requests.iter().filter(|(_, _, status)| *status == 413).count();
    assert_eq!((refused, bench.delivered.len()), (2, 100), "{:?}", bench.requests);
    assert_eq!(bench.lane().health().size_limit.map(|limit| limit.bytes), Some(250));
    bench.append(100);
    bench.run(100, limited);
    assert_eq!(bench.requests.iter().filter(|(_, _, status)| *status == 413).count(), 2);
    for expected in [Some(500), Some(1_000), Some(2_000)] {
        bench.now = bench.now.plus(Duration::from_hours(1));
        bench.append(100);
        bench.run(1_000, |_| outcome(200));
        assert_eq!(bench.lane().health().size_limit.map(|limit| limit.bytes), expected);
    }
    for _ in 0..20 {
        bench.now = bench.now.plus(Duration::from_hours(1));
        bench.append(100);
        bench.run(1_000, |_| outcome(200));
    }
    assert!(bench.lane().health().size_limit.is_some_and(|limit| limit.bytes >= 1_000));
}

#[test]
fn an_answer_pauses_the_lane_and_a_changed_webhook_or_an_operator_resumes_it() {
    let disabling = |status, directive| Outcome { directive: Some(directive), ..outcome(status) };
    for (answer, delivered, dead) in [
        (outcome(410), 0, 0),
        (disabling(200, Directive::Disable), 3, 0),
        (disabling(500, Directive::Disable), 0, 0),
        (disabling(200, Directive::Abort), 3, 0),
        (disabling(400, Directive::Abort), 0, 3),
    ] {
        let mut bench = Bench::new(6, 3);
        bench.run(1_000, |_| answer.clone());
        assert_eq!(bench.requests.len(), 1, "{answer:?}");
        assert_eq!((bench.delivered.len(), bench.dead.len()), (delivered, dead), "{answer:?}");
        let lane = bench.lane();
        assert_eq!(lane.condition(), LaneCondition::Paused);
        assert_eq!(
            lane.health().paused.as_ref().map(|paused| paused.by),
            Some(crate::spool::PausedBy::Receiver)
        );
        assert_eq!(lane.cause().map(|cause| cause.class), Some(crate::outcome::Class::Gone));
        let now = bench.now;
        if delivered > 0 {
            bench.scheduler.resume(INGESTED, now).unwrap();
        } else {
            let changed = webhook(Limits { timeout: SECOND, ..patient(3) });
            bench.scheduler.routed(INGESTED, changed, now, Timestamp(0)).unwrap();
        }
        bench.run(1_000, |_| outcome(200));
        assert_eq!(bench.delivered.len() + bench.dead.len(), 6, "{answer:?}");
    }
    let mut bench = Bench::new(6, 3);
    bench.scheduler.pause(INGESTED, "by hand".into(), T0);
    let changed = webhook(Limits { timeout: SECOND, ..patient(3) });
    bench.scheduler.routed(INGESTED, changed, T0, Timestamp(0));
    assert_eq!(bench.lane().condition(), LaneCondition::Paused, "what an operator paused stays so");
}
