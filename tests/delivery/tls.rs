//! TLS servers whose behaviour a test sets.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::delivery::fixture::{Setup, webhook};

/// A server with a certificate of its own authority.
pub struct TlsServer {
    pub address: SocketAddr,
    folder: tempfile::TempDir,
    /// Ends what it serves.
    _runtime: tokio::runtime::Runtime,
}

impl TlsServer {
    /// Each connection is served by `serve`, which gets the connection's number.
    pub fn start<F>(protocol: &str, serve: impl Fn(usize, TlsStream<TcpStream>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let (acceptor, authority) = acceptor(&[protocol]);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                if let Ok(stream) = acceptor.accept(stream).await {
                    tokio::spawn(serve(number, stream));
                }
            }
        });
        Self { address, folder, _runtime: runtime }
    }

    /// Everything to this server, which is trusted.
    pub fn setup(&self) -> Setup {
        let mut setup = Setup::new([webhook(&format!("https://localhost:{}/", self.address.port()))]);
        setup.ca_file = Some(self.folder.path().join("ca.pem"));
        setup
    }
}

/// With a certificate of an authority of its own, which comes too.
pub fn acceptor(protocols: &[&str]) -> (TlsAcceptor, rcgen::Certificate) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &issuer).unwrap();
    (acceptor_with(&certificate, &key, protocols), authority_certificate)
}

pub fn acceptor_with(
    certificate: &rcgen::Certificate,
    key: &rcgen::KeyPair,
    protocols: &[&str],
) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}
