//! Webhooks with TLS files of their own: a receiver that asks for a client certificate.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sidecar::deliver::{ClientFiles, Limits, TlsFiles, Webhook};
use sidecar::record::Callback::Ingested;
use tokio_rustls::TlsAcceptor;

use crate::delivery::fixture::{Fixture, PROJECT, Setup, limits, webhook};
use crate::support::until_blocking;

/// A request: its connection, its project, and the certificate that was shown.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    connection: usize,
    project: String,
    certificate: Vec<u8>,
}

/// An authority and a receiver with a certificate of it, which asks for another one of it.
struct Mutual {
    folder: tempfile::TempDir,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Mutual {
    fn start() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        let issuer = rcgen::Issuer::new(authority, key);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::default());
        runtime.spawn(serve(listener, acceptor(&issuer, certificate.der()), Arc::clone(&seen)));
        Self { folder, issuer, address, seen, _runtime: runtime }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a new certificate of the authority and its key, and says the certificate.
    fn issue(&self, name: &str) -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.at(&format!("{name}.key")), key.serialize_pem()).unwrap();
        fs::write(self.at(&format!("{name}.pem")), certificate.pem()).unwrap();
        certificate.der().to_vec()
    }

    /// To the receiver, which is trusted, with the certificate of this name.
    fn webhook(&self, project: &str, certificate: Option<&str>, age_max: Duration) -> Webhook {
        let client = certificate.map(|name| ClientFiles {
            certificate: self.at(&format!("{name}.pem")),
            key: self.at(&format!("{name}.key")),
        });
        let files = TlsFiles { client, authorities: Some(self.at("ca.pem")) };
        Webhook {
            project: Some(project.to_owned()),
            tls: Some(Arc::new(files)),
            limits: Limits { connection_age_max: age_max, ..limits() },
            ..webhook(&format!("https://localhost:{}/", self.address.port()))
        }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn last(&self) -> Vec<u8> {
        self.seen().last().unwrap().certificate.clone()
    }
}

fn acceptor(
    issuer: &rcgen::Issuer<'static, rcgen::KeyPair>,
    authority: &CertificateDer<'static>,
) -> TlsAcceptor {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap().der().clone();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(vec![certificate], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(listener: tokio::net::TcpListener, acceptor: TlsAcceptor, seen: Arc<Mutex<Vec<Seen>>>) {
    for connection in 0.. {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let certificate = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
            let answer = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
                let project = request.headers()["sidecar-project"].to_str().unwrap().to_owned();
                seen.lock().unwrap().push(Seen { connection, project, certificate: certificate.clone() });
                async { Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default())) }
            });
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

fn send(fixture: &mut Fixture) {
    fixture.spool(Ingested, &["a"]);
    fixture.settle();
}

/// The outcome and the detail of the last attempt, once it has failed.
fn failure(setup: Setup) -> (String, String) {
    let mut fixture = setup.start();
    fixture.spool(Ingested, &["a"]);
    // A write that fails before the receiver's alert is read is a reset: the alert is that of another attempt.
    fixture.wait("failures to be written", |lanes| !lanes[0].in_flight && lanes[0].failures > 4);
    fixture.deliver.stop(Duration::from_secs(5));
    let sql =
        "SELECT outcome, coalesce(detail, '') FROM attempt WHERE outcome <> 'reset' ORDER BY no LIMIT 1";
    fixture.rows(sql, |row| Ok((row.get(0)?, row.get(1)?))).remove(0)
}

#[test]
fn two_projects_on_one_host_each_show_their_own_certificate() {
    for (age_max, connections) in [(Duration::from_mins(5), 2), (Duration::ZERO, 6)] {
        let receiver = Mutual::start();
        let certificates = [receiver.issue("first"), receiver.issue("second")];
        let webhooks = [("other", "second"), (PROJECT, "first")]
            .map(|(project, certificate)| receiver.webhook(project, Some(certificate), age_max));
        let mut fixture = Setup::new(webhooks).start();
        for _ in 0..2 {
            send(&mut fixture);
        }
        // Two batches: more than three records do not go in one.
        fixture.spool_for_projects(&["other".to_owned()], 4);
        fixture.settle();
        for _ in 0..2 {
            send(&mut fixture);
        }
        let seen = receiver.seen();
        assert_eq!(seen.len(), 6);
        for request in &seen {
            let own = usize::from(request.project == "other");
            assert_eq!(request.certificate, certificates[own], "{}", request.project);
        }
        assert_eq!(seen.iter().filter(|request| request.project == "other").count(), 2);
        let used: std::collections::BTreeSet<usize> = seen.iter().map(|seen| seen.connection).collect();
        assert_eq!(used.len(), connections, "{age_max:?}");
    }
}

#[test]
fn changed_files_are_used_by_the_next_connection_and_wrong_ones_are_not() {
    let receiver = Mutual::start();
    let first = receiver.issue("client");
    let mut fixture = Setup::new([receiver.webhook(PROJECT, Some("client"), Duration::ZERO)]).start();
    send(&mut fixture);
    assert_eq!(receiver.last(), first);
    let (certificate, key) = (receiver.at("client.pem"), receiver.at("client.key"));
    let second = receiver.issue("client");
    send(&mut fixture);
    assert_eq!(receiver.last(), second);
    let third = receiver.issue("client");
    let (new_certificate, new_key) = (fs::read(&certificate).unwrap(), fs::read(&key).unwrap());
    for half in ["no PEM", ""] {
        fs::write(&certificate, half).unwrap();
        send(&mut fixture);
        assert_eq!(receiver.last(), second, "{half}");
    }
    // The certificate is replaced, its key is not yet.
    receiver.issue("client");
    fs::write(&certificate, new_certificate).unwrap();
    send(&mut fixture);
    assert_eq!(receiver.last(), second);
    fs::write(&key, new_key).unwrap();
    send(&mut fixture);
    assert_eq!(receiver.last(), third);
    fs::remove_file(&key).unwrap();
    send(&mut fixture);
    assert_eq!(receiver.last(), third);
}

#[test]
fn a_receiver_that_misses_a_certificate_and_one_that_is_not_trusted_are_failures_of_tls() {
    let receiver = Mutual::start();
    let (word, detail) = failure(Setup::new([receiver.webhook(PROJECT, None, Duration::ZERO)]));
    assert!(word == "tls" && detail.contains("CertificateRequired"), "{word}: {detail}");
    receiver.issue("client");
    let mut webhook = receiver.webhook(PROJECT, Some("client"), Duration::ZERO);
    let other = TlsFiles {
        authorities: Some(Mutual::start().at("ca.pem")),
        ..(**webhook.tls.as_ref().unwrap()).clone()
    };
    webhook.tls = Some(Arc::new(other));
    let mut setup = Setup::new([webhook.clone()]);
    // Its own authorities take the place of all others.
    setup.ca_file = Some(receiver.at("ca.pem"));
    let (word, detail) = failure(setup.clone());
    assert!(word == "tls" && detail.contains("`ca_file`"), "the file is gone: {word}: {detail}");
    let strange = Mutual::start();
    let other = TlsFiles { authorities: Some(strange.at("ca.pem")), client: None };
    setup.webhooks = vec![Webhook { tls: Some(Arc::new(other)), ..webhook }];
    let (word, detail) = failure(setup);
    assert!(word == "tls" && detail.contains("invalid peer certificate"), "{word}: {detail}");
}

#[test]
fn a_receivers_own_certificate_is_trusted_as_its_authority() {
    let folder = tempfile::tempdir().unwrap();
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.path().join("own.pem"), own.cert.pem()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = crate::delivery::tls::acceptor_with(&own.cert, &own.signing_key, &["http/1.1"]);
    let shaken = Arc::new(Mutex::new(0));
    let count = Arc::clone(&shaken);
    runtime.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            *count.lock().unwrap() += usize::from(acceptor.accept(stream).await.is_ok());
        }
    });
    let files = TlsFiles { client: None, authorities: Some(folder.path().join("own.pem")) };
    let hook = Webhook { tls: Some(Arc::new(files)), ..webhook(&format!("https://localhost:{port}/")) };
    let mut fixture = Setup::new([hook]).start();
    fixture.spool(Ingested, &["a"]);
    until_blocking("a handshake", || Some(*shaken.lock().unwrap()).filter(|count| *count > 0));
}
