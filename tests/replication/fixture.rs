//! A cluster with TLS, a socket, and a role for each way to be let in.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use sidecar::source::{Conninfo, connect_sql};
use tokio_postgres::Client;

use crate::support::server::{self, run_as, unprivileged};

pub(crate) struct Server {
    pub(crate) version: u32,
    /// Its socket, and where there is TLS: `ca.crt`, `other-ca.crt`, `server.crt`, `client.crt` and
    /// `client.key` of the role `certified`.
    pub(crate) folder: PathBuf,
    cluster: server::Server,
    /// Its input is open for as long as we live; at its end it removes the folder.
    _sweeper: Child,
}

impl Server {
    /// The one that the tests of this process share.
    pub(crate) async fn shared(version: u32) -> &'static Self {
        static OLD: OnceLock<Server> = OnceLock::new();
        static NEW: OnceLock<Server> = OnceLock::new();
        let shared = if version < 18 { &OLD } else { &NEW };
        let start = move || shared.get_or_init(|| Self::start(version));
        tokio::task::spawn_blocking(start).await.expect("a server")
    }

    /// One of its own, for a test that stops it.
    pub(crate) fn start(version: u32) -> Self {
        let folder = tempfile::Builder::new().prefix("sidecar-client").tempdir().expect("a folder").keep();
        let sweeper = Command::new("sh")
            .args(["-c", "cat >/dev/null; rm -rf \"$0\""])
            .arg(&folder)
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh");
        own(&folder);
        let at = |name: &str| folder.join(name).display().to_string();
        fs::write(at("hba.conf"), hba(version)).expect("hba.conf");
        own(&folder.join("hba.conf"));
        let mut settings =
            format!("unix_socket_directories = '{}'\nhba_file = '{}'\n", folder.display(), at("hba.conf"));
        if has_tls(version) {
            make_certificates(&folder);
            settings.push_str("ssl = on\n");
            for (setting, file) in [("cert", "server.crt"), ("key", "server.key"), ("ca", "ca.crt")] {
                settings += &["ssl_", setting, "_file = '", &at(file), "'\n"].concat();
            }
        }
        let cluster = server::Server::start(version, &settings);
        let server = Self { version, folder, cluster, _sweeper: sweeper };
        let mut psql = run_as(&server.cluster.bin.join("psql"));
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres", "-c", ROLES]);
        psql.arg("-h").arg(&server.folder).args(["-p", &server.cluster.port.to_string()]);
        let made = psql.current_dir("/").output().expect("psql");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server
    }

    /// The administrator's way in.
    pub(crate) fn conninfo(&self, dbname: &str) -> Conninfo {
        self.parse(&format!("host={} user=postgres dbname={dbname}", self.folder.display()))
    }

    /// `text`, with the port.
    pub(crate) fn parse(&self, text: &str) -> Conninfo {
        Conninfo::parse(&format!("{text} port={}", self.cluster.port), None).expect("a connection string")
    }

    /// A database of its own, with an empty table `documents`, its publication and a slot, each
    /// called as the database.
    pub(crate) async fn database(&self) -> (String, Client) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("d{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let maintenance = connect_sql(&self.conninfo("postgres")).await.expect("a session");
        maintenance
            .batch_execute(&format!("CREATE DATABASE {name} STRATEGY FILE_COPY"))
            .await
            .expect("a database");
        let client = connect_sql(&self.conninfo(&name)).await.expect("a session");
        let setup = format!(
            "SET search_path = public; CREATE TABLE documents (id int PRIMARY KEY, body text);
             ALTER TABLE documents ALTER body SET STORAGE EXTERNAL;
             CREATE PUBLICATION {name} FOR TABLE documents"
        );
        client.batch_execute(&setup).await.expect("a table");
        let slot = format!("SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')");
        client.batch_execute(&slot).await.expect("a slot");
        (name, client)
    }

    /// Stops it as the administrator does, and waits until it has.
    pub(crate) async fn stop_fast(&self) {
        let session = connect_sql(&self.conninfo("postgres")).await.expect("a session");
        let row = session.query_one("SHOW data_directory", &[]).await.expect("an answer");
        let mut stop = run_as(&self.cluster.bin.join("pg_ctl"));
        stop.args(["stop", "-w", "-m", "fast", "-t", "60", "-D", row.get(0)]).current_dir("/");
        let stopped = tokio::task::spawn_blocking(move || stop.output()).await;
        let stopped = stopped.expect("a thread").expect("pg_ctl");
        assert!(stopped.status.success(), "{}", String::from_utf8_lossy(&stopped.stderr));
    }
}

/// The newest server at hand is built without TLS.
pub(crate) fn has_tls(version: u32) -> bool {
    version < 18
}

fn hba(version: u32) -> String {
    let mut lines = String::from(
        "local all postgres trust\nlocal all all scram-sha-256\n\
         host all clear 127.0.0.1/32 password\nhost all hashed 127.0.0.1/32 md5\n\
         host all salted,plain 127.0.0.1/32 scram-sha-256\nhost all trusted 127.0.0.1/32 trust\n",
    );
    if has_tls(version) {
        lines.push_str("hostssl all certified 127.0.0.1/32 cert\n");
    }
    lines
}

/// `ca.crt` signs `server.crt`, whose name is `localhost`, and `client.crt`; `other-ca.crt` nothing.
fn make_certificates(folder: &Path) {
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).expect("a file");
        own(&path);
    };
    let authority = || {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        (Issuer::new(params, key), certificate)
    };
    let (ca, certificate) = authority();
    write("ca.crt", certificate);
    write("other-ca.crt", authority().1);
    for (name, common_name) in [("server", "localhost"), ("client", "certified")] {
        let mut params = CertificateParams::new(vec![common_name.to_owned()]).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &ca).expect("a certificate");
        write(&format!("{name}.crt"), certificate.pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}

fn own(path: &Path) {
    let mode = if path.is_dir() { 0o700 } else { 0o600 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
    if let Some(user) = unprivileged() {
        chown(path, Some(user), Some(user)).expect("an owner");
    }
}

/// Runs a test on every version.
macro_rules! on_all_versions {
    ($($(#[$attribute:meta])* async fn $name:ident($server:ident: &Server) $body:block)*) => {$(
        $(#[$attribute])*
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            for version in [15, 18] {
                let $server = $crate::replication::fixture::Server::shared(version).await;
                $body
            }
        }
    )*};
}
pub(crate) use on_all_versions;

const ROLES: &str = "CREATE ROLE clear LOGIN REPLICATION PASSWORD 'geheim';
    CREATE ROLE salted LOGIN REPLICATION PASSWORD 'geheim'; CREATE ROLE plain LOGIN PASSWORD 'geheim';
    CREATE ROLE trusted LOGIN REPLICATION; CREATE ROLE certified LOGIN REPLICATION;
    ALTER ROLE salted SET TimeZone = 'Asia/Tokyo'; ALTER ROLE salted SET statement_timeout = '1h';
    SET password_encryption = 'md5'; CREATE ROLE hashed LOGIN REPLICATION PASSWORD 'geheim'";
