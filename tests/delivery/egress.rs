//! Where requests may go, by whose webhook it is, directly and through SOCKS proxies.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sidecar::deliver::{EgressRule, Proxy, SetBy, Webhook};
use sidecar::record::Callback::{Excluded, Ingested};

use crate::delivery::fixture::{Setup, webhook};
use crate::delivery::network::first_attempt;
use crate::delivery::receiver::Receiver;

fn rules(texts: &[&str]) -> Vec<EgressRule> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn tenants(url: &str) -> Webhook {
    Webhook { set_by: SetBy::Tenant, ..webhook(url) }
}

#[test]
fn only_what_is_allowed_is_connected_to() {
    let receiver = Receiver::start([]);
    let mut setup = Setup::new([webhook(&receiver.url())]);
    setup.egress.allow = rules(&["10.0.0.0/8", ".example.com"]);
    let (word, detail) = first_attempt(setup.clone());
    assert!(word == "egress" && detail.contains("egress.allow"), "{word}: {detail}");
    assert_eq!(receiver.connections(), 0);
    setup.egress.allow.extend(rules(&["127.0.0.1"]));
    let mut fixture = setup.start();
    fixture.spool(Ingested, &["a"]);
    fixture.settle();
    assert_eq!(receiver.received().len(), 1);
}

#[test]
fn a_tenants_webhook_reaches_no_internal_address_and_no_plain_http() {
    let receiver = Receiver::start([]);
    let port = receiver.address.port();
    for (url, why) in [
        (format!("https://127.0.0.1:{port}/"), "not a public address"),
        (format!("https://localhost:{port}/"), "not a public address"),
        (format!("https://0x7f.1:{port}/"), "not a public address"),
        (format!("https://[::ffff:127.0.0.1]:{port}/"), "not a public address"),
        (format!("http://localhost:{port}/"), "over https only"),
    ] {
        let (word, detail) = first_attempt(Setup::new([tenants(&url)]));
        assert!(word == "egress" && detail.contains(why), "{url}: {word}: {detail}");
    }
    assert_eq!(receiver.connections(), 0);
    let mut setup = Setup::new([tenants(&receiver.url())]);
    setup.egress.tenant_allow = rules(&["127.0.0.0/8"]);
    let mut fixture = setup.start();
    fixture.spool(Ingested, &["a"]);
    fixture.settle();
    assert_eq!(receiver.received().len(), 1);
}

#[test]
fn a_connection_of_the_operators_is_not_used_for_a_tenant() {
    let receiver = Receiver::start([]);
    let operators = Webhook { callback: Some(Ingested), ..webhook(&receiver.url()) };
    let tenants = Webhook { callback: Some(Excluded), ..tenants(&receiver.url()) };
    let mut fixture = Setup::new([operators, tenants]).start();
    fixture.spool(Ingested, &["a"]);
    fixture.settle();
    fixture.spool(Excluded, &["b"]);
    fixture.wait("the tenant's attempt", |lanes| lanes.iter().any(|lane| lane.failures > 0));
    crate::support::until_blocking("its outcome", || (fixture.attempts().len() > 1).then_some(()));
    assert_eq!(fixture.attempts()[1].2, "egress");
    assert_eq!((receiver.received().len(), receiver.connections()), (1, 1));
}

/// A SOCKS5 proxy that resolves names as this machine does, and keeps what it was asked for. With a login it
/// asks for `user` and `pass`. <https://www.rfc-editor.org/rfc/rfc1928>
fn socks(with_login: bool) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let kept = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, kept) = (stream.unwrap(), Arc::clone(&kept));
            std::thread::spawn(move || {
                let mut read = |count: usize| {
                    let mut bytes = vec![0; count];
                    stream.read_exact(&mut bytes).unwrap();
                    bytes
                };
                let methods = read(2)[1];
                let offered = read(methods.into());
                let method = if with_login { 2 } else { 0 };
                assert!(offered.contains(&method), "{offered:?}");
                (&stream).write_all(&[5, method]).unwrap();
                let read = |count: usize| {
                    let mut bytes = vec![0; count];
                    (&stream).read_exact(&mut bytes).unwrap();
                    bytes
                };
                if with_login {
                    assert_eq!(read(11), b"\x01\x04user\x04pass");
                    (&stream).write_all(&[1, 0]).unwrap();
                }
                let host = match read(4)[3] {
                    1 => std::net::IpAddr::from(<[u8; 4]>::try_from(read(4)).unwrap()).to_string(),
                    4 => format!("[{}]", std::net::IpAddr::from(<[u8; 16]>::try_from(read(16)).unwrap())),
                    _ => {
                        let length = read(1)[0];
                        String::from_utf8(read(length.into())).unwrap()
                    }
                };
                let port = u16::from_be_bytes(read(2).try_into().unwrap());
                kept.lock().unwrap().push(format!("{host}:{port}"));
                let Ok(target) = TcpStream::connect(format!("{host}:{port}")) else {
                    let _ = (&stream).write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]);
                    return;
                };
                (&stream).write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
                let (mut from, mut to) = (stream.try_clone().unwrap(), target.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                let (mut from, mut to) = (target, stream);
                let _ = std::io::copy(&mut from, &mut to);
            });
        }
    });
    (address, asked)
}

#[test]
fn through_socks5_a_name_is_resolved_here_and_through_socks5h_by_the_proxy() {
    let receiver = Receiver::start([]);
    let port = receiver.address.port();
    let (mut records, url) = (0, format!("http://localhost:{port}/"));
    for (scheme, login, asked_for) in [
        ("socks5", "", format!("127.0.0.1:{port}")),
        ("socks5", "user:pass@", format!("127.0.0.1:{port}")),
        ("socks5h", "", format!("localhost:{port}")),
        ("socks5h", "user:pass@", format!("localhost:{port}")),
    ] {
        let (proxy, asked) = socks(!login.is_empty());
        let mut setup = Setup::new([webhook(&url)]);
        setup.proxy = Some(Proxy::parse(&format!("{scheme}://{login}{proxy}")).unwrap());
        let mut fixture = setup.start();
        fixture.spool(Ingested, &["a"]);
        fixture.settle();
        records += 1;
        assert_eq!(receiver.received().len(), records);
        assert_eq!(asked.lock().unwrap().last(), Some(&asked_for), "{scheme}");
    }
}

#[test]
fn what_a_socks_proxy_is_asked_for_is_checked_and_what_it_refuses_is_said() {
    let (proxy, asked) = socks(false);
    for (scheme, host, deny) in [
        ("socks5", "localhost", "127.0.0.0/8"),
        ("socks5", "127.1", "127.0.0.0/8"),
        ("socks5h", "2130706433", "127.0.0.0/8"),
        ("socks5h", "localhost", ".localhost"),
        ("socks5h", "a.localhost.", ".localhost"),
    ] {
        let mut setup = Setup::new([webhook(&format!("http://{host}:1/"))]);
        setup.egress.deny = rules(&[deny, "::1"]);
        setup.proxy = Some(Proxy::parse(&format!("{scheme}://{proxy}")).unwrap());
        let (word, detail) = first_attempt(setup);
        assert!(word == "egress" && detail.contains("egress.deny"), "{scheme} {host}: {word}: {detail}");
    }
    assert_eq!(asked.lock().unwrap().len(), 0);
    let port = crate::support::port::port_for_later();
    let mut setup = Setup::new([webhook(&format!("http://127.0.0.1:{port}/"))]);
    setup.proxy = Some(Proxy::parse(&format!("socks5://{proxy}")).unwrap());
    let (word, detail) = first_attempt(setup.clone());
    assert!(word == "proxy" && detail.contains("SOCKS"), "{word}: {detail}");
    setup.proxy = setup.proxy.map(|proxy| proxy.except(&rules(&["127.0.0.0/8"])));
    let (word, detail) = first_attempt(setup);
    assert!(word == "refused" && asked.lock().unwrap().len() == 1, "without the proxy: {word}: {detail}");
}
