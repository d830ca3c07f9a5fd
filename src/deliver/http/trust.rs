//! TLS to receivers: whom it trusts, and which certificate it shows. Most webhooks share one configuration; one
//! with files of its own has a configuration of its own, so that nothing of its sessions is used by another.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs::default_provider;

use crate::deliver::http::tls_files::{Authorities, BadTlsFile, FileStamp, TlsFiles};
use crate::source::verifier;

/// The TLS configurations.
pub(in crate::deliver) struct TlsConfigs {
    shared: Arc<ClientConfig>,
    own: Mutex<HashMap<Arc<TlsFiles>, OwnConfig>>,
}

/// Of one webhook.
struct OwnConfig {
    config: Arc<ClientConfig>,
    /// Of the files when they were read last, perhaps in vain.
    stamps: Vec<FileStamp>,
}

impl TlsConfigs {
    /// Trusts the system's authorities and those of `egress.ca_file`.
    pub(in crate::deliver) fn new(ca_file: Option<&Path>) -> anyhow::Result<Self> {
        let mut trusted = Authorities::of_the_system();
        if let Some(path) = ca_file {
            let given = Authorities::read("ca_file", path).context("`egress.ca_file`")?;
            trusted.store.roots.extend(given.store.roots);
            trusted.certificates = given.certificates;
        }
        let mut shared = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .context("choose TLS versions")?
            .dangerous()
            .with_custom_certificate_verifier(verifier_of(trusted))
            .with_no_client_auth();
        shared.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { shared: Arc::new(shared), own: Mutex::default() })
    }

    /// The configuration for a new connection. A changed file is read again; where that fails, as while its key
    /// is not replaced yet, the configuration stays what it was.
    pub(in crate::deliver) fn get(
        &self,
        files: Option<&Arc<TlsFiles>>,
    ) -> Result<Arc<ClientConfig>, BadTlsFile> {
        let Some(files) = files else { return Ok(Arc::clone(&self.shared)) };
        let stamps = files.stamps();
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let known = own.get_mut(files);
        if let Some(known) = known.as_ref().filter(|known| known.stamps == stamps) {
            return Ok(Arc::clone(&known.config));
        }
        match (self.read(files), known) {
            (Ok(config), _) => {
                if own.len() == OWN_MAX {
                    own.clear();
                }
                own.insert(Arc::clone(files), OwnConfig { config: Arc::clone(&config), stamps });
                Ok(config)
            }
            (Err(error), Some(known)) => {
                tracing::warn!(
                    "`{}` of a webhook has changed and cannot be used, so the file read before stays in use: {error}",
                    error.setting
                );
                known.stamps = stamps;
                Ok(Arc::clone(&known.config))
            }
            (Err(error), None) => Err(error),
        }
    }

    fn read(&self, files: &TlsFiles) -> Result<Arc<ClientConfig>, BadTlsFile> {
        let mut config = (*self.shared).clone();
        // A session that is resumed has the certificate that it began with.
        config.resumption = Resumption::default();
        if let Some(path) = &files.authorities {
            let verifier = verifier_of(Authorities::read("ca_file", path)?);
            config.dangerous().set_certificate_verifier(verifier);
        }
        if let Some(client) = &files.client {
            config.client_auth_cert_resolver = Arc::new(client.read()?);
        }
        Ok(Arc::new(config))
    }
}

fn verifier_of(trusted: Authorities) -> Arc<dyn ServerCertVerifier> {
    verifier(trusted.store, trusted.certificates, default_provider().signature_verification_algorithms)
}

/// More than these are not kept at once, but read again.
const OWN_MAX: usize = 1_024;
