//! What is sent again takes its turn among what is pending.

use std::time::Duration;

use sidecar::deliver::{LaneCondition, LaneScope, LaneView, Limits, Pauses, StandingPause, Webhook};
use sidecar::record::Callback::{Excluded, Ingested};

use crate::delivery::fixture::{Fixture, Setup, limits, webhook};
use crate::delivery::receiver::{Receiver, Reply};

/// What came: whether it was sent again, and the ids.
fn delivered(receiver: &Receiver) -> Vec<(bool, String)> {
    let received = receiver.received();
    received
        .iter()
        .map(|received| (received.header("sidecar-replay").is_some(), received.ids().join("")))
        .collect()
}

fn again(ids: &str) -> (bool, String) {
    (true, ids.to_owned())
}

fn live(ids: &str) -> (bool, String) {
    (false, ids.to_owned())
}

fn has_replayed(lanes: &[LaneView]) -> bool {
    lanes.iter().all(|lane| lane.replay_ranges == 0 && lane.pending_records == 0)
}

#[test]
fn in_its_lane_a_replay_goes_before_what_is_pending_and_behind_the_batch_that_is_cut() {
    let receiver = Receiver::start([Reply::Answer(200, "", ""), Reply::Answer(500, "", "")]);
    let mut fixture = Fixture::to(&receiver.url());
    fixture.spool(Ingested, &["a", "b"]);
    fixture.settle();
    fixture.spool(Ingested, &["c"]);
    fixture.wait("the cut batch to fail", |lanes| lanes[0].failures == 1);
    fixture.replay(&[Ingested], None);
    fixture.spool(Ingested, &["d", "e", "f"]);
    fixture.wait("all", has_replayed);
    assert_eq!(delivered(&receiver), [live("ab"), live("c"), live("c"), again("ab"), live("def")]);
}

#[test]
fn a_replay_of_a_paused_lane_waits_with_it_and_other_lanes_do_not_wait() {
    let receiver = Receiver::start([]);
    let mut fixture = Fixture::to(&receiver.url());
    fixture.spool(Ingested, &["a"]);
    fixture.settle();
    fixture.spool(Excluded, &["a"]);
    fixture.settle();
    let scope = LaneScope { callback: Some(Ingested), ..LaneScope::default() };
    let pause = StandingPause { scope: scope.clone(), reason: "too busy".into() };
    fixture.deliver.pause(Pauses(vec![pause])).unwrap();
    fixture.replay(&[Ingested, Excluded], None);
    fixture.wait("the other lane", |lanes| lanes.iter().any(|lane| lane.replay_ranges == 0));
    let fixture = fixture.restart();
    let lanes =
        fixture.wait("the pause", |lanes| lanes.iter().any(|lane| lane.state == LaneCondition::Paused));
    let left: Vec<usize> = lanes.iter().map(|view| view.replay_ranges).collect();
    assert_eq!(left.iter().sum::<usize>(), 1, "{left:?}");
    assert_eq!(delivered(&receiver).len(), 3, "a paused lane is not waited for, and sends nothing");
    fixture.deliver.resume(Pauses::default(), scope).unwrap();
    fixture.wait("its end", has_replayed);
    assert_eq!(receiver.received().len(), 4);
}

#[test]
fn a_rate_holds_over_all_lanes() {
    let receiver = Receiver::start([]);
    let mut fixture = Fixture::to(&receiver.url());
    let ids: Vec<String> = (0..30).map(|id| id.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    fixture.spool(Ingested, &ids);
    fixture.spool(Excluded, &ids);
    fixture.settle();
    let id = fixture.replay(&[Ingested, Excluded], Some(40));
    fixture.wait("the replay", has_replayed);
    let replayed: Vec<_> =
        receiver.received().into_iter().filter(|r| r.header("sidecar-replay") == Some(id.as_str())).collect();
    let (first, last) = (&replayed[0], &replayed[replayed.len() - 1]);
    let took = last.at - first.at;
    // 60 records, of which the last batch need not be waited for.
    assert!(took >= Duration::from_millis(1_300), "{took:?}");
    assert_eq!(replayed.iter().map(|r| r.ids().len()).sum::<usize>(), 60);
}

#[test]
fn dead_letters_take_turns_with_the_rest_and_do_not_change_the_lanes_health() {
    let one_by_one = Limits { records_max: 1, ..limits() };
    let replies = [413, 413, 413, 500].map(|status| Reply::Answer(status, "", ""));
    let receiver = Receiver::start(replies);
    let mut fixture = Setup::new([Webhook { limits: one_by_one, ..webhook(&receiver.url()) }]).start();
    fixture.spool(Ingested, &["a", "b", "c"]);
    fixture.settle();
    assert_eq!(fixture.rows("SELECT count(*) FROM dead_letter", |row| row.get::<_, i64>(0)), [3]);
    fixture.deliver.hold(true);
    fixture.spool(Ingested, &["x", "y"]);
    fixture.redeliver_all();
    fixture.deliver.hold(false);
    fixture.wait("all", |lanes| lanes[0].pending_records == 0);
    let left = || {
        fixture
            .rows("SELECT count(*) FROM dead_letter WHERE redelivery IS NOT NULL", |row| row.get::<_, i64>(0))
    };
    fixture.wait("the dead letters", |_| left() == [0]);
    let behind: Vec<_> = delivered(&receiver).split_off(3);
    assert_eq!(behind, [again("a"), live("x"), again("b"), live("y"), again("c")]);
    let lanes = fixture.wait("nothing", |_| true);
    assert_eq!(lanes[0].failures, 0, "a dead letter that failed once more is no failure of the lane");
    assert_eq!(
        fixture.rows("SELECT first FROM dead_letter", |row| row.get::<_, i64>(0)),
        [1],
        "it alone is left"
    );
}
