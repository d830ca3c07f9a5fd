//! A backlog in a slot, drained by `pg_recvlogical` and by each program, in turn.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::counter::Counter;
use super::process::{cpu_seconds, resident_mib};
use super::row::{Program, Row, Run};
use super::support::database::{DOCUMENTS, Database};
use super::support::process::Sidecar;
use super::support::server::Server;
use super::support::until_within;
use super::workloads::Work;
use sidecar::position::Lsn;

/// The rows of one work.
pub async fn measure(run: &Run, work: &Work) -> Vec<Row> {
    let server = Server::start(work.version, "max_wal_size = '16GB'\nshared_buffers = '256MB'");
    let database = Database::on(&server, work.version, "drain").await;
    database.run(DOCUMENTS).await;
    database.run(&work.prepare).await;
    let counter = Counter::start().await;
    let mut sites = Vec::new();
    for program in &run.programs {
        sites.push(Site::new(&database, program, &counter).await);
    }
    database.run(&work.change).await;
    let end = database.text("SELECT pg_current_wal_flush_lsn()::text").await.unwrap();
    counter.delay(Duration::from_millis(work.answer_ms));
    counter.refuse(work.refuses);
    for _ in 0..run.rounds {
        let bare = recvlogical(&server, &database, &sites[0].keep, &end).await;
        for site in &mut sites {
            site.round(work, &database, &counter, &end, bare).await;
        }
    }
    let row = |site: Site| {
        Row::of(work.part, &work.name, &site.program, FIGURES, site.figures).reach(work.reach.0, work.reach.1)
    };
    sites.into_iter().map(row).collect()
}

/// The same drain without and with three live pages open, in turn.
pub async fn watched(run: &Run, work: &Work) -> Vec<Row> {
    let name = "three live pages open while 20 projects are drained";
    if !run.includes(name) {
        return Vec::new();
    }
    let server = Server::start(work.version, "max_wal_size = '16GB'\nshared_buffers = '256MB'");
    let database = Database::on(&server, work.version, "watched").await;
    database.run(DOCUMENTS).await;
    let counter = Counter::start().await;
    let mut site = Site::new(&database, &run.programs[0], &counter).await;
    database.run(&work.change).await;
    let end = database.text("SELECT pg_current_wal_flush_lsn()::text").await.unwrap();
    let mut rounds = Vec::new();
    for round in 0..run.rounds * 3 {
        // The order changes, so that neither is always the second.
        for is_watched in [round % 2 == 0, round % 2 == 1] {
            site.is_watched = is_watched;
            site.round(work, &database, &counter, &end, 1.0).await;
        }
        let pair = site.figures.split_off(0);
        let (with, without) = if round % 2 == 0 { (&pair[0], &pair[1]) } else { (&pair[1], &pair[0]) };
        rounds.push(vec![with[0], with[0] / without[0], with[2] / without[2]]);
    }
    let names = [("rate", " changes/s"), ("rate to without", ""), ("CPU to without", "")];
    let row = Row::of("pages", name, &run.programs[0], &names, rounds);
    vec![row.reach("within 5 % of without", |row| row.figure("rate to without") >= 0.95)]
}

const FIGURES: &[(&str, &str)] = &[
    ("rate", " changes/s"),
    ("ratio", ""),
    ("CPU", " µs"),
    ("walsender", " µs"),
    ("a request", " records"),
    ("memory", " MiB"),
];

/// A program with a slot of its own, as it was before the changes.
struct Site {
    program: Program,
    sidecar: Sidecar,
    slot: String,
    /// A copy of the slot, before the changes.
    keep: String,
    /// A copy of the spool, before the changes.
    spool: std::path::PathBuf,
    /// Whether three live pages are open meanwhile.
    is_watched: bool,
    figures: Vec<Vec<f64>>,
}

impl Site {
    async fn new(database: &Database, program: &Program, counter: &Counter) -> Self {
        let mut sidecar = Sidecar::prepare(database, "");
        sidecar.program.clone_from(&program.path);
        let slot = format!("{}_{}", program.name, database.name);
        let text = std::fs::read_to_string(sidecar.settings()).unwrap();
        let text = text.replace(&format!("slot = \"s_{}\"", database.name), &format!("slot = \"{slot}\""));
        let webhook = format!("[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\n", counter.url);
        std::fs::write(sidecar.settings(), format!("{text}{webhook}")).unwrap();
        sidecar.spawn();
        let ready = async || sidecar.get("/-/ready").filter(|(status, _)| *status == 200);
        until_within(Duration::from_mins(10), "the first start", ready).await;
        sidecar.stop().await;
        let keep = format!("keep_{slot}");
        database.run(&format!("SELECT pg_copy_logical_replication_slot('{slot}', '{keep}')")).await;
        let spool = sidecar.folder.path().join("kept");
        copy(&sidecar.spool(), &spool);
        Self { program: program.clone(), sidecar, slot, keep, spool, is_watched: false, figures: Vec::new() }
    }

    async fn round(&mut self, work: &Work, database: &Database, counter: &Counter, end: &str, bare: f64) {
        let (slot, keep) = (&self.slot, &self.keep);
        database.run(&format!("SELECT pg_drop_replication_slot('{slot}')")).await;
        database.run(&format!("SELECT pg_copy_logical_replication_slot('{keep}', '{slot}')")).await;
        std::fs::remove_dir_all(self.sidecar.spool()).unwrap();
        copy(&self.spool, &self.sidecar.spool());
        let (records, requests) = (counter.records(), counter.requests());
        let began = Instant::now();
        self.sidecar.spawn();
        let walsender = walsender_of(database, slot).await;
        if self.is_watched {
            ["/", "/deliveries", "/tail"].into_iter().for_each(|path| watch(&self.sidecar, path));
        }
        match work.records {
            Some(expected) => counter.until(records + expected).await,
            None => self.read(end).await,
        }
        let took = began.elapsed().as_secs_f64();
        let (own, sender) = (cpu_seconds(self.sidecar.pid()), cpu_seconds(walsender));
        let memory = resident_mib(self.sidecar.pid());
        let (records, requests) = (counter.records() - records, counter.requests() - requests);
        self.sidecar.kill();
        let changes = work.changes as f64;
        let free = async || walsender_pid(database, slot).await.is_none().then_some(());
        until_within(Duration::from_mins(1), "the slot to be free", free).await;
        self.figures.push(vec![
            changes / took,
            bare / took,
            own / changes * 1e6,
            sender / changes * 1e6,
            records as f64 / requests.max(1) as f64,
            memory,
        ]);
    }

    /// Waits until the stream is read up to `end`.
    async fn read(&self, end: &str) {
        let end: Lsn = end.parse().unwrap();
        let deadline = Instant::now() + Duration::from_mins(10);
        loop {
            let reached = self
                .sidecar
                .status()
                .and_then(|status| status["source"]["whole_lsn"].as_str()?.parse::<Lsn>().ok());
            if reached.is_some_and(|reached| reached >= end) {
                return;
            }
            assert!(Instant::now() < deadline, "the stream was read to {reached:?} of {end}");
            // The pace of looking, and so the resolution of the measured time.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Seconds that the server's own client takes, which throws the changes away.
async fn recvlogical(server: &Server, database: &Database, keep: &str, end: &str) -> f64 {
    let slot = format!("bare_{}", database.name);
    database.run(&format!("SELECT pg_copy_logical_replication_slot('{keep}', '{slot}')")).await;
    let (bin, url, name, end) =
        (server.bin.clone(), database.url.clone(), database.name.clone(), end.to_owned());
    let of = slot.clone();
    let took = tokio::task::spawn_blocking(move || {
        let began = Instant::now();
        let done = Command::new(bin.join("pg_recvlogical"))
            .args(["-d", &url, "-S", &of, "--start", "-f", "/dev/null", "-E", &end, "-F", "0", "-s", "1"])
            .args(["-o", "proto_version=1", "-o", &format!("publication_names=p_{name}")])
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success());
        began.elapsed()
    });
    let took = took.await.unwrap().as_secs_f64();
    let free = async || walsender_pid(database, &slot).await.is_none().then_some(());
    until_within(Duration::from_mins(1), "the slot to be free", free).await;
    database.run(&format!("SELECT pg_drop_replication_slot('{slot}')")).await;
    took
}

async fn walsender_of(database: &Database, slot: &str) -> u32 {
    until_within(Duration::from_mins(1), "the walsender", async || walsender_pid(database, slot).await).await
}

async fn walsender_pid(database: &Database, slot: &str) -> Option<u32> {
    let sql = format!("SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{slot}'");
    let row = database.client.query_one(&sql, &[]).await.unwrap();
    row.get::<_, Option<i32>>(0).map(i32::unsigned_abs)
}

/// Reads a live page as a browser does that has it open, until the sidecar ends.
fn watch(sidecar: &Sidecar, path: &str) {
    let mut stream = UnixStream::connect(sidecar.spool().join("control.sock")).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n").unwrap();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(1..) = stream.read(&mut buffer) {}
    });
}

/// Copies a folder of files.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
