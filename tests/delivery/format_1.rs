//! What is pending in a spool of format 1 is delivered.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use sidecar::deliver::LaneCondition;
use uuid::Uuid;

use crate::delivery::fixture::{Fixture, Setup, webhook};
use crate::delivery::receiver::Receiver;

#[test]
fn what_is_pending_in_a_spool_of_format_1_is_delivered() {
    let receiver = Receiver::start([]);
    // Its rows are old, and stay.
    let setup =
        Setup { retain: Duration::from_hours(24 * 365 * 100), ..Setup::new([webhook(&receiver.url())]) };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/spool-1/spool.sqlite");
    let fixture = Fixture::of(&file, setup);
    let redeliveries = || {
        let sql = "SELECT count(*) FROM dead_letter WHERE redelivery IS NOT NULL";
        fixture.rows(sql, |row| row.get::<_, i64>(0))
    };
    fixture.wait("what is pending", |lanes| {
        let is_done = lanes.iter().all(|lane| {
            lane.replay_ranges == 0 && (lane.pending_records == 0 || lane.state == LaneCondition::Paused)
        });
        is_done && redeliveries() == [0]
    });
    let received = receiver.received();
    let delivered: BTreeSet<(String, bool)> = received
        .iter()
        .flat_map(|request| {
            let again = request.header("sidecar-replay").is_some();
            request.ids().into_iter().map(move |id| (id.clone(), again))
        })
        .collect();
    let (live, again) = (false, true);
    let expected = [
        ("a", again),
        ("b", again),
        ("c", live),
        ("e", again),
        ("f", live),
        ("h", live),
        ("i", live),
        ("j", live),
    ];
    assert_eq!(
        delivered,
        expected.map(|(id, again)| (id.to_owned(), again)).into(),
        "k and l wait in a paused lane"
    );
    let id_of = |document: &str| {
        let request = received.iter().find(|request| request.ids() == [document]).unwrap();
        request.header("webhook-id").unwrap().to_owned()
    };
    let stored = |id: u128| Uuid::from_u128(id).to_string();
    assert_eq!(["i", "j", "a"].map(id_of), [0x13, 0x14, 0x15].map(stored), "what was cut keeps its id");
    let dead = fixture.rows("SELECT first FROM dead_letter", |row| row.get::<_, i64>(0));
    assert_eq!(dead, [4], "the other one was taken");
}
