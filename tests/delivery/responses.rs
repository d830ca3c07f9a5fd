//! What an answer means.

use std::time::Duration;

use sidecar::deliver::{LaneCondition, Limits, Webhook};
use sidecar::record::Callback::Ingested;

use crate::delivery::fixture::{Fixture, Setup, limits, webhook};
use crate::delivery::receiver::{Receiver, Reply};

/// The outcomes of the attempts that one record took, with these first replies.
fn outcomes(replies: &[Reply], limits: Limits) -> Vec<String> {
    let receiver = Receiver::start(replies.iter().cloned());
    let webhook = Webhook { limits, ..webhook(&receiver.url()) };
    let mut fixture = Setup::new([webhook]).start();
    fixture.spool(Ingested, &["a"]);
    fixture.settle();
    let ids: Vec<_> = receiver
        .received()
        .iter()
        .map(|received| received.header("webhook-id").unwrap().to_owned())
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "the same batch is the same batch");
    let attempts = fixture.attempts();
    assert_eq!(attempts.len(), ids.len(), "every request on the wire is one attempt in the log");
    assert!(attempts.iter().map(|(number, ..)| *number).eq(1..=u32::try_from(ids.len()).unwrap()));
    attempts.into_iter().map(|(.., outcome)| outcome).collect()
}

#[test]
fn any_2xx_is_a_success_and_anything_else_is_tried_again() {
    for status in [200, 201, 204] {
        assert_eq!(outcomes(&[Reply::Answer(status, "", "")], limits()), ["delivered"], "{status}");
    }
    for status in [304, 400, 401, 404, 500, 503] {
        let expected = if status == 304 { "redirect" } else { "status" };
        assert_eq!(outcomes(&[Reply::Answer(status, "", "")], limits()), [expected, "delivered"], "{status}");
    }
}

#[test]
fn a_redirect_is_a_failure_and_is_not_followed() {
    let elsewhere = Receiver::start([]);
    let location: &'static str = format!("location: {}\r\n", elsewhere.url()).leak();
    for status in [301, 302, 307, 308] {
        assert_eq!(outcomes(&[Reply::Answer(status, location, "")], limits()), ["redirect", "delivered"]);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn retry_after_is_waited_for() {
    let receiver = Receiver::start([Reply::Answer(429, "retry-after: 1\r\n", "slow down")]);
    let schedule = vec![Duration::from_millis(20), Duration::from_mins(1)];
    let limits = Limits { retry_schedule: schedule, ..limits() };
    let mut fixture = Setup::new([Webhook { limits, ..webhook(&receiver.url()) }]).start();
    fixture.spool(Ingested, &["a"]);
    let received = receiver.wait_for(2);
    let waited = received[1].at - received[0].at;
    assert!(waited >= Duration::from_millis(990), "{waited:?}");
    fixture.settle();
    let bodies: Vec<String> = fixture.rows("SELECT body FROM attempt ORDER BY no LIMIT 1", |row| row.get(0));
    assert_eq!(bodies, ["slow down"]);
}

#[test]
fn a_receiver_that_hangs_is_a_timeout() {
    let limits = Limits { timeout: Duration::from_millis(200), ..limits() };
    assert_eq!(outcomes(&[Reply::Hang], limits), ["timeout", "delivered"]);
}

#[test]
fn of_an_answer_no_more_is_read_than_is_allowed_and_a_success_stays_one() {
    let limits = Limits { response_bytes_max: 8 * 1024, ..limits() };
    assert_eq!(outcomes(&[Reply::Endless { pause: Duration::ZERO }], limits), ["delivered"]);
}

#[test]
fn a_success_whose_answer_does_not_end_in_time_stays_one() {
    let limits = Limits { timeout: Duration::from_millis(300), ..limits() };
    let slow = Reply::Endless { pause: Duration::from_millis(50) };
    assert_eq!(outcomes(&[slow], limits), ["delivered"]);
}

#[test]
fn a_reset_is_reported_as_a_reset() {
    assert_eq!(outcomes(&[Reply::Reset], limits()), ["reset", "delivered"]);
}

#[test]
fn a_batch_refused_as_too_large_goes_in_smaller_ones_and_a_single_record_becomes_a_dead_letter() {
    let large = Reply::Answer(413, "", "");
    let receiver = Receiver::start([large.clone(), large]);
    let mut fixture = Fixture::to(&receiver.url());
    fixture.spool(Ingested, &["a", "b", "c"]);
    let received = receiver.wait_for(4);
    fixture.settle();
    let ids: Vec<_> = received.iter().map(|received| received.ids().join("")).collect();
    assert_eq!(ids, ["abc", "a", "b", "c"]);
    let dead = fixture.rows("SELECT records, reason FROM dead_letter", |row| Ok((row.get(0)?, row.get(1)?)));
    assert_eq!(dead, [(1_u32, "too_large".to_owned())]);
    let lane = &fixture.deliver.view()[0];
    assert_eq!((lane.state, lane.failures), (LaneCondition::Idle, 0));
}

/// Of one attempt: whether its steps have times, the bits of its connection, the step that failed, headers,
/// length of the body, whether the next one is later, and the peer.
type LoggedRow =
    (Option<bool>, Option<i64>, Option<String>, Option<String>, Option<u32>, Option<bool>, String);

#[test]
fn an_attempt_is_logged_with_its_steps_and_the_beginning_of_an_unwelcome_answer() {
    let body: &'static str = "x".repeat(9_000).leak();
    let headers = "server: nginx\r\nset-cookie: geheim\r\nx-request-id: 7\r\n";
    let receiver = Receiver::start([Reply::Answer(503, headers, body)]);
    let url = receiver.url().replace("127.0.0.1", "localhost");
    let mut fixture = Fixture::to(&url);
    fixture.spool(Ingested, &["a"]);
    fixture.settle();
    let sql = "SELECT connect_micros > 0 AND first_byte_micros > 0 AND dns_micros > 0 AND tls_micros IS NULL, \
               connection, phase, headers, length(body), next_at > started_at, peer FROM attempt ORDER BY no";
    let rows: Vec<LoggedRow> = fixture.rows(sql, |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
    });
    let headers = "content-length: 9000\nserver: nginx\nx-request-id: 7\n";
    let peer = receiver.address.to_string();
    let failed = (
        Some(true),
        None,
        Some("answer".into()),
        Some(headers.into()),
        Some(4_096),
        Some(true),
        peer.clone(),
    );
    // On the same connection, so that nothing but the answer is waited for.
    assert_eq!(rows, [failed, (None, Some(1), None, None, None, None, peer)]);
    let details: Vec<Option<String>> =
        fixture.rows("SELECT detail FROM attempt ORDER BY no", |row| row.get(0));
    assert_eq!(details, [None, None], "it is the beginning of the body");
}
