//! Clusters that are stopped, copied, followed by standbys, and promoted.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::database::Database;
use super::port::port_for_later;
use super::server::{bin, run_as, unprivileged};
use super::until;

pub struct Cluster {
    version: u32,
    pub port: u16,
    folder: PathBuf,
    /// While it runs: a shell that ends it on request, or with this process.
    keeper: Option<Child>,
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// In order: everything it wrote reaches whoever reads.
    Fast,
    /// As a crash would.
    Immediate,
}

impl Cluster {
    /// A new cluster, running.
    pub async fn new(version: u32, settings: &str) -> Self {
        let mut cluster = Self::unmade(version);
        let mut initdb = cluster.program("initdb");
        initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"]);
        done(initdb.arg(cluster.data()));
        cluster.set(&format!(
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\nwal_level = logical\nautovacuum = off\n\
             wal_keep_size = '64MB'\nmax_replication_slots = 10\nmax_wal_senders = 10\n{settings}"
        ));
        cluster.start().await;
        cluster
    }

    /// A standby of this one, running. It reads through a slot of the name `standby`.
    pub async fn standby(&self, settings: &str) -> Self {
        let mut standby = Self::unmade(self.version);
        let mut copy = standby.program("pg_basebackup");
        copy.args([
            "-U",
            "postgres",
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.to_string(),
            "-R",
            "-C",
            "-S",
            "standby",
        ]);
        done(copy.args(["-X", "stream", "-c", "fast", "--no-sync", "-D"]).arg(standby.data()));
        standby.set(&format!(
            "hot_standby_feedback = on\nwal_receiver_status_interval = '100ms'\nprimary_slot_name = 'standby'\n\
             primary_conninfo = 'host=127.0.0.1 port={} user=postgres dbname=postgres'\n{settings}",
            self.port
        ));
        standby.start().await;
        standby
    }

    fn unmade(version: u32) -> Self {
        let folder = tempfile::Builder::new().prefix("sidecar-cluster").tempdir().unwrap().keep();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        if let Some(user) = unprivileged() {
            chown(&folder, Some(user), Some(user)).unwrap();
        }
        let port = port_for_later();
        Self { version, port, folder, keeper: None }
    }

    /// Settings that follow those that are there; a start applies them.
    pub fn set(&self, settings: &str) {
        let file = self.data().join("postgresql.auto.conf");
        let before = fs::read_to_string(&file).unwrap_or_default();
        fs::write(file, format!("{before}port = {}\n{settings}\n", self.port)).unwrap();
    }

    /// Starts it, and waits until it answers.
    pub async fn start(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log")).unwrap();
        let mut shell = run_as(Path::new("sh"));
        shell.args(["-c", KEEPER]).arg(&self.folder).arg(bin(self.version).join("postgres")).arg("-D");
        shell.arg(self.data()).current_dir("/").stdin(Stdio::piped()).stderr(log);
        self.keeper = Some(shell.spawn().unwrap());
        let (program, port) = (bin(self.version).join("pg_isready"), self.port.to_string());
        until("the server to answer", async || {
            let mut is_ready = Command::new(&program);
            let is_ready = is_ready.args(["-q", "-h", "127.0.0.1", "-p", &port]).status().unwrap();
            is_ready.success().then_some(())
        })
        .await;
    }

    pub fn stop(&mut self, how: Stop) {
        let mut keeper = self.keeper.take().expect("it runs");
        let signal = match how {
            Stop::Fast => "INT",
            Stop::Immediate => "QUIT",
        };
        writeln!(keeper.stdin.take().unwrap(), "{signal}").unwrap();
        keeper.wait().unwrap();
    }

    /// Every process of it, the first of all included.
    pub fn pids(&self) -> Vec<String> {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let Some(first) = file.lines().next().map(str::to_owned) else { return Vec::new() };
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", &first]).output().unwrap();
        let children = String::from_utf8_lossy(&children.stdout).into_owned();
        std::iter::once(first).chain(children.split_whitespace().map(str::to_owned)).collect()
    }

    /// The data of the stopped cluster, beside it.
    pub fn copy(&self) {
        assert!(self.keeper.is_none(), "a running cluster cannot be copied");
        done(run_as(Path::new("cp")).arg("-a").arg(self.data()).arg(self.folder.join("copy")));
    }

    /// The stopped cluster is what it was when it was copied.
    pub fn restore(&self) {
        assert!(self.keeper.is_none(), "a running cluster cannot be restored");
        fs::remove_dir_all(self.data()).unwrap();
        fs::rename(self.folder.join("copy"), self.data()).unwrap();
    }

    /// The state of a slot goes over, file by file, as tools do where standbys cannot copy slots. The
    /// other one is stopped.
    pub fn copy_slot_to(&self, other: &Self, slot: &str) {
        let place = |cluster: &Self| cluster.data().join("pg_replslot").join(slot);
        let _ = fs::remove_dir_all(place(other));
        done(run_as(Path::new("cp")).arg("-a").arg(place(self)).arg(place(other)));
    }

    pub async fn promote(&self) {
        let database = self.database("postgres").await;
        database.run("SELECT pg_promote(true, 60)").await;
    }

    pub fn url(&self, dbname: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{dbname}", self.port)
    }

    /// A session with a database that is there.
    pub async fn database(&self, dbname: &str) -> Database {
        Database::at(self.version, dbname, &self.url(dbname)).await
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn program(&self, name: &str) -> Command {
        let mut command = run_as(&bin(self.version).join(name));
        command.current_dir("/");
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.keeper.is_some() {
            self.stop(Stop::Immediate);
        }
        if std::thread::panicking() {
            eprintln!(
                "--- the server's log:\n{}",
                fs::read_to_string(self.folder.join("log")).unwrap_or_default()
            );
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn done(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// $0 is the folder, the rest the server's command. When its input is closed, the server ends and the folder is removed.
const KEEPER: &str = r#""$@" </dev/null >/dev/null & server=$!; read -r signal; kill -"${signal:-QUIT}" $server; wait $server
[ -n "$signal" ] || rm -rf "$0""#;
