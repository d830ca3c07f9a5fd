//! Trust over TLS: the system's roots, those of `ca_file`, and self-signed certificates in `ca_file`.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::source::verifier;

/// The TLS configuration for receivers.
pub(in crate::deliver) fn client_config(ca_file: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let mut given = Vec::new();
    if let Some(path) = ca_file {
        let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        given = read.with_context(|| format!("read `egress.ca_file` {}", path.display()))?;
        anyhow::ensure!(!given.is_empty(), "`egress.ca_file` {} holds no certificate", path.display());
        for certificate in &given {
            let added = roots.add(certificate.clone());
            added.with_context(|| format!("trust `egress.ca_file` {}", path.display()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = verifier(roots, given, provider.signature_verification_algorithms);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("choose TLS versions")?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
