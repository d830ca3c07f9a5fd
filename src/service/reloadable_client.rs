//! Requests to receivers, with the certificate authorities of `egress.ca_file`, which SIGHUP reads again.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;

use crate::deliver::{Client, SendRequest};
use crate::metrics::Metrics;
use crate::settings::Settings;

/// The current client, and the contents of `ca_file` that it was made with.
pub(super) struct ReloadableClient {
    settings: Arc<Settings>,
    metrics: Metrics,
    client: Arc<Mutex<Client>>,
    file: Vec<u8>,
}

impl ReloadableClient {
    pub(super) fn read(settings: &Arc<Settings>, metrics: &Metrics) -> anyhow::Result<Self> {
        let file = bytes(settings);
        let client = Arc::new(Mutex::new(client(settings, metrics)?));
        Ok(Self { settings: Arc::clone(settings), metrics: metrics.clone(), client, file })
    }

    /// Makes each request with the current client.
    pub(super) fn post(&self, runtime: Handle) -> SendRequest {
        let client = Arc::clone(&self.client);
        Box::new(move |request, reply| {
            let client = client.lock().unwrap_or_else(PoisonError::into_inner).clone();
            client.post(runtime.clone())(request, reply);
        })
    }

    /// If the file has changed, new connections trust its new contents. Requests in flight are not affected.
    pub(super) fn reload(&mut self) -> anyhow::Result<()> {
        let file = bytes(&self.settings);
        if file != self.file {
            *self.client.lock().unwrap_or_else(PoisonError::into_inner) =
                client(&self.settings, &self.metrics)?;
            self.file = file;
            tracing::info!("`egress.ca_file` was read again");
        }
        Ok(())
    }
}

fn client(settings: &Settings, metrics: &Metrics) -> anyhow::Result<Client> {
    let (egress, proxy) = (settings.egress.clone(), settings.proxy.clone());
    Client::new(egress, proxy, settings.ca_file.as_deref(), metrics.clone())
}

/// A file that cannot be read counts as empty: the client reports the error.
fn bytes(settings: &Settings) -> Vec<u8> {
    settings.ca_file.as_ref().and_then(|path| std::fs::read(path).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> String {
        rcgen::generate_simple_self_signed(["receiver".to_owned()]).unwrap().cert.pem()
    }

    #[test]
    fn a_file_that_holds_something_else_is_reloaded_and_a_wrong_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let settings = format!(
            "postgres.url = \"postgres://u@h/d\"\negress.ca_file = {:?}\n[[webhook]]\nproject = \"*\"\n\
             callback = \"*\"\nurl = \"https://h/\"",
            path.display().to_string()
        );
        std::fs::write(&path, certificate()).unwrap();
        let settings = Arc::new(crate::settings::parse(&settings).unwrap());
        let mut reloadable = ReloadableClient::read(&settings, &Metrics::unregistered()).unwrap();
        let first = reloadable.file.clone();
        reloadable.reload().unwrap();
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        reloadable.reload().unwrap_err();
        assert_eq!(reloadable.file, first, "it is tried again at the next signal");
        let second = certificate();
        std::fs::write(&path, &second).unwrap();
        reloadable.reload().unwrap();
        assert_eq!(reloadable.file, second.as_bytes());
    }
}
