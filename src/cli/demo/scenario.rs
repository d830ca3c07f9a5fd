//! The parts of the demo, set up, played on, and taken down.

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
use super::postgres::{self, ChildProcess, Ending, TemporaryServer};
use super::printer::{Printer, print_line};
use super::tally::{Counts, Subject, Tally};
use super::traffic::Application;
use crate::cli::{client, receive};
use crate::clock::Clock;
use crate::source::connect_sql;
use crate::time::Timestamp;

/// Everything that runs. Dropped, it ends.
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

/// When the receiver of one project was down.
#[derive(Debug, Default)]
struct Outages(Mutex<Vec<Outage>>);

#[derive(Clone, Copy, Debug)]
struct Outage {
    project: &'static str,
    from: Timestamp,
}

impl Scenario {
    /// Starts Postgres, the application, the receiver and the sidecar, and waits until it is ready.
    pub(super) async fn set(printer: Printer) -> anyhow::Result<Self> {
        print_line("starting a temporary Postgres ...");
        let postgres = TemporaryServer::start().await.context("start a temporary Postgres")?;
        print_line(format_args!("{} on a socket in {}", postgres.version, postgres.host.display()));
        let maker = connect_sql(&postgres.conninfo("postgres")?).await.context("connect")?;
        maker.batch_execute("CREATE DATABASE archive").await.context("make a database")?;
        let mut client = connect_sql(&postgres.conninfo("archive")?).await.context("connect")?;
        client.batch_execute("SET search_path = public").await?;
        let application = Application::found(&mut client, DOCUMENTS, SEED).await?;
        print_line(format_args!("{DOCUMENTS} documents of {} projects", PROJECTS.len()));

        let (tally, outages) = (Arc::<Tally>::default(), Arc::<Outages>::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen for webhooks")?;
        let hooks = format!("http://{}/hooks", listener.local_addr()?);
        let receiver = Receiver { tally: Arc::clone(&tally), outages: Arc::clone(&outages), printer };
        tokio::spawn(receive::serve(listener, move |request, body| {
            let answer = receiver.answer(&request, &body);
            async move { answer }
        }));
        let sidecar = start_sidecar(&postgres.host, &hooks).await?;
        Ok(Self { tally, outages, application, client, sidecar, postgres, printer })
    }

    /// The application works until the time is over, or for ever.
    pub(super) async fn run(&mut self, time: Option<Duration>) -> anyhow::Result<()> {
        let clock = Clock::start(crate::time::Uptime(0));
        let mut next_outage = FIRST_OUTAGE;
        let mut beat = tokio::time::interval(BEAT);
        while time.is_none_or(|time| clock.elapsed() < time) {
            tokio::select! {
                _ = beat.tick() => {}
                () = self.sidecar.ended() => bail!("the sidecar ended by itself"),
            }
            // One that would not be over by the end is not begun.
            let has_time = time.is_none_or(|time| clock.elapsed() + OUTAGE + CATCHING_UP < time);
            if clock.elapsed() >= next_outage && has_time {
                next_outage += OUTAGES_EVERY;
                self.outages.begin(Clock::now(), self.printer);
            }
            self.application.act(&mut self.client, &self.tally).await.context("write as the application")?;
        }
        Ok(())
    }

    /// Waits until everything has arrived, or clearly will not.
    pub(super) async fn settle(&self) -> Counts {
        let arrived = async {
            while self.tally.counts().missing() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, arrived).await;
        self.tally.counts()
    }

    /// Ends what runs, in order, and says how it went.
    pub(super) fn end(self) {
        let Self { tally, application, client, sidecar, postgres, printer, .. } = self;
        drop(client);
        tokio::task::block_in_place(|| {
            sidecar.end();
            postgres.end();
        });
        printer.summary(&tally, application.transactions, application.silent);
    }
}

/// What answers the sidecar's requests.
#[derive(Clone, Debug)]
struct Receiver {
    tally: Arc<Tally>,
    outages: Arc<Outages>,
    printer: Printer,
}

impl Receiver {
    fn answer(&self, request: &Request<()>, body: &Bytes) -> StatusCode {
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
        let prompt = |committed| self.outages.waited_for_none(project, committed);
        let arrivals = records
            .filter_map(Subject::of)
            .map(|subject| self.tally.arrive(project, callback, subject, prompt, now))
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
            &format!("the receiver of {project} is down for {seconds} seconds; the others go on"),
            now,
        );
    }

    fn is_down(&self, project: &str, now: Timestamp) -> bool {
        self.any(project, |outage| now.since(outage.from) < OUTAGE)
    }

    /// Whether a record committed then found its project's receiver up, and no queue before it.
    fn waited_for_none(&self, project: &str, committed: Timestamp) -> bool {
        let from = |outage: &Outage| Timestamp(outage.from.0.saturating_sub(1_000_000));
        !self.any(project, |outage| {
            committed > from(outage) && committed.since(from(outage)) < OUTAGE + CATCHING_UP
        })
    }

    fn any(&self, project: &str, is_it: impl Fn(&Outage) -> bool) -> bool {
        let outages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        outages.iter().any(|outage| outage.project == project && is_it(outage))
    }
}

/// The real service, as a process of its own.
async fn start_sidecar(database: &Path, hooks: &str) -> anyhow::Result<ChildProcess> {
    let folder = postgres::folder("demo")?;
    let (settings, spool) = (folder.join("sidecar.toml"), folder.join("spool"));
    // Bound for a moment to find a port that is free.
    let admin = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let text = format!(
        "[postgres]\nurl = \"host={} user=postgres dbname=archive\"\n\n[batch]\nwait_max_ms = 20\n\n\
         [delivery]\nretry_schedule = [\"500ms\", \"1s\"]\n\n[spool]\npath = \"{}\"\nbytes_max = \"1GiB\"\n\n[admin]\n\
         listen = \"{admin}\"\n\n[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{hooks}\"\n",
        database.display(),
        spool.display(),
    );
    std::fs::write(&settings, text).context("write the sidecar's settings")?;
    let mut program = Command::new(std::env::current_exe().context("find this program")?);
    program.arg("run").arg("--config").arg(&settings);
    let mut sidecar = ChildProcess::start(&program, None, &folder, Ending::Terminate)?;
    let ready = async {
        while !client::fetch(&spool, "/-/ready").await.is_ok_and(|(status, _)| status.is_success()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = ready => {}
        () = sidecar.ended() => bail!("the sidecar ended: {}", postgres::log_of(&folder)),
        () = tokio::time::sleep(PATIENCE) => bail!("the sidecar is not ready: {}", postgres::log_of(&folder)),
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
const BEAT: Duration = Duration::from_millis(150);

const FIRST_OUTAGE: Duration = Duration::from_secs(8);
const OUTAGES_EVERY: Duration = Duration::from_secs(40);
const OUTAGE: Duration = Duration::from_secs(3);
/// After an outage: the last wait between attempts, and what came meanwhile.
const CATCHING_UP: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(30);
