//! Requests as receivers rely on them, and what survives.

use std::time::{Duration, Instant};

use hmac::{Hmac, Mac as _};
use sidecar::deliver::{
    LaneCondition, LaneScope, LaneView, Limits, Pauses, SigningSecret, StandingPause, Webhook,
};
use sidecar::record::Callback::{self, Excluded, Ingested, Modified};
use sidecar::record::{Seq, WaitsFor};
use sidecar::secret::Secret;
use uuid::Uuid;

use crate::delivery::fixture::{EPOCH, Fixture, Setup, lane, limits, webhook};
use crate::delivery::receiver::{Receiver, Reply};

#[test]
fn a_request_has_the_documented_headers_and_body() {
    let receiver = Receiver::start([]);
    let own = ("authorization".parse().unwrap(), Secret::of("Basic x".parse().unwrap()));
    let secrets = vec![SigningSecret::parse("new").unwrap(), SigningSecret::parse("old").unwrap()];
    let mut fixture =
        Setup::new([Webhook { headers: vec![own], secrets, ..webhook(&receiver.url()) }]).start();
    fixture.spool(Excluded, &["a", "b"]);
    let [request] = &receiver.wait_for(1)[..] else { panic!("one request") };
    assert_eq!(request.line, "POST /hook?a=b HTTP/1.1");
    assert_eq!(request.body, r#"{"docs":[{"id":"a","key":null},{"id":"b","key":null}]}"#);
    let header = |name| request.header(name).unwrap_or_else(|| panic!("{name} in {:?}", request.headers));
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    assert_eq!(Uuid::parse_str(id).unwrap().get_version_num(), 7);
    let signed = ["new", "old"].map(|secret| {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{id}.{timestamp}.{}", request.body).as_bytes());
        let code = mac.finalize().into_bytes();
        format!("v1,{}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, code))
    });
    let expected = [
        ("authorization", "Basic x".to_owned()),
        ("content-type", "application/json".to_owned()),
        ("host", receiver.address.to_string()),
        ("sidecar-attempt", "1".to_owned()),
        ("sidecar-callback", "excluded".to_owned()),
        ("sidecar-epoch", EPOCH.to_string()),
        ("sidecar-positions", "0-1/1..0-1/2".to_owned()),
        ("sidecar-project", "Haus%205".to_owned()),
        ("user-agent", concat!("sidecar/", env!("CARGO_PKG_VERSION")).to_owned()),
        ("webhook-signature", signed.join(" ")),
    ];
    for (name, value) in expected {
        assert_eq!(header(name), value, "{name}");
    }
    let trace = format!("00-{}-", id.replace('-', ""));
    assert!(header("traceparent").starts_with(&trace), "{}", header("traceparent"));
    assert_eq!(request.headers.len(), expected_count(), "{:?}", request.headers);
}

/// Those named above, the id, the trace, the timestamp and the body's length: no header more.
fn expected_count() -> usize {
    10 + 4
}

/// Each record is spooled by itself, so that the batch lies in three chunks.
#[test]
fn a_batch_is_the_same_on_every_attempt_also_after_a_death() {
    let receiver = Receiver::start(vec![Reply::Answer(500, "", ""); 3]);
    let limits = Limits {
        wait_max: Duration::from_secs(30),
        retry_schedule: vec![Duration::from_millis(50), Duration::from_millis(50), Duration::from_secs(2)],
        ..limits()
    };
    let mut fixture = Setup::new([Webhook { limits, ..webhook(&receiver.url()) }]).start();
    for id in ["a", "b", "c", "d"] {
        fixture.spool(Ingested, &[id]);
    }
    receiver.wait_for(3);
    fixture.wait("the third failure", |lanes| lanes[0].failures == 3);
    let mut fixture = fixture.restart();
    assert_eq!(fixture.deliver.view()[0].failures, 3, "a lane's health survives");
    fixture.spool(Ingested, &["e", "f"]);
    let received = receiver.wait_for(5);
    fixture.settle();
    let sent = |name: &str| -> Vec<String> {
        received.iter().map(|received| received.header(name).unwrap().to_owned()).collect()
    };
    let bodies: Vec<_> = received.iter().map(|received| received.ids().join("")).collect();
    assert_eq!(bodies, ["abc", "abc", "abc", "abc", "def"]);
    let ids = sent("webhook-id");
    assert!(ids[..4].iter().all(|id| *id == ids[0]) && ids[4] != ids[0]);
    assert_eq!(sent("sidecar-attempt"), ["1", "2", "3", "5", "1"], "a death counts as one lost attempt");
    assert_eq!(sent("sidecar-positions")[3..], ["0-1/1..0-3/1", "0-4/1..0-5/2"]);
    let outcomes: Vec<_> = fixture.attempts().into_iter().map(|(.., outcome)| outcome).collect();
    assert_eq!(outcomes, ["status", "status", "status", "lost", "delivered", "delivered"]);
}

#[test]
fn a_batch_holds_records_of_one_epoch() {
    let receiver = Receiver::start([]);
    let limits = Limits { records_max: 5, wait_max: Duration::from_millis(300), ..limits() };
    let mut fixture = Setup::new([Webhook { limits, ..webhook(&receiver.url()) }]).start();
    let next = Uuid::from_u128(2);
    fixture.spool(Ingested, &["a", "b"]);
    fixture.begin_epoch(next);
    fixture.spool(Ingested, &["c", "d"]);
    let received = receiver.wait_for(2);
    let sent: Vec<_> = received
        .iter()
        .map(|received| (received.ids().join(""), received.header("sidecar-epoch").unwrap().to_owned()))
        .collect();
    assert_eq!(sent, [("ab".to_owned(), EPOCH.to_string()), ("cd".to_owned(), next.to_string())]);
}

#[test]
fn modified_does_not_overtake_the_ingested_of_its_document_and_waits_no_longer_than_order_wait() {
    let failing = Receiver::start(vec![Reply::Answer(500, "", ""); 100]);
    let other = Receiver::start([]);
    let to = |url: &str, callback: Callback, order_wait| Webhook {
        callback: Some(callback),
        limits: Limits { order_wait, ..limits() },
        ..webhook(url)
    };
    let order_wait = Duration::from_millis(900);
    let (ingested, modified) =
        (to(&failing.url(), Ingested, order_wait), to(&other.url(), Modified, order_wait));
    let mut fixture = Setup::new([ingested, modified]).start();
    let after = |ingested| WaitsFor([Seq(0), Seq(ingested), Seq(0)]);
    fixture.spool_all(&[
        (Modified, "free", WaitsFor::default()),
        (Ingested, "doc", WaitsFor::default()),
        (Modified, "doc", after(2)),
    ]);
    let received = other.wait_for(2);
    assert_eq!([received[0].ids(), received[1].ids()], [["free"], ["doc"]]);
    let waited = received[1].at - failing.received()[0].at;
    assert!(waited >= order_wait, "{waited:?}");
}

#[test]
fn a_paused_lane_sends_nothing_and_goes_on_at_once_when_resumed() {
    let receiver = Receiver::start([]);
    let mut fixture = Fixture::to(&receiver.url());
    let scope = LaneScope { callback: Some(Ingested), ..LaneScope::default() };
    let pause = StandingPause { scope: scope.clone(), reason: "too busy".into() };
    fixture.deliver.pause(Pauses(vec![pause])).unwrap();
    fixture.spool(Ingested, &["a"]);
    fixture.spool(Excluded, &["b"]);
    let is_done = |lanes: &[LaneView]| lanes.iter().any(|lane| lane.state == LaneCondition::Idle);
    fixture.wait("the other lane", is_done);
    let fixture = fixture.restart();
    let lanes = fixture.wait("the other lane", is_done);
    let paused = lanes.iter().find(|view| view.lane == lane(Ingested)).unwrap();
    assert_eq!((paused.state, paused.reason.as_deref()), (LaneCondition::Paused, Some("too busy")));
    fixture.deliver.resume(Pauses::default(), scope).unwrap();
    fixture.settle();
    assert_eq!(receiver.received().iter().map(|received| received.ids().join("")).collect::<String>(), "ba");
}

#[test]
fn a_lane_without_a_webhook_keeps_its_records_and_resumes_when_one_returns() {
    let receiver = Receiver::start([Reply::Answer(500, "", "")]);
    let limits = Limits { retry_schedule: vec![Duration::from_hours(1)], ..limits() };
    let failing = Webhook { limits, ..webhook(&receiver.url()) };
    let mut fixture = Setup::new([failing.clone()]).start();
    fixture.spool(Ingested, &["a"]);
    fixture.wait("the failure", |lanes| lanes[0].state == LaneCondition::Failing);
    fixture.routed(Vec::new());
    fixture.wait("its webhook to go", |lanes| lanes[0].state == LaneCondition::WithoutWebhook);
    let mut fixture = fixture.restart();
    fixture.wait("the lane", |lanes| {
        lanes[0].state == LaneCondition::WithoutWebhook && lanes[0].pending_records == 1
    });
    fixture.routed(vec![failing]);
    fixture.settle();
    assert_eq!(receiver.received().len(), 2, "it is tried at once, whatever it waited for before");
}

#[test]
fn what_a_lane_without_a_webhook_has_held_for_retain_is_discarded_and_counted() {
    let receiver = Receiver::start([Reply::Answer(500, "", "")]);
    let limits = Limits { retry_schedule: vec![Duration::from_hours(1)], ..limits() };
    let mut setup = Setup::new([Webhook { limits, ..webhook(&receiver.url()) }]);
    setup.retain = Duration::from_millis(1_500);
    let mut fixture = setup.start();
    fixture.spool(Ingested, &["a", "b", "c", "d"]);
    fixture.wait("the failure", |lanes| lanes[0].state == LaneCondition::Failing);
    fixture.routed(Vec::new());
    fixture.wait("its webhook to go", |lanes| {
        lanes[0].state == LaneCondition::WithoutWebhook && lanes[0].pending_records == 4
    });
    fixture.settle();
    assert_eq!(fixture.metrics.records_discarded.get(), 4);
    assert_eq!(fixture.rows("SELECT count(*) FROM chunk", |row| row.get::<_, u32>(0)), [0]);
    fixture.routed(vec![webhook(&receiver.url())]);
    fixture.spool(Ingested, &["e"]);
    assert_eq!(receiver.wait_for(2)[1].ids(), ["e"]);
}

#[test]
fn what_a_failing_lane_holds_too_much_of_becomes_a_dead_letter_the_oldest_first() {
    let receiver = Receiver::start(vec![Reply::Answer(500, "", ""); 100]);
    let limits = Limits { retry_schedule: vec![Duration::from_hours(1)], records_max: 1, ..limits() };
    let mut setup = Setup::new([Webhook { limits, ..webhook(&receiver.url()) }]);
    setup.lane_bytes_max = 60;
    let mut fixture = setup.start();
    fixture.spool(Ingested, &["a"]);
    fixture.wait("the failure", |lanes| lanes[0].state == LaneCondition::Failing);
    fixture.spool(Ingested, &["b"]);
    fixture.spool(Ingested, &["c"]);
    let lanes = fixture.wait("room", |lanes| lanes[0].pending_bytes <= 60);
    assert_eq!(lanes[0].pending_records, 2);
    let dead = fixture.rows("SELECT first, last, reason, batch IS NOT NULL FROM dead_letter", |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    });
    assert_eq!(dead, [(1, 1, "lane_full".to_owned(), true)]);
}

#[test]
fn a_stop_waits_for_what_is_in_flight_and_writes_its_outcome_down() {
    let receiver = Receiver::start([Reply::Endless { pause: Duration::from_millis(60) }]);
    let limits = Limits { response_bytes_max: 5 * 1024, records_max: 1, ..limits() };
    let mut fixture = Setup::new([Webhook { limits, ..webhook(&receiver.url()) }]).start();
    fixture.spool(Ingested, &["a", "b"]);
    receiver.wait_for(1);
    let began = Instant::now();
    fixture.deliver.stop(Duration::from_secs(10));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(fixture.attempts(), [(1, Some(200), "delivered".to_owned())]);
    let fixture = fixture.restart();
    fixture.settle();
    assert_eq!(receiver.received().len(), 2);
}

#[test]
fn while_held_nothing_is_sent() {
    let receiver = Receiver::start([]);
    let mut fixture = Fixture::to(&receiver.url());
    fixture.deliver.hold(true);
    fixture.spool(Ingested, &["a"]);
    fixture.wait("the record", |lanes| lanes[0].oldest.is_some_and(|age| age > limits().wait_max * 5));
    assert_eq!(receiver.received().len(), 0);
    fixture.deliver.hold(false);
    fixture.settle();
}

#[test]
fn hundreds_of_webhooks_that_hang_on_one_host_hold_up_nobody_elsewhere() {
    let hanging = Receiver::start(vec![Reply::Hang; 10_000]);
    let healthy = Receiver::start([]);
    let slow = Limits { timeout: Duration::from_secs(30), ..limits() };
    let own = Webhook { project: Some(crate::delivery::fixture::PROJECT.into()), ..webhook(&healthy.url()) };
    let mut fixture = Setup::new([own, Webhook { limits: slow, ..webhook(&hanging.url()) }]).start();
    fixture.spool(Excluded, &["first"]);
    fixture.settle();
    let names: Vec<String> = (0..320).map(|number| format!("hangs{number}")).collect();
    fixture.spool_projects(&names);
    hanging.wait_for(3);
    for id in 0..20 {
        let began = Instant::now();
        fixture.spool(Ingested, &[&id.to_string()]);
        healthy.wait_for(id + 2);
        assert!(began.elapsed() < Duration::from_secs(5), "record {id} took {:?}", began.elapsed());
    }
}

#[test]
fn placeholders_of_a_url_are_filled_in_for_each_lane() {
    let receiver = Receiver::start([]);
    let mut fixture = Fixture::to(&format!("http://{}/{{project}}/x?of={{callback}}", receiver.address));
    let names = ["a/b?c", "..", "d"].map(str::to_owned);
    fixture.spool_projects(&names);
    let mut lines: Vec<String> = receiver.wait_for(3).into_iter().map(|request| request.line).collect();
    lines.sort();
    let path = |project| format!("POST /{project}/x?of=ingested HTTP/1.1");
    assert_eq!(lines, ["%252E%252E", "a%2Fb%3Fc", "d"].map(path));
}

#[test]
fn a_long_body_is_compressed_where_its_webhook_wants_it() {
    let receiver = Receiver::start([]);
    let limits = Limits { gzip: true, records_max: 1, ..limits() };
    let mut fixture = Setup::new([Webhook { limits, ..webhook(&receiver.url()) }]).start();
    let long = "a".repeat(10_000);
    fixture.spool(Ingested, &["short", &long]);
    let received = receiver.wait_for(2);
    let seen = |at: usize| {
        let length: usize = received[at].header("content-length").unwrap().parse().unwrap();
        (received[at].header("content-encoding"), length < 200, received[at].ids())
    };
    assert_eq!(seen(0), (None, true, vec!["short".to_owned()]));
    assert_eq!(seen(1), (Some("gzip"), true, vec![long]));
}
