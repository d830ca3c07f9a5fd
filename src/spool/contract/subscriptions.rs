//! Subscriptions: what is committed reaches a subscriber once and in order.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::EngineFactory;
use crate::clock::Clock;
use crate::position::Position;
use crate::record::{Callback, LaneNo, ProjectNo, Seq, WaitsFor};
use crate::spool::group::{Group, GroupBuilder};
use crate::spool::ops::Op;
use crate::spool::writer::{Options, Spool};
use crate::time::{Timestamp, Uptime};

const GROUPS: u64 = 300;
const LANES: u32 = 5;

fn start(factory: &impl EngineFactory) -> Spool {
    let options = Options { bytes_max: 1 << 30, retain: Duration::from_hours(1) };
    let clock = Clock::start(Uptime(0));
    Spool::start(factory.open(options.bytes_max, clock.wall()), options, clock).unwrap().spool
}

fn next(seq: Seq) -> Seq {
    Seq(seq.0 + 1)
}

/// The group of one record, and its project where that is new.
fn group(builder: &mut GroupBuilder, known: &mut u32) -> Op {
    let project = u32::try_from(builder.last().0).unwrap() % LANES;
    let lane = LaneNo::new(ProjectNo(project), Callback::Ingested);
    builder.push(lane, Position::default(), Timestamp(0), WaitsFor::default(), 0, b"{}");
    let projects = (*known == project).then(|| (ProjectNo(project), format!("project {project}")));
    *known += u32::from(projects.is_some());
    let chunks = builder.finish(Timestamp(0), Uptime(0));
    Op::Commit(Arc::new(Group { chunks, projects: projects.into_iter().collect(), ..Group::default() }))
}

/// Subscribers come while groups are committed: for each of them, the lanes at its start and the
/// groups that it receives are all that was committed, each record once and in order.
pub(in crate::spool) fn a_snapshot_and_what_follows_it_are_all_that_is_committed(
    factory: impl EngineFactory,
) {
    let spool = start(&factory);
    let writing = spool.clone();
    let writes = std::thread::spawn(move || {
        let (mut builder, mut known) = (GroupBuilder::new(Seq(0)), 0);
        let (sender, written) = mpsc::channel();
        for _ in 0..GROUPS {
            let sender = sender.clone();
            writing.submit(group(&mut builder, &mut known), move |done| sender.send(done).unwrap());
            // The pace of the writer.
            std::thread::sleep(Duration::from_micros(50));
        }
        written.iter().take(usize::try_from(GROUPS).unwrap()).for_each(|done| drop(done.unwrap()));
    });
    let mut subscribers = Vec::new();
    while !writes.is_finished() {
        let (sender, committed) = mpsc::channel();
        let notify = move |appended| drop(sender.send(appended));
        subscribers.push((spool.subscribe(1 << 20, notify).unwrap(), committed));
    }
    writes.join().unwrap();
    let inside = subscribers.iter().filter(|(start, _)| (1..GROUPS).contains(&start.received().0));
    assert!(inside.count() > 0, "none of {} subscribed in between", subscribers.len());
    for (mut subscription, committed) in subscribers {
        let mut expected = next(subscription.received());
        let at_start: u64 = subscription.lanes.iter().map(|lane| lane.pending_records).sum();
        assert_eq!(at_start, subscription.received().0);
        let mut projects = subscription.projects.clone();
        for appended in committed.try_iter() {
            let (new, chunks) = subscription.receive(appended);
            projects.extend(new.into_iter().map(|(_, name)| name));
            for chunk in chunks {
                assert_eq!(chunk.first, expected);
                expected = next(chunk.last);
            }
        }
        assert_eq!(expected, Seq(GROUPS + 1));
        assert_eq!(projects, (0..LANES).map(|no| format!("project {no}")).collect::<Vec<_>>());
    }
}

/// A group is on the disk before its subscriber receives it.
pub(in crate::spool) fn what_was_not_received_is_not_read(factory: impl EngineFactory) {
    let spool = start(&factory);
    let (mut builder, mut known) = (GroupBuilder::new(Seq(0)), 0);
    let lane = LaneNo::new(ProjectNo(0), Callback::Ingested);
    (0..=LANES).for_each(|_| drop(spool.apply(group(&mut builder, &mut known)).unwrap()));
    let (sender, committed) = mpsc::channel();
    let mut subscription = spool.subscribe(0, move |appended| sender.send(appended).unwrap()).unwrap();
    let (before, after) = (subscription.received(), Seq(u64::from(2 * LANES + 1)));
    (0..LANES).for_each(|_| drop(spool.apply(group(&mut builder, &mut known)).unwrap()));
    assert_eq!(subscription.chunks_from(lane, next(before), 1, 1).unwrap(), []);
    assert_eq!(subscription.last_spooled_by(lane, Uptime(9)).unwrap(), Some(before));
    assert_eq!(subscription.seq_freeing(lane, Seq(0), 100).unwrap(), Some(before));
    for appended in committed.try_iter() {
        let (_, chunks) = subscription.receive(appended);
        // There was no room for bytes in the queue.
        assert!(chunks.iter().all(|chunk| chunk.packed.is_empty()));
    }
    let found = subscription.chunks_from(lane, next(before), 1, 1).unwrap().remove(0);
    assert_eq!((found.last, subscription.received()), (after, after));
}
