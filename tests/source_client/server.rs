//! A temporary cluster that ends with the process that started it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use sidecar::source::{Conninfo, connect_sql};
use tokio_postgres::Client;

use crate::binaries::{bin, run_as, unprivileged};

pub(crate) struct Server {
    pub(crate) version: u32,
    pub(crate) port: u16,
    /// Its socket, its log, and where there is TLS: `ca.crt`, `other-ca.crt`, `server.crt`,
    /// `client.crt` and `client.key` of the role `certified`.
    pub(crate) folder: PathBuf,
    bin: PathBuf,
    /// Its input is open for as long as we live; at its end it stops the server and cleans up.
    _keeper: Child,
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
        let bin = bin(version);
        let folder = tempfile::Builder::new().prefix("sidecar-pg").tempdir().expect("a folder").keep();
        let data = folder.join("data");
        own(&folder);
        let made = run_as(&bin.join("initdb"))
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .current_dir("/")
            .output()
            .expect("initdb");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let mut settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{}'\nfsync = off\n\
             wal_level = logical\nmax_replication_slots = 30\nmax_wal_senders = 30\nlog_min_messages = fatal\n",
            folder.display()
        );
        if has_tls(version) {
            make_certificates(&folder);
            let at = |name: &str| folder.join(name).display().to_string();
            settings.push_str("ssl = on\n");
            for (setting, file) in [("cert", "server.crt"), ("key", "server.key"), ("ca", "ca.crt")] {
                settings += &["ssl_", setting, "_file = '", &at(file), "'\n"].concat();
            }
        }
        fs::write(data.join("postgresql.auto.conf"), settings).expect("settings");
        fs::write(data.join("pg_hba.conf"), hba(version)).expect("pg_hba.conf");
        let keeper = run_as(Path::new("sh"))
            .args(["-c", KEEPER])
            .arg(&folder)
            .arg(bin.join("postgres"))
            .arg("-D")
            .arg(&data)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stderr(fs::File::create(folder.join("log")).expect("a log"))
            .spawn()
            .expect("postgres");
        let server = Self { version, port, folder, bin, _keeper: keeper };
        server.wait_and_make_roles();
        server
    }

    /// The administrator's way in.
    pub(crate) fn conninfo(&self, dbname: &str) -> Conninfo {
        self.parse(&format!("host={} user=postgres dbname={dbname}", self.folder.display()))
    }

    /// `text`, with the port.
    pub(crate) fn parse(&self, text: &str) -> Conninfo {
        Conninfo::parse(&format!("{text} port={}", self.port), None).expect("a connection string")
    }

    /// A database of its own, with an empty table `documents`, its publication and a slot, each
    /// called as the database.
    pub(crate) async fn database(&self) -> (String, Client) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("d{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let maintenance = connect_sql(&self.conninfo("postgres")).await.expect("a session");
        maintenance.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a database");
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
        let mut stop = run_as(&self.bin.join("pg_ctl"));
        stop.args(["stop", "-w", "-m", "fast", "-t", "60", "-D"]).arg(self.folder.join("data"));
        let stopped = tokio::task::spawn_blocking(move || stop.current_dir("/").output()).await;
        let stopped = stopped.expect("a thread").expect("pg_ctl");
        assert!(stopped.status.success(), "{}", String::from_utf8_lossy(&stopped.stderr));
    }

    fn wait_and_make_roles(&self) {
        let socket = self.folder.join(format!(".s.PGSQL.{}", self.port));
        let roles = || {
            UnixStream::connect(&socket).ok()?;
            let mut psql = run_as(&self.bin.join("psql"));
            psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres", "-c", ROLES]);
            psql.arg("-h").arg(&self.folder).args(["-p", &self.port.to_string()]).current_dir("/");
            psql.output().ok().filter(|done| done.status.success())
        };
        for _ in 0..500 {
            if roles().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{}", fs::read_to_string(self.folder.join("log")).unwrap_or_default());
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
                let $server = $crate::server::Server::shared(version).await;
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

/// $0 is the folder, the rest the server's command.
const KEEPER: &str = r#""$@" </dev/null >/dev/null & server=$!; cat >/dev/null; kill -QUIT $server; wait $server; rm -rf "$0""#;
