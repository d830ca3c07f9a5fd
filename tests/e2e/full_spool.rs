//! A small spool that fills: what goes first, what goes next, and what never goes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::e2e::changes::by_lane;
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::{Answer, Receiver};
use crate::support::until;

const BYTES_MAX: u64 = 2 << 20;
/// Of the records here: a document's key makes them so long.
const RECORD_BYTES: u64 = 2_048;

/// The `ingested` lanes of all projects at one moment, from the spool's own file.
#[derive(Debug, Default)]
struct Sample {
    live: u64,
    last_seq: u64,
    lanes: BTreeMap<String, Lane>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Lane {
    pending: u64,
    pending_bytes: u64,
    /// Groups of settled records that are no dead letters.
    delivered: u64,
    dead: u64,
    dead_bytes: u64,
    /// The oldest dead letter's and the newest's number.
    dead_from: u64,
    dead_to: u64,
    spool_full: u64,
}

const SAMPLE: &str = "
SELECT name, (SELECT live_bytes FROM meta), pending_records, pending_bytes,
    (SELECT count(*) FROM chunk WHERE chunk.lane = l.no AND chunk.last <= l.cursor AND NOT EXISTS
        (SELECT 1 FROM dead_letter d WHERE d.lane = l.no AND d.last >= chunk.first AND d.first <= chunk.last)),
    count(dead_letter.no), coalesce(sum(bytes), 0), coalesce(min(dead_letter.no), 0),
    coalesce(max(dead_letter.no), 0),
    count(*) FILTER (WHERE reason = 'spool_full'), (SELECT last_seq FROM meta)
FROM lane l JOIN project ON project.no = l.project LEFT JOIN dead_letter ON dead_letter.lane = l.no
WHERE l.no % 3 = 1 GROUP BY l.no";

impl Sample {
    fn take(sidecar: &Sidecar) -> Self {
        let spool = rusqlite::Connection::open(sidecar.spool().join("spool.sqlite")).unwrap();
        let mut found = spool.prepare(SAMPLE).unwrap();
        let number = |row: &rusqlite::Row<'_>, at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
        let mut sample = Self::default();
        let mut rows = found.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let at = |at| number(row, at).unwrap();
            (sample.live, sample.last_seq) = (at(1), at(10));
            let lane = Lane {
                pending: at(2),
                pending_bytes: at(3),
                delivered: at(4),
                dead: at(5),
                dead_bytes: at(6),
                dead_from: at(7),
                dead_to: at(8),
                spool_full: at(9),
            };
            sample.lanes.insert(row.get(0).unwrap(), lane);
        }
        sample
    }

    fn lane(&self, project: &str) -> Lane {
        self.lanes.get(project).copied().unwrap_or_default()
    }

    /// Nothing is left that could be removed or given up before reading must stop.
    fn is_bare(&self) -> bool {
        let ailing = ["failing", "unrouted"].iter().map(|project| self.lane(project).pending).sum::<u64>();
        ailing + self.lanes.values().map(|lane| lane.dead).sum::<u64>() == 0
    }
}

struct Scene {
    database: Database,
    sidecar: Sidecar,
    next: i64,
    /// The healthy project's documents.
    healthy: Vec<i64>,
    seen: Sample,
}

impl Scene {
    /// Documents of one project, in transactions so small that room can be made between them. Each
    /// state of the spool meanwhile is checked.
    async fn insert(&mut self, project: &str, count: i64, step: i64) {
        for _ in 0..count / step {
            let (from, to) = (self.next, self.next + step - 1);
            self.next += step;
            if project == "healthy" {
                self.healthy.extend(from..=to);
            }
            let before = Sample::take(&self.sidecar);
            self.database
                .run(&format!(
                    "INSERT INTO documents (id, key, project_id)
                     SELECT g, rpad('', {RECORD_BYTES} - 30, 'k'), '{project}' FROM generate_series({from}, {to}) g"
                ))
                .await;
            until("the records to be spooled, and room to be made", async || {
                let now = Sample::take(&self.sidecar);
                self.check(&now);
                let full = self.is_full();
                let came = full || now.last_seq >= before.last_seq + step.cast_unsigned();
                let settled = now.live <= BYTES_MAX / 8 * 7 || now.is_bare();
                self.seen = now;
                (came && settled).then_some(())
            })
            .await;
        }
    }

    fn is_full(&self) -> bool {
        self.sidecar.get("/-/ready").is_some_and(|(status, body)| status == 503 && body.contains("full"))
    }

    /// What must hold in every state that follows `self.seen`.
    fn check(&self, now: &Sample) {
        let before = &self.seen;
        let lost_dead = |project: &str| now.lane(project).dead < before.lane(project).dead;
        for project in ["refused", "refused_less"] {
            let (was, is) = (before.lane(project), now.lane(project));
            if lost_dead(project) {
                assert_eq!(
                    before.lane("healthy").delivered.min(now.lane("healthy").delivered),
                    0,
                    "delivered records go before any dead letter: {before:?} {now:?}"
                );
                assert!(
                    is.dead == 0 || (is.dead_to == was.dead_to && is.dead_from > was.dead_from),
                    "the oldest go first: {was:?} {is:?}"
                );
            }
        }
        if lost_dead("refused_less") {
            let (most, less) = (now.lane("refused"), before.lane("refused_less"));
            assert!(most.dead_bytes <= less.dead_bytes, "the fullest lane's go first: {most:?} {less:?}");
        }
        let given_up =
            |sample: &Sample| sample.lane("failing").spool_full + sample.lane("unrouted").spool_full;
        if given_up(now) > given_up(before) {
            let refused = now.lane("refused").dead + now.lane("refused_less").dead;
            assert_eq!(refused, 0, "dead letters go before pending records are given up: {now:?}");
        }
        if now.lane("unrouted").pending < before.lane("unrouted").pending {
            let (largest, other) = (before.lane("failing"), before.lane("unrouted"));
            assert!(
                largest.pending_bytes <= other.pending_bytes + BYTES_MAX / 8,
                "the largest lane gives up first: {before:?}"
            );
        }
        assert_eq!(now.lane("healthy").dead, 0, "a healthy lane gives nothing up");
    }
}

/// The record that keeps the spool's own order: see the numbered parts.
#[tokio::test(flavor = "multi_thread")]
async fn a_spool_that_fills_up_removes_data_in_the_documented_order() {
    let database = Database::new(18, "room").await;
    database.run(DOCUMENTS).await;
    let (good, bad) = (Receiver::start().await, Receiver::start().await);
    bad.answers(|request| Answer::Status(if request.project().starts_with("refused") { 413 } else { 503 }));
    let hook = |project: &str, receiver: &Receiver, records_max: u32| {
        format!(
            "[[webhook]]\nproject = \"{project}\"\ncallback = \"ingested\"\nurl = \"{}/\"\nrecords_max = {records_max}\n",
            receiver.url
        )
    };
    let settings = format!(
        "bytes_max = \"{BYTES_MAX}B\"\nlane_bytes_max = \"1GiB\"\n[batch]\nwait_max_ms = 0\n\
         [delivery]\nretry_schedule = [\"200ms\"]\n{}{}{}{}",
        hook("healthy", &good, 10),
        hook("failing", &bad, 10),
        hook("refused", &bad, 1),
        hook("refused_less", &bad, 1),
    );
    let sidecar = Sidecar::start(&database, &format!("{settings}{}", hook("unrouted", &bad, 10))).await;
    let mut scene = Scene { database, sidecar, next: 1, healthy: Vec::new(), seen: Sample::default() };

    // What there is to give way: dead letters of two lanes, records of a lane that fails and of one
    // whose webhook was removed.
    scene.insert("refused", 100, 1).await;
    scene.insert("refused_less", 40, 1).await;
    scene.insert("failing", 200, 10).await;
    scene.insert("unrouted", 100, 10).await;
    scene.sidecar.reload(&scene.database, &settings).await;
    let connections_at_first = scene.sidecar.metric("sidecar_replication_connections_total");
    until("all of it", async || {
        let now = Sample::take(&scene.sidecar);
        let dead = (now.lane("refused").dead, now.lane("refused_less").dead);
        (dead == (100, 40) && now.lane("failing").pending == 200 && now.lane("unrouted").pending == 100)
            .then_some(())
    })
    .await;
    let kept = |sample: &Sample| {
        ["refused", "refused_less", "failing", "unrouted"].map(|project| sample.lane(project))
    };
    let at_first = Sample::take(&scene.sidecar);

    // 1. Delivered records make room for others, and nothing else has to.
    scene.insert("healthy", 1_000, 10).await;
    until("the spool to be below three quarters", async || {
        (Sample::take(&scene.sidecar).live <= BYTES_MAX / 4 * 3).then_some(())
    })
    .await;
    let now = Sample::take(&scene.sidecar);
    assert_eq!(kept(&now), kept(&at_first), "only delivered records went");
    assert!(now.lane("healthy").delivered > 0, "and not more than is needed");

    // 2. Then the oldest dead letters, of the lane that holds most.
    scene.insert("failing", 400, 10).await;
    let now = until("dead letters to go", async || {
        let now = Sample::take(&scene.sidecar);
        (now.live <= BYTES_MAX / 4 * 3).then_some(now)
    })
    .await;
    println!("after the dead letters: {now:?}");
    assert_eq!(now.lane("healthy").delivered, 0);
    assert!((1..100).contains(&now.lane("refused").dead), "{now:?}");
    assert_eq!(
        (now.lane("failing").pending, now.lane("unrouted").pending),
        (600, 100),
        "no record is given up yet"
    );

    // 3. Then pending records of lanes that fail or have no webhook become dead letters, which go.
    scene.insert("failing", 400, 10).await;
    println!("after the first were given up: {:?}", scene.seen);
    assert_eq!(scene.seen.lane("refused").dead + scene.seen.lane("refused_less").dead, 0);
    assert!(scene.seen.lane("failing").pending < 1_000, "{:?}", scene.seen);
    assert_eq!(scene.seen.lane("unrouted").pending, 100, "the largest lane gives up first");
    let connections = scene.sidecar.metric("sidecar_replication_connections_total");
    assert_eq!(connections, connections_at_first, "reading went on through all of it");

    // 4. Only when nothing is left but a healthy lane's records does reading stop.
    good.answers(|_| Answer::Slow(200, Duration::from_millis(400)));
    while !scene.is_full() {
        scene.insert("healthy", 10, 10).await;
    }
    let now = Sample::take(&scene.sidecar);
    println!("full: {now:?}");
    assert!(now.is_bare(), "{now:?}");
    scene
        .database
        .run("INSERT INTO documents (id, key, project_id) SELECT g, rpad('', 2000, 'k'), 'healthy' FROM generate_series(100001, 101500) g")
        .await;
    scene.healthy.extend(100_001..=101_500);
    scene.sidecar.in_state("stopped").await;

    // It goes on by itself, and the healthy lane lost nothing.
    good.answers(|_| Answer::Status(200));
    until("everything", async || (good.records_taken() >= scene.healthy.len()).then_some(())).await;
    let lanes = by_lane(&good.received());
    let ids: Vec<i64> =
        lanes.values().flatten().map(|record| record["id"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(ids, scene.healthy, "nothing lost, nothing twice, in order");
    scene.sidecar.ready().await;
}

/// `delivery.give_up_after`, with the real clock.
#[tokio::test(flavor = "multi_thread")]
async fn what_waited_too_long_in_a_failing_lane_is_given_up_and_nothing_else_is() {
    let database = Database::new(15, "giveup").await;
    database.run(DOCUMENTS).await;
    let (failing, slow) = (Receiver::start().await, Receiver::start().await);
    failing.answers(|_| Answer::Status(500));
    let hook = |project: &str, receiver: &Receiver| {
        format!("[[webhook]]\nproject = \"{project}\"\ncallback = \"*\"\nurl = \"{}/\"\n", receiver.url)
    };
    let settings = format!(
        "[batch]\nwait_max_ms = 0\nrecords_max = 1\n[delivery]\nretry_schedule = [\"100ms\"]\ngive_up_after = \"3s\"\n{}{}",
        hook("failing", &failing),
        hook("slow", &slow),
    );
    // Healthy, and behind by more than the time after which a failing lane gives up.
    slow.answers(|_| Answer::Slow(200, Duration::from_millis(500)));
    let sidecar = Sidecar::start(&database, &settings).await;
    database
        .run("INSERT INTO documents (id, project_id) SELECT g, CASE WHEN g > 12 THEN 'failing' ELSE 'slow' END FROM generate_series(1, 20) g")
        .await;
    let began = std::time::Instant::now();
    // They may be of two groups, of which one is old enough a moment before the other.
    until("all that waited to be dead letters", async || {
        (sidecar.status()?["spool"]["dead_letter_records"] == 8).then_some(())
    })
    .await;
    println!("given up after {:?}", began.elapsed());
    assert!(began.elapsed() >= Duration::from_millis(2_900), "{:?}", began.elapsed());
    let (_, metrics) = sidecar.get("/metrics").unwrap();
    assert!(metrics.contains("sidecar_dead_letters_total{reason=\"given_up\"} 8"), "{metrics}");
    // What comes later has its own time.
    failing.answers(|_| Answer::Status(200));
    database.run("INSERT INTO documents (id, project_id) VALUES (21, 'failing')").await;
    until("the next record", async || (failing.records_taken() >= 1).then_some(())).await;
    until("the slow lane", async || (slow.records_taken() >= 12).then_some(())).await;
    sidecar.idle().await;
    assert_eq!((failing.records_taken(), slow.records_taken()), (1, 12));
    let lanes = by_lane(&failing.received());
    assert_eq!(lanes[&("failing".to_owned(), "ingested".to_owned())][0]["id"], "21");
}
