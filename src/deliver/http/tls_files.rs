//! The files of one webhook's TLS: a client certificate, and authorities of its own.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

/// Paths of PEM files, which are read again when they change.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct TlsFiles {
    /// Shown to receivers that ask for a certificate.
    pub client: Option<ClientFiles>,
    /// `ca_file`: trusted in place of the system's authorities and those of `egress.ca_file`.
    pub authorities: Option<PathBuf>,
}

/// A client certificate and its key.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ClientFiles {
    /// `client_cert`: the certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// `client_key`: the key. It may be in the same file.
    pub key: PathBuf,
}

/// A file cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BadTlsFile {
    /// The webhook's setting that names the file.
    pub setting: &'static str,
    path: PathBuf,
    why: String,
}

/// Certificates to trust: their store, and themselves, as a receiver may present a trusted certificate itself.
#[derive(Clone, Debug)]
pub(in crate::deliver) struct Authorities {
    pub(in crate::deliver) store: RootCertStore,
    pub(in crate::deliver) certificates: Vec<CertificateDer<'static>>,
}

/// What shows that a file has changed; `None` where it cannot be read.
pub(in crate::deliver) type FileStamp = Option<(u64, u64, Option<SystemTime>, u64)>;

impl TlsFiles {
    /// Whether the files can be used now.
    pub fn check(&self) -> Result<(), BadTlsFile> {
        self.authorities.as_deref().map_or(Ok(()), |path| Authorities::read("ca_file", path).map(drop))?;
        self.client.as_ref().map_or(Ok(()), |client| client.read().map(drop))
    }

    /// What shows that one of the files has changed.
    pub(in crate::deliver) fn stamps(&self) -> Vec<FileStamp> {
        let client = self.client.iter().flat_map(|client| [&client.certificate, &client.key]);
        client.chain(&self.authorities).map(|path| stamp(path)).collect()
    }
}

impl ClientFiles {
    /// The certificate with its chain, and the key, which belong together.
    pub(in crate::deliver) fn read(&self) -> Result<SingleCertAndKey, BadTlsFile> {
        let chain = certificates("client_cert", &self.certificate)?;
        let bad_key = |why| BadTlsFile::new("client_key", &self.key, why);
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| {
            bad_key(format!(
                "read its private key: {error}; an encrypted key is not read: decrypt it with `openssl pkey`"
            ))
        })?;
        let pair = CertifiedKey::from_der(chain, key, &default_provider());
        pair.map(SingleCertAndKey::from)
            .map_err(|error| bad_key(format!("use it with `client_cert`: {error}")))
    }
}

impl Authorities {
    /// Those of the file that `setting` names.
    pub(in crate::deliver) fn read(setting: &'static str, path: &Path) -> Result<Self, BadTlsFile> {
        let mut store = RootCertStore::empty();
        let certificates = certificates(setting, path)?;
        for certificate in &certificates {
            let added = store.add(certificate.clone());
            added.map_err(|error| BadTlsFile::new(setting, path, format!("trust a certificate: {error}")))?;
        }
        Ok(Self { store, certificates })
    }

    pub(in crate::deliver) fn of_the_system() -> Self {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Self { store, certificates: Vec::new() }
    }
}

impl BadTlsFile {
    fn new(setting: &'static str, path: &Path, why: String) -> Self {
        Self { setting, path: path.to_owned(), why }
    }
}

impl fmt::Display for BadTlsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.why)
    }
}

impl std::error::Error for BadTlsFile {}

/// At least one.
fn certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, BadTlsFile> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => {
            Err(BadTlsFile::new(setting, path, "it holds no certificate in PEM".into()))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(BadTlsFile::new(setting, path, format!("read its certificates: {error}"))),
    }
}

/// Of a file that a link leads to, the file itself.
fn stamp(path: &Path) -> FileStamp {
    use std::os::unix::fs::MetadataExt as _;
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.modified().ok(), file.len()))
}
