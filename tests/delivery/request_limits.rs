//! Limits of requests, counted by the receiver.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sidecar::deliver::{HostLimits, Limits, RequestLimits, RequestRate, Webhook};

use crate::delivery::fixture::{Fixture, Setup, limits, webhook};
use crate::support::receiver::{Answer, Receiver};
use crate::support::until_blocking;

/// A receiver that answers after this, and what runs it.
fn receiver(after: Duration) -> (tokio::runtime::Runtime, Receiver) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let receiver = runtime.block_on(Receiver::start());
    receiver.answers(move |_| Answer::Slow(204, after));
    (runtime, receiver)
}

fn of_requests(url: &str, requests: RequestLimits) -> Webhook {
    Webhook { limits: Limits { records_max: 1, requests, ..limits() }, ..webhook(url) }
}

fn rate(requests: f64) -> RequestLimits {
    RequestLimits { rate: RequestRate::per_second(requests), in_flight_max: None }
}

fn at_most(max: u32) -> RequestLimits {
    RequestLimits { rate: None, in_flight_max: Some(max) }
}

/// `records` for each of so many projects, delivered.
fn deliver(setup: Setup, projects: usize, records: usize) -> Fixture {
    let mut fixture = setup.start();
    let names: Vec<String> = (0..projects).map(|number| format!("p{number}")).collect();
    fixture.spool_for_projects(&names, records);
    fixture.settle();
    fixture
}

/// The time between the first and the last request, and their number.
fn span(receiver: &Receiver) -> (Duration, u32) {
    let mut at: Vec<_> = receiver.received().iter().map(|received| received.at).collect();
    at.sort_unstable();
    (at[at.len() - 1] - at[0], u32::try_from(at.len()).unwrap())
}

/// At a tenth more than this many a second at most, on the receiver's clock.
fn assert_rate(receiver: &Receiver, requests: f64) {
    let (took, count) = span(receiver);
    let expected = f64::from(count - 1) / requests;
    // The first request may arrive late on a busy machine.
    assert!(took.as_secs_f64() > expected * 0.8, "{count} requests in {took:?}, at {requests} a second");
}

#[test]
fn requests_per_second_of_a_webhook_hold_for_all_its_lanes() {
    let (_runtime, receiver) = receiver(Duration::ZERO);
    deliver(Setup::new([of_requests(&receiver.url, rate(40.0))]), 5, 12);
    assert_eq!(receiver.received().len(), 60);
    assert_rate(&receiver, 40.0);
    // They took turns: the first half has about as many of each project.
    let received = receiver.received();
    let mut of_project: BTreeMap<&str, usize> = BTreeMap::new();
    received.iter().take(30).for_each(|request| *of_project.entry(request.project()).or_default() += 1);
    assert!(
        of_project.len() == 5 && of_project.values().all(|count| (5..=7).contains(count)),
        "{of_project:?}"
    );
}

#[test]
fn a_host_has_limits_over_all_its_webhooks_and_a_named_one_its_own() {
    let (_runtime, slow) = receiver(Duration::from_millis(20));
    let (_other_runtime, fast) = receiver(Duration::from_millis(20));
    let of_project = |receiver: &Receiver, number: usize| {
        let project = Some(format!("p{number}"));
        Webhook { project, ..of_requests(&receiver.url, RequestLimits::default()) }
    };
    let mut setup =
        Setup::new((0..12).map(|number| of_project(if number % 2 == 0 { &slow } else { &fast }, number)));
    setup.in_flight_max = 64;
    let own = RequestLimits { rate: RequestRate::per_second(40.0), in_flight_max: Some(2) };
    let host = slow.url.trim_start_matches("http://").to_owned();
    setup.host_limits = HostLimits { default: at_most(4), named: [(host, own)].into() };
    let fixture = deliver(setup, 12, 5);
    assert_eq!((slow.received().len(), fast.received().len()), (30, 30));
    assert_rate(&slow, 40.0);
    let at_once = (slow.most_at_once(), fast.most_at_once());
    assert!(at_once.0 <= 2 && (2..=4).contains(&at_once.1), "{at_once:?}");
    assert!(fixture.attempts().iter().all(|(_, status, _)| *status == Some(204)));
}

#[test]
fn in_flight_max_of_a_webhook_holds_for_all_its_lanes_and_a_reload_changes_it() {
    let (_runtime, receiver) = receiver(Duration::from_millis(20));
    let mut setup = Setup::new([of_requests(&receiver.url, at_most(3))]);
    setup.in_flight_max = 32;
    let mut fixture = deliver(setup, 10, 8);
    assert_eq!((receiver.received().len(), receiver.most_at_once()), (80, 3));
    receiver.forget();
    fixture.routed(vec![of_requests(&receiver.url, at_most(1))]);
    fixture.spool_for_projects(&(10..15).map(|number| format!("p{number}")).collect::<Vec<_>>(), 3);
    fixture.settle();
    assert_eq!((receiver.received().len(), receiver.most_at_once()), (15, 1));
}

#[test]
fn a_lane_that_waits_for_a_limit_says_so() {
    let (_runtime, receiver) = receiver(Duration::ZERO);
    let mut fixture = Setup::new([of_requests(&receiver.url, rate(0.01))]).start();
    fixture.spool_for_projects(&["p".to_owned()], 2);
    let lanes =
        fixture.wait("the limit to be reached", |lanes| lanes.iter().any(|lane| lane.reason.is_some()));
    let reason = lanes.iter().find_map(|lane| lane.reason.clone()).unwrap();
    assert!(reason.contains("requests_per_second"), "{reason}");
    assert_eq!(receiver.received().len(), 1);
}

/// Each project has a webhook of its own. Afterwards the host fails, and works again.
#[test]
fn four_thousand_webhooks_of_one_host_share_its_requests_in_flight() {
    const WEBHOOKS: usize = 4_000;
    const MAX: u32 = 16;
    let (_runtime, receiver) = receiver(Duration::from_millis(2));
    let of_project = |number: usize| {
        let limits = Limits { retry_schedule: vec![Duration::from_millis(300)], ..limits() };
        Webhook { project: Some(format!("p{number}")), limits, ..webhook(&receiver.url) }
    };
    let mut setup = Setup::new((0..WEBHOOKS).map(of_project));
    setup.in_flight_max = 64;
    setup.host_limits = HostLimits { default: at_most(MAX), ..HostLimits::default() };
    let mut fixture = setup.start();
    let names: Vec<String> = (0..WEBHOOKS).map(|number| format!("p{number}")).collect();
    let began = Instant::now();
    let numbers = fixture.spool_for_projects(&names, 2);
    fixture.settle();
    let took = began.elapsed();
    assert_eq!(projects(&receiver).len(), WEBHOOKS);
    let most = receiver.most_at_once();
    assert!(most <= MAX as usize && most > MAX as usize / 2, "{most}");

    receiver.answers(|_| Answer::Status(503));
    receiver.forget();
    fixture.spool_more(numbers, 1);
    until_blocking("every webhook to fail", || (projects(&receiver).len() == WEBHOOKS).then_some(()));
    fixture.wait("every lane to fail", |lanes| lanes.iter().all(|lane| lane.failures > 0));
    receiver.forget();
    until_blocking("every webhook to be tried again", || {
        (projects(&receiver).len() == WEBHOOKS).then_some(())
    });
    let while_failing = receiver.most_at_once();
    assert!(
        while_failing <= MAX as usize / 2,
        "failing lanes share a quarter, a host half of it: {while_failing}"
    );

    receiver.forget();
    receiver.answers(|_| Answer::Slow(204, Duration::from_millis(2)));
    let began = Instant::now();
    fixture.settle();
    assert!(receiver.most_at_once() <= MAX as usize);
    println!(
        "{WEBHOOKS} webhooks, at most {most} requests at once: {took:.1?}; while they fail, at most {while_failing}; after it {:.1?}",
        began.elapsed()
    );
}

fn projects(receiver: &Receiver) -> BTreeSet<String> {
    receiver.received().iter().map(|request| request.project().to_owned()).collect()
}
