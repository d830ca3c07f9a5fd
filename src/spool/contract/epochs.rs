//! Epochs: positions begin anew with each.

use super::{EngineFactory, Fixture, NOW, batch, lane};
use crate::position::{Lsn, Position};
use crate::record::{Callback, Seq, WaitsFor};
use crate::spool::group::Group;
use crate::spool::search::{Search, SearchStart};
use crate::spool::stream_position::StreamPosition;

pub(in crate::spool) fn places_are_those_of_the_current_epoch(factory: impl EngineFactory) {
    let mut fixture = Fixture::new(factory);
    let of = lane(Callback::Ingested);
    assert_eq!(fixture.reader().window(Seq(0)).unwrap(), None, "before a first start ended");
    let position = StreamPosition { resume_lsn: Lsn(50), ..StreamPosition::default() };
    fixture.commit_group(Group { position: Some(position), taken_at: Some(NOW), ..Group::default() });
    // Two records of the first epoch, two of the second: at the same places.
    for _ in 0..2 {
        for commit in [100, 200] {
            let place = Position { commit: Lsn(commit), number: 1 };
            fixture.builder.push(of, place, NOW, WaitsFor::default(), 0, &[b'x'; 100]);
        }
        fixture.commit_built(NOW);
    }
    fixture.deliver(&batch(of, 1, 4));
    let found = |epoch_after, from: &str, to: Option<&str>| {
        let (from, to) = (SearchStart::Place(from.parse().unwrap()), to.map(|to| to.parse().unwrap()));
        let found = fixture.reader().search(&Search { from, to, epoch_after }, &mut |_| true).unwrap();
        found.ranges.iter().map(|range| (range.first.0, range.last.0)).collect::<Vec<_>>()
    };
    assert_eq!(found(Seq(0), "0/64", None), [(1, 4)]);
    assert_eq!(found(Seq(2), "0/64", None), [(3, 4)]);
    assert_eq!(found(Seq(2), "0/C8", None), [(4, 4)]);
    assert_eq!(found(Seq(2), "0/64", Some("0/64")), [(3, 3)]);
    let first = |epoch_after| fixture.reader().window(epoch_after).unwrap().unwrap().first;
    assert_eq!(first(Seq(0)), Position { commit: Lsn(49), number: 1 }, "the snapshot's records");
    assert_eq!(first(Seq(2)), Position { commit: Lsn(100), number: 1 }, "the epoch's first record");
}
