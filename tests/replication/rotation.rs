//! Secrets and certificates that become others between two connections.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sidecar::secret::Secret;
use sidecar::source::webhook_rows::WebhookTable;
use sidecar::source::{Connection, Conninfo, PasswordSource, SourceError, connect_sql};

use crate::replication::authentication::{enter, refused};
use crate::replication::fixture::{Server, on_all_versions};
use crate::support::until;

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("permissions");
}

on_all_versions! {
    async fn a_password_that_rotates_is_read_at_the_next_connection_wherever_its_file_is(server: &Server) {
        let administrator = connect_sql(&server.conninfo("postgres")).await.expect("a session");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secret");
        let role = "rotated";
        administrator
            .batch_execute(&format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN REPLICATION"))
            .await
            .expect("a role");
        let base = server.parse(&format!("host={} user={role} dbname=postgres", server.folder.display()));
        let command = vec!["cat".to_owned(), file.display().to_string()];
        let kinds: [(&str, Conninfo); 4] = [
            ("*:*:*:*:{}\n", Conninfo { passfile: Some(file.clone()), ..base.clone() }),
            ("{}\n", Conninfo { password_source: Some(PasswordSource::File(file.clone())), ..base.clone() }),
            ("postgresql://rotated:{}@h/postgres\n", Conninfo { password_source: Some(PasswordSource::UrlFile(file.clone())), ..base.clone() }),
            ("{}\n", Conninfo { password_source: Some(PasswordSource::Command(command)), ..base }),
        ];
        for (form, conninfo) in kinds {
            // What was read at the start is no longer right.
            let conninfo = match conninfo.password_source {
                Some(_) => Conninfo { password: Some(Secret::of_text("first")), ..conninfo },
                None => conninfo,
            };
            for password in ["first", "second", "third"] {
                let alter = format!("ALTER ROLE {role} PASSWORD '{password}'");
                administrator.batch_execute(&alter).await.expect("a password");
                if password != "first" {
                    refused(&conninfo, "28P01").await;
                }
                write(&file, &form.replace("{}", password));
                enter(&conninfo).await.expect(form);
            }
            fs::remove_file(&file).expect("gone");
            if conninfo.password_source.is_some() {
                let gone = enter(&conninfo).await;
                assert!(matches!(gone, Err(SourceError::Unreachable(_))), "{gone:?}");
            }
        }
    }

    async fn the_query_of_webhooks_reads_its_password_again_when_its_session_was_lost(server: &Server) {
        let administrator = connect_sql(&server.conninfo("postgres")).await.expect("a session");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secret");
        administrator.batch_execute("DROP ROLE IF EXISTS asking; CREATE ROLE asking LOGIN PASSWORD 'first'").await.expect("a role");
        let conninfo = Conninfo {
            password_source: Some(PasswordSource::File(file.clone())),
            ..server.parse(&format!("host={} user=asking dbname=postgres", server.folder.display()))
        };
        write(&file, "first\n");
        let mut table = WebhookTable::default();
        let sql = "select 'p' as project, '*' as callback, 'https://h/' as url";
        let read = table.read(&conninfo, sql).await.expect("rows");
        assert_eq!((read.columns.len(), read.rows.len()), (3, 1));
        let pid = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'asking'";
        administrator.batch_execute(&format!("ALTER ROLE asking PASSWORD 'second'; {pid}")).await.expect("a change");
        write(&file, "second\n");
        until("the session to be opened again", async || table.read(&conninfo, sql).await.ok()).await;
        // What it runs writes nothing, and its errors leave the session usable.
        for wrong in ["drop role asking", "select set_config('transaction_read_only', 'off', true)", "nonsense"] {
            table.read(&conninfo, wrong).await.expect_err(wrong);
            table.read(&conninfo, sql).await.expect("rows");
        }
    }

    async fn no_timeout_of_the_role_is_in_force_in_a_session_or_a_stream(server: &Server) {
        let administrator = connect_sql(&server.conninfo("postgres")).await.expect("a session");
        let timeouts = "SELECT name FROM pg_settings WHERE name ~ '^(idle|lock|statement|transaction)_.*timeout$' \
                        AND context = 'user' ORDER BY 1";
        let rows = administrator.query(timeouts, &[]).await.expect("names");
        let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert!(names.len() >= if server.version < 17 { 4 } else { 5 }, "{names:?}");
        administrator.batch_execute("DROP ROLE IF EXISTS hasty; CREATE ROLE hasty LOGIN REPLICATION PASSWORD 'x'").await.expect("a role");
        for name in &names {
            administrator.batch_execute(&format!("ALTER ROLE hasty SET {name} = '90s'")).await.expect("set");
        }
        let text = format!("host={} user=hasty password=x dbname=postgres", server.folder.display());
        let conninfo = server.parse(&text);
        let session = connect_sql(&conninfo).await.expect("a session");
        let mut stream = Connection::open(&conninfo).await.expect("a connection");
        for name in names {
            let shown = session.query_one(&format!("SHOW {name}"), &[]).await.expect("shown");
            assert_eq!(shown.get::<_, &str>(0), "0", "{name}");
            assert_eq!(stream.simple(&format!("SHOW {name}")).await.expect("shown"), [[Some("0".to_owned())]], "{name}");
        }
    }
}

#[tokio::test]
async fn certificates_that_are_replaced_are_read_at_the_next_connection() {
    let server = Server::shared(15).await;
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let put = |from: &str, name: &str| {
        write(&at(name), &fs::read_to_string(server.folder.join(from)).expect("a file"));
    };
    let text = format!(
        "host=localhost user=certified dbname=postgres sslmode=verify-full sslrootcert={0}/root sslcert={0}/cert sslkey={0}/key",
        folder.path().display()
    );
    let conninfo = server.parse(&text);
    put("ca.crt", "root");
    put("client.crt", "cert");
    put("client.key", "key");
    enter(&conninfo).await.expect("all three are right");
    for (name, wrong, right) in [
        ("root", "other-ca.crt", "ca.crt"),
        ("cert", "server.crt", "client.crt"),
        ("key", "server.key", "client.key"),
    ] {
        put(wrong, name);
        assert!(matches!(enter(&conninfo).await, Err(SourceError::Refused(_))), "{name}");
        put(right, name);
        enter(&conninfo).await.expect(name);
    }
}
