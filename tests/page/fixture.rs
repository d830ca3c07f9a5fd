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
    listen: String,
}

impl Fixture {
    /// `settings` follow those of the database and the spool; `RECEIVER` is the receiver's URL, `KEY` a key of the spool.
    pub(crate) async fn new(name: &str, settings: &str) -> Self {
        Self::under(name, settings, "").await
    }

    /// With `admin.base_path`, under which the browser sees the page: `/a/b`.
    pub(crate) async fn under(name: &str, settings: &str, base_path: &str) -> Self {
        let database = Database::new(18, name).await;
        database.run(DOCUMENTS).await;
        let receiver = Receiver::start().await;
        let mut sidecar = Sidecar::prepare(
            &database,
            &settings.replace("RECEIVER", &receiver.url).replace("KEY", &"1".repeat(64)),
        );
        let listen = format!("127.0.0.1:{}", port_for_later());
        let mut variables = vec![("SIDECAR_ADMIN__LISTEN", listen.as_str()), ("SIDECAR_ADMIN__TOKEN", TOKEN)];
        if !base_path.is_empty() {
            variables.push(("SIDECAR_ADMIN__BASE_PATH", base_path));
        }
        sidecar.spawn_with(&variables);
        sidecar.ready().await;
        let browser =
            Browser::open(&format!("http://{listen}{}/", base_path.trim_end_matches('/')), TOKEN).await;
        Self { database, receiver, sidecar, browser, listen }
    }

    /// Stops the sidecar, does something to its spool, and starts it again. The browser signs in again.
    pub(crate) async fn while_stopped(&mut self, change: impl FnOnce(&std::path::Path)) {
        self.sidecar.stop().await;
        change(&self.sidecar.spool());
        self.sidecar.spawn_with(&[("SIDECAR_ADMIN__LISTEN", &self.listen), ("SIDECAR_ADMIN__TOKEN", TOKEN)]);
        self.sidecar.ready().await;
        self.browser.sign_in(TOKEN).await;
        self.browser.complaints();
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
