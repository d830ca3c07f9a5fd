//! What every fixture has: an application's database, a receiver, a sidecar.

use std::fs;

use crate::support::cluster::Cluster;
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::{Answer, Received, Receiver};
use crate::support::until;

pub(crate) const APP: &str = "app";
/// The sidecar's slot of it.
pub(crate) const SLOT: &str = "s_app";

pub(crate) struct Fixture {
    pub(crate) database: Database,
    pub(crate) receiver: Receiver,
    pub(crate) sidecar: Sidecar,
    failover_slot: bool,
}

impl Fixture {
    /// A sidecar, ready, on a new database of `cluster`.
    pub(crate) async fn on(cluster: &Cluster, failover_slot: bool) -> Self {
        Self::with(application(cluster).await, failover_slot).await
    }

    /// A sidecar, ready, on that database.
    pub(crate) async fn with(database: Database, failover_slot: bool) -> Self {
        let receiver = Receiver::start().await;
        let sidecar = Sidecar::prepare(&database, "");
        let mut fixture = Self { database, receiver, sidecar, failover_slot };
        fixture.configure();
        fixture.sidecar.spawn();
        fixture.sidecar.ready().await;
        fixture
    }

    fn configure(&self) {
        let webhooks = format!(
            "[batch]\nwait_max_ms = 0\n[delivery]\nretry_schedule = [\"50ms\", \"100ms\"]\n\
             [[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\n",
            self.receiver.url
        );
        self.sidecar.configure(&self.database, &webhooks);
        if self.failover_slot {
            let settings = fs::read_to_string(self.sidecar.settings()).unwrap();
            let settings = settings.replacen("[postgres]\n", "[postgres]\nfailover_slot = true\n", 1);
            fs::write(self.sidecar.settings(), settings).unwrap();
        }
    }

    /// Configures `url` as the database; a start applies it.
    pub(crate) async fn moves_to(&mut self, cluster: &Cluster) {
        self.database = cluster.database(APP).await;
        self.configure();
    }

    /// The receiver refuses everything, or takes it again.
    pub(crate) fn refuses(&self, refuses: bool) {
        self.receiver.answers(move |_| Answer::Status(if refuses { 503 } else { 204 }));
    }

    /// One document, committed.
    pub(crate) async fn insert(&self, id: u32) {
        self.database
            .run(&format!("INSERT INTO documents (id, key, project_id) VALUES ({id}, 'k', 'p')"))
            .await;
    }

    /// Waits until the receiver has so many records.
    pub(crate) async fn receives(&self, count: usize) {
        until(&format!("{count} records"), async || (self.receiver.records_taken() >= count).then_some(()))
            .await;
    }

    /// The ids that were delivered, in order, with repetitions.
    pub(crate) fn ids(&self) -> Vec<String> {
        let received = self.receiver.received();
        let taken = received.iter().filter(|request| request.taken());
        taken.flat_map(Received::records).map(|record| record["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the spool's position has reached the end of the server's log.
    pub(crate) async fn caught_up(&self) {
        let end = self.database.text("SELECT pg_current_wal_lsn()::text").await.unwrap();
        self.reached(&end).await;
    }

    pub(crate) async fn reached(&self, lsn: &str) {
        self.sidecar.reached(lsn).await;
    }

    /// Waits until no server answers it.
    pub(crate) async fn waits_for_postgres(&self) {
        until("nobody to answer", async || {
            let status = self.sidecar.status()?;
            (status["source"]["state"] == "waiting_for_postgres").then_some(())
        })
        .await;
    }

    /// Not ready, for a reason that contains this; and stays so, without sending anything.
    pub(crate) async fn stays_unready(&self, because: &str) -> String {
        let before = self.receiver.received().len();
        let message = until(&format!("not ready: {because}"), async || {
            let (status, _) = self.sidecar.get("/-/ready")?;
            let detail = self.sidecar.status()?["source"]["detail"].as_str()?.to_owned();
            (status != 200 && detail.contains(because)).then_some(detail)
        })
        .await;
        // Three more connections to the source, each of which could change the result.
        let connections = || self.sidecar.metric("sidecar_replication_connections_total");
        let enough = connections() + 3;
        until("three more connections to the source", async || {
            let (status, _) = self.sidecar.get("/-/ready").unwrap();
            assert_ne!(status, 200, "{}", self.sidecar.log());
            (connections() >= enough).then_some(())
        })
        .await;
        assert_eq!(self.receiver.received().len(), before, "nothing is delivered");
        message
    }
}

/// The application's database, made in `cluster`.
pub(crate) async fn application(cluster: &Cluster) -> Database {
    cluster.database("postgres").await.run(&format!("CREATE DATABASE {APP}")).await;
    let database = cluster.database(APP).await;
    database.run(DOCUMENTS).await;
    database
}

pub(crate) fn parsed(lsn: &str) -> u64 {
    let (high, low) = lsn.split_once(['/', '-']).unwrap();
    u64::from_str_radix(high, 16).unwrap() << 32 | u64::from_str_radix(low, 16).unwrap()
}
