//! A temporary cluster that ends with the process that started it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::port::port_for_later;
use super::until_blocking;

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
        let port = port_for_later();
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\nfsync = off\nwal_level = logical\n\
             full_page_writes = off\nautovacuum = off\nmax_prepared_transactions = 10\n\
             max_replication_slots = 1000\nmax_wal_senders = 200\nmax_connections = 500\n{settings}\n"
        );
        fs::write(data.join("postgresql.auto.conf"), settings).expect("settings");
        let mut keeper = run_as(Path::new("sh"))
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
        // It takes connections before it takes sessions.
        let answers = || {
            let mut is_ready = Command::new(bin.join("pg_isready"));
            is_ready
                .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])
                .status()
                .is_ok_and(|output| output.success())
        };
        until_blocking("the server to answer", || {
            let ended = keeper.try_wait().expect("its state");
            let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(ended.is_none(), "the server ended: {}", log());
            answers().then_some(())
        });
        Self { port, bin, _keeper: keeper }
    }
}

pub(crate) fn bin(version: u32) -> PathBuf {
    let named = [format!("SIDECAR_PG{version}_BIN"), "SIDECAR_PG_BIN".to_owned()]
        .into_iter()
        .filter_map(std::env::var_os);
    let local = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!(".local/pg{version}/bin"));
    let mut places =
        named.map(PathBuf::from).chain([local, format!("/usr/lib/postgresql/{version}/bin").into()]);
    let is_it = |bin: &PathBuf| {
        let output = Command::new(bin.join("postgres")).arg("--version").output();
        output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&format!(" {version}.")))
    };
    places
        .find(is_it)
        .unwrap_or_else(|| panic!("no PostgreSQL {version}: `make tools` installs it, or set SIDECAR_PG{version}_BIN to its bin folder"))
}

/// Postgres does not run as root; whom it runs as then.
pub(crate) fn unprivileged() -> Option<u32> {
    let id = |args: &[&str]| {
        let output = Command::new("id").args(args).output().ok()?;
        String::from_utf8_lossy(&output.stdout).trim().parse::<u32>().ok()
    };
    (id(&["-u"])? == 0).then(|| id(&["-u", "postgres"]).or_else(|| id(&["-u", "nobody"]))).flatten()
}

pub(crate) fn run_as(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some(user) = unprivileged() {
        command.uid(user).gid(user);
    }
    command
}

/// $0 is the folder, the rest the server's command.
const KEEPER: &str = r#""$@" </dev/null >/dev/null & server=$!; cat >/dev/null; kill -QUIT $server; wait $server; rm -rf "$0""#;
