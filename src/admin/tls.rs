//! TLS of the admin port. A renewed certificate is used by the next connection.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::clock::Clock;

/// A certificate and its key, read again when their files change.
pub(super) struct ReloadableTls {
    certificate: PathBuf,
    key: PathBuf,
    acceptor: TlsAcceptor,
    /// When the files were changed that were read last.
    changed: Changed,
    looked_at: tokio::time::Instant,
}

type Changed = [Option<SystemTime>; 2];

impl ReloadableTls {
    pub(super) fn read(certificate: PathBuf, key: PathBuf) -> anyhow::Result<Self> {
        let changed = [&certificate, &key].map(|file| changed_at(file));
        let acceptor = acceptor(&certificate, &key)?;
        Ok(Self { certificate, key, acceptor, changed, looked_at: Clock::runtime() })
    }

    /// For a new connection. Files that cannot be used change nothing.
    pub(super) fn acceptor(&mut self) -> TlsAcceptor {
        let now = Clock::runtime();
        if now.duration_since(self.looked_at) >= LOOK_EVERY {
            self.looked_at = now;
            let changed = [&self.certificate, &self.key].map(|file| changed_at(file));
            if changed != self.changed {
                self.changed = changed;
                match acceptor(&self.certificate, &self.key) {
                    Ok(renewed) => {
                        self.acceptor = renewed;
                        tracing::info!("`admin.tls_cert` and `admin.tls_key` were read again");
                    }
                    Err(error) => {
                        tracing::error!("the certificate of the admin port stays the one in use: {error:#}");
                    }
                }
            }
        }
        self.acceptor.clone()
    }
}

fn changed_at(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|file| file.modified()).ok()
}

fn acceptor(certificate: &Path, key: &Path) -> anyhow::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("`admin.tls_cert`: read {}", certificate.display()))?;
    let private = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("`admin.tls_key`: read {}", key.display()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("choose the versions of TLS")?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .context("`admin.tls_cert` and `admin.tls_key`")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

const LOOK_EVERY: Duration = Duration::from_secs(1);
