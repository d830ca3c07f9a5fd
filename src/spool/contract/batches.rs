//! Batches: cut, attempted, retired, discarded.

use super::{EngineFactory, Fixture, LATER, NOW, attempted, batch, lane};
use crate::record::{Callback, Seq};
use crate::spool::attempt::{Attempted, Fate};
use crate::spool::batch::Batch;
use crate::spool::dead_letter::DeadReason;
use crate::spool::ops::{Done, Op};
use crate::time::Uptime;

pub(in crate::spool) fn a_batch_begins_with_the_first_unsettled_record(factory: impl EngineFactory) {
    let mut fixture = Fixture::new(factory);
    let of = lane(Callback::Ingested);
    fixture.commit(of, 10, 100, NOW);
    fixture.deliver(&batch(of, 1, 4));
    assert!(fixture.refuses(Op::Cut(batch(of, 6, 8))), "5 would be skipped");
    assert!(fixture.refuses(Op::Cut(batch(of, 4, 8))), "4 is settled");
    fixture.deliver(&batch(of, 5, 10));
    let state = fixture.lane(of);
    assert_eq!((state.cursor, state.pending_records, state.pending_bytes), (Seq(10), 0, 0));
}

pub(in crate::spool) fn cuts_and_outcomes_that_do_not_fit_are_refused_and_change_nothing(
    factory: impl EngineFactory,
) {
    let mut fixture = Fixture::new(factory);
    let of = lane(Callback::Ingested);
    fixture.commit(of, 5, 100, NOW);
    fixture.commit(of, 5, 100, NOW);
    assert!(fixture.refuses(Op::Cut(batch(of, 6, 8))), "records would be skipped");
    assert!(fixture.refuses(Op::Cut(batch(of, 2, 4))), "a record of the same chunk would be skipped");
    assert!(fixture.refuses(Op::Cut(batch(of, 1, 11))), "there is no eleventh record");
    let cut = batch(of, 1, 5);
    fixture.cut(&cut);
    assert!(fixture.refuses(Op::Cut(batch(of, 6, 8))), "one batch in flight");
    let other = attempted(&batch(of, 1, 5), Fate::Delivered);
    assert!(fixture.refuses(Op::Attempted(other)), "another batch's attempt");
    let give_up = |through| Op::GiveUp { lane: of, through, reason: DeadReason::GivenUp, at: NOW };
    assert!(fixture.refuses(give_up(Seq(3))), "a batch is given up whole");
    assert!(fixture.refuses(give_up(Seq(11))), "there is no eleventh record");
    assert!(fixture.refuses(Op::Discard { lane: of, through: Seq(3) }), "a batch is discarded whole");
    fixture.attempt(&cut, Fate::Delivered);
    let state = fixture.lane(of);
    assert_eq!((state.cursor, state.pending_records, state.pending_bytes), (Seq(5), 5, 500));
    assert_eq!(fixture.apply(give_up(Seq(8))), Ok(Done::Settled { records: 3, bytes: 300 }));
    assert_eq!(fixture.usage().dead_records, 3);
}

pub(in crate::spool) fn a_retired_batch_is_replaced_by_its_halves_in_order(factory: impl EngineFactory) {
    let mut fixture = Fixture::new(factory);
    let of = lane(Callback::Ingested);
    fixture.commit(of, 5, 100, NOW);
    let whole = batch(of, 1, 5);
    fixture.cut(&whole);
    let halves = vec![batch(of, 1, 2), batch(of, 3, 5)];
    let short = vec![batch(of, 1, 2), batch(of, 3, 4)];
    assert!(fixture.refuses(Op::Retire { batch: whole.id, successors: short }), "5 would be skipped");
    assert!(fixture.refuses(Op::Retire { batch: whole.id, successors: vec![] }));
    assert!(fixture.refuses(Op::Retire { batch: halves[0].id, successors: halves.clone() }), "not open");
    let retire = Op::Retire { batch: whole.id, successors: halves.clone() };
    assert_eq!(fixture.apply(retire), Ok(Done::Ok));
    assert_eq!(fixture.lane(of).batches, halves);
    assert!(fixture.refuses(Op::Attempted(attempted(&halves[1], Fate::Delivered))), "the first goes first");
    fixture.attempt(&halves[0], Fate::Delivered);
    fixture.attempt(&halves[1], Fate::Dead(DeadReason::TooLarge));
    let state = fixture.lane(of);
    assert_eq!((state.cursor, state.pending_records, fixture.usage().dead_records), (Seq(5), 0, 3));
}

pub(in crate::spool) fn a_refused_operation_does_not_stop_the_others(factory: impl EngineFactory) {
    let mut fixture = Fixture::new(factory);
    let of = lane(Callback::Ingested);
    fixture.commit(of, 5, 100, NOW);
    let ops = vec![Op::Tick(Uptime(7)), Op::Cut(batch(of, 2, 3)), Op::Cut(batch(of, 1, 3))];
    let done = fixture.opened().engine.apply(ops);
    assert!(matches!(&done[..], [Ok(Done::Ok), Err(_), Ok(Done::Ok)]), "{done:?}");
    assert_eq!(fixture.lane(of).batches[0].last, Seq(3));
    assert_eq!(fixture.reopen().contents.uptime, Uptime(7));
}

pub(in crate::spool) fn what_is_discarded_leaves_nothing_behind(factory: impl EngineFactory) {
    let mut fixture = Fixture::new(factory);
    let of = lane(Callback::Ingested);
    fixture.commit(of, 10, 100, NOW);
    let first = batch(of, 1, 4);
    fixture.deliver(&first);
    fixture.commit(of, 10, 100, NOW);
    let second = batch(of, 5, 10);
    fixture.cut(&second);
    let detail = Some("schön".to_owned());
    let failed = Attempted { detail, ..attempted(&second, Fate::Failed) };
    assert_eq!(fixture.apply(Op::Attempted(failed)), Ok(Done::Ok));
    let gone = fixture.apply(Op::Discard { lane: of, through: Seq(20) });
    assert_eq!(gone, Ok(Done::Settled { records: 16, bytes: 1_600 }));
    fixture.sweep_all(LATER);
    assert_eq!(fixture.chunks(of), []);
    let reader = fixture.reader();
    for Batch { id, .. } in [first, second] {
        assert_eq!(reader.batch(&id).unwrap(), None);
        assert_eq!(reader.attempts(&id).unwrap(), []);
    }
    assert_eq!(fixture.usage().live_bytes, 0, "what was removed is counted as it was added");
}
