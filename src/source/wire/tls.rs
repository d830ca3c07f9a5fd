//! TLS to Postgres: trusted certificates, client certificate, channel binding.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use x509_cert::der::{Decode as _, Encode as _};

use crate::source::conninfo::{Conninfo, Negotiation, SslMode};

/// The TLS configuration for this `sslmode`; `None` if TLS is disabled.
pub(in crate::source) fn client_config(conninfo: &Conninfo) -> anyhow::Result<Option<Arc<ClientConfig>>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let trust = match (conninfo.sslmode, &conninfo.sslrootcert) {
        (SslMode::Disable, _) => return Ok(None),
        // As in libpq, `require` with root certificates means that the certificate is verified.
        (SslMode::Prefer, _) | (SslMode::Require, None) => Trust::Anyone,
        (SslMode::Require | SslMode::VerifyCa, root) => Trust::AnyName(Roots::load(root.as_deref())?),
        (SslMode::VerifyFull, root) => Trust::ThisName(Roots::load(root.as_deref())?),
    };
    let algorithms = provider.signature_verification_algorithms;
    let versions: &[&SupportedProtocolVersion] = match conninfo.tls_versions {
        (true, false) => &[&TLS12],
        (false, true) => &[&TLS13],
        _ => &[&TLS12, &TLS13],
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .context("choose TLS versions")?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { algorithms, trust }));
    let mut config = match (&conninfo.sslcert, &conninfo.sslkey) {
        (Some(cert), Some(key)) => {
            let key = PrivateKeyDer::from_pem_file(key)
                .with_context(|| format!("read `sslkey` {}", key.display()))?;
            builder.with_client_auth_cert(certificates(cert)?, key).context("use `sslcert` and `sslkey`")?
        }
        (None, None) => builder.with_no_client_auth(),
        _ => anyhow::bail!("`sslcert` and `sslkey` are given together or not at all"),
    };
    config.enable_sni = conninfo.sni;
    if conninfo.negotiation == Negotiation::Direct {
        // Without ALPN, a server of another protocol over TLS could be addressed by mistake.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(Some(Arc::new(config)))
}

/// The `tls-server-end-point` hash that binds SCRAM to the channel: the hash of the server's certificate by
/// the algorithm of its signature, SHA-256 in place of MD5 and SHA-1.
/// <https://www.rfc-editor.org/rfc/rfc5929#section-4.1>
pub(in crate::source) fn server_end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let parsed = x509_cert::Certificate::from_der(certificate).ok()?;
    let algorithm = parsed.signature_algorithm.oid.to_string();
    Some(match algorithm.as_str() {
        // MD5, SHA-1 and SHA-256, with RSA or ECDSA.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.10045.4.1"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.3.2" => Sha256::digest(certificate).to_vec(),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Sha384::digest(certificate).to_vec(),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Sha512::digest(certificate).to_vec(),
        // Ed25519 and RSA-PSS define no hash of their own: no channel binding.
        _ => return None,
    })
}

/// Accepts certificates that an authority in `store` issued for the host's name, and those in
/// `certificates` themselves if they are for the host's name.
pub(crate) fn verifier(
    store: RootCertStore,
    certificates: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
) -> Arc<dyn ServerCertVerifier> {
    Arc::new(Verifier { algorithms, trust: Trust::ThisName(Roots { store, certificates }) })
}

/// Which certificates are accepted.
#[derive(Debug)]
enum Trust {
    /// Any: TLS then protects against eavesdropping, not against impersonation.
    Anyone,
    /// Those issued by the roots.
    AnyName(Roots),
    /// Those issued by the roots for the host's name.
    ThisName(Roots),
}

#[derive(Debug)]
struct Roots {
    store: RootCertStore,
    /// The certificates of `sslrootcert`. A server may present the trusted certificate itself: a
    /// self-signed one, made as the manual describes, has no other issuer.
    certificates: Vec<CertificateDer<'static>>,
}

impl Roots {
    fn load(sslrootcert: Option<&Path>) -> anyhow::Result<Self> {
        let mut roots = Self { store: RootCertStore::empty(), certificates: Vec::new() };
        match sslrootcert.filter(|path| *path != Path::new("system")) {
            Some(path) => {
                roots.certificates = certificates(path)?;
                for certificate in &roots.certificates {
                    let added = roots.store.add(certificate.clone());
                    added.with_context(|| format!("trust `sslrootcert` {}", path.display()))?;
                }
            }
            None => {
                roots.store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        anyhow::ensure!(!roots.store.is_empty(), "no certificate authority to trust: give `sslrootcert`");
        Ok(roots)
    }

    fn trust(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), rustls::Error> {
        if self.certificates.contains(end_entity) {
            return in_its_time(end_entity, now);
        }
        let parsed = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.store, intermediates, now, algorithms.all)
    }
}

fn in_its_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), rustls::Error> {
    let parsed = x509_cert::Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let validity = parsed.tbs_certificate.validity;
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    Ok(())
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .with_context(|| format!("read the certificates of {}", path.display()))
}

#[derive(Debug)]
struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    trust: Trust,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.trust {
            Trust::Anyone => {}
            Trust::AnyName(roots) => roots.trust(end_entity, intermediates, now, &self.algorithms)?,
            Trust::ThisName(roots) => {
                roots.trust(end_entity, intermediates, now, &self.algorithms)?;
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    /// Checked in every mode: SCRAM is bound to a certificate that anyone can copy, and only this signature
    /// proves that the server has its key.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // Uses only the key, because rustls does not parse certificates of version 1, which are still in
        // use.
        let key = x509_cert::Certificate::from_der(cert)
            .and_then(|parsed| parsed.tbs_certificate.subject_public_key_info.to_der())
            .map_err(|_| CertificateError::BadEncoding)?;
        verify_tls13_signature_with_raw_key(message, &key.into(), dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use std::time::Duration;

    fn self_signed() -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["db".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn year(year: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs((year - 1970) * 31_557_600 + 86_400 * 30))
    }

    #[test]
    fn a_certificate_that_was_given_itself_is_trusted_in_its_time_and_no_other_like_it() {
        let certificate = self_signed();
        let mut store = RootCertStore::empty();
        store.add(certificate.clone()).unwrap();
        let roots = Roots { store, certificates: vec![certificate.clone()] };
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        let trusts = |certificate, now| roots.trust(certificate, &[], now, &algorithms).is_ok();
        assert!(trusts(&certificate, year(2020)));
        assert!(!trusts(&certificate, year(2019)), "not yet");
        assert!(!trusts(&certificate, year(2021)), "no longer");
        assert!(!trusts(&self_signed(), year(2020)), "another of the same name");
    }

    #[test]
    fn the_end_point_is_the_hash_of_the_certificate() {
        let certificate = self_signed();
        let hash = Sha256::digest(&certificate).to_vec();
        assert_eq!(server_end_point(&certificate), Some(hash), "signed with ECDSA and SHA-256");
        assert_eq!(server_end_point(&CertificateDer::from(b"no certificate".as_slice())), None);
    }
}
