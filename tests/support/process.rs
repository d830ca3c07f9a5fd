//! The real program, started with settings of its own.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use sidecar::position::Lsn;

use super::database::Database;
use super::until;

pub struct Sidecar {
    pub folder: tempfile::TempDir,
    /// What is run: the program that was built with the tests, or another for a comparison.
    pub program: PathBuf,
    spool: Option<PathBuf>,
    child: Option<Child>,
}

impl Sidecar {
    /// Not yet started. `settings` follow those of the database and the spool.
    pub fn prepare(database: &Database, settings: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("sidecar-test").tempdir().unwrap();
        let program = env!("CARGO_BIN_EXE_sidecar").into();
        let me = Self { folder, program, spool: None, child: None };
        me.configure(database, settings);
        me
    }

    /// Not yet started, its spool elsewhere: on a disk that can be full.
    pub fn prepare_with_spool(database: &Database, settings: &str, spool: PathBuf) -> Self {
        let mut me = Self::prepare(database, "");
        me.spool = Some(spool);
        me.configure(database, settings);
        me
    }

    /// Writes its settings anew; a restart or SIGHUP applies them.
    pub fn configure(&self, database: &Database, settings: &str) {
        let (url, name, spool) = (&database.url, &database.name, self.spool());
        let text = format!(
            "[postgres]\nurl = \"{url}\"\nslot = \"s_{name}\"\npublication = \"p_{name}\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"info,sidecar=debug\"\n[spool]\npath = \"{}\"\n{settings}",
            spool.display()
        );
        std::fs::write(self.settings(), text).unwrap();
    }

    /// Started, and ready.
    pub async fn start(database: &Database, settings: &str) -> Self {
        let mut me = Self::prepare(database, settings);
        me.spawn();
        me.ready().await;
        me
    }

    pub fn spawn(&mut self) {
        self.spawn_with(&[]);
    }

    /// With these variables in its environment.
    pub fn spawn_with(&mut self, variables: &[(&str, &str)]) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_path()).unwrap();
        let child = self
            .command("run")
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(name).arg("--config").arg(self.settings());
        command
    }

    /// Writes these settings and has them read by SIGHUP. Returns when they are in force.
    pub async fn reload(&self, database: &Database, settings: &str) {
        // The metric says only whether the last reading went well: wrong settings, which change nothing, come first.
        self.configure(database, "wrong = 1\n");
        self.signal("HUP");
        self.reloaded(false).await;
        self.configure(database, settings);
        self.signal("HUP");
        self.reloaded(true).await;
    }

    /// Waits until the last reading of the settings went well, or did not.
    pub async fn reloaded(&self, well: bool) {
        until("the settings to be read", async || {
            (self.metric("sidecar_config_last_reload_successful") == u64::from(well)).then_some(())
        })
        .await;
    }

    pub async fn ready(&self) {
        until("the sidecar to be ready", async || {
            self.get("/-/ready").filter(|(status, _)| *status == 200).map(drop)
        })
        .await;
    }

    /// Status and body of what the control socket answers; `None` without an answer.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        self.request("GET", path, "")
    }

    /// The same, with a method and a body of JSON.
    pub fn request(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let mut stream = UnixStream::connect(self.spool().join("control.sock")).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        let head = format!(
            "host: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}",
            body.len()
        );
        // In one piece: an answer that does not need the body may come, with the end, before a second one is sent.
        let request = format!("{method} {path} HTTP/1.1\r\n{head}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let body = answer.split_once("\r\n\r\n")?.1.to_owned();
        Some((status, body))
    }

    pub fn status(&self) -> Option<Value> {
        serde_json::from_str(&self.get("/api/v1/status")?.1).ok()
    }

    /// The state of the replication side.
    pub fn source_state(&self) -> Option<String> {
        Some(self.status()?["source"]["state"].as_str()?.to_owned())
    }

    /// Waits for a state of the replication side.
    pub async fn in_state(&self, state: &str) {
        let what = format!("the sidecar to be {state}");
        until(&what, async || (self.source_state()? == state).then_some(())).await;
    }

    /// Waits until all transactions up to this LSN are in the spool.
    pub async fn reached(&self, lsn: &str) {
        let end: Lsn = lsn.parse().unwrap();
        until(&format!("the position to reach {lsn}"), async || {
            let position: Lsn = self.status()?["source"]["whole_lsn"].as_str()?.parse().ok()?;
            (position >= end).then_some(())
        })
        .await;
    }

    /// Waits until every record that is spooled is settled.
    pub async fn settled(&self) {
        until("every record to be settled", async || Self::is_settled(&self.status()?).then_some(())).await;
    }

    /// Waits until nothing is left to do: the stream is read, no comparison is under way, every record is settled.
    /// Before it, a test that asserts what did not arrive passes too early.
    pub async fn idle(&self) {
        until("nothing to be left to do", async || {
            let status = self.status()?;
            let resync = &status["source"]["resync"]["state"];
            let is_streaming =
                status["source"]["state"] == "streaming" && resync != "running" && resync != "waiting";
            (is_streaming && Self::is_settled(&status)).then_some(())
        })
        .await;
    }

    fn is_settled(status: &Value) -> bool {
        let is_empty = |lane: &Value| lane["pending"]["records"] == 0;
        status["lanes"].as_array().is_some_and(|lanes| lanes.iter().all(is_empty))
    }

    /// The last resync of this process.
    pub fn resync_status(&self) -> Option<Value> {
        Some(self.status()?["source"]["resync"].clone()).filter(|resync| !resync.is_null())
    }

    /// Waits until a resync has compared so many documents.
    pub async fn compared(&self, documents: u64) {
        until(&format!("a comparison of {documents} documents"), async || {
            let last = self.resync_status()?;
            (last["state"] == "done" && last["rows"] == documents).then_some(())
        })
        .await;
    }

    /// The value of a metric without labels.
    pub fn metric(&self, name: &str) -> u64 {
        let (_, metrics) = self.get("/metrics").unwrap();
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in: {metrics}")).parse().unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// The most memory that it held at a time, in bytes: what Linux calls the high water mark of its resident set.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// As the kernel or a power cut would.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        let _ = child.kill();
        child.wait().unwrap();
    }

    /// SIGTERM, and how it ended.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    pub async fn ended(&mut self) -> ExitStatus {
        until("the sidecar to end", async || self.child.as_mut().unwrap().try_wait().unwrap()).await
    }

    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    pub fn spool(&self) -> PathBuf {
        self.spool.clone().unwrap_or_else(|| self.folder.path().join("spool"))
    }

    pub fn settings(&self) -> PathBuf {
        self.folder.path().join("sidecar.toml")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let ended = child.wait();
            if std::thread::panicking() {
                let signal = ended.ok().and_then(|status| status.signal());
                eprintln!("--- the sidecar's log (ended by {signal:?}):\n{}", self.log());
            }
        }
    }
}
