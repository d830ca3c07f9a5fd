//! One database a test.

use std::sync::atomic::{AtomicU32, Ordering};

use sidecar::source::{Conninfo, connect_sql};
use tokio_postgres::Client;

use super::server::Server;

pub struct Database {
    pub version: u32,
    pub name: String,
    pub url: String,
    pub client: Client,
}

/// The table that the default settings fit, its body out of line.
pub const DOCUMENTS: &str = "
CREATE TABLE documents (
    id bigint PRIMARY KEY, key text, project_id text, title text, body text,
    labels text[], predicted_labels text[], similarity jsonb, deleted_at timestamptz,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now());
ALTER TABLE documents ALTER body SET STORAGE EXTERNAL;";

impl Database {
    pub async fn new(version: u32, test: &str) -> Self {
        let server = tokio::task::spawn_blocking(move || Server::shared(version)).await.unwrap();
        Self::on(server, version, test).await
    }

    /// One whose texts lie in another encoding than UTF-8.
    pub async fn encoded(version: u32, test: &str, encoding: &str) -> Self {
        let server = tokio::task::spawn_blocking(move || Server::shared(version)).await.unwrap();
        Self::created(server, version, test, &format!("ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"))
            .await
    }

    pub async fn on(server: &Server, version: u32, test: &str) -> Self {
        Self::created(server, version, test, "").await
    }

    async fn created(server: &Server, version: u32, test: &str, how: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{test}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let url = |dbname: &str| format!("postgresql://postgres@127.0.0.1:{}/{dbname}", server.port);
        let maintenance = session(&url("postgres")).await;
        // Copied as files: as WAL, every slot of the cluster would read the template's 4 MB.
        let sql = format!("CREATE DATABASE {name} STRATEGY FILE_COPY {how}");
        maintenance.batch_execute(&sql).await.unwrap();
        let client = session(&url(&name)).await;
        Self { version, url: url(&name), name, client }
    }

    /// One that is there already.
    pub async fn at(version: u32, name: &str, url: &str) -> Self {
        Self { version, url: url.to_owned(), name: name.to_owned(), client: session(url).await }
    }

    pub async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    pub async fn session(&self) -> Client {
        session(&self.url).await
    }

    pub async fn text(&self, sql: &str) -> Option<String> {
        self.client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
    }
}

async fn session(url: &str) -> Client {
    let client = connect_sql(&Conninfo::parse(url, None).unwrap()).await.unwrap();
    client.batch_execute("SET search_path = public").await.unwrap();
    client
}
