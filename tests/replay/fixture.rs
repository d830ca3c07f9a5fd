//! A sidecar that has delivered a random workload.

use std::process::Output;

use serde_json::{Value, json};
use sidecar::position::{Place, Position};

use crate::support::check::{Report, check};
use crate::support::database::{DOCUMENTS, Database};
use crate::support::model::Expected;
use crate::support::process::Sidecar;
use crate::support::receiver::{Received, Receiver};
use crate::support::until;
use crate::support::workload::Writer;

pub(crate) struct Fixture {
    pub(crate) database: Database,
    pub(crate) receiver: Receiver,
    pub(crate) sidecar: Sidecar,
    pub(crate) writer: Writer,
}

impl Fixture {
    /// A writer's transactions, all delivered.
    pub(crate) async fn new(version: u32, name: &str, transactions: usize, spool: &str, more: &str) -> Self {
        let seed = seed();
        let database = Database::new(version, name).await;
        database.run(DOCUMENTS).await;
        let receiver = Receiver::start().await;
        let sidecar = Sidecar::start(&database, &settings(&receiver, spool, more)).await;
        let mut fixture = Self { database, receiver, sidecar, writer: Writer::new(seed, 1) };
        fixture.write(transactions).await;
        fixture
    }

    /// More transactions, delivered.
    pub(crate) async fn write(&mut self, transactions: usize) {
        for _ in 0..transactions {
            self.writer.transaction(&self.database.client, 6).await;
        }
        let live = async || {
            let report = check(self.expected(), &self.live());
            (report.records >= self.expected().len()).then_some(report)
        };
        let report = until("all live records", live).await;
        assert!(report.is_clean(), "{report:?}");
        self.settled().await;
    }

    /// Waits until nothing is pending.
    pub(crate) async fn settled(&self) {
        self.sidecar.settled().await;
    }

    pub(crate) fn expected(&self) -> &[Expected] {
        &self.writer.model.records
    }

    pub(crate) fn live(&self) -> Vec<Received> {
        self.receiver
            .received()
            .into_iter()
            .filter(|request| request.header("sidecar-replay").is_empty())
            .collect()
    }

    pub(crate) fn replayed(&self, id: &str) -> Vec<Received> {
        let of = |request: &Received| request.header("sidecar-replay") == id;
        self.receiver.received().into_iter().filter(of).collect()
    }

    /// Asks for a replay, and answers its number and id.
    pub(crate) fn replay(&self, request: &Value) -> (u64, String) {
        let answer = self.request(request).unwrap_or_else(|refused| panic!("{refused:?}"));
        (answer["no"].as_u64().expect("a number"), answer["id"].as_str().expect("an id").to_owned())
    }

    /// The answer, or the status and sentence of a refusal.
    pub(crate) fn request(&self, request: &Value) -> Result<Value, (u16, String)> {
        self.post("/api/v1/replays", request)
    }

    pub(crate) fn post(&self, path: &str, request: &Value) -> Result<Value, (u16, String)> {
        let (status, body) = self.sidecar.request("POST", path, &request.to_string()).expect("an answer");
        if status == 200 { Ok(serde_json::from_str(&body).unwrap()) } else { Err((status, body)) }
    }

    /// One replay, as it is listed.
    pub(crate) fn listed(&self, no: u64) -> Option<Value> {
        let (_, body) = self.sidecar.get("/api/v1/replays")?;
        let all: Value = serde_json::from_str(&body).ok()?;
        all["replays"].as_array()?.iter().find(|replay| replay["no"] == no).cloned()
    }

    pub(crate) async fn ends(&self, no: u64, state: &str) -> Value {
        until(&format!("replay {no} to be {state}"), async || {
            self.listed(no).filter(|replay| replay["state"] == state)
        })
        .await
    }

    /// Everything from the window's beginning, once more; what came of it.
    pub(crate) async fn replay_all(&self) -> (Value, Report) {
        let (no, id) = self.replay(&json!({ "from_lsn": self.window() }));
        let ended = self.ends(no, "done").await;
        (ended, check(self.expected(), &self.replayed(&id)))
    }

    /// The first LSN that can be replayed.
    pub(crate) fn window(&self) -> String {
        let status = self.sidecar.status().unwrap();
        status["spool"]["window"]["from_lsn"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn run(&self, name: &str, arguments: &[&str]) -> Output {
        let mut command = self.sidecar.command(name);
        command.args(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }
}

/// `spool` goes into `[spool]`, `more` into `[delivery]` and behind it.
pub(crate) fn settings(receiver: &Receiver, spool: &str, more: &str) -> String {
    format!(
        "{spool}\n[delivery]\nretry_schedule = [\"20ms\", \"50ms\"]\n{more}\n\
         [[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\nwait_max_ms = 5\n",
        receiver.url
    )
}

/// The place of a request's only record.
pub(crate) fn place(request: &Received) -> Position {
    let (first, last) = request.header("sidecar-positions").split_once("..").unwrap();
    assert_eq!(first, last, "one record a batch");
    let Place { commit, number } = first.parse().unwrap();
    Position { commit, number: number.unwrap() }
}

pub(crate) fn seed() -> u64 {
    let seed = std::env::var("SIDECAR_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) << 32 | u64::from(rand::random::<u32>()));
    println!("seed {seed} (SIDECAR_TEST_SEED={seed} runs it again)");
    seed
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
