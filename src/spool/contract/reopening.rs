//! What a new start finds.

use std::sync::Arc;
use std::time::Duration;

use super::{EngineFactory, Fixture, NOW, batch, lane};
use crate::classify::Identity;
use crate::clock::Clock;
use crate::outcome::OutcomeKind;
use crate::position::Lsn;
use crate::record::{Callback, ProjectNo, Seq};
use crate::spool::batch::Batch;
use crate::spool::fact::Fact;
use crate::spool::group::{Group, Growth};
use crate::spool::lane::{Failure, LaneHealth, Pause, PausedBy, Refusals, Search, SizeLimit};
use crate::spool::ops::{Done, Op};
use crate::spool::replay::ReplayNo;
use crate::spool::stream_position::{OpenTransaction, StreamPosition};
use crate::spool::writer::{Opened, Options, Spool};
use crate::time::{Timestamp, Uptime};

fn identity(id: &str) -> Identity {
    Identity(id.as_bytes().into())
}

fn entry(text: &str) -> Arc<[u8]> {
    text.as_bytes().into()
}

pub(in crate::spool) fn what_is_committed_is_there_after_a_new_start_and_numbers_go_on(
    factory: impl EngineFactory,
) {
    let mut fixture = Fixture::new(factory);
    let position = StreamPosition {
        resume_lsn: Lsn(9),
        last_end: Lsn(8),
        open: Some(OpenTransaction { commit: Lsn(u64::MAX), changes_applied: 4, records_made: 3 }),
    };
    let of = lane(Callback::Ingested);
    fixture.commit(of, 3, 100, NOW);
    fixture.commit_group(Group {
        shadow: vec![(identity("7"), Some(entry("entry")))],
        growth: Growth { documents: 1, bytes: 6 },
        position: Some(position),
        projects: vec![(ProjectNo(0), "p".into())],
        facts: vec![(Fact::Mapping, Some(b"{}".to_vec()))],
        ..Group::default()
    });

    let contents = &fixture.reopen().contents;
    assert!(!contents.is_new);
    assert_eq!((contents.position, contents.last_seq), (Some(position), Seq(3)));
    assert_eq!(contents.projects, ["p"]);
    assert_eq!(contents.facts[&Fact::Mapping], b"{}");
    let [state] = &contents.lanes[..] else { panic!("{contents:?}") };
    assert_eq!((state.last, state.pending_records, state.pending_bytes), (Seq(3), 3, 300));
    assert_eq!(state.oldest, Some((NOW, Uptime(1))));
    assert_eq!(fixture.lanes(), fixture.opened().contents.lanes);
    assert_eq!(fixture.reader().shadow(&identity("7")).unwrap(), Some(entry("entry")));
    let usage = fixture.usage();
    assert_eq!((usage.shadow_documents, usage.shadow_bytes), (1, 6));
}

pub(in crate::spool) fn a_batch_found_unsettled_counts_as_one_lost_attempt_and_is_the_same_batch(
    factory: impl EngineFactory,
) {
    let mut fixture = Fixture::new(factory);
    let of = lane(Callback::Modified);
    fixture.commit(of, 10, 100, NOW);
    let cut = batch(of, 1, 4);
    fixture.cut(&cut);
    for attempts in 1..=2 {
        fixture.reopen();
        let state = fixture.lane(of);
        assert_eq!(state.batches, [Batch { attempts, ..cut.clone() }]);
        assert_eq!(state.health, LaneHealth::default(), "a lost attempt is no failure");
        assert_eq!(fixture.reader().attempts(&cut.id).unwrap().len(), attempts as usize);
    }
}

pub(in crate::spool) fn facts_and_shadow_entries_are_replaced_and_removed(factory: impl EngineFactory) {
    let mut fixture = Fixture::new(factory);
    let group = |facts: [(Fact, Option<&[u8]>); 2], shadow: [(&str, Option<Arc<[u8]>>); 3]| Group {
        facts: facts.map(|(fact, value)| (fact, value.map(<[u8]>::to_vec))).into(),
        shadow: shadow.map(|(id, entry)| (identity(id), entry)).into(),
        ..Group::default()
    };
    let one = [("a", Some(entry("1"))), ("b", Some(entry("2"))), ("c", Some(entry("3")))];
    fixture.commit_group(group([(Fact::Epoch, Some(b"e")), (Fact::Resync, Some(b"r"))], one));
    let two = [("a", Some(entry("4"))), ("b", None), ("d", Some(entry("5")))];
    fixture.commit_group(group([(Fact::Epoch, Some(b"f")), (Fact::Resync, None)], two));
    fixture.reopen();
    let reader = fixture.reader();
    assert_eq!(reader.fact(Fact::Epoch).unwrap().as_deref(), Some(b"f".as_slice()));
    assert_eq!(reader.fact(Fact::Resync).unwrap(), None);
    assert_eq!(reader.shadow(&identity("b")).unwrap(), None);
    let all = [("a", "4"), ("c", "3"), ("d", "5")].map(|(id, text)| (identity(id), entry(text)));
    assert_eq!(reader.shadow_after(None, 9).unwrap(), all);
    assert_eq!(reader.shadow_after(None, 2).unwrap(), all[..2]);
    assert_eq!(reader.shadow_after(Some(&identity("a")), 9).unwrap(), all[1..]);
}

/// If a kill set the uptime back, a retry would be that much later.
pub(in crate::spool) fn the_uptime_goes_on_from_the_last_write(factory: impl EngineFactory) {
    let options = Options { bytes_max: 1 << 30, retain: Duration::from_hours(1) };
    let clock = Clock::start(Uptime(70_000));
    let Opened { spool, .. } =
        Spool::start_without_thread(factory.open(options.bytes_max, NOW), options, clock);
    let health = LaneHealth { failures: 1, retry_at: Some(Uptime(71_000)), ..LaneHealth::default() };
    assert_eq!(spool.apply(Op::SetHealth { lane: lane(Callback::Ingested), health }), Ok(Done::Ok));
    drop(spool);
    assert!(factory.open(options.bytes_max, NOW).contents.uptime >= Uptime(70_000));
}

pub(in crate::spool) fn the_health_of_a_lane_is_read_as_it_was_written(factory: impl EngineFactory) {
    let mut fixture = Fixture::new(factory);
    let search = Search { suspects: 9, accepted: true, isolated: 10, rounds: 11 };
    let refusals = Refusals { status: 422, count: 3, search: Some(search) };
    let health = LaneHealth {
        failures: 4,
        failing_since: Some(Uptime(5)),
        retry_at: Some(Uptime(6)),
        last_failure: Some(Failure { outcome: OutcomeKind::Status, status: Some(429), throttled: true }),
        paused: Some(Pause { since: Uptime(7), reason: "410 Gone".into(), by: PausedBy::Receiver }),
        without_webhook: None,
        size_limit: Some(SizeLimit { bytes: 13, since: Uptime(14) }),
        refusals: Some(refusals),
        replay_refusals: Some((ReplayNo(15), Refusals { search: None, ..refusals })),
    };
    let lost = Failure { outcome: OutcomeKind::Timeout, status: None, throttled: false };
    let timed_out =
        LaneHealth { last_failure: Some(lost), without_webhook: Some(Timestamp(8)), ..LaneHealth::default() };
    let written = [health, timed_out, LaneHealth::default()];
    for (callback, health) in Callback::ALL.into_iter().zip(&written) {
        fixture.commit(lane(callback), 1, 10, NOW);
        let set = Op::SetHealth { lane: lane(callback), health: health.clone() };
        assert_eq!(fixture.apply(set), Ok(Done::Ok));
    }
    let read: Vec<_> = fixture.reopen().contents.lanes.iter().map(|lane| lane.health.clone()).collect();
    assert_eq!(read, written);
}
