//! What follows from each answer, through real sockets: one row of a table for each.

use std::time::Duration;

use sidecar::deliver::{LaneCondition, LaneScope, LaneView, Limits, Pauses, Webhook};
use sidecar::outcome::Class;
use sidecar::record::Callback::Ingested;
use sidecar::spool::PausedBy;

use crate::delivery::fixture::{Fixture, Setup, limits, webhook};
use crate::delivery::receiver::{Receiver, Reply};

/// What the receiver got and the sidecar showed.
struct Row {
    answer: String,
    /// After the first answers, while the lane waits: its state, its class and its cause.
    state: (LaneCondition, Option<Class>, Option<&'static str>),
    paused_by: Option<PausedBy>,
    /// The ids of the records of each request.
    requests: Vec<String>,
    /// The records and the reason of each dead letter.
    dead: Vec<(u32, String)>,
}

impl Row {
    fn print(&self) {
        let (state, class, cause) = self.state;
        let class = class.map_or("-", Class::name);
        let dead: Vec<String> =
            self.dead.iter().map(|(records, reason)| format!("{records} {reason}")).collect();
        let (requests, dead) = (self.requests.join(" "), dead.join(", "));
        println!("| {} | {state} | {class} | {} | {requests} | {dead} |", self.answer, cause.unwrap_or("-"));
    }
}

/// Its waits never end by themselves: what is sent at once is told from what waits.
fn patient(url: &str, refusals_max: u32) -> Webhook {
    let retry_schedule = vec![Duration::from_hours(1)];
    let timeout = Duration::from_secs(1);
    Webhook { limits: Limits { retry_schedule, refusals_max, timeout, ..limits() }, ..webhook(url) }
}

fn shown(lane: &LaneView) -> (LaneCondition, Option<Class>, Option<&'static str>) {
    (lane.state, lane.cause.map(|cause| cause.class), lane.cause.map(|cause| cause.name))
}

fn dead(fixture: &Fixture) -> Vec<(u32, String)> {
    fixture.rows("SELECT records, reason FROM dead_letter ORDER BY no", |row| Ok((row.get(0)?, row.get(1)?)))
}

fn requests(receiver: &Receiver) -> Vec<String> {
    receiver.received().iter().map(|received| received.ids().join("")).collect()
}

/// Three records are sent to a receiver that answers so; then the webhook is changed, which tries it at once.
fn row(answer: &str, replies: &[Reply]) -> Row {
    let receiver = Receiver::start(replies.iter().cloned());
    let mut fixture = Setup::new([patient(&receiver.url(), 1)]).start();
    fixture.spool(Ingested, &["a", "b", "c"]);
    let waits = |lane: &LaneView| lane.next_attempt.is_some() || lane.state == LaneCondition::Paused;
    let rests = |lanes: &[LaneView]| lanes[0].pending_records == 0 || waits(&lanes[0]);
    let lane = fixture.wait("the lane to wait", rests).remove(0);
    fixture.routed(vec![webhook(&receiver.url())]);
    fixture.settle();
    let row = Row {
        answer: answer.to_owned(),
        state: shown(&lane),
        paused_by: lane.paused_by,
        requests: requests(&receiver),
        dead: dead(&fixture),
    };
    row.print();
    row
}

fn status(status: u16) -> Reply {
    Reply::Answer(status, "", "why")
}

const NO_DEAD: [(u32, String); 0] = [];

#[test]
fn each_answer_has_its_consequence() {
    println!("| answer | state | class | cause | requests | dead letters |\n|---|---|---|---|---|---|");
    for (answer, reply) in [
        ("200", status(200)),
        ("204", status(204)),
        ("200 with a broken head", Reply::Raw(b"HTTP/1.1 200 OK\r\nwhat\r\n\r\n")),
        ("200, reset behind it", Reply::RawAndReset(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok")),
    ] {
        let row = row(answer, &[reply]);
        assert_eq!((row.state, row.dead), ((LaneCondition::Idle, None, None), NO_DEAD.to_vec()), "{answer}");
        assert_eq!(row.requests, ["abc"], "{answer}");
    }
    let throttled = Reply::Answer(503, "retry-after: 7200\r\n", "");
    for (answer, reply, state, cause) in [
        ("half a status line", Reply::Raw(b"HTTP/1.1 20"), LaneCondition::Failing, "no HTTP"),
        (
            "1xx without an end",
            Reply::Raw(b"HTTP/1.1 100 Continue\r\n\r\n"),
            LaneCondition::Failing,
            "no HTTP",
        ),
        ("408", status(408), LaneCondition::Failing, "not ready"),
        ("425", status(425), LaneCondition::Failing, "not ready"),
        ("429", status(429), LaneCondition::Throttled, "too many requests"),
        ("500", status(500), LaneCondition::Failing, "server error"),
        ("503 with retry-after", throttled, LaneCondition::Throttled, "server error"),
        ("none in time", Reply::Hang, LaneCondition::Failing, "timeout"),
        ("reset", Reply::Reset, LaneCondition::Failing, "connection closed"),
    ] {
        let row = row(answer, &[reply]);
        let (shown, class, why) = row.state;
        assert_eq!((shown, class), (state, Some(Class::Endpoint)), "{answer}");
        assert!(
            why == Some(cause) || cause == "no HTTP" && why == Some("connection closed"),
            "{answer}: {why:?}"
        );
        assert_eq!((row.requests, row.dead), (vec!["abc".to_owned(); 2], NO_DEAD.to_vec()), "{answer}");
    }
    for (code, cause) in [
        (301, "redirect"),
        (401, "credentials"),
        (403, "credentials"),
        (404, "not found"),
        (405, "method"),
        (407, "proxy credentials"),
        (418, "rejected"),
        (451, "rejected"),
    ] {
        let row = row(&code.to_string(), &[status(code)]);
        assert_eq!(row.state, (LaneCondition::NeedsOwner, Some(Class::Setup), Some(cause)), "{code}");
        assert_eq!((row.requests, row.dead), (vec!["abc".to_owned(); 2], NO_DEAD.to_vec()), "{code}");
    }
}

#[test]
fn what_is_refused_is_found_and_what_is_too_large_goes_in_smaller_batches() {
    let size = row("413", &[status(413)]);
    assert_eq!(
        (size.requests, size.dead),
        (vec!["abc".into(), "a".into(), "b".into(), "c".into()], NO_DEAD.to_vec())
    );
    for code in [400, 409, 415, 422] {
        let found = row(&format!("{code} to b"), &[status(code), status(200), status(code)]);
        assert_eq!(found.requests, ["abc", "a", "b", "c"], "{code}");
        assert_eq!(found.dead, [(1, "refused".to_owned())], "{code}");
        let all = row(&format!("{code} to everything"), &[status(code), status(code), status(code)]);
        assert_eq!(all.state, (LaneCondition::NeedsOwner, Some(Class::Setup), Some("refuses all")), "{code}");
        assert_eq!(
            (all.requests, all.dead),
            (["abc", "a", "b", "a", "b", "c"].map(String::from).to_vec(), NO_DEAD.to_vec()),
            "{code}"
        );
    }
}

#[test]
fn a_batch_is_refused_so_many_times_before_the_search() {
    let receiver = Receiver::start([422, 422, 422, 200, 422].map(status));
    let mut fixture = Fixture::to(&receiver.url());
    fixture.spool(Ingested, &["a", "b", "c"]);
    fixture.settle();
    assert_eq!(requests(&receiver), ["abc", "abc", "abc", "a", "b", "c"]);
    let sql = "SELECT status FROM attempt WHERE batch = (SELECT batch FROM dead_letter)";
    let statuses: Vec<u16> = fixture.rows(sql, |row| row.get(0));
    assert_eq!(statuses, [422], "the answer stays with the dead letter");
}

#[test]
fn a_receiver_may_pause_its_webhook() {
    for (answer, reply, again, dead) in [
        ("410", status(410), vec!["abc"], None),
        ("200, `disable`", Reply::Answer(200, "webhook-delivery: disable\r\n", ""), vec![], None),
        ("503, `disable`", Reply::Answer(503, "webhook-delivery: disable\r\n", ""), vec!["abc"], None),
        (
            "422, `abort-message`",
            Reply::Answer(422, "webhook-delivery: abort-message\r\n", ""),
            vec![],
            Some("aborted"),
        ),
        ("500, `abort`", Reply::Answer(500, "Webhook-Delivery: Abort\r\n", ""), vec![], Some("aborted")),
    ] {
        let row = row(answer, &[reply]);
        assert_eq!((row.state.0, row.state.1), (LaneCondition::Paused, Some(Class::Gone)), "{answer}");
        assert_eq!(row.paused_by, Some(PausedBy::Receiver), "{answer}");
        let dead: Vec<(u32, String)> = dead.map(|reason| (3, reason.to_owned())).into_iter().collect();
        assert_eq!(
            (row.requests[1..].to_vec(), row.dead),
            (again.into_iter().map(String::from).collect(), dead),
            "{answer}"
        );
    }
}

#[test]
fn a_pause_by_an_answer_keeps_what_is_spooled_outlives_a_restart_and_ends_with_a_resume() {
    let receiver = Receiver::start([status(410)]);
    let mut fixture = Fixture::to(&receiver.url());
    fixture.spool(Ingested, &["a"]);
    fixture.wait("the pause", |lanes| lanes[0].state == LaneCondition::Paused);
    let mut fixture = fixture.restart();
    fixture.spool(Ingested, &["b"]);
    let lanes = fixture.wait("both records", |lanes| lanes[0].pending_records == 2);
    assert_eq!((lanes[0].state, lanes[0].paused_by), (LaneCondition::Paused, Some(PausedBy::Receiver)));
    assert_eq!(lanes[0].reason.as_deref(), Some("the receiver answered 410 Gone"));
    assert_eq!(receiver.received().len(), 1);
    fixture.deliver.resume(Pauses::default(), LaneScope::default()).unwrap();
    fixture.settle();
    assert_eq!(requests(&receiver), ["a", "a", "b"]);
}

#[test]
fn a_replay_skips_what_is_refused_and_a_redelivery_leaves_it() {
    let receiver = Receiver::start([]);
    let mut fixture = Setup::new([patient(&receiver.url(), 1)]).start();
    fixture.spool(Ingested, &["a", "b", "c"]);
    fixture.settle();
    receiver.answer_next([status(422), status(200), status(422), status(200)]);
    fixture.replay(&[Ingested], None);
    fixture.wait("the replay", |lanes| lanes[0].replay_ranges == 0);
    assert_eq!(requests(&receiver)[1..], ["abc", "a", "b", "c"]);
    let refused: Vec<i64> = fixture.rows("SELECT refused FROM replay_range", |row| row.get(0));
    assert_eq!((refused, dead(&fixture)), (vec![1], NO_DEAD.to_vec()));

    receiver.answer_next([Reply::Answer(500, "webhook-delivery: abort\r\n", "")]);
    fixture.spool(Ingested, &["d"]);
    fixture.wait("the pause", |lanes| lanes[0].state == LaneCondition::Paused);
    fixture.deliver.resume(Pauses::default(), LaneScope::default()).unwrap();
    for (answer, code, state) in [("422", 422, LaneCondition::Idle), ("410", 410, LaneCondition::Paused)] {
        let before = receiver.received().len();
        receiver.answer_next([status(code)]);
        fixture.redeliver_all();
        receiver.wait_for(before + 1);
        let lane =
            fixture.wait("the answer", |lanes| lanes[0].state == state && !lanes[0].in_flight).remove(0);
        assert_eq!((lane.failures, dead(&fixture)), (0, vec![(1, "aborted".to_owned())]), "{answer}");
    }
    fixture.deliver.resume(Pauses::default(), LaneScope::default()).unwrap();
    fixture.redeliver_all();
    fixture.wait("the redelivery", |_| dead(&fixture).is_empty());
}
