//! One database a test, on each version.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use sidecar::relation::ExcludedWhen;
use sidecar::source::preflight::server_state::{ServerState, inspect};
use sidecar::source::{Conninfo, connect_sql};
use sidecar::source::{Required, RequiredColumn};
use tokio_postgres::Client;

use crate::support::server::Server;

pub(crate) struct Fixture {
    pub(crate) version: u32,
    pub(crate) conninfo: Conninfo,
    pub(crate) client: Client,
    pub(crate) name: String,
    bin: PathBuf,
}

impl Fixture {
    /// A fresh database on the shared server of PostgreSQL `version`.
    pub(crate) async fn new(version: u32, test: &str) -> Self {
        let server = tokio::task::spawn_blocking(move || Server::shared(version)).await.expect("a server");
        Self::on(server, version, test).await
    }

    /// A fresh database on `server`.
    pub(crate) async fn on(server: &Server, version: u32, test: &str) -> Self {
        let at = |dbname: &str, user: &str| {
            let text = format!("host=127.0.0.1 port={} user={user} dbname={dbname}", server.port);
            Conninfo::parse(&text, None).expect("a connection string")
        };
        let name = format!("{test}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let maintenance = connected(&at("postgres", "postgres")).await;
        maintenance
            .batch_execute(&format!("CREATE DATABASE {name} STRATEGY FILE_COPY"))
            .await
            .expect("a database");
        let conninfo = at(&name, "postgres");
        let client = connected(&conninfo).await;
        Self { version, conninfo, client, name, bin: server.bin.clone() }
    }

    /// Another session.
    pub(crate) async fn session(&self) -> Client {
        connect_sql(&self.conninfo).await.expect("a session")
    }

    /// A session of another role.
    pub(crate) async fn session_as(&self, role: &str) -> Client {
        connect_sql(&self.conninfo_as(role)).await.expect("a session")
    }

    /// The same database for another role.
    pub(crate) fn conninfo_as(&self, role: &str) -> Conninfo {
        Conninfo { user: role.to_owned(), ..self.conninfo.clone() }
    }

    pub(crate) async fn run(&self, sql: &str) {
        run(&self.client, sql).await;
    }

    /// What the settings would name: documents with the id `id`, slot and publication called as the database.
    pub(crate) fn required(&self, columns: &[&str]) -> Required {
        let named =
            |name: &&str| RequiredColumn { setting: format!("documents.{name}"), name: (*name).to_owned() };
        Required {
            schema: "public".to_owned(),
            table: "documents".to_owned(),
            oid: None,
            publication: format!("p_{}", self.name),
            slot: format!("s_{}", self.name),
            failover: false,
            id: vec!["id".to_owned()],
            identity: None,
            project: None,
            columns: columns.iter().map(named).collect(),
            excluded_when: ExcludedWhen::ByType,
            content: None,
            ignore: Vec::new(),
            webhooks: vec![None],
        }
    }

    pub(crate) async fn server_state(&self, required: &Required) -> ServerState {
        inspect(&self.client, required).await.expect("a survey")
    }

    /// Reads the slot as a sidecar would, until it is dropped.
    pub(crate) async fn read_slot(&self, slot: &str, publication: &str) -> Reader {
        let port = self.conninfo.endpoints[0].port;
        let child = Command::new(self.bin.join("pg_recvlogical"))
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", "postgres", "-d", &self.name])
            .args(["--slot", slot, "--start", "-f", "/dev/null", "-o", "proto_version=1"])
            .args(["-o", &format!("publication_names={publication}")])
            .spawn()
            .expect("pg_recvlogical");
        until(&self.client, &format!("SELECT active FROM pg_replication_slots WHERE slot_name = '{slot}'"))
            .await;
        let query = format!("SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{slot}'");
        Reader { pid: self.client.query_one(&query, &[]).await.expect("a pid").get(0), child }
    }

    /// Slots are the cluster's, not the database's: what a test leaves would fill it.
    pub(crate) async fn close(self) {
        self.run(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots \
             WHERE database = current_database() AND NOT temporary AND active_pid IS NULL",
        )
        .await;
    }
}

/// A process that reads a slot.
pub(crate) struct Reader {
    /// On the server.
    pub(crate) pid: i32,
    child: Child,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("the reader ends");
    }
}

/// The first answers of a server that starts are refusals.
async fn connected(conninfo: &Conninfo) -> Client {
    crate::support::until("a session", async || connect_sql(conninfo).await.ok()).await
}

pub(crate) async fn run(client: &Client, sql: &str) {
    if let Err(error) = client.batch_execute(sql).await {
        panic!("{sql}: {error:?}");
    }
}

/// Waits until `sql` says true.
pub(crate) async fn until(client: &Client, sql: &str) {
    let is_true = async || client.query_one(sql, &[]).await.expect(sql).get::<_, bool>(0).then_some(());
    crate::support::until(sql, is_true).await;
}

/// Runs a test on every version.
macro_rules! on_all_versions {
    ($($(#[$attribute:meta])* async fn $name:ident($fixture:ident: Fixture) $body:block)*) => {$(
        $(#[$attribute])*
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            for version in $crate::catalog::fixture::VERSIONS {
                let $fixture = $crate::catalog::fixture::Fixture::new(version, "t").await;
                $body
            }
        }
    )*};
}
pub(crate) use on_all_versions;

pub(crate) const VERSIONS: [u32; 2] = [15, 18];
static NEXT: AtomicU32 = AtomicU32::new(0);
