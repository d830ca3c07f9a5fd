//! The real loops and the real spool under simulated faults, from one seed, on one thread.
//!
//! Simulated are the server's stream (pgoutput's bytes), the clock, the disk and the receivers; real is
//! everything between: frames, decode, classify, the ledger, the writer, SQLite, dispatch, the shells.
//! The network between the server and us is cut between messages here: what is cut inside one never
//! leaves the client, which has its own tests.
//!
//! `SIDECAR_SIM_SEEDS=20000 cargo test --release --test simulation` runs as many seeds;
//! `SIDECAR_SIM_SEED=7 cargo test --test simulation` runs that one again.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "a test fails loudly, and is its own documentation"
)]

mod disk;
#[path = "../support/model.rs"]
mod model;
mod oracle;
mod postgres;
mod process;
mod receivers;
mod replays;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use self::world::Figures;

#[test]
fn every_guarantee_holds_under_every_fault() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let (seeds, one) = (number("SIDECAR_SIM_SEEDS").unwrap_or(SEEDS), number("SIDECAR_SIM_SEED"));
    let seeds = one.map_or(0..seeds, |seed| seed..seed + 1);
    let (began, count) = (std::time::Instant::now(), seeds.end - seeds.start);
    let sum = histories(seeds);
    println!("{count} seeds in {:?}: {sum:?}", began.elapsed());
    if let Some(path) = std::env::var_os("SIDECAR_FIGURES") {
        std::fs::write(path, summary(count, &sum)).unwrap();
    }
}

/// The sum of all these seeds, each of which must hold; as many at a time as there are processors.
fn histories(seeds: std::ops::Range<u64>) -> Figures {
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let (folder, mut sum) = (folder(), Figures::default());
        disk::mount();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return sum;
            }
            let figures = world::run(seed, folder.path()).unwrap_or_else(|wrong| {
                next.store(seeds.end, Ordering::Relaxed);
                panic!("seed {seed}: {wrong}\n  again: SIDECAR_SIM_SEED={seed} cargo test --test simulation")
            });
            sum.add(&figures);
        }
    };
    std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut sum = Figures::default();
        for worker in workers {
            sum.add(&worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        sum
    })
}

/// One sentence for docs/guarantees.md.
fn summary(seeds: u64, sum: &Figures) -> String {
    format!(
        "{seeds} simulated histories: {} records in {} batches; the process died {} times, {} of them with the power; {} connections were cut, \
         {} syncs failed, the disk was full {} times and the spool {} times; {} replays sent {} records again, and {} dead letters were tried once more; {} refused records became dead letters. Lost, changed, misplaced or out of \
         order: 0. Batches repeated: {}, none beyond one a lane and death or unheard answer.\n",
        sum.records,
        sum.batches,
        sum.deaths,
        sum.power_losses,
        sum.cuts,
        sum.failed_syncs,
        sum.full_disks,
        sum.full_spools,
        sum.replays,
        sum.replayed,
        sum.redelivered,
        sum.refused_records,
        sum.duplicates
    )
}

/// Each step checks that no more groups wait, and that none is larger, than may be.
#[test]
fn groups_of_a_large_transaction_wait_for_each_other() {
    let folder = folder();
    disk::mount();
    let figures = world::flood(1, folder.path(), 45_000).unwrap();
    assert!(figures.records >= 40_000, "{figures:?}");
}

/// Where it did not, no seed could be run again.
#[test]
fn a_seed_comes_to_the_same_every_time() {
    let folder = folder();
    disk::mount();
    for seed in 7..10 {
        let [once, again] = [(); 2].map(|()| world::run(seed, folder.path()).unwrap());
        assert_eq!(once, again, "seed {seed}");
    }
}

/// The lock lies here, and a file that stands in for the database; all else is on the simulated disk.
fn folder() -> tempfile::TempDir {
    let shared = std::path::Path::new("/dev/shm");
    let folder = if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() }.unwrap();
    std::fs::write(folder.path().join("spool.sqlite"), []).unwrap();
    folder
}

/// About two minutes.
const SEEDS: u64 = 1_000;
