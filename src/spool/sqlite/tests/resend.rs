//! What is sent again: found exactly, entered whole, kept while it is needed.

use super::*;
use crate::position::Place;

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
struct Written {
    folder: tempfile::TempDir,
    store: store::Store,
    records: Vec<Known>,
    discarded: Vec<(LaneNo, Seq, Seq)>,
}

impl Written {
    fn draw(rng: &mut StdRng) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, _) = store::Store::open(folder.path(), 1 << 30, Timestamp(1)).unwrap();
        let mut builder = GroupBuilder::new(Seq(0));
        let mut records = Vec::new();
        let mut commit = 100;
        for _ in 0..rng.random_range(1..12) {
            commit += rng.random_range(1..50);
            let at = Timestamp(1_000 + i64::try_from(commit).unwrap() + rng.random_range(-80..80));
            for number in 1..=rng.random_range(1..9) {
                let lane = lane(Callback::ALL[rng.random_range(0..3)]);
                let position = Position { commit: Lsn(commit), number };
                let seq = builder.push(lane, position, at, WaitsFor::default(), 0, b"{}");
                records.push(Known { seq, lane, position, at });
                if rng.random_bool(0.2) {
                    submit_group(&mut store, &mut builder);
                }
            }
        }
        submit_group(&mut store, &mut builder);
        let mut written = Self { folder, store, records, discarded: Vec::new() };
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
        assert!(matches!(self.store.apply(vec![op])[..], [Ok(Done::Settled { .. })]));
        let letters = dead_letters::dead_letters_after(&self.store.connection, DeadLetterNo(0), 100).unwrap();
        if let Some(letter) = letters.last().filter(|_| rng.random_bool(0.3)) {
            self.discarded.push((letter.lane, letter.first, letter.last));
            let done = self.store.apply(vec![Op::DiscardDead { dead: vec![letter.no] }]);
            assert_eq!(done, [Ok(Done::Settled { records: letter.records, bytes: letter.bytes })]);
        }
    }

    fn cursor(&self, lane: LaneNo) -> Seq {
        self.store.lanes.get(&lane).map_or(Seq(0), |row| row.cursor)
    }

    fn is_there(&self, record: &Known) -> bool {
        let discarded = self
            .discarded
            .iter()
            .any(|(lane, first, last)| *lane == record.lane && (*first..=*last).contains(&record.seq));
        record.seq <= self.cursor(record.lane) && !discarded
    }

    fn found(&self, from: SearchStart, to: Option<Place>) -> Vec<RecordRange> {
        let reader = reader::SqliteReader::open(self.folder.path()).unwrap();
        reader.find_ranges(&Search { from, to, epoch_after: Seq(0) }, &mut |_| true).unwrap().spans
    }
}

fn submit_group(store: &mut store::Store, builder: &mut GroupBuilder) {
    let chunks = builder.finish(Timestamp(1), Uptime(1));
    let done = store.apply(vec![Op::Commit(Arc::new(Group { chunks, ..Group::default() }))]);
    assert!(matches!(done[..], [Ok(Done::Committed(_))]));
}

#[test]
fn a_search_finds_exactly_the_settled_records_of_its_range() {
    for seed in 0..400 {
        let mut rng = StdRng::seed_from_u64(seed);
        let written = Written::draw(&mut rng);
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
                    begun && to.is_none_or(|to| record.position <= to.last()) && written.is_there(record)
                })
                .map(|record| record.seq)
                .collect();
            let spans = written.found(from, to);
            let mut got = Vec::new();
            for span in &spans {
                let inside = written.records.iter().filter(|record| {
                    record.lane == span.lane && (span.first..=span.last).contains(&record.seq)
                });
                let inside: Vec<Seq> = inside.map(|record| record.seq).collect();
                assert_eq!((inside[0], inside[inside.len() - 1]), (span.first, span.last), "seed {seed}");
                assert_eq!(inside.len() as u64, span.records, "seed {seed}: {span:?}");
                assert_eq!(span.bytes, 2 * span.records, "seed {seed}: {span:?}");
                got.extend(inside);
            }
            got.sort_unstable();
            assert_eq!(got, wanted, "seed {seed}, from {from:?} to {to:?}");
        }
    }
}

fn replay_of(spans: &[RecordRange], low_watermark: Option<LowWatermark>) -> NewReplay {
    NewReplay {
        id: Uuid::now_v7(),
        request: "{}".into(),
        requested_at: Timestamp(1),
        rate: None,
        ranges: spans.iter().map(|range| LaneReplay::new(ReplayNo(0), range)).collect(),
        low_watermark,
    }
}

#[test]
fn a_replay_is_entered_only_over_what_is_still_there_and_cut_only_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = store::Store::open(folder.path(), 1 << 30, Timestamp(1)).unwrap();
    let mut builder = GroupBuilder::new(Seq(0));
    let of = lane(Callback::Ingested);
    for _ in 0..3 {
        store.apply(vec![Op::Commit(Arc::new(group(&mut builder, of, 10, 100, Timestamp(1_000))))]);
    }
    let cut = batch(of, 1, 20);
    store.apply(vec![Op::Cut(cut.clone())]);
    store.apply(vec![attempted(&cut, Fate::Delivered)]);
    let span = |first, last| RecordRange {
        lane: of,
        first: Seq(first),
        last: Seq(last),
        records: last - first + 1,
        bytes: 0,
    };
    let elsewhere = LowWatermark { seq: Seq(3), position: Position::default(), at: Timestamp(0) };
    let enter = |store: &mut store::Store, spans: &[RecordRange], low_watermark| {
        store.apply(vec![Op::Replay(replay_of(spans, low_watermark))]).remove(0)
    };
    assert_eq!(enter(&mut store, &[span(5, 15)], Some(elsewhere)), Ok(Done::Outdated));
    assert!(matches!(enter(&mut store, &[span(15, 25)], None), Err(SpoolError::Refused(_))), "not settled");
    assert!(matches!(enter(&mut store, &[], None), Err(SpoolError::Refused(_))), "nothing");
    assert_eq!(enter(&mut store, &[span(5, 15)], None), Ok(Done::Replaying(ReplayNo(1))));

    let of_replay = |first, last| Batch { replay: Some(ReplayNo(1)), ..batch(of, first, last) };
    for wrong in [of_replay(6, 8), of_replay(5, 16), Batch { replay: Some(ReplayNo(2)), ..batch(of, 5, 6) }] {
        assert!(matches!(store.apply(vec![Op::Cut(wrong)])[..], [Err(SpoolError::Refused(_))]));
    }
    let first = of_replay(5, 8);
    assert_eq!(store.apply(vec![Op::Cut(first.clone())]), [Ok(Done::Ok)]);
    let second = store.apply(vec![Op::Cut(of_replay(9, 10))]);
    assert!(matches!(second[..], [Err(SpoolError::Refused(_))]), "one in flight");
    // Age removes what the replay is past, and waits with the rest.
    assert_eq!(store.apply(vec![attempted(&first, Fate::Delivered)]), [Ok(Done::Ok)]);
    store.sweep(Timestamp(9_000)).unwrap();
    let chunks = |store: &store::Store| store.one::<i64>("SELECT count(*) FROM chunk", []).unwrap();
    assert_eq!(chunks(&store), 3, "its first chunk holds 9 and 10, which are still to be sent");
    let rest = of_replay(9, 15);
    store.apply(vec![Op::Cut(rest.clone())]);
    store.apply(vec![attempted(&rest, Fate::Delivered)]);
    let done = replays::find_replay(&store.connection, ReplayNo(1)).unwrap().unwrap();
    assert_eq!((done.state, done.ended_at.is_some()), (ReplayState::Done, true));
    store.sweep(Timestamp(9_000)).unwrap();
    assert_eq!(
        (chunks(&store), store.meta.low_watermark.map(|low_watermark| low_watermark.seq)),
        (1, Some(Seq(20)))
    );
}

#[test]
fn a_cancelled_replay_only_logs_what_was_on_the_wire() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = store::Store::open(folder.path(), 1 << 30, Timestamp(1)).unwrap();
    let mut builder = GroupBuilder::new(Seq(0));
    let of = lane(Callback::Ingested);
    store.apply(vec![Op::Commit(Arc::new(group(&mut builder, of, 10, 100, Timestamp(1_000))))]);
    let live = batch(of, 1, 10);
    store.apply(vec![Op::Cut(live.clone())]);
    store.apply(vec![attempted(&live, Fate::Delivered)]);
    let whole = RecordRange { lane: of, first: Seq(1), last: Seq(10), records: 10, bytes: 0 };
    assert_eq!(store.apply(vec![Op::Replay(replay_of(&[whole], None))]), [Ok(Done::Replaying(ReplayNo(1)))]);
    let first = Batch { replay: Some(ReplayNo(1)), ..batch(of, 1, 5) };
    store.apply(vec![Op::Cut(first.clone())]);
    assert_eq!(store.apply(vec![Op::CancelReplay { replay: ReplayNo(1), at: Timestamp(7) }]), [Ok(Done::Ok)]);
    let attempts = |store: &store::Store| store.one::<i64>("SELECT count(*) FROM attempt", []).unwrap();
    let before = attempts(&store);
    assert_eq!(store.apply(vec![attempted(&first, Fate::Delivered)]), [Ok(Done::Ok)]);
    assert_eq!(attempts(&store), before + 1);
    let ranges = replays::ranges_of(&store.connection, ReplayNo(1)).unwrap();
    assert_eq!((ranges[0].cursor, ranges[0].sent), (Seq(0), 0), "it counts for nothing");
    let more = Batch { replay: Some(ReplayNo(1)), ..batch(of, 1, 5) };
    assert!(matches!(store.apply(vec![Op::Cut(more)])[..], [Err(SpoolError::Refused(_))]));
    store.sweep(Timestamp(9_000)).unwrap();
    assert_eq!(store.one::<i64>("SELECT count(*) FROM chunk", []).unwrap(), 0, "nothing is kept for it");
}

#[test]
fn a_dead_letter_that_was_never_cut_is_cut_piece_by_piece() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = store::Store::open(folder.path(), 1 << 30, Timestamp(1)).unwrap();
    let mut builder = GroupBuilder::new(Seq(0));
    let of = lane(Callback::Ingested);
    store.apply(vec![Op::Commit(Arc::new(group(&mut builder, of, 10, 100, Timestamp(1_000))))]);
    let reason = DeadReason::LaneFull;
    store.apply(vec![Op::GiveUp { lane: of, through: Seq(10), reason, at: Timestamp(5) }]);
    let live_bytes = store.meta.live_bytes;
    let asked =
        store.apply(vec![Op::Redeliver { dead: vec![DeadLetterNo(1), DeadLetterNo(9)], id: Uuid::nil() }]);
    assert_eq!(asked, [Ok(Done::Redelivering { lanes: vec![of], dead: 1 })]);
    let wrong = store.apply(vec![Op::CutDead { dead: DeadLetterNo(1), batch: batch(of, 2, 4) }]);
    assert!(matches!(wrong[..], [Err(SpoolError::Refused(_))]));
    let first = batch(of, 1, 4);
    assert_eq!(
        store.apply(vec![Op::CutDead { dead: DeadLetterNo(1), batch: first.clone() }]),
        [Ok(Done::Ok)]
    );
    let next = dead_letters::next_redelivery(&store.connection, of).unwrap().unwrap();
    assert_eq!((next.first, next.last, next.batch), (Seq(1), Seq(4), Some(first.id)));
    let rest = dead_letters::find_dead_letter(&store.connection, DeadLetterNo(1)).unwrap().unwrap();
    assert_eq!((rest.first, rest.last, rest.records, rest.batch), (Seq(5), Seq(10), 6, None));
    assert_eq!(store.meta.dead_records, 10);
    // Taken: it is a dead letter no more. Failed: it stays, and is not asked for any more.
    let Op::Attempted(taken) = attempted(&first, Fate::Delivered) else { unreachable!() };
    store.apply(vec![Op::Redelivered { dead: next.no, attempted: taken }]);
    assert_eq!(
        (dead_letters::find_dead_letter(&store.connection, next.no).unwrap(), store.meta.dead_records),
        (None, 6)
    );
    let last = batch(of, 5, 10);
    store.apply(vec![Op::CutDead { dead: DeadLetterNo(1), batch: last.clone() }]);
    let Op::Attempted(failed) = attempted(&last, Fate::Failed) else { unreachable!() };
    store.apply(vec![Op::Redelivered { dead: DeadLetterNo(1), attempted: failed }]);
    assert!(dead_letters::next_redelivery(&store.connection, of).unwrap().is_none());
    let left = dead_letters::find_dead_letter(&store.connection, DeadLetterNo(1)).unwrap().unwrap();
    assert_eq!((left.batch, left.records), (Some(last.id), 6));
    let row = cost::BATCH_COST * 2 + cost::attempt_cost(0) * 2;
    assert_eq!(store.meta.live_bytes, live_bytes + row, "one dead letter, as before, and what was written");
}
