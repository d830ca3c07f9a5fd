//! Replays: entered whole, cut in order, cancelled, and kept while they need their records.

use uuid::Uuid;

use super::{EngineFactory, Fixture, LATER, NOW, attempted, batch, lane};
use crate::position::Position;
use crate::record::{Callback, LaneNo, Seq};
use crate::spool::attempt::Fate;
use crate::spool::batch::Batch;
use crate::spool::meta::LowWatermark;
use crate::spool::ops::{Done, Op};
use crate::spool::replay::{LaneReplay, NewReplay, ReplayNo, ReplayState};
use crate::spool::search::RecordRange;
use crate::time::Timestamp;

const FIRST: ReplayNo = ReplayNo(1);

fn range(lane: LaneNo, first: u64, last: u64) -> RecordRange {
    RecordRange { lane, first: Seq(first), last: Seq(last), records: last - first + 1, bytes: 0 }
}

fn replay(ranges: &[RecordRange], low_watermark: Option<LowWatermark>) -> Op {
    Op::Replay(NewReplay {
        id: Uuid::now_v7(),
        request: "{}".into(),
        requested_at: NOW,
        rate: None,
        ranges: ranges.iter().map(|range| LaneReplay::new(ReplayNo(0), range)).collect(),
        low_watermark,
    })
}

fn of_replay(lane: LaneNo, first: u64, last: u64) -> Batch {
    Batch { replay: Some(FIRST), ..batch(lane, first, last) }
}

pub(in crate::spool) fn a_replay_is_entered_only_over_what_is_still_there_and_cut_only_in_its_place(
    factory: impl EngineFactory,
) {
    let mut fixture = Fixture::new(factory);
    let of = lane(Callback::Ingested);
    for _ in 0..3 {
        fixture.commit(of, 10, 100, NOW);
    }
    fixture.deliver(&batch(of, 1, 20));
    let elsewhere = LowWatermark { seq: Seq(3), position: Position::default(), at: Timestamp(0) };
    assert_eq!(fixture.apply(replay(&[range(of, 5, 15)], Some(elsewhere))), Ok(Done::Outdated));
    assert!(fixture.refuses(replay(&[range(of, 15, 25)], None)), "not settled");
    assert!(fixture.refuses(replay(&[], None)), "nothing");
    assert_eq!(fixture.apply(replay(&[range(of, 5, 15)], None)), Ok(Done::Replaying(FIRST)));

    let unknown = Batch { replay: Some(ReplayNo(2)), ..batch(of, 5, 6) };
    for wrong in [of_replay(of, 6, 8), of_replay(of, 5, 16), unknown] {
        assert!(fixture.refuses(Op::Cut(wrong)));
    }
    let first = of_replay(of, 5, 8);
    fixture.cut(&first);
    assert!(fixture.refuses(Op::Cut(of_replay(of, 9, 10))), "one in flight");
    // A new start finds both, and counts the attempt as lost.
    fixture.reopen();
    let [(running, open)] = &fixture.lane(of).ranges[..] else { panic!("one runs") };
    assert_eq!(
        (running.first, running.cursor, &open[..]),
        (Seq(5), Seq(4), &[Batch { attempts: 1, ..first.clone() }][..])
    );
    // Age removes what the replay has sent, and waits with the rest.
    fixture.attempt(&first, Fate::Delivered);
    fixture.sweep_all(LATER);
    assert_eq!(fixture.chunks(of).len(), 3, "its first chunk holds 9 and 10, which are still to be sent");
    fixture.deliver(&of_replay(of, 9, 15));
    let done = fixture.reader().replay(FIRST).unwrap().unwrap();
    assert_eq!((done.state, done.ended_at.is_some()), (ReplayState::Done, true));
    assert_eq!(fixture.reader().ranges(FIRST).unwrap()[0].sent, 11);
    fixture.sweep_all(NOW);
    assert_eq!(fixture.chunks(of).len(), 3, "not old enough");
    fixture.sweep_all(LATER);
    assert_eq!(fixture.chunks(of), [(21, 30)]);
}

pub(in crate::spool) fn a_cancelled_replay_only_logs_what_was_in_flight(factory: impl EngineFactory) {
    let mut fixture = Fixture::new(factory);
    let of = lane(Callback::Ingested);
    fixture.commit(of, 10, 100, NOW);
    fixture.deliver(&batch(of, 1, 10));
    assert_eq!(fixture.apply(replay(&[range(of, 1, 10)], None)), Ok(Done::Replaying(FIRST)));
    let first = of_replay(of, 1, 5);
    fixture.cut(&first);
    let cancel = |at| Op::CancelReplay { replay: FIRST, at: Timestamp(at) };
    assert_eq!(fixture.apply(cancel(7)), Ok(Done::Ok));
    assert_eq!(fixture.apply(cancel(8)), Ok(Done::Ok));
    let cancelled = fixture.reader().replay(FIRST).unwrap().unwrap();
    assert_eq!((cancelled.state, cancelled.ended_at), (ReplayState::Cancelled, Some(Timestamp(7))));
    let late = Op::Attempted(attempted(&first, Fate::Delivered));
    assert_eq!(fixture.apply(late), Ok(Done::Ok));
    assert_eq!(fixture.reader().attempts(&first.id).unwrap().len(), 1);
    let ranges = fixture.reader().ranges(FIRST).unwrap();
    assert_eq!((ranges[0].cursor, ranges[0].sent), (Seq(0), 0), "it is not counted");
    assert!(fixture.refuses(Op::Cut(of_replay(of, 1, 5))), "it is cancelled");
    assert!(fixture.lane(of).ranges.is_empty());
    fixture.sweep_all(LATER);
    assert_eq!(fixture.chunks(of), [], "nothing is kept for it");
}
