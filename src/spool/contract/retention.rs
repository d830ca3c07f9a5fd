//! Retention: what is removed, and in which order.

use super::{EngineFactory, Fixture, LATER, NOW, batch, lane};
use crate::record::{Callback, Seq};
use crate::spool::dead_letter::DeadReason;
use crate::spool::ops::{Op, Room};
use crate::time::Timestamp;

pub(in crate::spool) fn age_removes_settled_records_and_never_pending_ones(factory: impl EngineFactory) {
    let mut fixture = Fixture::new(factory);
    let of = lane(Callback::Ingested);
    fixture.commit(of, 100, 100, NOW);
    fixture.commit(of, 100, 100, NOW);
    let cut = batch(of, 1, 100);
    fixture.deliver(&cut);
    let before = fixture.usage().live_bytes;
    fixture.sweep_all(NOW);
    assert_eq!(fixture.usage().live_bytes, before, "not old enough");
    fixture.sweep_all(LATER);
    assert_eq!(fixture.chunks(of), [(101, 200)]);
    let reader = fixture.reader();
    assert_eq!((reader.batch(&cut.id).unwrap(), reader.attempts(&cut.id).unwrap()), (None, vec![]));
    let low_watermark = reader.window(Seq(0)).unwrap().unwrap().low_watermark;
    assert_eq!((low_watermark.seq, low_watermark.at), (Seq(100), NOW));
    assert!(fixture.usage().live_bytes < before);
}

pub(in crate::spool) fn near_its_limit_delivered_records_go_first_then_the_fullest_dead_then_there_is_no_room(
    factory: impl EngineFactory,
) {
    let mut fixture = Fixture::with_limit(factory, 1 << 20);
    let (delivered, dead, healthy) =
        (lane(Callback::Excluded), lane(Callback::Ingested), lane(Callback::Modified));
    for of in [delivered, dead, healthy] {
        for _ in 0..3 {
            fixture.commit(of, 100, 1_000, NOW);
        }
    }
    fixture.deliver(&batch(delivered, 1, 300));
    let reason = DeadReason::GivenUp;
    fixture.apply(Op::GiveUp { lane: dead, through: Seq(600), reason, at: NOW }).unwrap();
    let cutoff = Timestamp(0);
    assert!(fixture.opened().engine.is_near());
    fixture.sweep(cutoff);
    assert!(fixture.chunks(delivered).len() < 3, "delivered records go first");
    assert_eq!((fixture.chunks(dead).len(), fixture.usage().dead_records), (3, 300));
    // With less room left, dead letters follow.
    for _ in 0..3 {
        fixture.commit(healthy, 100, 1_000, NOW);
    }
    fixture.sweep_all(cutoff);
    assert_eq!((fixture.chunks(delivered).len(), fixture.usage().dead_records), (0, 0));
    assert_eq!(fixture.chunks(healthy).len(), 6, "what is pending is never removed");
    for _ in 0..6 {
        fixture.commit(healthy, 100, 1_000, NOW);
        fixture.sweep_all(cutoff);
    }
    assert_eq!(fixture.opened().engine.room(), Room::Full);
    assert_eq!((fixture.chunks(dead).len(), fixture.chunks(healthy).len()), (0, 12));
}
