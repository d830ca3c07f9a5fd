//! Receivers from hell: one row for each thing that a receiver can do wrong, over real sockets.
//!
//! A receiver's first connection misbehaves, and all others behave. For each row the sidecar names what
//! happened, keeps its deadline, takes a bounded number of bytes, and every record arrives in the end.
//! `cargo test --test integration hell -- --nocapture` prints the table.

mod http1;
mod http2;
mod receiver;

use std::sync::Mutex;
use std::time::Duration;

use sidecar::deliver::Limits;
use sidecar::record::Callback::Ingested;

use self::receiver::Seen;
use crate::delivery::fixture::{Fixture, Setup, limits, webhook};

/// A receiver, and what the sidecar says of it.
#[derive(Clone)]
pub struct Row {
    name: &'static str,
    /// The outcome of the first attempt, and a part of its detail. Alternatives stand between bars.
    says: (&'static str, &'static str),
    server: Server,
    /// The first record has 8 MiB, more than sockets take unread.
    large: bool,
}

#[derive(Clone)]
pub enum Server {
    Http1(receiver::Misdeed),
    Http2(http2::Misdeed),
    /// TLS is expected of it.
    Tls(receiver::Misdeed),
}

/// What a row came to.
struct Found {
    outcome: String,
    detail: String,
    took: Duration,
    /// Of the misbehaving connection, as far as it could write.
    bytes: u64,
    /// Requests for each of the two records that were answered well, or whose bad answer was a success.
    arrived: [usize; 2],
    attempts: usize,
}

const TIMEOUT: Duration = Duration::from_millis(600);

fn run(row: &Row) -> Found {
    let name = |id: usize| format!("record-{id}-");
    let first = if row.large { name(0) + &"x".repeat(8 << 20) } else { name(0) };
    let (mut fixture, seen, _server) = started(&row.server);
    for id in [first, name(1)] {
        fixture.spool(Ingested, &[&id]);
        fixture.settle();
    }
    let sql = "SELECT outcome, coalesce(detail, ''), took_micros FROM attempt ORDER BY no";
    let attempts: Vec<(String, String, i64)> =
        fixture.rows(sql, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let (outcome, detail, took) = attempts[0].clone();
    Found {
        outcome,
        detail,
        took: Duration::from_micros(took.unsigned_abs()),
        bytes: seen.written(),
        arrived: [0, 1].map(|id| seen.holding(&name(id))),
        attempts: attempts.len(),
    }
}

fn started(server: &Server) -> (Fixture, Seen, Option<crate::delivery::tls::TlsServer>) {
    let start = |mut setup: Setup| {
        setup.webhooks[0].limits = Limits {
            timeout: TIMEOUT,
            connect_timeout: Duration::from_millis(300),
            response_bytes_max: 64 * 1024,
            ..limits()
        };
        setup.start()
    };
    match server {
        Server::Http1(misdeed) => {
            let (address, seen) = receiver::start(*misdeed);
            (start(Setup::new([webhook(&format!("http://{address}/"))])), seen, None)
        }
        Server::Tls(misdeed) => {
            let (server, seen) = http2::start(None);
            let address = receiver::start_before(*misdeed, server.address, seen.clone());
            let mut setup = server.setup();
            setup.webhooks = vec![webhook(&format!("https://localhost:{}/", address.port()))];
            (start(setup), seen, Some(server))
        }
        Server::Http2(misdeed) => {
            let (server, seen) = http2::start(Some(*misdeed));
            (start(server.setup()), seen, Some(server))
        }
    }
}

#[test]
fn whatever_a_receiver_does_it_is_named_and_bounded_and_every_record_arrives() {
    let rows = [http1::rows(), http2::rows()].concat();
    let next = Mutex::new(rows.iter().enumerate());
    let table = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((number, row)) = { next.lock().unwrap().next() } {
                    let found = run(row);
                    let faults = faults(row, &found);
                    table.lock().unwrap().push((number, line(row, &found, &faults), faults));
                }
            });
        }
    });
    let mut table = table.into_inner().unwrap();
    table.sort_by_key(|(number, ..)| *number);
    for (_, line, _) in &table {
        println!("{line}");
    }
    let wrong: Vec<&String> =
        table.iter().filter(|(.., faults)| !faults.is_empty()).map(|(_, line, _)| line).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What is not as it should be.
fn faults(row: &Row, found: &Found) -> Vec<&'static str> {
    let (outcome, detail) = row.says;
    // The first record's bad answer counts where it was a success.
    let is_success = found.outcome == "delivered";
    let attempts = if is_success { 2 } else { 3 };
    [
        (outcome.split('|').any(|outcome| found.outcome == outcome), "another outcome"),
        (detail.split('|').any(|detail| found.detail.contains(detail)), "another detail"),
        (found.took < TIMEOUT + Duration::from_secs(2), "late"),
        (found.bytes < BYTES_MAX, "too many bytes taken"),
        (is_success || found.arrived[0] > 0, "the first record did not arrive"),
        (found.arrived[1] == 1, "the second record did not arrive once"),
        (found.attempts == attempts, "another number of attempts"),
    ]
    .into_iter()
    .filter_map(|(right, fault)| (!right).then_some(fault))
    .collect()
}

fn line(row: &Row, found: &Found, faults: &[&str]) -> String {
    let detail: String = found.detail.chars().take(110).collect();
    format!(
        "{:<44} {:<9} {:>5} ms {:>7} KiB {}  {}  {detail:?}{}{}",
        row.name,
        found.outcome,
        found.took.as_millis(),
        found.bytes / 1024,
        found.attempts,
        found.arrived.map(|times| times.to_string()).join("+"),
        if faults.is_empty() { "" } else { "  <-- " },
        faults.join(", ")
    )
}

/// The answer is read although writing the request fails behind it.
#[test]
fn an_early_413_followed_by_a_reset_halves_the_batch() {
    let (address, seen) = receiver::start(|wire| {
        wire.beginning();
        wire.say("HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n");
        wire.reset();
    });
    let mut setup = Setup::new([webhook(&format!("http://{address}/"))]);
    setup.webhooks[0].limits.bytes_max = 1 << 30;
    let mut fixture = setup.start();
    let ids = ["a", "b"].map(|id| id.to_owned() + &"x".repeat(4 << 20));
    fixture.spool(Ingested, &ids.each_ref().map(String::as_str));
    fixture.settle();
    let attempts: Vec<_> = fixture.attempts().into_iter().map(|(_, status, _)| status).collect();
    assert_eq!(attempts, [Some(413), Some(200), Some(200)]);
    assert_eq!(["axx", "bxx"].map(|id| seen.holding(id)), [1, 1]);
}

/// What the sockets of both sides hold, and a little more.
const BYTES_MAX: u64 = 24 << 20;
