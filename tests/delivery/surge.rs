//! A project that makes too many records at once is held, with the reason, until it is resumed.

use std::time::Duration;

use sidecar::deliver::{LaneCondition, LaneScope, LaneView, Limits, Pauses, SurgeLimit, Webhook};

use crate::delivery::fixture::{Fixture, Setup, limits, webhook};
use crate::support::receiver::Receiver;

fn start(url: &str) -> Fixture {
    let limits = Limits { records_max: 100, ..limits() };
    let mut setup = Setup::new([Webhook { limits, ..webhook(url) }]);
    setup.surge = Some(SurgeLimit { records: 1_000, within: Duration::from_hours(1) });
    setup.start()
}

fn of<'a>(lanes: &'a [LaneView], project: &str) -> &'a LaneView {
    lanes.iter().find(|lane| lane.project == project).unwrap()
}

#[test]
fn a_flood_of_one_project_is_held_before_it_is_sent_until_it_is_resumed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let receiver = runtime.block_on(Receiver::start());
    let mut fixture = start(&receiver.url);
    fixture.spool_for_projects(&["some".to_owned()], 1_000);
    fixture.settle();
    assert_eq!(receiver.records_taken(), 1_000, "as many as the limit are sent");
    receiver.forget();

    let flood = fixture.spool_for_projects(&["flood".to_owned()], 5_000);
    fixture.spool_for_projects(&["calm".to_owned()], 1);
    let lanes =
        fixture.wait("the calm record", |lanes| lanes.len() == 3 && of(lanes, "calm").pending_records == 0);
    let held = of(&lanes, "flood");
    assert_eq!((held.state, held.pending_records), (LaneCondition::Paused, 5_000));
    assert_eq!(receiver.records_taken(), 1, "nothing of the flood is sent");
    let expected = "5,000 ingested in 1 s, all from 0-2";
    // The reason names what was counted when it was shown, within a second of the last record.
    let reason = |lanes: &[LaneView]| of(lanes, "flood").reason.clone();
    fixture.wait("the reason", |lanes| reason(lanes).as_deref() == Some(expected));
    assert_eq!(fixture.metrics.surges.get(), 1);

    let mut fixture = fixture.restart();
    let lanes = fixture.wait("the lanes", |lanes| lanes.len() == 3);
    assert_eq!(reason(&lanes).as_deref(), Some(expected), "a restart keeps the pause");
    fixture.spool_more(flood.clone(), 1);
    let scope = LaneScope { project: Some("flood".to_owned()), ..LaneScope::default() };
    fixture.deliver.resume(Pauses::default(), scope).unwrap();
    fixture.settle();
    assert_eq!(receiver.records_taken(), 5_002);
    fixture.spool_more(flood, 2_000);
    fixture.settle();
    assert_eq!(receiver.records_taken(), 7_002, "it is not held again within the time of the limit");
    assert_eq!(fixture.metrics.surges.get(), 0, "counted since the start");
}
