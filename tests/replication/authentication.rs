//! Logins that succeed, and the reasons of those that fail.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use sidecar::source::{Connection, Conninfo, SourceError, connect_sql};
use tokio::net::TcpListener;

use crate::replication::fixture::on_all_versions;

/// Both ways in, which must be of one mind.
pub(crate) async fn enter(conninfo: &Conninfo) -> Result<(), SourceError> {
    let replication = Connection::open(conninfo).await.map(|_| ());
    let sql = connect_sql(conninfo).await.map(|_| ());
    assert_eq!(format!("{replication:?}"), format!("{sql:?}"), "the two ways in differ");
    replication
}

/// Asserts that we are refused, for good, with a reason that holds `sentence` and no password.
pub(crate) async fn refused(conninfo: &Conninfo, sentence: &str) {
    match enter(conninfo).await {
        Err(SourceError::Refused(message)) => {
            assert!(message.contains(sentence) && !message.contains("geheim"), "{sentence}: {message}");
        }
        other => panic!("{sentence}: {other:?}"),
    }
}

on_all_versions! {
    async fn a_password_is_proven_by_scram_or_md5_and_a_wrong_one_refused(server: &Server) {
        for role in ["salted", "hashed"] {
            let right = server.parse(&format!("host=127.0.0.1 user={role} password=geheim dbname=postgres"));
            enter(&right).await.expect(role);
            refused(&Conninfo { password: Some(sidecar::secret::Secret::of_text("geheimer")), ..right.clone() }, "28P01").await;
            refused(&Conninfo { password: None, ..right }, "`postgres.password`").await;
        }
    }

    async fn a_password_is_not_sent_in_clear_text_without_tls(server: &Server) {
        let text = "host=127.0.0.1 user=clear password=geheim dbname=postgres sslmode=disable";
        refused(&server.parse(text), "clear text").await;
    }

    async fn what_settings_must_cure_is_refused(server: &Server) {
        let base = "host=127.0.0.1 user=trusted";
        refused(&server.parse(&format!("{base} dbname=nowhere")), "3D000").await;
        refused(&server.parse("host=127.0.0.1 user=stranger dbname=postgres"), "28000").await;
        let options = format!("{base} dbname=postgres options='-c no_such_setting=1'");
        refused(&server.parse(&options), "no_such_setting").await;
    }

    async fn a_role_without_replication_has_sessions_and_no_streams(server: &Server) {
        let plain = server.parse("host=127.0.0.1 user=plain password=geheim dbname=postgres");
        connect_sql(&plain).await.expect("a session");
        let refused = Connection::open(&plain).await.map(|_| ());
        assert!(matches!(refused, Err(SourceError::Refused(_))), "{refused:?}");
    }

    async fn sessions_have_our_settings_whatever_the_role_or_the_options_say(server: &Server) {
        let text = "host=127.0.0.1 user=salted password=geheim dbname=postgres options='-c DateStyle=German'";
        let conninfo = server.parse(text);
        let session = connect_sql(&conninfo).await.expect("a session");
        let mut stream = Connection::open(&conninfo).await.expect("a connection");
        for (name, value) in [
            ("TimeZone", "UTC"),
            ("DateStyle", "ISO"),
            ("IntervalStyle", "postgres"),
            ("extra_float_digits", "1"),
            ("bytea_output", "hex"),
            ("lc_monetary", "C"),
            ("search_path", "pg_catalog"),
            ("statement_timeout", "0"),
            ("application_name", "sidecar"),
        ] {
            let of_sql: String = session.query_one(&format!("SHOW {name}"), &[]).await.expect(name).get(0);
            let of_stream = stream.simple(&format!("SHOW {name}")).await.expect(name).remove(0).remove(0);
            assert!(of_sql.starts_with(value), "{name}: {of_sql}");
            assert_eq!(of_stream.as_ref(), Some(&of_sql), "{name}");
        }
    }

    async fn a_socket_and_a_password_file_let_us_in_unless_others_may_read_it(server: &Server) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let folder = server.folder.display();
        fs::write(file.path(), format!("{folder}:*:postgres:salted:geheim\n")).expect("a line");
        let path = file.path().display();
        let conninfo = server.parse(&format!("host={folder} user=salted dbname=postgres passfile={path}"));
        enter(&conninfo).await.expect("let in");
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).expect("permissions");
        refused(&conninfo, "none is given").await;
    }

    async fn a_host_that_does_not_answer_costs_the_connect_timeout_and_the_next_is_tried(server: &Server) {
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let text = format!("host=127.0.0.1 port={} user=trusted dbname=postgres connect_timeout=1", port(&silent));
        let conninfo = Conninfo::parse(&text, None).expect("a connection string");
        let opened = tokio::time::timeout(Duration::from_secs(3), Connection::open(&conninfo)).await;
        match opened.expect("an end in time").map(|_| ()) {
            Err(SourceError::Unreachable(why)) => assert!(why.contains("no answer within 1s"), "{why}"),
            other => panic!("{other:?}"),
        }
        let (mut endpoints, real) = (conninfo.endpoints.clone(), server.parse("host=127.0.0.1 user=u").endpoints);
        endpoints.extend(real);
        enter(&Conninfo { endpoints, ..conninfo }).await.expect("the second host lets us in");
    }
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("an address").port()
}
