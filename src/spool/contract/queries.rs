//! Lists of batches and searches for records, against a model.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::{EngineFactory, Fixture, NOW, attempted, batch};
use crate::outcome::{Class, OutcomeKind};
use crate::position::{Lsn, Position};
use crate::record::{Callback, LaneNo, ProjectNo, Seq, WaitsFor, write_document, write_similarity};
use crate::spool::attempt::{Attempted, Fate, LoggedAttempt};
use crate::spool::batch::{Batch, BatchId, BatchState};
use crate::spool::batch_query::{AttemptFilter, BatchQuery, cut_at};
use crate::spool::dead_letter::{DeadReason, LaneDeadLetters};
use crate::spool::engine::Reader;
use crate::spool::lane_history::HistoryQuery;
use crate::spool::ops::{Done, Op};
use crate::spool::record_query::Wanted;
use crate::time::Timestamp;

/// A batch of the model, with the statuses of its attempts.
struct Known {
    batch: Batch,
    state: BatchState,
    statuses: Vec<u16>,
}

fn any_lane(rng: &mut StdRng) -> LaneNo {
    LaneNo::new(ProjectNo(rng.random_range(0..3)), Callback::ALL[rng.random_range(0..3)])
}

fn page_by_page(reader: &Reader, query: &BatchQuery) -> Vec<(BatchId, BatchState)> {
    let (mut found, mut before) = (Vec::new(), query.before);
    loop {
        let page = reader.batches(&BatchQuery { before, ..query.clone() }).unwrap();
        assert!(page.batches.len() <= query.limit);
        found.extend(page.batches.iter().map(|(batch, state)| (batch.id, *state)));
        before = page.next;
        if before.is_none() {
            return found;
        }
    }
}

pub(in crate::spool) fn lists_of_batches_are_complete_and_the_newest_come_first<F: EngineFactory>(
    factory: F,
) {
    let mut rng = StdRng::seed_from_u64(1);
    let mut fixture = Fixture::new(factory);
    let mut known: Vec<Known> = Vec::new();
    for _ in 0..300 {
        let lane = any_lane(&mut rng);
        if known.iter().any(|known| known.batch.lane == lane && known.state == BatchState::Open) {
            continue;
        }
        let first = fixture.builder.last().0 + 1;
        fixture.commit(lane, 2, 100, NOW);
        let mut made =
            Known { batch: batch(lane, first, first + 1), state: BatchState::Open, statuses: vec![] };
        fixture.cut(&made.batch);
        for _ in 0..rng.random_range(0..4) {
            if made.state != BatchState::Open {
                break;
            }
            let (status, fate, state) = match rng.random_range(0..10) {
                0 => (422, Fate::Dead(DeadReason::Refused), BatchState::DeadLetter),
                1..4 => ([404, 500, 503][rng.random_range(0..3)], Fate::Failed, BatchState::Open),
                _ => (200, Fate::Delivered, BatchState::Delivered),
            };
            let ended = attempted(&made.batch, fate);
            let outcome = OutcomeKind::of_status(status);
            let log = LoggedAttempt { status: Some(status), outcome, ..ended.log.clone() };
            assert_eq!(fixture.apply(Op::Attempted(Attempted { log, ..ended })), Ok(Done::Ok));
            made.batch.attempts += 1;
            made.statuses.push(status);
            made.state = state;
        }
        known.push(made);
    }
    known.sort_by_key(|known| std::cmp::Reverse(known.batch.id));
    let reader = fixture.reader();
    let states = [BatchState::Open, BatchState::Delivered, BatchState::DeadLetter, BatchState::Retired];
    for _ in 0..300 {
        let class = rng.random_bool(0.5).then(|| Class::ALL[rng.random_range(0..5)]);
        let status = [(404, 404), (500, 599), (200, 299)][rng.random_range(0..3)];
        let attempt =
            AttemptFilter { class, status: (class.is_none() || rng.random_bool(0.3)).then_some(status) };
        let lanes: Vec<LaneNo> = (0..rng.random_range(1..4)).map(|_| any_lane(&mut rng)).collect();
        let query = BatchQuery {
            lanes: rng.random_bool(0.4).then_some(lanes),
            callback: rng.random_bool(0.2).then_some(Callback::Modified),
            state: rng.random_bool(0.4).then(|| states[rng.random_range(0..4)]),
            attempt: rng.random_bool(0.5).then_some(attempt),
            before: rng.random_bool(0.2).then(|| known[rng.random_range(0..known.len())].batch.id),
            limit: rng.random_range(1..40),
            ..BatchQuery::default()
        };
        let is_wanted = |known: &&Known| {
            query.lanes.as_ref().is_none_or(|lanes| lanes.contains(&known.batch.lane))
                && query.callback.is_none_or(|callback| known.batch.lane.callback() == callback)
                && query.state.is_none_or(|state| known.state == state)
                && query.before.is_none_or(|before| known.batch.id < before)
                && query.attempt.is_none_or(|filter| {
                    let of = |status: &u16| filter.matches(OutcomeKind::of_status(*status), Some(*status));
                    known.statuses.iter().any(of)
                })
        };
        let expected: Vec<_> =
            known.iter().filter(is_wanted).map(|known| (known.batch.id, known.state)).collect();
        assert_eq!(page_by_page(&reader, &query), expected, "{query:?}");
        // The database counts the dead ones as they are listed; of any state, and from the newest on.
        let dead = BatchQuery { state: Some(BatchState::DeadLetter), before: None, ..query.clone() };
        let listed = page_by_page(&reader, &dead).len() as u64;
        let counted = reader.count_dead_batches(&query).unwrap();
        let sum = |of: fn(&LaneDeadLetters) -> u64| counted.iter().map(of).sum::<u64>();
        assert_eq!((sum(|of| of.dead_letters), sum(|of| of.records)), (listed, 2 * listed), "{query:?}");
    }
}

pub(in crate::spool) fn a_search_for_records_finds_them_all_and_the_newest_first<F: EngineFactory>(
    factory: F,
) {
    let mut rng = StdRng::seed_from_u64(2);
    let mut fixture = Fixture::new(factory);
    let mut known: Vec<(Seq, LaneNo, u64, Option<String>)> = Vec::new();
    for _ in 0..60 {
        for _ in 0..rng.random_range(1..30) {
            let (lane, id) = (any_lane(&mut rng), rng.random_range(0..40));
            let key = (id % 3 > 0).then(|| format!("key \"{}\"", id / 2));
            let mut fragment = Vec::new();
            let is_similarity = rng.random_bool(0.2);
            if is_similarity {
                write_similarity(&mut fragment, "other", key.as_deref(), None);
            } else {
                write_document(&mut fragment, &id.to_string(), key.as_deref());
            }
            let document = xxh3_64(id.to_string().as_bytes());
            let position = Position { commit: Lsn(fixture.builder.last().0 + 1), number: 1 };
            let seq = fixture.builder.push(lane, position, NOW, WaitsFor::default(), document, &fragment);
            known.push((seq, lane, document, key.filter(|_| !is_similarity)));
        }
        fixture.commit_built(NOW);
    }
    known.sort_by_key(|(seq, ..)| std::cmp::Reverse(*seq));
    let reader = fixture.reader();
    for round in 0..200 {
        let id: u64 = rng.random_range(0..42);
        let wanted = if round % 2 == 0 {
            Wanted::Document(xxh3_64(id.to_string().as_bytes()))
        } else {
            Wanted::Key(format!("key \"{id}\""))
        };
        let project = ProjectNo(rng.random_range(0..3));
        let lanes = Callback::ALL.map(|callback| LaneNo::new(project, callback));
        let expected: Vec<Seq> = known
            .iter()
            .filter(|(_, lane, document, key)| {
                let is_same = match &wanted {
                    Wanted::Document(hash) => document == hash,
                    Wanted::Key(wanted) => key.as_ref() == Some(wanted),
                };
                lanes.contains(lane) && is_same
            })
            .map(|(seq, ..)| *seq)
            .collect();
        let (mut found, mut before, limit) = (Vec::new(), None, rng.random_range(1..6));
        loop {
            let page = reader.records(&lanes, &wanted, before, limit).unwrap();
            assert!(page.records.len() <= limit);
            found.extend(page.records.iter().map(|record| record.seq));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "{wanted:?}");
    }
}

pub(in crate::spool) fn a_record_is_found_by_its_position_in_the_current_epoch<F: EngineFactory>(factory: F) {
    let mut rng = StdRng::seed_from_u64(3);
    let mut fixture = Fixture::new(factory);
    let (mut known, mut commit) = (Vec::new(), 1);
    for _ in 0..40 {
        for number in 1..rng.random_range(2..30) {
            let position = Position { commit: Lsn(commit), number };
            let lane = any_lane(&mut rng);
            let seq = fixture.builder.push(lane, position, NOW, WaitsFor::default(), 0, b"{}");
            known.push((position, seq));
            commit += u64::from(rng.random_bool(0.1));
        }
        commit += 1;
        fixture.commit_built(NOW);
    }
    let reader = fixture.reader();
    for (position, seq) in &known {
        let found = reader.record_at(*position, Seq(0)).unwrap().map(|record| record.seq);
        assert_eq!(found, Some(*seq), "{position}");
        assert_eq!(reader.record_at(*position, *seq).unwrap(), None, "of an earlier epoch");
    }
    let gone = Position { commit: Lsn(1), number: 900 };
    assert_eq!(reader.record_at(gone, Seq(0)).unwrap(), None);
    assert_eq!(reader.batches_holding(LaneNo(0), Seq(1)).unwrap(), []);
    assert_eq!(reader.batch(&Uuid::nil()).unwrap(), None);
}

pub(in crate::spool) fn a_history_holds_each_attempt_of_its_lane_and_ends_after_its_rows(
    factory: impl EngineFactory,
) {
    let mut fixture = Fixture::new(factory);
    let of = LaneNo::new(ProjectNo(0), Callback::Ingested);
    let other = LaneNo::new(ProjectNo(0), Callback::Excluded);
    fixture.commit(other, 4, 100, NOW);
    fixture.commit(of, 16, 100, NOW);
    fixture.deliver(&batch(other, 1, 4));
    // Two that were delivered at once, and one that failed twice and waits.
    let delivered = [batch(of, 5, 8), batch(of, 9, 12)];
    delivered.iter().for_each(|batch| fixture.deliver(batch));
    let failing = batch(of, 13, 16);
    fixture.cut(&failing);
    let after = |seconds: i64| Timestamp(cut_at(failing.id).0 + seconds * 1_000_000);
    for (number, seconds) in [(1, 1), (2, 9)] {
        let log = LoggedAttempt {
            status: Some(503),
            ..LoggedAttempt::new(number, after(seconds), OutcomeKind::Status)
        };
        let failed = Attempted { log, ..attempted(&failing, Fate::Failed) };
        assert_eq!(fixture.apply(Op::Attempted(failed)), Ok(Done::Ok));
    }
    let query = HistoryQuery { lane: of, since: Timestamp(0), rows_max: 100 };
    let history = fixture.reader().lane_history(&query).unwrap();
    let failed = history.attempts.iter().filter(|(_, succeeded)| !succeeded).count();
    assert_eq!((history.attempts.len(), failed, history.complete_since), (4, 2, None));
    let newest_first: Vec<BatchId> = delivered.iter().rev().map(|batch| batch.id).collect();
    assert_eq!(history.delivered, newest_first);
    let last = history.last_failure.unwrap();
    assert_eq!((last.batch, last.at, last.status), (failing.id, after(9), Some(503)));
    // A batch of before that still fails is in it, with the attempts since then alone.
    let later = fixture.reader().lane_history(&HistoryQuery { since: after(5), ..query }).unwrap();
    assert_eq!(later.attempts, [(after(9), false)]);
    let cut_short = fixture.reader().lane_history(&HistoryQuery { rows_max: 3, ..query }).unwrap();
    assert!(cut_short.complete_since.is_some() && cut_short.attempts.len() == 2, "{cut_short:?}");
}
