//! TLS, whom it trusts, and what is bound to it.

use sidecar::source::{ChannelBinding, Conninfo, connect_sql};

use crate::replication::authentication::{enter, refused};
use crate::replication::fixture::Server;

/// The role whose password is proven by SCRAM, over TCP to `host`.
fn salted(server: &Server, host: &str, more: &str) -> Conninfo {
    let more = more.replace('@', &format!("{}/", server.folder.display()));
    server.parse(&format!("host={host} user=salted password=geheim dbname=postgres {more}"))
}

#[tokio::test]
async fn each_sslmode_trusts_whom_it_says() {
    let server = Server::shared(15).await;
    for (host, mode) in [
        ("127.0.0.1", "sslmode=prefer"),
        ("127.0.0.1", "sslmode=require"),
        ("127.0.0.1", "sslmode=require sslrootcert=@ca.crt"),
        ("127.0.0.1", "sslmode=verify-ca sslrootcert=@ca.crt"),
        ("localhost", "sslmode=verify-full sslrootcert=@ca.crt"),
        // The very certificate that the server shows, as one that signed itself would be.
        ("localhost", "sslmode=verify-full sslrootcert=@server.crt"),
    ] {
        enter(&salted(server, host, mode)).await.expect(mode);
    }
    for (host, mode) in [
        ("127.0.0.1", "sslmode=require sslrootcert=@other-ca.crt"),
        ("127.0.0.1", "sslmode=verify-ca sslrootcert=@other-ca.crt"),
        ("localhost", "sslmode=verify-full sslrootcert=@other-ca.crt"),
        ("127.0.0.1", "sslmode=verify-full sslrootcert=@ca.crt"),
        ("127.0.0.1", "sslmode=verify-full sslrootcert=@server.crt"),
    ] {
        refused(&salted(server, host, mode), "certificate").await;
    }
}

#[tokio::test]
async fn a_session_is_encrypted_unless_tls_is_disabled() {
    let server = Server::shared(15).await;
    for (mode, encrypted) in [("", true), ("sslmode=disable", false)] {
        let session = connect_sql(&salted(server, "127.0.0.1", mode)).await.expect("a session");
        let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        assert_eq!(session.query_one(sql, &[]).await.expect("an answer").get::<_, bool>(0), encrypted);
    }
}

#[tokio::test]
async fn scram_is_bound_to_the_channel_and_must_be_where_it_is_required() {
    let server = Server::shared(15).await;
    let require = "sslmode=require channel_binding=require";
    enter(&salted(server, "127.0.0.1", require)).await.expect("bound");
    enter(&salted(server, "127.0.0.1", "sslmode=require channel_binding=disable")).await.expect("unbound");
    refused(&salted(server, "127.0.0.1", "sslmode=disable channel_binding=require"), "channel_binding").await;
    for user in ["clear", "hashed", "trusted"] {
        let other = Conninfo { user: user.to_owned(), ..salted(server, "127.0.0.1", require) };
        refused(&other, "channel_binding").await;
        enter(&Conninfo { channel_binding: ChannelBinding::Prefer, ..other }).await.expect(user);
    }
}

#[tokio::test]
async fn a_client_certificate_lets_its_role_in() {
    let server = Server::shared(15).await;
    let with = |more: &str| Conninfo { user: "certified".to_owned(), ..salted(server, "127.0.0.1", more) };
    enter(&with("sslcert=@client.crt sslkey=@client.key")).await.expect("let in");
    refused(&with(""), "certificate").await;
    refused(&with("sslcert=@client.crt"), "sslkey").await;
}

#[tokio::test]
async fn a_server_without_tls_serves_those_who_only_prefer_it() {
    let server = Server::shared(18).await;
    enter(&salted(server, "127.0.0.1", "sslmode=prefer")).await.expect("let in");
    refused(&salted(server, "127.0.0.1", "sslmode=require"), "no TLS").await;
}

#[tokio::test]
async fn a_certificate_and_the_password_file_go_by_the_host_and_the_socket_by_its_address() {
    let server = Server::shared(15).await;
    let with = |host: &str, more: &str| salted(server, host, &format!("hostaddr=127.0.0.1 {more}"));
    let full = "sslmode=verify-full sslrootcert=@ca.crt";
    enter(&with("localhost", full)).await.expect("its name");
    refused(&with("db.invalid", full), "certificate").await;
    enter(&with("db.invalid", "sslmode=require")).await.expect("no question to DNS");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "db.invalid:*:*:salted:geheim\n").expect("a line");
    let conninfo = with("db.invalid", &format!("passfile={}", file.path().display()));
    enter(&Conninfo { password: None, ..conninfo }).await.expect("the host's password");
}

#[tokio::test]
async fn what_require_auth_forbids_is_refused_and_the_versions_of_tls_are_those_that_are_allowed() {
    let server = Server::shared(15).await;
    enter(&salted(server, "127.0.0.1", "require_auth=scram-sha-256,none")).await.expect("SCRAM");
    refused(&salted(server, "127.0.0.1", "require_auth=!scram-sha-256"), "`require_auth`").await;
    for user in ["clear", "hashed", "trusted"] {
        let other = salted(server, "127.0.0.1", "sslmode=require require_auth=scram-sha-256");
        refused(&Conninfo { user: user.to_owned(), ..other }, "`require_auth`").await;
    }
    for (more, version) in
        [("ssl_max_protocol_version=TLSv1.2", "TLSv1.2"), ("ssl_min_protocol_version=TLSv1.3", "TLSv1.3")]
    {
        let session = connect_sql(&salted(server, "127.0.0.1", more)).await.expect(more);
        let sql = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        assert_eq!(session.query_one(sql, &[]).await.expect("an answer").get::<_, String>(0), version);
    }
}

#[tokio::test]
async fn tls_may_begin_at_once_and_names_the_protocol() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let text = format!("host=127.0.0.1 port={port} user=u sslmode=require sslnegotiation=direct");
    let conninfo = Conninfo::parse(&text, None).expect("a connection string");
    let connecting = tokio::spawn(async move { connect_sql(&conninfo).await.map(|_| ()) });
    let (mut socket, _) = listener.accept().await.expect("a connection");
    let mut hello = vec![0; 4_096];
    let length = tokio::io::AsyncReadExt::read(&mut socket, &mut hello).await.expect("bytes");
    hello.truncate(length);
    drop(socket);
    assert_eq!(hello.first(), Some(&0x16), "a handshake of TLS, and no question before it");
    assert!(hello.windows(10).any(|bytes| bytes == b"postgresql"), "its protocol is named");
    assert!(connecting.await.expect("a task").is_err());
}
