//! From the sending of a statement to the arrival of its record, beside the time at which `pg_recvlogical` has it.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::counter::Counter;
use super::row::{Program, Row, Run};
use super::support::database::{DOCUMENTS, Database};
use super::support::process::Sidecar;
use super::support::server::Server;
use super::support::until_within;

/// Changes a second; how many statements a second they come in, and for how long.
const PACES: [(u64, u64, u64); 4] = [(1, 1, 8), (200, 200, 5), (2_000, 1_000, 5), (20_000, 1_000, 5)];

pub async fn measure(run: &Run) -> Vec<Row> {
    let mut rows = Vec::new();
    for wait in [Some(0), None] {
        for pace in PACES {
            for program in &run.programs {
                let waits = wait.map_or("as by default".to_owned(), |wait| format!("= {wait}"));
                let work = format!("latency at {} changes/s, wait_max_ms {waits}", pace.0);
                if run.includes(&work) {
                    rows.push(one(program, &work, pace, wait).await);
                }
            }
        }
    }
    rows
}

async fn one(
    program: &Program,
    work: &str,
    (rate, statements, seconds): (u64, u64, u64),
    wait: Option<u64>,
) -> Row {
    let server = Server::start(15, "");
    let database = Database::on(&server, 15, "latency").await;
    database.run(DOCUMENTS).await;
    let counter = Counter::start().await;
    counter.trace();
    let wait = wait.map_or_else(String::new, |wait| format!("[batch]\nwait_max_ms = {wait}\n"));
    let webhook =
        format!("{wait}[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\n", counter.url);
    let mut sidecar = Sidecar::prepare(&database, &webhook);
    sidecar.program.clone_from(&program.path);
    sidecar.spawn();
    sidecar.ready().await;
    let tap = Tap::start(&server, &database).await;
    let rows = rate / statements;
    let insert = database
        .client
        .prepare(
            "INSERT INTO documents (id, key, project_id, title)
             SELECT g, 'k', 'p' || g % 20, '@' || g || '@' FROM generate_series($1::int8, $2::int8) g",
        )
        .await
        .unwrap();
    let mut sent = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1) / u32::try_from(statements).unwrap());
    for statement in 0..statements * seconds {
        tick.tick().await;
        let (first, last) = (statement * rows, (statement + 1) * rows - 1);
        sent.extend((first..=last).map(|_| Instant::now()));
        database.client.execute(&insert, &[&(first as i64), &(last as i64)]).await.unwrap();
    }
    let changes = rate * seconds;
    counter.until(changes).await;
    until_within(Duration::from_mins(1), "pg_recvlogical", async || {
        (tap.seen().len() as u64 >= changes).then_some(())
    })
    .await;
    let [half, most] = quantiles(&sent, &counter.arrived());
    let [bare, bare_most] = quantiles(&sent, &tap.seen());
    let names = [("p50", " ms"), ("p99", " ms"), ("pg_recvlogical p50", " ms"), ("its p99", " ms")];
    Row::of("latency", work, program, &names, vec![vec![half, most, bare, bare_most]])
}

/// p50 and p99 in milliseconds.
fn quantiles(sent: &[Instant], arrived: &[(u64, Instant)]) -> [f64; 2] {
    let mut took: Vec<f64> =
        arrived.iter().map(|(id, at)| (*at - sent[*id as usize]).as_secs_f64() * 1e3).collect();
    took.sort_by(f64::total_cmp);
    [0.5, 0.99].map(|share| took[((took.len() - 1) as f64 * share) as usize])
}

/// `pg_recvlogical` on a slot of its own, and when each change came out of it.
struct Tap {
    child: Child,
    seen: Arc<Mutex<Vec<(u64, Instant)>>>,
}

impl Tap {
    async fn start(server: &Server, database: &Database) -> Self {
        let slot = format!("tap_{}", database.name);
        database.run(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")).await;
        let mut child = Command::new(server.bin.join("pg_recvlogical"))
            .args(["-d", &database.url, "-S", &slot, "--start", "-f", "-", "-F", "0"])
            .args(["-o", "proto_version=1", "-o", &format!("publication_names=p_{}", database.name)])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut out, seen) = (child.stdout.take().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let into = Arc::clone(&seen);
        std::thread::spawn(move || {
            let (mut buffer, mut rest) = (vec![0; 1 << 16], Vec::new());
            while let Ok(bytes @ 1..) = out.read(&mut buffer) {
                let now = Instant::now();
                rest.extend_from_slice(&buffer[..bytes]);
                let end = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                let ids = rest[..end]
                    .split(|byte| *byte == b'@')
                    .filter_map(|part| std::str::from_utf8(part).ok()?.parse().ok());
                into.lock().unwrap().extend(ids.map(|id: u64| (id, now)));
                rest.drain(..end);
            }
        });
        let sql = format!("SELECT 1 FROM pg_replication_slots WHERE slot_name = '{slot}' AND active");
        let active = async || database.client.query_opt(&sql, &[]).await.unwrap().map(drop);
        until_within(Duration::from_mins(1), "pg_recvlogical to stream", active).await;
        Self { child, seen }
    }

    fn seen(&self) -> Vec<(u64, Instant)> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
