//! Dead letters: given up, redelivered, discarded.

use uuid::Uuid;

use super::{EngineFactory, Fixture, LATER, NOW, attempted, batch, lane};
use crate::record::{Callback, LaneNo, Seq};
use crate::spool::attempt::Fate;
use crate::spool::dead_letter::{DeadLetter, DeadLetterFilter, DeadLetterNo, DeadReason, LaneDeadLetters};
use crate::spool::ops::{Done, Op};
use crate::spool::search::{Search, SearchStart};
use crate::time::Timestamp;

const FIRST: DeadLetterNo = DeadLetterNo(1);

fn give_up(lane: LaneNo, through: u64) -> Op {
    Op::GiveUp { lane, through: Seq(through), reason: DeadReason::LaneFull, at: NOW }
}

fn redeliver(dead: &[DeadLetterNo], id: u128) -> Op {
    Op::Redeliver { dead: dead.to_vec(), id: Uuid::from_u128(id) }
}

fn letter<F: EngineFactory>(fixture: &Fixture<F>, no: DeadLetterNo) -> Option<DeadLetter> {
    fixture.reader().dead_letter(no).unwrap()
}

pub(in crate::spool) fn a_dead_letter_that_was_never_cut_is_cut_piece_by_piece(factory: impl EngineFactory) {
    let mut fixture = Fixture::new(factory);
    let of = lane(Callback::Ingested);
    fixture.commit(of, 10, 100, NOW);
    fixture.apply(give_up(of, 10)).unwrap();
    fixture.apply(redeliver(&[FIRST], 1)).unwrap();
    let wrong = Op::CutDead { dead: FIRST, batch: batch(of, 2, 4) };
    assert!(fixture.refuses(wrong), "1 would be skipped");
    let first = batch(of, 1, 4);
    fixture.apply(Op::CutDead { dead: FIRST, batch: first.clone() }).unwrap();
    let next = fixture.reader().next_redelivery(of).unwrap().unwrap();
    assert_eq!((next.first, next.last, next.batch), (Seq(1), Seq(4), Some(first.id)));
    let rest = letter(&fixture, FIRST).unwrap();
    assert_eq!((rest.first, rest.last, rest.records, rest.batch), (Seq(5), Seq(10), 6, None));
    assert_eq!(fixture.usage().dead_records, 10);
    // Delivered: the dead letter is removed. Failed: it stays, and its redelivery has ended.
    fixture.apply(Op::Redelivered { dead: next.no, attempted: attempted(&first, Fate::Delivered) }).unwrap();
    assert_eq!((letter(&fixture, next.no), fixture.usage().dead_records), (None, 6));
    let last = batch(of, 5, 10);
    fixture.apply(Op::CutDead { dead: FIRST, batch: last.clone() }).unwrap();
    fixture.apply(Op::Redelivered { dead: FIRST, attempted: attempted(&last, Fate::Failed) }).unwrap();
    assert_eq!(fixture.reader().next_redelivery(of).unwrap(), None);
    assert!(!fixture.lane(of).redeliveries);
    let left = letter(&fixture, FIRST).unwrap();
    assert_eq!((left.batch, left.records, left.redelivery), (Some(last.id), 6, None));
    assert_eq!(fixture.reader().attempts(&last.id).unwrap().len(), 1);
    // It can be requested again, and is sent as the same batch.
    fixture.apply(redeliver(&[FIRST], 2)).unwrap();
    assert_eq!(fixture.reader().next_redelivery(of).unwrap().unwrap().batch, Some(last.id));
}

pub(in crate::spool) fn a_redelivery_keeps_its_first_id_and_skips_what_is_gone(factory: impl EngineFactory) {
    let mut fixture = Fixture::new(factory);
    let (of, other) = (lane(Callback::Ingested), lane(Callback::Modified));
    fixture.commit(of, 2, 100, NOW);
    fixture.commit(other, 2, 100, NOW);
    fixture.apply(give_up(of, 2)).unwrap();
    fixture.apply(give_up(other, 4)).unwrap();
    let done = fixture.apply(redeliver(&[FIRST, DeadLetterNo(9)], 1));
    assert_eq!(done, Ok(Done::Redelivering { lanes: vec![of], dead: 1 }));
    let done = fixture.apply(redeliver(&[DeadLetterNo(2), FIRST, FIRST], 2));
    let mut lanes = vec![of, other];
    lanes.sort_unstable();
    assert_eq!(done, Ok(Done::Redelivering { lanes, dead: 3 }));
    let ids = [1, 2].map(|no| letter(&fixture, DeadLetterNo(no)).unwrap().redelivery);
    assert_eq!(ids, [1, 2].map(|id| Some(Uuid::from_u128(id))));
    assert!(fixture.lane(of).redeliveries && fixture.lane(other).redeliveries);
}

pub(in crate::spool) fn a_redelivery_of_a_discarded_dead_letter_is_only_logged(factory: impl EngineFactory) {
    let mut fixture = Fixture::new(factory);
    let of = lane(Callback::Ingested);
    fixture.commit(of, 3, 100, NOW);
    let dead = batch(of, 1, 3);
    fixture.cut(&dead);
    fixture.attempt(&dead, Fate::Dead(DeadReason::TooLarge));
    fixture.apply(redeliver(&[FIRST], 1)).unwrap();
    fixture.apply(Op::DiscardDead { dead: vec![FIRST] }).unwrap();
    let before = (fixture.lanes(), fixture.usage().dead_records);
    let late = Op::Redelivered { dead: FIRST, attempted: attempted(&dead, Fate::Delivered) };
    assert_eq!(fixture.apply(late), Ok(Done::Ok));
    assert_eq!((fixture.lanes(), fixture.usage().dead_records), before);
    assert_eq!(fixture.reader().attempts(&dead.id).unwrap().len(), 2);
}

pub(in crate::spool) fn what_is_given_up_is_one_dead_letter_for_each_batch_and_one_for_the_rest(
    factory: impl EngineFactory,
) {
    let mut fixture = Fixture::new(factory);
    let of = lane(Callback::Ingested);
    fixture.commit(of, 10, 100, NOW);
    let cut = batch(of, 1, 4);
    fixture.cut(&cut);
    assert_eq!(fixture.apply(give_up(of, 9)), Ok(Done::Settled { records: 9, bytes: 900 }));
    let letters = fixture.reader().dead_letters(DeadLetterNo(0), 9).unwrap();
    let found: Vec<_> = letters.iter().map(|l| (l.no.0, l.first.0, l.last.0, l.batch)).collect();
    assert_eq!(found, [(1, 1, 4, Some(cut.id)), (2, 5, 9, None)]);
    assert_eq!(fixture.reader().dead_letters(FIRST, 9).unwrap(), letters[1..]);
    assert_eq!(fixture.reader().last_dead_letter().unwrap(), DeadLetterNo(2));
    let state = fixture.lane(of);
    assert_eq!((state.cursor, state.pending_records, state.batches), (Seq(9), 1, vec![]));
}

pub(in crate::spool) fn discarded_dead_letters_are_counted_once_and_never_replayed(
    factory: impl EngineFactory,
) {
    let mut fixture = Fixture::new(factory);
    let of = lane(Callback::Ingested);
    fixture.commit(of, 10, 100, NOW);
    fixture.deliver(&batch(of, 1, 3));
    fixture.apply(give_up(of, 7)).unwrap();
    fixture.deliver(&batch(of, 8, 10));
    let discard = |dead: &[i64]| Op::DiscardDead { dead: dead.iter().map(|no| DeadLetterNo(*no)).collect() };
    assert_eq!(fixture.apply(discard(&[1, 1, 9])), Ok(Done::Settled { records: 4, bytes: 400 }));
    assert_eq!(fixture.apply(discard(&[1])), Ok(Done::Settled { records: 0, bytes: 0 }));
    assert_eq!((letter(&fixture, FIRST), fixture.usage().dead_records), (None, 0));
    let everything = Search { from: SearchStart::Since(NOW), to: None, epoch_after: Seq(0) };
    let ranges = fixture.reader().search(&everything, &mut |_| true).unwrap().ranges;
    let ranges: Vec<_> = ranges.iter().map(|range| (range.first.0, range.last.0, range.records)).collect();
    assert_eq!(ranges, [(1, 3, 3), (8, 10, 3)]);
    fixture.sweep_all(LATER);
    assert_eq!((fixture.chunks(of), fixture.usage().live_bytes), (vec![], 0));
}

/// Counts are made by the database: they are what counting one by one gives, whatever the filter.
pub(in crate::spool) fn dead_letters_are_counted_as_they_are_listed(factory: impl EngineFactory) {
    let mut fixture = Fixture::new(factory);
    let (ingested, modified) = (lane(Callback::Ingested), lane(Callback::Modified));
    let reasons = [DeadReason::LaneFull, DeadReason::GivenUp, DeadReason::LaneFull];
    for (number, of) in [(0, ingested), (1, ingested), (2, modified)] {
        fixture.commit(of, number + 1, 100, NOW);
        let last = fixture.lane(of).last;
        let reason = reasons[usize::try_from(number).unwrap()];
        let at = Timestamp(NOW.0 + i64::try_from(number).unwrap());
        fixture.apply(Op::GiveUp { lane: of, through: last, reason, at }).unwrap();
    }
    let letters = fixture.reader().dead_letters(DeadLetterNo(0), 9).unwrap();
    assert_eq!(letters.len(), 3);
    let times = [None, Some(NOW), Some(Timestamp(NOW.0 + 1)), Some(Timestamp(NOW.0 + 2))];
    let lanes = [None, Some(Vec::new()), Some(vec![ingested]), Some(vec![modified, ingested])];
    let reasons = [None, Some(DeadReason::LaneFull), Some(DeadReason::GivenUp), Some(DeadReason::Refused)];
    let lasts = [None, Some(DeadLetterNo(0)), Some(DeadLetterNo(2))];
    for lanes in &lanes {
        for (reason, last) in reasons.iter().flat_map(|reason| lasts.iter().map(move |last| (*reason, *last)))
        {
            for (since, until) in
                times.iter().flat_map(|since| times.iter().map(move |until| (*since, *until)))
            {
                let filter = DeadLetterFilter { lanes: lanes.clone(), reason, since, until, last };
                let counted = fixture.reader().count_dead_letters(&filter).unwrap();
                assert_eq!(sorted(counted), sorted(one_by_one(&letters, &filter)), "{filter:?}");
            }
        }
    }
}

fn sorted(mut counts: Vec<LaneDeadLetters>) -> Vec<LaneDeadLetters> {
    counts.sort_unstable_by_key(|of| of.lane);
    counts
}

fn one_by_one(letters: &[DeadLetter], filter: &DeadLetterFilter) -> Vec<LaneDeadLetters> {
    let mut counts: Vec<LaneDeadLetters> = Vec::new();
    let is_wanted = |letter: &&DeadLetter| {
        filter.lanes.as_ref().is_none_or(|lanes| lanes.contains(&letter.lane))
            && filter.reason.is_none_or(|reason| reason == letter.reason)
            && filter.since.is_none_or(|since| letter.at >= since)
            && filter.until.is_none_or(|until| letter.at < until)
            && filter.last.is_none_or(|last| letter.no <= last)
    };
    for letter in letters.iter().filter(is_wanted) {
        let one = LaneDeadLetters { lane: letter.lane, dead_letters: 1, records: letter.records };
        match counts.iter_mut().find(|of| of.lane == letter.lane) {
            Some(of) => (of.dead_letters, of.records) = (of.dead_letters + 1, of.records + letter.records),
            None => counts.push(one),
        }
    }
    counts
}
