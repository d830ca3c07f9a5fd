//! A sidecar at work between networks, a cluster and a disk that can all be disturbed.

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use sidecar::source::{Conninfo, connect_sql};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch};
use tokio_postgres::Client;

use crate::support::check::{Report, check};
use crate::support::cluster::Cluster;
use crate::support::database::{DOCUMENTS, Database};
use crate::support::model::{Document, Expected};
use crate::support::process::Sidecar;
use crate::support::proxy::{FaultyProxy, LinkState};
use crate::support::receiver::Receiver;
use crate::support::tmpfs::Tmpfs;
use crate::support::workload::Writer;
use crate::support::{PATIENCE, until, until_within};

const WRITERS: i64 = 2;
const DBNAME: &str = "app";

/// Writers at work.
pub(crate) struct Writing {
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<Writer>>,
}

pub(crate) struct Fixture {
    pub(crate) cluster: Arc<Mutex<Cluster>>,
    pub(crate) source: FaultyProxy,
    pub(crate) network: FaultyProxy,
    pub(crate) receiver: Receiver,
    pub(crate) sidecar: Sidecar,
    pub(crate) disk: Option<Tmpfs>,
    pub(crate) rng: StdRng,
    /// Of the cluster itself, past the proxy.
    url: String,
    writers: Vec<Writer>,
}

impl Fixture {
    pub(crate) async fn new(version: u32, seed: u64, server: &str) -> Self {
        let cluster = Cluster::new(version, server).await;
        cluster.database("postgres").await.run(&format!("CREATE DATABASE {DBNAME}")).await;
        let mut database = cluster.database(DBNAME).await;
        database.run(DOCUMENTS).await;
        database.run("CREATE TABLE mark (writer bigint PRIMARY KEY, n bigint)").await;
        database.run(&format!("INSERT INTO mark SELECT g, 0 FROM generate_series(1, {WRITERS}) g")).await;
        let url = database.url.clone();
        let source = FaultyProxy::before(cluster.port).await;
        database.url = url.replace(&cluster.port.to_string(), &source.port.to_string());
        let receiver = Receiver::start().await;
        let port = receiver.url.rsplit(':').next().unwrap().parse().unwrap();
        let network = FaultyProxy::before(port).await;
        let disk = Tmpfs::mount(256 << 20);
        let settings = settings(network.port);
        let sidecar = match &disk {
            Some(disk) => Sidecar::prepare_with_spool(&database, &settings, disk.path().join("spool")),
            None => Sidecar::prepare(&database, &settings),
        };
        let writers = (1..=WRITERS).map(|number| Writer::new(seed, number)).collect();
        let mut fixture = Self {
            cluster: Arc::new(Mutex::new(cluster)),
            source,
            network,
            receiver,
            sidecar,
            disk,
            rng: StdRng::seed_from_u64(seed),
            url,
            writers,
        };
        fixture.start_sidecar(&[]).await;
        fixture
    }

    /// Started, and at work again. One that ends for want of room is started until it stays.
    pub(crate) async fn start_sidecar(&mut self, variables: &[(&str, &str)]) {
        self.sidecar.spawn_with(variables);
        self.is_ready(variables).await;
    }

    pub(crate) async fn is_ready(&mut self, variables: &[(&str, &str)]) {
        let sidecar = &mut self.sidecar;
        until("the sidecar to be ready", async || {
            if !sidecar.is_running() {
                sidecar.spawn_with(variables);
            }
            sidecar.get("/-/ready").filter(|(status, _)| *status == 200).map(drop)
        })
        .await;
    }

    pub(crate) async fn session(&self) -> Option<Client> {
        session(&self.url).await
    }

    /// The application writes while `faults` strike; then the state clears. What came of it.
    pub(crate) async fn run_under(
        &mut self,
        fault: crate::faults::fault::Fault,
        times: usize,
    ) -> Option<(usize, Report)> {
        let writing = self.writers_write();
        let mut struck = 0;
        for _ in 0..times {
            if !self.strike(fault).await {
                break;
            }
            struck += 1;
            self.is_ready(&[]).await;
        }
        self.writers_end(writing).await;
        self.source.set(LinkState::Up);
        self.network.set(LinkState::Up);
        let expected: Vec<Expected> =
            self.writers.iter().flat_map(|writer| writer.model.records.clone()).collect();
        let report = self.all_arrive(&expected).await;
        self.writers.iter_mut().for_each(|writer| writer.model.records.clear());
        self.receiver.forget();
        (struck > 0).then_some((struck, report))
    }

    /// The application writes until stopped.
    pub(crate) fn writers_write(&mut self) -> Writing {
        let (stop, stopped) = watch::channel(false);
        let start = |(number, writer)| {
            let (url, stopped, runtime) = (self.url.clone(), stopped.clone(), Handle::current());
            tokio::task::spawn_blocking(move || runtime.block_on(write(writer, url, number, stopped)))
        };
        let tasks = (1..).zip(self.writers.drain(..)).map(start).collect();
        Writing { stop, tasks }
    }

    pub(crate) async fn writers_end(&mut self, writing: Writing) {
        writing.stop.send(true).unwrap();
        for task in writing.tasks {
            self.writers.push(task.await.unwrap());
        }
    }

    /// The rows of the table, as the writers left them.
    pub(crate) fn rows(&self) -> Vec<Document> {
        self.writers.iter().flat_map(|writer| writer.model.rows.values().cloned()).collect()
    }

    /// Waits until everything that was committed before is in the spool.
    pub(crate) async fn all_streamed(&self) {
        let end = self.on_postgres("SELECT pg_current_wal_flush_lsn()::text").await.remove(0);
        self.sidecar.reached(&end).await;
    }

    /// Waits until nothing is pending.
    pub(crate) async fn settled(&self) {
        self.sidecar.settled().await;
    }

    async fn all_arrive(&mut self, expected: &[Expected]) -> Report {
        self.is_ready(&[]).await;
        // What is lost never comes: after this time, the report says what it was.
        let deadline = std::time::Instant::now() + PATIENCE;
        until_within(2 * PATIENCE, "every record", async || {
            self.settled().await;
            let report = check(expected, &self.receiver.received());
            (report.lost == 0 || std::time::Instant::now() > deadline).then_some(report)
        })
        .await
    }

    pub(crate) fn lanes(&self) -> usize {
        self.sidecar.status().and_then(|status| Some(status["lanes"].as_array()?.len())).unwrap_or(0)
    }

    pub(crate) fn dead_letters(&self) -> u64 {
        let status = self.sidecar.status().unwrap();
        status["spool"]["dead_letter_records"].as_u64().unwrap()
    }
}

/// Transactions until stopped. Where an answer was lost, the mark says whether it was committed.
async fn write(mut writer: Writer, url: String, number: i64, stop: watch::Receiver<bool>) -> Writer {
    let connect = async || until("Postgres", async || session(&url).await).await;
    let mut client = connect().await;
    let mut n: i64 = rand::random_range(1..1 << 40);
    while !*stop.borrow() {
        n += 1;
        let mark = format!("UPDATE mark SET n = {n} WHERE writer = {number};");
        let (sql, planned) = writer.plan(6, &mark);
        if client.batch_execute(&sql).await.is_ok() {
            writer.model = planned;
        } else {
            let committed = until("what was committed", async || {
                client = connect().await;
                let row = client.query_one("SELECT n FROM mark WHERE writer = $1", &[&number]).await.ok()?;
                Some(row.get::<_, i64>(0) == n)
            })
            .await;
            if committed {
                writer.model = planned;
            }
        }
        // The pace of the workload.
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
    writer
}

async fn session(url: &str) -> Option<Client> {
    let client = connect_sql(&Conninfo::parse(url, None).unwrap()).await.ok()?;
    client.batch_execute("SET search_path = public").await.ok()?;
    Some(client)
}

fn settings(port: u16) -> String {
    format!(
        "bytes_max = \"96MiB\"\n[batch]\nwait_max_ms = 5\nrecords_max = 20\n\
         [delivery]\ntimeout_ms = 1000\nretry_schedule = [\"20ms\", \"50ms\", \"200ms\"]\n\
         [[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"http://127.0.0.1:{port}/\"\n"
    )
}

/// Where a test has a database of its own.
pub(crate) async fn database(version: u32, name: &str) -> Database {
    let database = Database::new(version, name).await;
    database.run(DOCUMENTS).await;
    database
}
