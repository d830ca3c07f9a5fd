//! Bytes of the spool that are not what was written: refused, or without effect on what is sent.

use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::support::check::check;
use crate::support::model::Model;
use crate::support::process::Sidecar;
use crate::support::receiver::{Answer, Receiver};
use crate::support::until;
use crate::support::workload::Writer;

/// Runs with a spool of which some bytes were turned over; how it ended, or that it went on.
#[tokio::test(flavor = "multi_thread")]
async fn no_damaged_record_is_ever_sent() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let rounds: usize = std::env::var("SIDECAR_DAMAGE").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let database = crate::faults::fixture::database(15, "damage").await;
    let receiver = Receiver::start().await;
    let settings = format!(
        "[batch]\nwait_max_ms = 5\nrecords_max = 20\n[delivery]\nretry_schedule = [\"1h\"]\n\
         [[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\n",
        receiver.url
    );
    let mut sidecar = Sidecar::start(&database, &settings).await;
    let mut writer = Writer::new(seed, 1);
    // Half of it is delivered, half is pending: an hour's wait for the next attempt.
    for half in 0..2 {
        for _ in 0..60 {
            writer.transaction(&database.client, 6).await;
        }
        let required = writer.model.records.len();
        if half == 0 {
            until("the first half", async || (receiver.records_taken() >= required).then_some(())).await;
            receiver.answers(|_| Answer::Status(500));
        } else {
            until("the second half to be spooled", async || {
                let status = sidecar.status()?;
                let pending: u64 =
                    status["lanes"].as_array()?.iter().filter_map(|l| l["pending"]["records"].as_u64()).sum();
                (receiver.records_taken() + usize::try_from(pending).unwrap() >= required).then_some(())
            })
            .await;
        }
    }
    assert!(sidecar.stop().await.success());
    let settings = settings.replace("1h", "20ms");
    sidecar.configure(&database, &settings);
    receiver.answers(|_| Answer::Status(204));
    let taken_before = receiver.received();
    let whole = std::fs::read(sidecar.spool().join("spool.sqlite")).unwrap();
    let (mut refused, mut went_on) = (0, 0);
    for round in 0..rounds {
        let file = sidecar.spool().join("spool.sqlite");
        for name in ["spool.sqlite-wal", "spool.sqlite-shm"] {
            let _ = std::fs::remove_file(sidecar.spool().join(name));
        }
        std::fs::write(&file, &whole).unwrap();
        let open = std::fs::File::options().write(true).open(&file).unwrap();
        for _ in 0..rng.random_range(1..40) {
            let at = rng.random_range(0..whole.len());
            let bit = 1_u8 << rng.random_range(0..8);
            open.write_all_at(&[whole[at] ^ bit], at.try_into().unwrap()).unwrap();
        }
        drop(open);
        sidecar.spawn();
        // A lane whose records cannot be read never settles.
        let began = Instant::now();
        let was_refused = until("the start to be refused, or every lane to settle", async || {
            if !sidecar.is_running() {
                return Some(true);
            }
            let settled = sidecar.status().and_then(|status| {
                let lanes = status["lanes"].as_array()?.clone();
                lanes.iter().all(|lane| lane["pending"]["records"] == 0).then_some(())
            });
            (settled.is_some() || began.elapsed() > Duration::from_secs(5)).then_some(false)
        })
        .await;
        if was_refused {
            refused += 1;
        } else {
            went_on += 1;
            sidecar.kill();
        }
        let model: &Model = &writer.model;
        let report = check(&model.records, &unrepeated(&receiver.received(), &taken_before, round));
        assert_eq!(
            (report.unexpected, report.wrong_project),
            (0, 0),
            "seed {seed}, round {round}: {report:?}"
        );
        receiver.forget();
    }
    println!("{rounds} damaged spools: {refused} refused, {went_on} went on; no changed record was sent");
    assert!(refused > 0, "some damage is found");
}

/// What came before the damage, and what came in this round, each batch once.
fn unrepeated(
    received: &[crate::support::receiver::Received],
    before: &[crate::support::receiver::Received],
    round: usize,
) -> Vec<crate::support::receiver::Received> {
    let mut all = before.to_vec();
    // In the first round, what came before is still among what was received.
    all.extend(received.iter().skip(if round == 0 { before.len() } else { 0 }).cloned());
    all
}
