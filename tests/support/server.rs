//! A temporary cluster that ends with the process that started it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::binaries::{bin, run_as, unprivileged};

pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) bin: PathBuf,
    /// Its input is open for as long as we live; at its end it stops the server and cleans up.
    _keeper: Child,
}

impl Server {
    /// The one that the tests of this process share.
    pub(crate) fn shared(version: u32) -> &'static Self {
        static SHARED: [OnceLock<Server>; 2] = [OnceLock::new(), OnceLock::new()];
        SHARED[usize::from(version >= 18)].get_or_init(|| Self::start(version, ""))
    }

    /// One with settings of its own.
    pub(crate) fn start(version: u32, settings: &str) -> Self {
        let bin = bin(version);
        let folder = tempfile::Builder::new().prefix("sidecar-pg").tempdir().expect("a folder").keep();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("permissions");
        let data = folder.join("data");
        if let Some(user) = unprivileged() {
            chown(&folder, Some(user), Some(user)).expect("the folder's owner");
        }
        let made = run_as(&bin.join("initdb"))
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .current_dir("/")
            .output()
            .expect("initdb");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\nfsync = off\nwal_level = logical\n\
             max_prepared_transactions = 10\nmax_replication_slots = 30\nmax_wal_senders = 30\nmax_connections = 200\n{settings}\n"
        );
        fs::write(data.join("postgresql.auto.conf"), settings).expect("settings");
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
        let answers = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        for _ in 0..500 {
            if answers() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(answers(), "{}", fs::read_to_string(folder.join("log")).unwrap_or_default());
        Self { port, bin, _keeper: keeper }
    }
}

/// $0 is the folder, the rest the server's command.
const KEEPER: &str = r#""$@" </dev/null >/dev/null & server=$!; cat >/dev/null; kill -QUIT $server; wait $server; rm -rf "$0""#;
