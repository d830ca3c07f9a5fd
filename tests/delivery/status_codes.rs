//! The status decides, whatever is wrong with the rest of an answer.

use std::time::Duration;

use sidecar::deliver::{Limits, Webhook};
use sidecar::record::Callback::Ingested;

use crate::delivery::fixture::{Setup, limits, webhook};
use crate::delivery::receiver::{Receiver, Reply};

/// What follows a status line, and is wrong.
fn broken() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let many = |count: usize| {
        let lines: String = (0..count).map(|_| "x-many: y\r\n").collect();
        text(&format!("{lines}content-length: 2\r\n\r\nok"))
    };
    let long = |bytes: usize| text(&format!("x: {}\r\ncontent-length: 2\r\n\r\nok", "y".repeat(bytes)));
    vec![
        ("a line without a colon", text("what is this\r\ncontent-length: 2\r\n\r\nok")),
        ("a name with a blank", text("bad name: x\r\ncontent-length: 2\r\n\r\nok")),
        ("a blank before the colon", text("name : x\r\ncontent-length: 2\r\n\r\nok")),
        ("an empty name", text(": x\r\ncontent-length: 2\r\n\r\nok")),
        ("a folded line", text("name: x\r\n y\r\ncontent-length: 2\r\n\r\nok")),
        ("a folded first line", text(" y\r\ncontent-length: 2\r\n\r\nok")),
        ("a control character", text("name: x\u{1}y\r\ncontent-length: 2\r\n\r\nok")),
        ("a NUL", text("name: x\0y\r\ncontent-length: 2\r\n\r\nok")),
        ("bytes that are no UTF-8", b"name: \xff\xfe\r\ncontent-length: 2\r\n\r\nok".to_vec()),
        ("a name that is no UTF-8", b"n\xffme: x\r\ncontent-length: 2\r\n\r\nok".to_vec()),
        ("bare line feeds", text("name: x\ncontent-length: 2\n\nok")),
        ("120 headers", many(120)),
        ("2,000 headers", many(2_000)),
        ("a header of 64 KiB", long(64 * 1024)),
        ("a header of 1 MiB", long(1024 * 1024)),
        ("two lengths", text("content-length: 2\r\ncontent-length: 3\r\n\r\nok")),
        ("a length that is none", text("content-length: two\r\n\r\nok")),
        ("a negative length", text("content-length: -1\r\n\r\nok")),
        (
            "a length and chunks",
            text("content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        ),
        ("an unknown coding", text("transfer-encoding: zip\r\n\r\nok")),
        ("a body shorter than announced", text("content-length: 9\r\n\r\nok")),
        ("a body longer than announced", text("content-length: 1\r\n\r\nok")),
        ("no body where one is announced", text("content-length: 9\r\n\r\n")),
        ("a chunk whose size is none", text("transfer-encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n")),
        ("a chunk cut short", text("transfer-encoding: chunked\r\n\r\n9\r\nok")),
        ("chunks without an end", text("transfer-encoding: chunked\r\n\r\n2\r\nok\r\n")),
        ("a bad trailer", text("transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nbad\r\n\r\n")),
        ("wrong gzip", text("content-encoding: gzip\r\ncontent-length: 2\r\n\r\nok")),
        ("a body past what is read", text(&format!("content-length: 99999\r\n\r\n{}", "x".repeat(99_999)))),
        ("an end within the head", text("content-len")),
        ("an end behind the status", Vec::new()),
    ]
}

fn starts() -> Vec<&'static str> {
    vec![
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 201 Created\r\n",
        "HTTP/1.1 202\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n",
        "HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\nHTTP/1.1 299 \u{fffd}\r\n",
    ]
}

/// How the first attempt ended, with what detail, and whether another request was made.
fn first(reply: Reply) -> (Option<u16>, String, String, usize) {
    let receiver = Receiver::start([reply]);
    let limits = Limits { timeout: Duration::from_millis(700), response_bytes_max: 8 * 1024, ..limits() };
    let mut fixture = Setup::new([Webhook { limits, ..webhook(&receiver.url()) }]).start();
    fixture.spool(Ingested, &["a"]);
    fixture.settle();
    let sql = "SELECT status, outcome, coalesce(detail, body, '') FROM attempt ORDER BY no LIMIT 1";
    let (status, outcome, detail) =
        fixture.rows(sql, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).remove(0);
    (status, outcome, detail, receiver.received().len())
}

/// Many at once: each waits for sockets, none for the machine.
fn sweep(members: Vec<(String, Reply)>, check: impl Fn(&str, (Option<u16>, String, String, usize)) + Sync) {
    let members = std::sync::Mutex::new(members);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some((name, reply)) = { members.lock().unwrap().pop() } {
                    check(&name, first(reply));
                }
            });
        }
    });
}

#[test]
fn a_success_is_one_whatever_is_wrong_behind_its_status() {
    let mut members = Vec::new();
    for (name, rest) in broken() {
        for start in starts() {
            let bytes: &'static [u8] = [start.as_bytes(), &rest].concat().leak();
            members.push((format!("{name} behind {start:?}, closed"), Reply::Raw(bytes)));
        }
        let bytes: &'static [u8] = [starts()[0].as_bytes(), &rest].concat().leak();
        members.push((format!("{name}, reset"), Reply::RawAndReset(bytes)));
        members.push((format!("{name}, hanging"), Reply::RawAndHang(bytes)));
    }
    assert!(members.len() > 200);
    sweep(members, |name, (status, outcome, detail, requests)| {
        assert!(
            status.is_some_and(|status| status / 100 == 2) && outcome == "delivered" && requests == 1,
            "{name}: {status:?} {outcome} {detail} after {requests} requests"
        );
        let is_cut = ["shorter", "cut short", "past", "an end"].iter().any(|word| name.starts_with(word));
        assert!(!is_cut || detail.contains("has a fault"), "{name}: {detail:?}");
    });
}

#[test]
fn a_failure_keeps_its_status_whatever_is_wrong_behind_it() {
    let failing =
        |rest: &[u8]| -> &'static [u8] { [b"HTTP/1.1 503 Unavailable\r\n".as_slice(), rest].concat().leak() };
    let members = broken().into_iter().map(|(name, rest)| (name.to_owned(), Reply::Raw(failing(&rest))));
    sweep(members.collect(), |name, (status, outcome, detail, requests)| {
        assert!(
            status == Some(503) && outcome == "status" && requests == 2,
            "{name}: {status:?} {outcome} {detail} after {requests} requests"
        );
    });
}

#[test]
fn what_is_no_answer_is_no_success() {
    let members: [(&str, &'static [u8]); 6] = [
        ("nothing", b""),
        ("half a status line", b"HTTP/1.1 20"),
        ("an interim answer alone", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ("another protocol", b"SSH-2.0-OpenSSH_9.6\r\n"),
        ("a body without a head", b"200 OK\r\n\r\nok"),
        ("a status of four digits", b"HTTP/1.1 2000 OK\r\n\r\n"),
    ];
    let members = members.map(|(name, bytes)| (name.to_owned(), Reply::Raw(bytes)));
    sweep(members.into(), |name, (status, outcome, _, requests)| {
        assert!(status.is_none() && outcome != "delivered" && requests == 2, "{name}: {status:?} {outcome}");
    });
}
