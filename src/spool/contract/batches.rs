//! Batches: cut, attempted, retired, discarded.

use super::{EngineFactory, Fixture, LATER, NOW, attempted, batch, lane, with_answer};
use crate::outcome::OutcomeKind;
use crate::record::{Callback, Seq};
use crate::spool::attempt::{Attempted, Exchange, Fate, LoggedAnswer, LoggedAttempt};
use crate::spool::batch::Batch;
use crate::spool::dead_letter::{DeadLetterNo, DeadReason};
use crate::spool::lane::{LaneHealth, Refusals, Search};
use crate::spool::ops::{Done, Op};
use crate::spool::search::{self, RecordRange, SearchStart};
use crate::time::{Timestamp, Uptime};

pub(in crate::spool) fn a_batch_begins_with_the_first_unsettled_record(factory: impl EngineFactory) {
    let mut fixture = Fixture::new(factory);
    let of = lane(Callback::Ingested);
    fixture.commit(of, 10, 100, NOW);
    fixture.deliver(&batch(of, 1, 4));
    assert!(fixture.refuses(Op::Cut(batch(of, 6, 8))), "5 would be skipped");
    assert!(fixture.refuses(Op::Cut(batch(of, 4, 8))), "4 is settled");
    fixture.deliver(&batch(of, 5, 10));
    let state = fixture.lane(of);
    assert_eq!(
        (state.cursor, state.last, state.pending_records, state.pending_bytes),
        (Seq(10), Seq(10), 0, 0)
    );
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

pub(in crate::spool) fn a_retired_batch_is_replaced_by_its_first_records_and_the_rest_is_pending(
    factory: impl EngineFactory,
) {
    let mut fixture = Fixture::new(factory);
    let of = lane(Callback::Ingested);
    fixture.commit(of, 5, 100, NOW);
    let whole = batch(of, 1, 5);
    fixture.cut(&whole);
    let first = batch(of, 1, 2);
    let gap = vec![batch(of, 1, 2), batch(of, 4, 5)];
    assert!(fixture.refuses(Op::Retire { batch: whole.id, successors: gap }), "3 would be skipped");
    assert!(fixture.refuses(Op::Retire { batch: whole.id, successors: vec![] }));
    assert!(fixture.refuses(Op::Retire { batch: first.id, successors: vec![first.clone()] }), "not open");
    let retire = Op::Retire { batch: whole.id, successors: vec![first.clone()] };
    assert_eq!(fixture.apply(retire), Ok(Done::Ok));
    assert_eq!((fixture.lane(of).batches, fixture.lane(of).pending_records), (vec![first.clone()], 5));
    let rest = batch(of, 3, 5);
    assert!(fixture.refuses(Op::Cut(rest.clone())), "one is open");
    fixture.attempt(&first, Fate::Delivered);
    fixture.cut(&rest);
    fixture.attempt(&rest, Fate::Dead(DeadReason::TooLarge));
    let state = fixture.lane(of);
    assert_eq!((state.cursor, state.pending_records, fixture.usage().dead_records), (Seq(5), 0, 3));
}

fn refused(batch: &Batch, status: Option<u16>, isolated: u32) -> Op {
    let search = Some(Search { suspects: 1, isolated, ..Search::default() });
    let refusals = Some(Refusals { status: 422, count: 0, search });
    let health = LaneHealth { refusals, ..LaneHealth::default() };
    let outcome = status.map_or(OutcomeKind::Timeout, OutcomeKind::of_status);
    let log = LoggedAttempt { status, ..LoggedAttempt::new(batch.attempts + 1, batch.cut_at, outcome) };
    Op::Attempted(Attempted { log, health, ..attempted(batch, Fate::Failed) })
}

pub(in crate::spool) fn records_that_were_refused_alone_die_with_a_later_one_that_was_taken(
    factory: impl EngineFactory,
) {
    let mut fixture = Fixture::new(factory);
    let of = lane(Callback::Ingested);
    fixture.commit(of, 5, 100, NOW);
    let alone = [1, 2, 3].map(|seq| batch(of, seq, seq));
    for (isolated, one) in (1..).zip(&alone[..2]) {
        fixture.cut(one);
        assert_eq!(fixture.apply(refused(one, Some(422), isolated)), Ok(Done::Ok));
    }
    assert!(fixture.refuses(Op::Cut(batch(of, 4, 4))), "3 would be skipped");
    fixture.cut(&alone[2]);
    assert!(fixture.refuses(Op::Cut(batch(of, 4, 4))), "3 is in flight");
    assert_eq!((fixture.lane(of).batches.len(), fixture.usage().dead_records), (3, 0));
    fixture.attempt(&alone[2], Fate::Delivered);
    let state = fixture.lane(of);
    assert_eq!((state.cursor, state.pending_records, state.batches), (Seq(3), 2, vec![]));
    let dead: Vec<_> = fixture.reader().dead_letters(DeadLetterNo(0), 9).unwrap();
    let dead: Vec<_> = dead.iter().map(|letter| (letter.first.0, letter.batch, letter.reason)).collect();
    let letter = |one: &Batch| (one.first.0, Some(one.id), DeadReason::Refused);
    assert_eq!(dead, [letter(&alone[0]), letter(&alone[1])]);
}

pub(in crate::spool) fn a_probe_that_was_in_flight_at_the_end_may_have_been_taken(
    factory: impl EngineFactory,
) {
    let mut fixture = Fixture::new(factory);
    let of = lane(Callback::Ingested);
    fixture.commit(of, 5, 100, NOW);
    let alone = [1, 2].map(|seq| batch(of, seq, seq));
    fixture.cut(&alone[0]);
    assert_eq!(fixture.apply(refused(&alone[0], Some(422), 1)), Ok(Done::Ok));
    fixture.reopen();
    let state = fixture.lane(of);
    let attempts: Vec<u32> = state.batches.iter().map(|batch| batch.attempts).collect();
    assert_eq!((state.cursor, attempts), (Seq(0), vec![1]), "none was in flight");
    fixture.cut(&alone[1]);
    fixture.reopen();
    let state = fixture.lane(of);
    let open: Vec<_> = state.batches.iter().map(|batch| (batch.id, batch.attempts)).collect();
    assert_eq!((state.cursor, open), (Seq(1), vec![(alone[1].id, 1)]));
    assert_eq!((state.health.refusals, fixture.usage().dead_records), (None, 1));
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

pub(in crate::spool) fn an_attempt_is_read_as_it_was_logged(factory: impl EngineFactory) {
    let mut fixture = Fixture::new(factory);
    let of = lane(Callback::Ingested);
    fixture.commit(of, 10, 100, NOW);
    let first = batch(of, 1, 4);
    fixture.cut(&first);
    let long = "ö".repeat(2_000);
    let logs = [
        with_answer("schön", "schön"),
        with_answer(&long, LoggedAnswer::beginning(&long)),
        with_answer("", "the answer has a fault"),
        with_answer("", ""),
        LoggedAttempt {
            detail: Some("no answer".into()),
            ..LoggedAttempt::new(5, NOW, OutcomeKind::Timeout)
        },
        LoggedAttempt {
            exchange: Exchange {
                dns_micros: Some(1),
                connect_micros: Some(2),
                tls_micros: Some(3),
                first_byte_micros: Some(4),
                is_proxy: true,
                ..Exchange::default()
            },
            ..LoggedAttempt::new(6, NOW, OutcomeKind::Delivered)
        },
    ];
    for log in &logs {
        let failed = Attempted { log: log.clone(), ..attempted(&first, Fate::Failed) };
        assert_eq!(fixture.apply(Op::Attempted(failed)), Ok(Done::Ok));
    }
    assert_eq!(fixture.reader().attempts(&first.id).unwrap(), logs);
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
    let failed = Attempted { log: with_answer("schön", "schön"), ..attempted(&second, Fate::Failed) };
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

pub(in crate::spool) fn what_is_skipped_is_settled_and_can_be_replayed(factory: impl EngineFactory) {
    let mut fixture = Fixture::new(factory);
    let of = lane(Callback::Ingested);
    fixture.commit(of, 10, 100, NOW);
    let cut = batch(of, 1, 4);
    fixture.cut(&cut);
    fixture.attempt(&cut, Fate::Failed);
    assert_eq!(fixture.reader().last_batch(of).unwrap().map(|batch| batch.id), Some(cut.id));
    assert!(fixture.refuses(Op::Skip { lane: of, through: Seq(3) }), "a batch is skipped whole");
    assert!(fixture.refuses(Op::Skip { lane: of, through: Seq(11) }), "there is no eleventh record");
    let skipped = fixture.apply(Op::Skip { lane: of, through: Seq(7) });
    assert_eq!(skipped, Ok(Done::Settled { records: 7, bytes: 700 }));
    fixture.reopen();
    let state = fixture.lane(of);
    assert_eq!((state.cursor, state.pending_records, state.pending_bytes), (Seq(7), 3, 300));
    assert_eq!((state.batches, fixture.usage().dead_records), (vec![], 0));
    let search = search::Search { from: SearchStart::Since(Timestamp(0)), to: None, epoch_after: Seq(0) };
    let found = fixture.reader().search(&search, &mut |_| true).unwrap().ranges;
    assert_eq!(found, [RecordRange { lane: of, first: Seq(1), last: Seq(7), records: 7, bytes: 700 }]);
    fixture.deliver(&batch(of, 8, 10));
}
