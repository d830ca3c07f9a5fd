//! A receiver that fails delays no other receiver, and not the database.

use std::time::{Duration, Instant};

use crate::e2e::changes::by_lane;
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::{Answer, Receiver};
use crate::support::until;

/// A webhook of one project, and more settings of it.
fn webhook(project: &str, receiver: &Receiver, more: &str) -> String {
    format!("[[webhook]]\nproject = \"{project}\"\ncallback = \"*\"\nurl = \"{}/\"\n{more}\n", receiver.url)
}

async fn confirmed(database: &Database) -> String {
    let sql = format!(
        "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = 's_{}'",
        database.name
    );
    database.text(&sql).await.unwrap()
}

fn taken_of(receiver: &Receiver, project: &str) -> usize {
    let received = receiver.received();
    let of = received.iter().filter(|request| request.taken() && request.project() == project);
    of.map(|request| request.records().len()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_receiver_dead_and_one_hanging_delay_nobody_else_and_not_the_slot() {
    let database = Database::new(15, "isolation").await;
    database.run(DOCUMENTS).await;
    let (dead, hanging, healthy) =
        (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    dead.answers(|_| Answer::Status(500));
    hanging.answers(|_| Answer::Hang);
    let settings = format!(
        "[batch]\nwait_max_ms = 10\n[delivery]\ntimeout_ms = 1000\nin_flight_max = 4\nretry_schedule = [\"100ms\"]\n{}{}{}",
        webhook("dead", &dead, ""),
        webhook("hanging", &hanging, ""),
        webhook("healthy", &healthy, ""),
    );
    let sidecar = Sidecar::start(&database, &settings).await;
    let before = confirmed(&database).await;
    let mut slowest = Duration::ZERO;
    for round in 0..40_i64 {
        for (number, project) in ["dead", "hanging", "healthy"].into_iter().enumerate() {
            let id = round * 10 + i64::try_from(number).unwrap();
            database.run(&format!("INSERT INTO documents (id, project_id) VALUES ({id}, '{project}')")).await;
        }
        let began = Instant::now();
        let required = usize::try_from(round).unwrap() + 1;
        until("the healthy project's record", async || {
            (taken_of(&healthy, "healthy") >= required).then_some(())
        })
        .await;
        slowest = slowest.max(began.elapsed());
    }
    println!("the slowest of 40 records of the healthy project took {slowest:?}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    let sql = format!(
        "SELECT ('{}'::pg_lsn < confirmed_flush_lsn)::text FROM pg_replication_slots WHERE slot_name = 's_{}'",
        before, database.name
    );
    assert_eq!(database.text(&sql).await.as_deref(), Some("true"), "the slot's confirmed LSN moves");
    let (status, _) = sidecar.get("/-/ready").unwrap();
    assert_eq!(status, 200, "a failing receiver is not unready");
    assert_eq!((taken_of(&dead, "dead"), taken_of(&hanging, "hanging")), (0, 0));

    // When the faults end, all of it arrives, in order.
    dead.answers(|_| Answer::Status(200));
    hanging.answers(|_| Answer::Status(200));
    for (receiver, project) in [(&dead, "dead"), (&hanging, "hanging")] {
        until("what waited", async || (taken_of(receiver, project) >= 40).then_some(())).await;
        let lanes = by_lane(&receiver.received());
        let ids: Vec<i64> =
            lanes.values().flatten().map(|record| record["id"].as_str().unwrap().parse().unwrap()).collect();
        assert!(ids.is_sorted(), "{project}: {ids:?}");
    }
}

fn metric(sidecar: &Sidecar, line: &str) -> u64 {
    let (_, text) = sidecar.get("/metrics").unwrap_or_default();
    let found = text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
    found.unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_lane_gives_up_its_oldest_and_never_a_healthy_one() {
    let database = Database::new(18, "overflow").await;
    database.run(DOCUMENTS).await;
    let (dead, healthy) = (Receiver::start().await, Receiver::start().await);
    dead.answers(|_| Answer::Status(503));
    let settings = format!(
        "bytes_max = \"8MiB\"\nlane_bytes_max = \"200KiB\"\n[batch]\nwait_max_ms = 10\n[delivery]\nretry_schedule = [\"200ms\"]\n{}{}",
        webhook("dead", &dead, ""),
        webhook("healthy", &healthy, ""),
    );
    let sidecar = Sidecar::start(&database, &settings).await;
    database
        .run("INSERT INTO documents (id, key, project_id) SELECT g, repeat('k', 100), CASE WHEN g % 2 = 0 THEN 'dead' ELSE 'healthy' END
              FROM generate_series(1, 20000) g")
        .await;
    until("the healthy project", async || (taken_of(&healthy, "healthy") >= 10_000).then_some(())).await;
    let given_up = "sidecar_dead_letters_total{reason=\"lane_full\"}";
    until("dead letters", async || (metric(&sidecar, given_up) > 0).then_some(())).await;
    let pending = until("the lane to be within its limit", async || {
        let status = sidecar.status()?;
        let lane = status["lanes"].as_array()?.iter().find(|lane| lane["project"] == "dead")?.clone();
        lane["pending"]["bytes"].as_u64().filter(|bytes| *bytes <= 200 * 1024)
    })
    .await;
    assert!(pending > 0, "only what is over the limit is given up");
    assert_eq!(sidecar.get("/-/ready").unwrap().0, 200);

    dead.answers(|_| Answer::Status(200));
    let left = 10_000 - metric(&sidecar, given_up);
    until("what was not given up", async || (taken_of(&dead, "dead") as u64 >= left).then_some(())).await;
    let lanes = by_lane(&dead.received());
    let ids: Vec<u64> =
        lanes.values().flatten().map(|record| record["id"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(ids.last(), Some(&20_000), "the newest are kept");
    assert!(ids.is_sorted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_full_of_healthy_records_stops_reading_loudly_and_resumes_by_itself() {
    let database = Database::new(15, "full").await;
    database.run(DOCUMENTS).await;
    let receiver = Receiver::start().await;
    receiver.answers(|_| Answer::Slow(200, Duration::from_millis(400)));
    let settings = format!(
        "bytes_max = \"1MiB\"\n[batch]\nwait_max_ms = 10\n{}",
        webhook("*", &receiver, "records_max = 100")
    );
    let sidecar = Sidecar::start(&database, &settings).await;
    for part in 0..10 {
        database
            .run(&format!(
                "INSERT INTO documents (id, key, project_id) SELECT g, repeat('k', 200), 'p' FROM generate_series({} + 1, {} + 1000) g",
                part * 1_000,
                part * 1_000
            ))
            .await;
    }
    let message = until("the sidecar to say that its spool is full", async || {
        sidecar
            .get("/-/ready")
            .filter(|(status, body)| *status == 503 && body.contains("full"))
            .map(|(_, body)| body)
    })
    .await;
    println!("{message}");
    sidecar.in_state("stopped").await;
    receiver.answers(|_| Answer::Status(200));
    until("everything", async || (taken_of(&receiver, "p") >= 10_000).then_some(())).await;
    let lanes = by_lane(&receiver.received());
    let ids: Vec<u64> =
        lanes.values().flatten().map(|record| record["id"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(ids, (1..=10_000).collect::<Vec<_>>(), "nothing lost, nothing twice, in order");
    sidecar.ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_takes_nothing_from_a_project_that_runs_at_full_rate() {
    let database = Database::new(18, "hole").await;
    database.run(DOCUMENTS).await;
    let (hole, healthy) = (Receiver::start().await, Receiver::start().await);
    hole.answers(|_| Answer::Hang);
    let settings = format!(
        "[batch]\nwait_max_ms = 10\n[delivery]\ntimeout_ms = 300\nin_flight_max = 4\nretry_schedule = [\"50ms\"]\n{}{}",
        webhook("hole", &hole, ""),
        webhook("healthy", &healthy, "")
    );
    let sidecar = Sidecar::start(&database, &settings).await;
    let began = Instant::now();
    let (mut next, mut longest, mut came, mut came_at) = (0_usize, Duration::ZERO, 0, Instant::now());
    while began.elapsed() < Duration::from_secs(20) {
        database
            .run(&format!(
                "INSERT INTO documents (id, key, project_id)
                 SELECT g, 'k', CASE WHEN g % 100 = 0 THEN 'hole' ELSE 'healthy' END FROM generate_series({next} + 1, {next} + 500) g"
            ))
            .await;
        next += 500;
        // As fast as it is delivered, and no faster: what is measured is whether it ever stops.
        until("the healthy project to keep up", async || {
            let taken = taken_of(&healthy, "healthy");
            if taken > came {
                longest = longest.max(came_at.elapsed());
                (came, came_at) = (taken, Instant::now());
            }
            (taken + 5_000 >= next).then_some(())
        })
        .await;
    }
    let (of_healthy, of_hole) = (next / 100 * 99, next / 100);
    until("all of the healthy project", async || (taken_of(&healthy, "healthy") >= of_healthy).then_some(()))
        .await;
    let attempts = hole.received().len();
    println!(
        "{of_healthy} records in {:?} beside {attempts} requests without an answer; the longest pause {longest:?}",
        began.elapsed()
    );
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    assert!(attempts > 20, "the black hole was tried all the time: {attempts}");
    assert_eq!(taken_of(&hole, "hole"), 0);
    let end = database.text("SELECT pg_current_wal_insert_lsn()::text").await.unwrap();
    let passed = format!(
        "SELECT (confirmed_flush_lsn >= '{end}')::text FROM pg_replication_slots WHERE slot_name = 's_{}'",
        database.name
    );
    until("the slot to be past all of it", async || {
        (database.text(&passed).await.as_deref() == Some("true")).then_some(())
    })
    .await;
    assert_eq!(sidecar.get("/-/ready").unwrap().0, 200);

    hole.answers(|_| Answer::Status(200));
    until("what waited", async || (taken_of(&hole, "hole") >= of_hole).then_some(())).await;
    let lanes = by_lane(&hole.received());
    let ids: Vec<usize> =
        lanes.values().flatten().map(|record| record["id"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(ids, (1..=of_hole).map(|number| number * 100).collect::<Vec<_>>());
}
