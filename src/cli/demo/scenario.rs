//! Starts the parts of the demo, drives them, and stops them.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use hyper::{Request, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_postgres::Client;

use super::archive::PROJECTS;
use super::child_process::{ChildProcess, StopSignal, last_log_lines, temporary_folder};
use super::postgres::TemporaryServer;
use super::printer::{Printer, print_line};
use super::tally::{Counts, Subject, Tally};
use super::traffic::Application;
use crate::cli::{client, receive};
use crate::clock::Clock;
use crate::source::connect_sql;
use crate::time::Timestamp;

/// Everything that runs. Dropping it stops everything.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) tally: Arc<Tally>,
    outages: Arc<Outages>,
    application: Application,
    client: Client,
    sidecar: ChildProcess,
    postgres: TemporaryServer,
    printer: Printer,
}

/// The outages of the receivers.
#[derive(Debug, Default)]
struct Outages(Mutex<Vec<Outage>>);

#[derive(Clone, Copy, Debug)]
struct Outage {
    project: &'static str,
    from: Timestamp,
}

impl Scenario {
    /// Starts Postgres, the application, the receiver and the sidecar, and waits until it is ready.
    pub(super) async fn start(printer: Printer) -> anyhow::Result<Self> {
        print_line("starting a temporary Postgres ...");
        let postgres = TemporaryServer::start().await.context("start a temporary Postgres")?;
        print_line(format_args!("{} on a socket in {}", postgres.version, postgres.host.display()));
        let admin = connect_sql(&postgres.conninfo("postgres")?).await.context("connect")?;
        admin.batch_execute("CREATE DATABASE archive").await.context("create a database")?;
        let mut client = connect_sql(&postgres.conninfo("archive")?).await.context("connect")?;
        client.batch_execute("SET search_path = public").await?;
        let application = Application::create(&mut client, DOCUMENTS, SEED).await?;
        print_line(format_args!("{DOCUMENTS} documents in {} projects", PROJECTS.len()));

        let (tally, outages) = (Arc::<Tally>::default(), Arc::<Outages>::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen for webhooks")?;
        let webhook_url = format!("http://{}/hooks", listener.local_addr()?);
        let receiver = Receiver { tally: Arc::clone(&tally), outages: Arc::clone(&outages), printer };
        tokio::spawn(receive::serve(listener, move |request, body| {
            let status = receiver.receive(&request, &body);
            async move { status }
        }));
        let sidecar = start_sidecar(&postgres.host, &webhook_url).await?;
        Ok(Self { tally, outages, application, client, sidecar, postgres, printer })
    }

    /// Runs the application for `time`, or for ever.
    pub(super) async fn run(&mut self, time: Option<Duration>) -> anyhow::Result<()> {
        let clock = Clock::start(crate::time::Uptime(0));
        let mut next_outage = FIRST_OUTAGE;
        let mut transactions = tokio::time::interval(TRANSACTION_INTERVAL);
        while time.is_none_or(|time| clock.elapsed() < time) {
            tokio::select! {
                _ = transactions.tick() => {}
                () = self.sidecar.ended() => bail!("the sidecar ended unexpectedly"),
            }
            // An outage that would not be over by the end does not begin.
            let has_time = time.is_none_or(|time| clock.elapsed() + OUTAGE + CATCH_UP < time);
            if clock.elapsed() >= next_outage && has_time {
                next_outage += OUTAGE_INTERVAL;
                self.outages.begin(Clock::now(), self.printer);
            }
            self.application
                .act(&mut self.client, &self.tally)
                .await
                .context("run a transaction of the application")?;
        }
        Ok(())
    }

    /// Waits until every record has arrived, at most [`TIMEOUT`].
    pub(super) async fn settle(&self) -> Counts {
        let arrived = async {
            while self.tally.counts().missing() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = tokio::time::timeout(TIMEOUT, arrived).await;
        self.tally.counts()
    }

    /// Stops the sidecar, then Postgres, and prints the totals.
    pub(super) fn stop(self) {
        let Self { tally, application, client, sidecar, postgres, printer, .. } = self;
        drop(client);
        tokio::task::block_in_place(|| {
            sidecar.stop();
            postgres.stop();
        });
        printer.summary(&tally, application.transactions, application.silent);
    }
}

/// The receiver of every project.
#[derive(Clone, Debug)]
struct Receiver {
    tally: Arc<Tally>,
    outages: Arc<Outages>,
    printer: Printer,
}

impl Receiver {
    fn receive(&self, request: &Request<()>, body: &Bytes) -> StatusCode {
        let now = Clock::now();
        let [project, callback, attempt] = ["sidecar-project", "sidecar-callback", "sidecar-attempt"]
            .map(|name| receive::header(request, name));
        let Ok(callback) = callback.parse() else { return StatusCode::BAD_REQUEST };
        if self.outages.is_down(project, now) {
            self.printer.refused(project, callback, attempt, now);
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        let Ok(Value::Object(parsed)) = serde_json::from_slice(body) else { return StatusCode::BAD_REQUEST };
        let records = parsed.values().find_map(Value::as_array).into_iter().flatten();
        let is_undelayed = |committed| !self.outages.delayed(project, committed);
        let arrivals = records
            .filter_map(Subject::of)
            .map(|subject| self.tally.arrive(project, callback, subject, is_undelayed, now))
            .collect::<Vec<_>>();
        self.printer.request(project, callback, attempt, &arrivals, now);
        StatusCode::NO_CONTENT
    }
}

impl Outages {
    fn begin(&self, now: Timestamp, printer: Printer) {
        let mut outages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(project) = PROJECTS.into_iter().cycle().nth(outages.len()) else { return };
        outages.push(Outage { project, from: now });
        let seconds = OUTAGE.as_secs();
        printer.event(
            &format!(
                "the receiver of {project} is down for {seconds} seconds; other projects are not affected"
            ),
            now,
        );
    }

    fn is_down(&self, project: &str, now: Timestamp) -> bool {
        self.any(project, |outage| now.since(outage.from) < OUTAGE)
    }

    /// Whether a record committed then had to wait for an outage or for the queue that followed it.
    fn delayed(&self, project: &str, committed: Timestamp) -> bool {
        let from = |outage: &Outage| Timestamp(outage.from.0.saturating_sub(1_000_000));
        self.any(project, |outage| {
            committed > from(outage) && committed.since(from(outage)) < OUTAGE + CATCH_UP
        })
    }

    fn any(&self, project: &str, matches: impl Fn(&Outage) -> bool) -> bool {
        let outages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        outages.iter().any(|outage| outage.project == project && matches(outage))
    }
}

/// Starts `sidecar run` as a child process and waits until it is ready.
async fn start_sidecar(database: &Path, webhook_url: &str) -> anyhow::Result<ChildProcess> {
    let folder = temporary_folder("demo")?;
    let (settings, spool) = (folder.join("sidecar.toml"), folder.join("spool"));
    // Bound for a moment to find a free port.
    let admin = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let text = format!(
        "[postgres]\nurl = \"host={} user=postgres dbname=archive\"\n\n[batch]\nwait_max_ms = 20\n\n\
         [delivery]\nretry_schedule = [\"500ms\", \"1s\"]\n\n[spool]\npath = \"{}\"\nbytes_max = \"1GiB\"\n\n[admin]\n\
         listen = \"{admin}\"\n\n[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{webhook_url}\"\n",
        database.display(),
        spool.display(),
    );
    std::fs::write(&settings, text).context("write the sidecar's settings")?;
    let mut program = Command::new(std::env::current_exe().context("find this program")?);
    program.arg("run").arg("--config").arg(&settings);
    let mut sidecar = ChildProcess::start(&program, None, &folder, StopSignal::Terminate)?;
    let ready = async {
        while !client::fetch(&spool, "/-/ready").await.is_ok_and(|(status, _)| status.is_success()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = ready => {}
        () = sidecar.ended() => bail!("the sidecar ended: {}", last_log_lines(&folder)),
        () = tokio::time::sleep(TIMEOUT) => bail!("the sidecar is not ready: {}", last_log_lines(&folder)),
    }
    print_line(format_args!(
        "sidecar run --config {} is ready; metrics at http://{admin}/metrics\n",
        settings.display()
    ));
    Ok(sidecar)
}

const DOCUMENTS: usize = 3_000;
const SEED: u64 = 2_026;

/// Between two transactions of the application.
const TRANSACTION_INTERVAL: Duration = Duration::from_millis(150);

const FIRST_OUTAGE: Duration = Duration::from_secs(8);
const OUTAGE_INTERVAL: Duration = Duration::from_secs(40);
const OUTAGE: Duration = Duration::from_secs(3);
/// After an outage: the longest wait before a retry, and the time to send the backlog.
const CATCH_UP: Duration = Duration::from_secs(4);
const TIMEOUT: Duration = Duration::from_secs(30);
