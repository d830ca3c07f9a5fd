//! How many instructions the parts of the pipeline take for the same changes: decode, classify, the index and the
//! open group; the commit of the group; cut, send and settle. `make bench-check` fails where one takes more than is
//! allowed here, whatever else the machine does.
//!
//! Lower a limit with the change that made it possible. Raise one only with the reason in the commit.
//! The counts are those of the profile that the tests are built with.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark fails loudly, and uses what it needs of the simulation"
)]

#[path = "../../tests/support/model.rs"]
mod model;
#[path = "../../tests/simulation/postgres.rs"]
mod postgres;
#[path = "../../tests/simulation/process.rs"]
mod process;

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use sidecar::capture::IndexLimits;
use sidecar::clock::ManualClock;
use sidecar::decode::Message;
use sidecar::deliver::{Outcome, Reply, SendRequest};
use sidecar::outcome::OutcomeKind;
use sidecar::source::{Frame, FrameBlock};
use sidecar::spool::Exchange;
use sidecar::time::Timestamp;

use postgres::Postgres;
use process::{Process, Refusals, Setup, manual_clock};

/// Transactions, and how many changes each has at most.
const TRANSACTIONS: usize = 200;
const CHANGES_MAX: usize = 10;
const INSERTS: usize = 1_000;
const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

/// The same transactions each time, of every kind of change.
fn mixed() -> FrameBlock {
    let mut random = StdRng::seed_from_u64(13);
    let mut postgres = Postgres::new();
    for _ in 0..TRANSACTIONS {
        postgres.commit(&mut random, CHANGES_MAX, NOW);
    }
    sent(postgres)
}

/// One transaction of new documents.
fn inserts() -> FrameBlock {
    let mut postgres = Postgres::new();
    postgres.flood(&mut StdRng::seed_from_u64(13), INSERTS, NOW);
    sent(postgres)
}

fn sent(mut postgres: Postgres) -> FrameBlock {
    postgres.start(postgres::START);
    postgres.send(100_000, NOW).unwrap()
}

/// A sidecar whose capture has the block, and has not applied it. Its requests are collected.
struct Site {
    process: Process,
    manual: &'static ManualClock,
    replies: Arc<Mutex<Vec<Reply>>>,
    requests: Arc<AtomicUsize>,
    _folder: tempfile::TempDir,
}

fn captures(block: FrameBlock) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup {
        records_max: 100,
        bytes_max: 1 << 20,
        wait_max: Duration::ZERO,
        in_flight_max: 100,
        spool_bytes_max: 1 << 30,
        order_wait: Duration::from_mins(1),
        retain: Duration::from_hours(24),
        give_up_after: Duration::from_hours(72),
        refusals: Refusals::None,
        index_limits: IndexLimits::default(),
    };
    let (replies, requests) = (Arc::<Mutex<Vec<Reply>>>::default(), Arc::<AtomicUsize>::default());
    let (into, count) = (Arc::clone(&replies), Arc::clone(&requests));
    let post: SendRequest = Box::new(move |_request, reply| {
        count.fetch_add(1, Ordering::Relaxed);
        into.lock().unwrap().push(reply);
    });
    let manual = manual_clock();
    let mut process = Process::start(folder.path(), &setup, manual, NOW, post, 1).unwrap();
    process.connect().unwrap();
    process.hand_over(block);
    Site { process, manual, replies, requests, _folder: folder }
}

fn commits() -> Site {
    let mut site = captures(inserts());
    apply(&mut site);
    site
}

fn delivers() -> Site {
    let mut site = commits();
    commit(&mut site);
    site
}

fn apply(site: &mut Site) {
    while site.process.left.step().is_some_and(|wait| wait.is_zero()) {}
    // A busy stream fills its group for a moment.
    site.manual.set(site.process.clock.uptime().plus(Duration::from_secs(1)), NOW);
    site.process.left.step();
    assert!(site.process.left.in_flight() > 0, "the group is submitted");
}

fn commit(site: &mut Site) {
    while site.process.left.in_flight() > 0 {
        site.process.spool.run_submitted();
        site.process.left.step();
    }
}

fn deliver(site: &mut Site) {
    let mut turns_without_work = 0;
    while turns_without_work < 3 {
        site.process.right.step();
        site.process.spool.run_submitted();
        turns_without_work += 1;
        let replies = std::mem::take(&mut *site.replies.lock().unwrap());
        for reply in replies {
            turns_without_work = 0;
            let taken = Outcome {
                status: Some(200),
                kind: OutcomeKind::Delivered,
                detail: None,
                retry_after: None,
                directive: None,
            };
            reply(taken, Exchange::default());
        }
    }
    assert!(site.requests.load(Ordering::Relaxed) > 0, "requests were made");
}

#[library_benchmark(config = limit(DECODE))]
#[bench::mixed(mixed())]
fn decode(block: FrameBlock) -> usize {
    let messages = block.frames().filter_map(|frame| match frame {
        Ok(Frame::Data { body, .. }) => Some(Message::parse(black_box(body)).unwrap()),
        _ => None,
    });
    messages.count()
}

#[library_benchmark]
#[bench::mixed(args = (captures(mixed())), config = limit(APPLY_MIXED))]
#[bench::inserts(args = (captures(inserts())), config = limit(APPLY_INSERTS))]
fn decode_classify_index(mut site: Site) -> Site {
    apply(&mut site);
    site
}

#[library_benchmark(config = limit(COMMIT))]
#[bench::inserts(commits())]
fn group_commit(mut site: Site) -> Site {
    commit(&mut site);
    site
}

#[library_benchmark(config = limit(DELIVER))]
#[bench::inserts(delivers())]
fn cut_send_settle(mut site: Site) -> Site {
    deliver(&mut site);
    site
}

/// Fails above so many instructions.
fn limit(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, instructions)]);
    LibraryBenchmarkConfig::default().tool(callgrind).clone()
}

/// About 5 % above what was counted on 2026-11-29 with Rust 1.95.
const DECODE: u64 = 1_980_000;
const APPLY_MIXED: u64 = 41_700_000;
const APPLY_INSERTS: u64 = 30_500_000;
const COMMIT: u64 = 7_190_000;
const DELIVER: u64 = 6_160_000;

library_benchmark_group!(
    name = pipeline,
    benchmarks = [decode, decode_classify_index, group_commit, cut_send_settle]
);
main!(library_benchmark_groups = pipeline);
