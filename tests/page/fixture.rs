//! A sidecar, a receiver, and a browser that shows the page.

use super::browser::Browser;
use crate::support::database::{DOCUMENTS, Database};
use crate::support::port::port_for_later;
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;

pub(crate) struct Fixture {
    pub(crate) database: Database,
    pub(crate) receiver: Receiver,
    pub(crate) sidecar: Sidecar,
    pub(crate) browser: Browser,
}

impl Fixture {
    /// `settings` follow those of the database and the spool.
    pub(crate) async fn new(name: &str, settings: &str) -> Self {
        let database = Database::new(18, name).await;
        database.run(DOCUMENTS).await;
        let receiver = Receiver::start().await;
        let mut sidecar = Sidecar::prepare(&database, settings);
        let listen = format!("127.0.0.1:{}", port_for_later());
        sidecar.spawn_with(&[("SIDECAR_ADMIN__LISTEN", &listen), ("SIDECAR_ADMIN__TOKEN", TOKEN)]);
        sidecar.ready().await;
        let browser = Browser::open(&format!("http://{listen}/"), TOKEN).await;
        Self { database, receiver, sidecar, browser }
    }

    pub(crate) async fn insert(&self, project: &str, ids: std::ops::Range<u32>) {
        let rows =
            format!("SELECT i, 'k' || i, '{project}' FROM generate_series({}, {}) i", ids.start, ids.end - 1);
        self.database.run(&format!("INSERT INTO documents (id, key, project_id) {rows}")).await;
    }

    /// The browser complained about nothing; the slot goes back to the server that tests share.
    pub(crate) async fn end(mut self) {
        assert_eq!(self.browser.complaints(), Vec::<String>::new());
        self.sidecar.stop().await;
        crate::operations::release(&self.database).await;
    }
}

const TOKEN: &str = "the-operators-token";
