//! A sidecar, a receiver, and every command that they answer.

use std::process::Output;

use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;
use crate::support::until;

pub(crate) struct Fixture {
    pub(crate) database: Database,
    pub(crate) receiver: Receiver,
    pub(crate) sidecar: Sidecar,
}

impl Fixture {
    /// Everything goes to one receiver. `more` is written to `[delivery]` and behind it.
    pub(crate) async fn new(version: u32, name: &str, more: &str) -> Self {
        let database = Database::new(version, name).await;
        database.run(DOCUMENTS).await;
        let receiver = Receiver::start().await;
        let sidecar = Sidecar::start(&database, &settings(&receiver, more)).await;
        Self { database, receiver, sidecar }
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        run(&self.sidecar, arguments).await
    }

    pub(crate) async fn output_text(&self, arguments: &[&str]) -> String {
        output_text(&self.run(arguments).await)
    }
}

pub(crate) fn settings(receiver: &Receiver, more: &str) -> String {
    format!(
        "[delivery]\nretry_schedule = [\"20ms\", \"50ms\"]\n{more}\n\
         [[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\nwait_max_ms = 5\n",
        receiver.url
    )
}

pub(crate) async fn run(sidecar: &Sidecar, arguments: &[&str]) -> Output {
    let mut command = sidecar.command(arguments[0]);
    command.args(&arguments[1..]);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

pub(crate) fn output_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Gives the slot back to the server that the tests share.
pub(crate) async fn release(database: &Database) {
    let slot = format!("SELECT pg_drop_replication_slot('s_{}')", database.name);
    until("the slot to be free", async || database.client.batch_execute(&slot).await.ok()).await;
}
