//! Names, addresses, connections, TLS, proxies.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use sidecar::deliver::{Egress, Proxy};
use sidecar::metrics::{ReusedLabel, Truth};
use sidecar::record::Callback::Ingested;

use crate::lab::{Lab, Setup, webhook};
use crate::receiver::{Receiver, Reply};

/// The outcome and detail of the first attempt.
fn first_attempt(setup: Setup) -> (String, String) {
    let mut lab = setup.start();
    lab.spool(Ingested, &["a"]);
    lab.wait("an attempt", |lanes| lanes[0].last_outcome.is_some());
    lab.wait("its outcome to be written", |lanes| !lanes[0].in_flight && lanes[0].failures > 0);
    lab.deliver.stop(std::time::Duration::from_secs(5));
    let sql = "SELECT outcome, coalesce(detail, '') FROM attempt ORDER BY no LIMIT 1";
    lab.rows(sql, |row| Ok((row.get(0)?, row.get(1)?))).remove(0)
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn what_is_in_the_way_is_said_in_a_word_and_a_sentence() {
    let (word, detail) = first_attempt(Setup::new([webhook(&format!("http://{}/", nobody()))]));
    assert!(word == "refused" && detail.contains("connect to 127.0.0.1"), "{word}: {detail}");
    let (word, detail) = first_attempt(Setup::new([webhook("http://no-such-host.invalid/")]));
    assert!(word == "dns" && detail.contains("no-such-host.invalid"), "{word}: {detail}");
    let plain = Receiver::start([]);
    let (word, detail) = first_attempt(Setup::new([webhook(&format!("https://{}/", plain.address))]));
    assert!(word == "tls", "{word}: {detail}");
}

#[test]
fn an_address_that_is_denied_is_not_connected_to_by_name_or_as_a_literal() {
    let receiver = Receiver::start([]);
    let port = receiver.address.port();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f000001"] {
        let mut setup = Setup::new([webhook(&format!("http://{host}:{port}/"))]);
        setup.egress.deny = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let (word, detail) = first_attempt(setup);
        assert!(word == "egress" && detail.contains("egress.allow"), "{host}: {word}: {detail}");
    }
    let (word, detail) = first_attempt(Setup::new([webhook("http://169.254.169.254/")]));
    assert!(word == "egress" && detail.contains("metadata"), "{word}: {detail}");
    assert_eq!(receiver.connections(), 0);
}

#[test]
fn connections_are_used_again_and_counted() {
    let receiver = Receiver::start([]);
    let mut lab = Lab::to(&receiver.url());
    for id in ["a", "b", "c"] {
        lab.spool(Ingested, &[id]);
        lab.settle();
    }
    assert_eq!((receiver.received().len(), receiver.connections()), (3, 1));
    let count =
        |reused| lab.metrics.http_connections.get_or_create(&ReusedLabel { reused: Truth(reused) }).get();
    assert_eq!((count(false), count(true)), (1, 2));
}

#[test]
fn a_pooled_connection_found_closed_is_no_attempt() {
    let receiver = Receiver::start(vec![Reply::AnswerAndClose; 20]);
    let mut lab = Lab::to(&receiver.url());
    for number in 0..20 {
        lab.spool(Ingested, &[&number.to_string()]);
        lab.settle();
    }
    assert_eq!((receiver.received().len(), receiver.connections()), (20, 20));
    assert!(lab.attempts().iter().all(|(number, _, outcome)| *number == 1 && outcome == "delivered"));
    assert_eq!(lab.attempts().len(), 20);
}

/// A server of TLS with a certificate of its own authority; what it was asked in.
fn tls_server(
    runtime: &tokio::runtime::Runtime,
) -> (SocketAddr, rcgen::Certificate, Arc<Mutex<Vec<Version>>>) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let (address, versions) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&versions);
    runtime.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let answer = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
                    seen.lock().unwrap().push(request.version());
                    async { Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default())) }
                });
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    (address, authority_certificate, versions)
}

#[test]
fn over_tls_http_2_is_spoken_where_the_authority_is_trusted() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (address, authority, versions) = tls_server(&runtime);
    let url = format!("https://localhost:{}/", address.port());
    let (word, detail) = first_attempt(Setup::new([webhook(&url)]));
    assert!(word == "tls", "{word}: {detail}");
    let folder = tempfile::tempdir().unwrap();
    let mut setup = Setup::new([webhook(&url)]);
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, authority.pem()).unwrap();
    setup.ca_file = Some(ca_file);
    let mut lab = setup.clone().start();
    lab.spool(Ingested, &["a"]);
    lab.settle();
    assert_eq!(*versions.lock().unwrap(), [Version::HTTP_2]);
    setup.webhooks = vec![webhook(&url.replace("localhost", "127.0.0.1"))];
    let (word, detail) = first_attempt(setup);
    assert!(word == "tls", "a certificate is for its name alone: {word}: {detail}");
}

/// A proxy that makes tunnels to TLS and passes requests in plain text on, as squid does by default. It
/// keeps what it was asked.
fn proxy(refuse: bool) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    use std::io::{BufRead as _, Write as _};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let asks = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = Vec::new();
            let mut reader = std::io::BufReader::new(stream.try_clone().unwrap());
            while lines.last().is_none_or(|line: &String| !line.trim_end().is_empty()) {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                lines.push(line);
            }
            asks.lock().unwrap().push(lines.concat());
            if refuse {
                write!(stream, "HTTP/1.1 403 No\r\n\r\n").unwrap();
                continue;
            }
            let target = lines[0].split(' ').nth(1).unwrap();
            let plain = target.strip_prefix("http://").and_then(|rest| rest.split('/').next());
            let mut target = TcpStream::connect(plain.unwrap_or(target)).unwrap();
            match plain {
                Some(_) => {
                    target.write_all(lines.concat().as_bytes()).unwrap();
                    target.write_all(reader.buffer()).unwrap();
                }
                None => write!(stream, "HTTP/1.1 200 OK\r\n\r\n").unwrap(),
            }
            let (mut from, mut to) = (stream.try_clone().unwrap(), target.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let (mut from, mut to) = (target, stream);
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        }
    });
    (address, asked)
}

#[test]
fn through_a_proxy_tls_is_a_tunnel() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (to, authority, versions) = tls_server(&runtime);
    let folder = tempfile::tempdir().unwrap();
    let (address, asked) = proxy(false);
    let mut setup = Setup::new([webhook(&format!("https://localhost:{}/", to.port()))]);
    setup.ca_file = Some(folder.path().join("ca.pem"));
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    setup.proxy = Some(Proxy::parse(&format!("http://user:pass@{address}")).unwrap());
    let mut lab = setup.clone().start();
    lab.spool(Ingested, &["a"]);
    lab.settle();
    let to = format!("localhost:{}", to.port());
    let expected =
        format!("CONNECT {to} HTTP/1.1\r\nhost: {to}\r\nproxy-authorization: Basic dXNlcjpwYXNz\r\n\r\n");
    assert_eq!(*asked.lock().unwrap(), [expected]);
    assert_eq!(*versions.lock().unwrap(), [Version::HTTP_2]);
    let (address, _) = proxy(true);
    setup.proxy = Some(Proxy::parse(&format!("http://{address}")).unwrap());
    let (word, detail) = first_attempt(setup);
    assert!(word == "proxy" && detail.contains("403 No"), "{word}: {detail}");
}

/// A proxy makes tunnels to TLS ports alone, by default: it refuses one to port 80.
#[test]
fn through_a_proxy_plain_text_is_a_request_to_the_proxy() {
    let receiver = Receiver::start([]);
    let (address, asked) = proxy(false);
    let mut setup = Setup::new([webhook(&receiver.url())]);
    setup.proxy = Some(Proxy::parse(&format!("http://user:pass@{address}")).unwrap());
    let mut lab = setup.clone().start();
    for id in ["a", "b"] {
        lab.spool(Ingested, &[id]);
        lab.settle();
    }
    let (to, first) = (receiver.address, asked.lock().unwrap().concat());
    assert!(first.starts_with(&format!("POST http://{to}/hook?a=b HTTP/1.1\r\n")), "{first}");
    let headers = [format!("\r\nhost: {to}\r\n"), "\r\nproxy-authorization: Basic dXNlcjpwYXNz\r\n".into()];
    assert!(headers.iter().all(|header| first.contains(header)), "{first}");
    assert_eq!((receiver.received().len(), receiver.connections()), (2, 1), "a connection serves again");
    setup.egress = Egress { allow: Vec::new(), deny: vec!["127.0.0.0/8".parse().unwrap()] };
    assert_eq!(first_attempt(setup).0, "egress", "an address is checked here all the same");
}
