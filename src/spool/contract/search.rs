//! Searches: exactly the settled records of a range, against a model.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::{EngineFactory, Fixture, lane};
use crate::position::{Lsn, Place, Position};
use crate::record::{Callback, LaneNo, Seq, WaitsFor};
use crate::spool::dead_letter::{DeadLetterNo, DeadReason};
use crate::spool::ops::{Done, Op};
use crate::spool::search::{RecordRange, Search, SearchStart};
use crate::time::Timestamp;

pub(in crate::spool) fn a_search_finds_exactly_the_settled_records_of_its_range<F: EngineFactory>(
    factory: F,
) {
    for seed in 0..400 {
        let mut rng = StdRng::seed_from_u64(seed);
        let written = Written::draw(factory.another(), &mut rng);
        let cursors = Callback::ALL.map(|callback| written.cursor(lane(callback)));
        for _ in 0..12 {
            let any = |rng: &mut StdRng| {
                let record = written.records[rng.random_range(0..written.records.len())].position;
                let number = rng.random_bool(0.5).then_some(record.number);
                Place { commit: Lsn(record.commit.0 + rng.random_range(0..2)), number }
            };
            let place = any(&mut rng);
            let to = rng.random_bool(0.5).then(|| any(&mut rng));
            let since = Timestamp(1_000 + rng.random_range(0..800));
            let by_time = rng.random_bool(0.4);
            let from = if by_time { SearchStart::Since(since) } else { SearchStart::Place(place) };
            let first_since = written.records.iter().find(|record| record.at >= since);
            let wanted: Vec<Seq> = written
                .records
                .iter()
                .filter(|record| {
                    let begun = match from {
                        SearchStart::Place(place) => record.position >= place.first(),
                        SearchStart::Since(_) => first_since.is_some_and(|first| record.seq >= first.seq),
                    };
                    begun
                        && to.is_none_or(|to| record.position <= to.last())
                        && written.is_there(record, &cursors)
                })
                .map(|record| record.seq)
                .collect();
            let ranges = written.found(from, to);
            let mut got = Vec::new();
            for range in &ranges {
                let inside = written.records.iter().filter(|record| {
                    record.lane == range.lane && (range.first..=range.last).contains(&record.seq)
                });
                let inside: Vec<Seq> = inside.map(|record| record.seq).collect();
                assert_eq!((inside[0], inside[inside.len() - 1]), (range.first, range.last), "seed {seed}");
                assert_eq!(inside.len() as u64, range.records, "seed {seed}: {range:?}");
                assert_eq!(range.bytes, 2 * range.records, "seed {seed}: {range:?}");
                got.extend(inside);
            }
            got.sort_unstable();
            assert_eq!(got, wanted, "seed {seed}, from {from:?} to {to:?}");
        }
    }
}

/// A record, as the model knows it.
#[derive(Clone, Copy, Debug)]
struct Known {
    seq: Seq,
    lane: LaneNo,
    position: Position,
    at: Timestamp,
}

/// Transactions over three lanes, groups that end anywhere, times that step; some records settled, given
/// up or discarded.
struct Written<F> {
    fixture: Fixture<F>,
    records: Vec<Known>,
    discarded: Vec<(LaneNo, Seq, Seq)>,
}

impl<F: EngineFactory> Written<F> {
    fn draw(factory: F, rng: &mut StdRng) -> Self {
        let mut fixture = Fixture::new(factory);
        let mut records = Vec::new();
        let mut commit = 100;
        for _ in 0..rng.random_range(1..12) {
            commit += rng.random_range(1..50);
            let at = Timestamp(1_000 + i64::try_from(commit).unwrap() + rng.random_range(-80..80));
            for number in 1..=rng.random_range(1..9) {
                let lane = lane(Callback::ALL[rng.random_range(0..3)]);
                let position = Position { commit: Lsn(commit), number };
                let seq = fixture.builder.push(lane, position, at, WaitsFor::default(), 0, b"{}");
                records.push(Known { seq, lane, position, at });
                if rng.random_bool(0.2) {
                    fixture.commit_built(Timestamp(1));
                }
            }
        }
        fixture.commit_built(Timestamp(1));
        let mut written = Self { fixture, records, discarded: Vec::new() };
        for _ in 0..rng.random_range(0..6) {
            written.settle(rng);
        }
        written
    }

    fn settle(&mut self, rng: &mut StdRng) {
        let of = lane(Callback::ALL[rng.random_range(0..3)]);
        let cursor = self.cursor(of);
        let pending: Vec<Seq> =
            self.records.iter().filter(|r| r.lane == of && r.seq > cursor).map(|r| r.seq).collect();
        let Some(most) = pending.len().checked_sub(1) else { return };
        let through = pending[rng.random_range(0..=most)];
        let reason = DeadReason::GivenUp;
        let op = if rng.random_bool(0.3) {
            self.discarded.push((of, pending[0], through));
            Op::Discard { lane: of, through }
        } else {
            Op::GiveUp { lane: of, through, reason, at: Timestamp(5) }
        };
        assert!(matches!(self.fixture.apply(op), Ok(Done::Settled { .. })));
        let letters = self.fixture.reader().dead_letters(DeadLetterNo(0), 100).unwrap();
        if let Some(letter) = letters.last().filter(|_| rng.random_bool(0.3)) {
            self.discarded.push((letter.lane, letter.first, letter.last));
            let done = self.fixture.apply(Op::DiscardDead { dead: vec![letter.no] });
            assert_eq!(done, Ok(Done::Settled { records: letter.records, bytes: letter.bytes }));
        }
    }

    fn cursor(&self, lane: LaneNo) -> Seq {
        let lanes = self.fixture.lanes();
        lanes.iter().find(|state| state.lane == lane).map_or(Seq(0), |state| state.cursor)
    }

    fn is_there(&self, record: &Known, cursors: &[Seq; 3]) -> bool {
        let discarded = self
            .discarded
            .iter()
            .any(|(lane, first, last)| *lane == record.lane && (*first..=*last).contains(&record.seq));
        record.seq <= cursors[record.lane.callback().index()] && !discarded
    }

    fn found(&self, from: SearchStart, to: Option<Place>) -> Vec<RecordRange> {
        let search = Search { from, to, epoch_after: Seq(0) };
        self.fixture.reader().search(&search, &mut |_| true).unwrap().ranges
    }
}
