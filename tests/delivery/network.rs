//! Names, addresses, connections, TLS, proxies.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sidecar::deliver::{Egress, Limits, Proxy, Webhook};
use sidecar::metrics::{BoolLabel, ReusedLabel};
use sidecar::record::Callback::Ingested;

use crate::delivery::fixture::{Fixture, Setup, limits, webhook};
use crate::delivery::receiver::{Receiver, Reply};
use crate::delivery::tls::{acceptor, acceptor_with};
use crate::support::port::port_for_later;

/// The outcome and detail of the first attempt.
pub fn first_attempt(setup: Setup) -> (String, String) {
    let mut fixture = setup.start();
    fixture.spool(Ingested, &["a"]);
    fixture.wait("an attempt", |lanes| lanes[0].last_outcome.is_some());
    fixture.wait("its outcome to be written", |lanes| !lanes[0].in_flight && lanes[0].failures > 0);
    fixture.deliver.stop(std::time::Duration::from_secs(5));
    let sql = "SELECT outcome, coalesce(detail, '') FROM attempt ORDER BY no LIMIT 1";
    fixture.rows(sql, |row| Ok((row.get(0)?, row.get(1)?))).remove(0)
}

/// An address without a listener.
fn nobody() -> SocketAddr {
    ([127, 0, 0, 1], port_for_later()).into()
}

#[test]
fn each_network_failure_has_an_outcome_and_a_sentence() {
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
        assert!(word == "egress" && detail.contains("egress.deny"), "{host}: {word}: {detail}");
    }
    let (word, detail) = first_attempt(Setup::new([webhook("http://169.254.169.254/")]));
    assert!(word == "egress" && detail.contains("metadata"), "{word}: {detail}");
    assert_eq!(receiver.connections(), 0);
}

#[test]
fn connections_are_used_again_and_counted() {
    let receiver = Receiver::start([]);
    let mut fixture = Fixture::to(&receiver.url());
    for id in ["a", "b", "c"] {
        fixture.spool(Ingested, &[id]);
        fixture.settle();
    }
    assert_eq!((receiver.received().len(), receiver.connections()), (3, 1));
    let count = |reused| {
        fixture.metrics.http_connections.get_or_create(&ReusedLabel { reused: BoolLabel(reused) }).get()
    };
    assert_eq!((count(false), count(true)), (1, 2));
}

#[test]
fn a_connection_is_used_no_longer_than_its_age_and_its_receiver_allow() {
    let keep = |header| vec![Reply::Answer(200, header, ""); 3];
    for (age_max, replies, connections) in [
        (Duration::from_mins(5), keep("keep-alive: timeout=60, max=5\r\n"), 1),
        (Duration::from_mins(5), keep("keep-alive: timeout=1\r\n"), 3),
        (Duration::ZERO, keep(""), 3),
    ] {
        let receiver = Receiver::start(replies.clone());
        let limits = Limits { connection_age_max: age_max, ..limits() };
        let mut fixture = Setup::new([Webhook { limits, ..webhook(&receiver.url()) }]).start();
        for id in ["a", "b", "c"] {
            fixture.spool(Ingested, &[id]);
            fixture.settle();
        }
        assert_eq!(
            (receiver.received().len(), receiver.connections()),
            (3, connections),
            "{age_max:?}, {replies:?}"
        );
    }
}

#[test]
fn a_pooled_connection_found_closed_is_no_attempt() {
    let receiver = Receiver::start(vec![Reply::AnswerAndClose; 20]);
    let mut fixture = Fixture::to(&receiver.url());
    for number in 0..20 {
        fixture.spool(Ingested, &[&number.to_string()]);
        fixture.settle();
    }
    assert_eq!((receiver.received().len(), receiver.connections()), (20, 20));
    assert!(fixture.attempts().iter().all(|(number, _, outcome)| *number == 1 && outcome == "delivered"));
    assert_eq!(fixture.attempts().len(), 20);
}

/// A server of TLS with a certificate of its own authority; the requests that it got.
fn tls_server(
    runtime: &tokio::runtime::Runtime,
) -> (SocketAddr, rcgen::Certificate, Arc<Mutex<Vec<Version>>>) {
    let (acceptor, authority_certificate) = acceptor(&["h2", "http/1.1"]);
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
    let mut fixture = setup.clone().start();
    fixture.spool(Ingested, &["a"]);
    fixture.settle();
    assert_eq!(*versions.lock().unwrap(), [Version::HTTP_2]);
    setup.webhooks = vec![webhook(&url.replace("localhost", "127.0.0.1"))];
    let (word, detail) = first_attempt(setup);
    assert!(word == "tls", "a certificate is for its name alone: {word}: {detail}");
}

/// A proxy that makes tunnels to TLS and passes requests in plain text on, as squid does by default. It
/// keeps the requests that it got.
fn proxy(refuse: bool) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    use std::io::{BufRead as _, Write as _};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, requests) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let heads = Arc::clone(&requests);
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
            heads.lock().unwrap().push(lines.concat());
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
    (address, requests)
}

#[test]
fn through_a_proxy_tls_is_a_tunnel() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (to, authority, versions) = tls_server(&runtime);
    let folder = tempfile::tempdir().unwrap();
    let (address, requests) = proxy(false);
    let mut setup = Setup::new([webhook(&format!("https://localhost:{}/", to.port()))]);
    setup.ca_file = Some(folder.path().join("ca.pem"));
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    setup.proxy = Some(Proxy::parse(&format!("http://user:pass@{address}")).unwrap());
    let mut fixture = setup.clone().start();
    fixture.spool(Ingested, &["a"]);
    fixture.settle();
    let to = format!("localhost:{}", to.port());
    let expected =
        format!("CONNECT {to} HTTP/1.1\r\nhost: {to}\r\nproxy-authorization: Basic dXNlcjpwYXNz\r\n\r\n");
    assert_eq!(*requests.lock().unwrap(), [expected]);
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
    let (address, requests) = proxy(false);
    let mut setup = Setup::new([webhook(&receiver.url())]);
    setup.proxy = Some(Proxy::parse(&format!("http://user:pass@{address}")).unwrap());
    let mut fixture = setup.clone().start();
    for id in ["a", "b"] {
        fixture.spool(Ingested, &[id]);
        fixture.settle();
    }
    let (to, first) = (receiver.address, requests.lock().unwrap().concat());
    assert!(first.starts_with(&format!("POST http://{to}/hook?a=b HTTP/1.1\r\n")), "{first}");
    let headers = [format!("\r\nhost: {to}\r\n"), "\r\nproxy-authorization: Basic dXNlcjpwYXNz\r\n".into()];
    assert!(headers.iter().all(|header| first.contains(header)), "{first}");
    assert_eq!((receiver.received().len(), receiver.connections()), (2, 1), "a connection serves again");
    setup.egress = Egress { deny: vec!["127.0.0.0/8".parse().unwrap()], ..Egress::default() };
    assert_eq!(first_attempt(setup).0, "egress", "an address is checked here all the same");
}

/// A server that shows a certificate of its own making, and that certificate.
fn self_signed(
    runtime: &tokio::runtime::Runtime,
    is_ca: bool,
    years: std::ops::Range<i32>,
) -> (SocketAddr, rcgen::Certificate) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(years.start, 1, 1), rcgen::date_time_ymd(years.end, 1, 1));
    if is_ca {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    let certificate = params.self_signed(&key).unwrap();
    let acceptor = acceptor_with(&certificate, &key, &[]);
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let answer = |_: Request<hyper::body::Incoming>| async {
                Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
            };
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let service = hyper::service::service_fn(answer);
            tokio::spawn(async move { drop(server.serve_connection(TokioIo::new(stream), service).await) });
        }
    });
    (address, certificate)
}

#[test]
fn a_self_signed_certificate_is_trusted_where_it_is_given_itself_for_its_name_and_time() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    for is_ca in [true, false] {
        let (address, certificate) = self_signed(&runtime, is_ca, 2020..2090);
        std::fs::write(&ca_file, certificate.pem()).unwrap();
        let to = |host: &str, ca_file: &std::path::Path| {
            let mut setup = Setup::new([webhook(&format!("https://{host}:{}/", address.port()))]);
            setup.ca_file = Some(ca_file.to_owned());
            setup
        };
        let mut fixture = to("localhost", &ca_file).start();
        fixture.spool(Ingested, &["a"]);
        fixture.settle();
        assert_eq!(fixture.attempts().len(), 1, "a certificate of an authority: {is_ca}");
        assert_eq!(first_attempt(to("127.0.0.1", &ca_file)).0, "tls", "it is for its name alone");
        let (_, other) = self_signed(&runtime, is_ca, 2020..2090);
        std::fs::write(&ca_file, other.pem()).unwrap();
        assert_eq!(first_attempt(to("localhost", &ca_file)).0, "tls", "another like it is not trusted");
        let (address, expired) = self_signed(&runtime, is_ca, 2020..2021);
        std::fs::write(&ca_file, expired.pem()).unwrap();
        let mut setup = Setup::new([webhook(&format!("https://localhost:{}/", address.port()))]);
        setup.ca_file = Some(ca_file.clone());
        assert_eq!(first_attempt(setup).0, "tls", "nor one whose time is over");
    }
}
