//! How the port is served: headers, a path of a proxy, its users, TLS.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use super::fixture::{Answer, Fixture, read_all, request_text};
use crate::operations::fixture::release;
use crate::support::until;

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let mut fixture = Fixture::new("access_headers", &[]).await;
    for path in
        ["/", "/api/v1/webhooks", "/api/v1/nothing", "/-/ready", "/metrics", "/sign-in", "/assets/page.css"]
    {
        let answer = fixture.get(path, &[]);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
        assert!(answer.header("cache-control").is_some());
    }
    let missing = fixture.get("/api/v1/nothing", &[]);
    assert_eq!((missing.status, missing.json()["status"].as_u64()), (404, Some(404)), "{missing:?}");
    for (host, status) in [("localhost:1", 200), ("127.0.0.1", 200), ("evil.example", 421), ("10.0.0.1", 421)]
    {
        for path in ["/metrics", "/-/ready", "/api/v1/status"] {
            assert_eq!(fixture.get(path, &[("host", host)]).status, status, "{host}{path}");
        }
    }
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_names_users_and_a_path() {
    let admin = [
        ("BASE_PATH", "/a/b/"),
        ("USER_HEADER", "X-Forwarded-User"),
        ("TRUSTED_PROXIES", "[\"127.0.0.1\"]"),
        ("FRAME_ANCESTORS", "[\"https://app.example\"]"),
    ];
    let mut fixture = Fixture::new("access_proxy", &admin).await;
    assert_eq!(fixture.get("/a/b/api/v1/webhooks", &[]).status, 401, "a client of the proxy");
    let ada = ("x-forwarded-user", "ada@example.com");
    assert_eq!(fixture.get("/a/b/api/v1/webhooks", &[ada]).status, 200);
    assert_eq!(fixture.get("/a/b", &[ada]).header("location"), Some("/a/b/"));
    assert_eq!(fixture.get("/-/ready", &[]).status, 200, "a probe does not come through the proxy");
    let led = fixture.get("/a/b/", &[("accept", "text/html")]);
    assert!(led.header("location").unwrap().starts_with("/a/b/sign-in?next="), "{led:?}");
    let pause = |headers: &[(&str, &str)]| {
        fixture.send("POST", "/a/b/api/v1/webhooks/pause", headers, r#"{"all": true}"#).status
    };
    assert_eq!(pause(&[ada]), 403, "no page of ours");
    assert_eq!(pause(&[ada, ("origin", "http://localhost")]), 200);
    let audit = fixture.socket("GET", "/api/v1/audit", &Value::Null).json();
    assert_eq!(audit["entries"][0]["by"], "user ada@example.com", "{audit}");
    let framed = fixture.get("/a/b/", &[ada]);
    assert!(
        framed.header("content-security-policy").unwrap().contains("frame-ancestors https://app.example")
    );
    assert_eq!(framed.header("x-frame-options"), None);
    let token = fixture.token("t", &["view"], None);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let begun = fixture.send("POST", "/a/b/sign-in", &[form], &format!("token={token}&next=%2Fx"));
    assert_eq!(begun.header("location"), Some("/a/b/x"), "{begun:?}");
    let cookie = begun.header("set-cookie").unwrap();
    assert!(
        cookie.contains("Path=/a/b;") && cookie.contains("SameSite=None; Secure; Partitioned"),
        "{cookie}"
    );
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_in_by_a_name_of_the_machine_over_http() {
    let mut fixture = Fixture::new("access_named", &[("HOSTS", "[\"sidecar.example\"]")]).await;
    let token = fixture.token("t", &["view", "manage"], None);
    let (host, form) =
        (("host", "sidecar.example:9187"), ("content-type", "application/x-www-form-urlencoded"));
    let accept = ("accept", "text/html");
    // Reading is free for processes that name this machine as loopback, and for no browser elsewhere.
    let led = fixture.get("/projects", &[host, accept]);
    assert!(led.status == 303 && led.header("location").unwrap().starts_with("/sign-in"), "{led:?}");
    let origin = ("origin", "http://sidecar.example:9187");
    let foreign = ("origin", "http://evil.example");
    let body = format!("token={token}&next=%2Fprojects");
    let refused = fixture.send("POST", "/sign-in", &[host, form, foreign], &body);
    assert_eq!((refused.status, refused.header("set-cookie")), (403, None), "{refused:?}");
    let begun = fixture.send("POST", "/sign-in", &[host, form, origin], &body);
    assert_eq!((begun.status, begun.header("location")), (303, Some("/projects")), "{begun:?}");
    // A browser does not keep a cookie with `Secure` that came over http.
    let attributes = begun.header("set-cookie").unwrap();
    assert!(attributes.contains("HttpOnly; SameSite=Strict"), "{attributes}");
    assert!(!attributes.contains("Secure"), "{attributes}");
    let cookie = begun.cookie();
    let shown = fixture.get("/projects", &[host, accept, ("cookie", &cookie)]);
    assert!(shown.status == 200 && shown.body.contains("token t"), "{shown:?}");
    let pause = |from: (&str, &str)| {
        let headers = [host, ("cookie", cookie.as_str()), from];
        fixture.send("POST", "/api/v1/webhooks/pause", &headers, r#"{"all": true}"#).status
    };
    assert_eq!((pause(foreign), pause(origin)), (403, 200));
    let other = fixture.get("/projects", &[("host", "other.example"), ("cookie", &cookie)]);
    assert_eq!(other.status, 421, "{other:?}");
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}

/// Writes a new certificate and its key, as a renewal does.
fn certificate(folder: &std::path::Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    made.cert.der().clone()
}

/// The answer over TLS to who trusts this certificate alone; `None` where it is another.
fn over_tls(port: u16, trusted: &CertificateDer<'static>, headers: &[(&str, &str)]) -> Option<Answer> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    let request = request_text("GET", "/api/v1/webhooks", headers, "");
    std::io::Write::write_all(&mut stream, request.as_bytes()).ok()?;
    Some(Answer::parse(&read_all(&mut stream))).filter(|answer| answer.status != 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_used_by_the_next_connection() {
    let folder = tempfile::tempdir().unwrap();
    let first = certificate(folder.path());
    let [cert, key] =
        ["cert.pem", "key.pem"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    let mut fixture = Fixture::new("access_tls", &[("TLS_CERT", &cert), ("TLS_KEY", &key)]).await;
    let answer = over_tls(fixture.port, &first, &[]).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    // What cannot be used changes nothing.
    std::fs::write(folder.path().join("key.pem"), "no key").unwrap();
    assert!(over_tls(fixture.port, &first, &[]).is_some());
    let second = certificate(folder.path());
    until("the renewed certificate", async || over_tls(fixture.port, &second, &[])).await;
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_others_reach_is_not_opened_where_nobody_could_sign_in() {
    let mut fixture = Fixture::new("access_way_in", &[]).await;
    fixture.sidecar.stop().await;
    fixture.sidecar.spawn_with(&[("SIDECAR_ADMIN__LISTEN", "0.0.0.0:0")]);
    let ended = fixture.sidecar.ended().await;
    let log = fixture.sidecar.log();
    assert_eq!(ended.code(), Some(78), "{log}");
    for way in ["nobody could sign in", "admin.token", "admin.user_header", "sidecar tokens create"] {
        assert!(log.contains(way), "{way}: {log}");
    }
    release(&fixture.database).await;
}
