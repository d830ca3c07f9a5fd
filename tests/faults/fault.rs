//! The kinds of faults, and what each does.

use std::process::Command;
use std::time::Duration;

use rand::Rng as _;

use crate::faults::fixture::Fixture;
use crate::support::cluster::Stop;
use crate::support::proxy::{FaultyProxy, LinkState};
use crate::support::receiver::{Answer, Received};
use crate::support::until;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    SidecarKilled,
    SidecarTerminated,
    SidecarFrozen,
    /// It dies at this edge: see `src/failpoint.rs`.
    SidecarDiesAt(&'static str),
    WalsenderTerminated,
    WalsenderKilled,
    PostgresCrashed,
    PostgresFrozen,
    Source(Network),
    Receiver(Network),
    ReceiverRefusesLarge,
    ReceiverErrs,
    DiskFull,
    ClockStepped,
}

/// What is wrong with a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Network {
    Cut,
    HalfOpen,
    Garbage,
    Slow,
    Narrow,
}

impl Fault {
    pub(crate) const ALL: [Self; 33] = [
        Self::SidecarKilled,
        Self::SidecarTerminated,
        Self::SidecarFrozen,
        Self::SidecarDiesAt("group.before"),
        Self::SidecarDiesAt("group.after"),
        Self::SidecarDiesAt("confirm.before"),
        Self::SidecarDiesAt("confirm.after"),
        Self::SidecarDiesAt("cut.before"),
        Self::SidecarDiesAt("cut.after"),
        Self::SidecarDiesAt("send.before"),
        Self::SidecarDiesAt("send.after"),
        Self::SidecarDiesAt("settle.before"),
        Self::SidecarDiesAt("settle.after"),
        Self::SidecarDiesAt("retire.before"),
        Self::SidecarDiesAt("retire.after"),
        Self::WalsenderTerminated,
        Self::WalsenderKilled,
        Self::PostgresCrashed,
        Self::PostgresFrozen,
        Self::Source(Network::Cut),
        Self::Source(Network::HalfOpen),
        Self::Source(Network::Garbage),
        Self::Source(Network::Slow),
        Self::Source(Network::Narrow),
        Self::Receiver(Network::Cut),
        Self::Receiver(Network::HalfOpen),
        Self::Receiver(Network::Garbage),
        Self::Receiver(Network::Slow),
        Self::Receiver(Network::Narrow),
        Self::ReceiverErrs,
        Self::ReceiverRefusesLarge,
        Self::DiskFull,
        Self::ClockStepped,
    ];

    pub(crate) fn name(self) -> String {
        match self {
            Self::SidecarKilled => "sidecar: SIGKILL".to_owned(),
            Self::SidecarTerminated => "sidecar: SIGTERM, started again".to_owned(),
            Self::SidecarFrozen => "sidecar: SIGSTOP, SIGCONT".to_owned(),
            Self::SidecarDiesAt(edge) => format!("sidecar: dies at {edge}"),
            Self::WalsenderTerminated => "walsender: terminated".to_owned(),
            Self::WalsenderKilled => "walsender: SIGKILL (all of Postgres recovers)".to_owned(),
            Self::PostgresCrashed => "Postgres: stopped as by a crash, started again".to_owned(),
            Self::PostgresFrozen => "Postgres: SIGSTOP, SIGCONT of every process".to_owned(),
            Self::Source(network) => format!("network to Postgres: {network:?}").to_lowercase(),
            Self::Receiver(network) => format!("network to the receiver: {network:?}").to_lowercase(),
            Self::ReceiverRefusesLarge => "receiver: 413".to_owned(),
            Self::ReceiverErrs => "receiver: 500 for half of the requests".to_owned(),
            Self::DiskFull => "disk of the spool: full, then not".to_owned(),
            Self::ClockStepped => "wall clock of the sidecar: stepped by days".to_owned(),
        }
    }

    /// How often the sidecar dies of it: started to die, it is killed before.
    pub(crate) fn deaths(self) -> usize {
        match self {
            Self::SidecarDiesAt(_) | Self::ClockStepped => 2,
            _ => 1,
        }
    }

    /// What a torture run costs less of, as it takes long.
    pub(crate) fn is_slow(self) -> bool {
        matches!(self, Self::WalsenderKilled | Self::PostgresCrashed | Self::DiskFull)
    }
}

impl Fixture {
    /// `false`: it cannot be done here, and a line on stderr says why.
    pub(crate) async fn strike(&mut self, fault: Fault) -> bool {
        // How long a fault lasts.
        let short = Duration::from_millis(self.rng.random_range(100..500));
        match fault {
            Fault::SidecarKilled => {
                self.sidecar.kill();
                self.start_sidecar(&[]).await;
            }
            Fault::SidecarTerminated => {
                assert!(self.sidecar.stop().await.success());
                self.start_sidecar(&[]).await;
            }
            Fault::SidecarFrozen => {
                self.sidecar.signal("STOP");
                lasts(short).await;
                self.sidecar.signal("CONT");
            }
            Fault::SidecarDiesAt(edge) => self.die_at(edge).await,
            Fault::WalsenderTerminated => {
                self.on_postgres("SELECT pg_terminate_backend(pid) FROM pg_stat_replication").await;
            }
            Fault::WalsenderKilled => {
                let pid = self.on_postgres("SELECT pid::text FROM pg_stat_replication").await;
                signal("KILL", pid.as_slice());
            }
            Fault::PostgresCrashed => {
                let mut cluster = self.cluster.lock().await;
                tokio::task::block_in_place(|| cluster.stop(Stop::Immediate));
                cluster.start().await;
            }
            Fault::PostgresFrozen => {
                let pids = self.cluster.lock().await.pids();
                signal("STOP", &pids);
                lasts(short).await;
                signal("CONT", &pids);
            }
            Fault::Source(network) => disturb(&self.source.clone(), network, short).await,
            Fault::Receiver(network) => disturb(&self.network.clone(), network, short).await,
            Fault::ReceiverRefusesLarge => {
                self.receiver.answers(refuses_large);
                lasts(short).await;
                self.receiver.answers(|_| Answer::Status(204));
            }
            Fault::ReceiverErrs => {
                self.receiver.answers(|_| Answer::Status(if rand::random() { 500 } else { 204 }));
                lasts(short).await;
                self.receiver.answers(|_| Answer::Status(204));
            }
            Fault::DiskFull => {
                let Some(disk) = &self.disk else { return false };
                disk.fill();
                lasts(short).await;
                disk.make_room();
                if !self.sidecar.is_running() {
                    self.start_sidecar(&[]).await;
                }
            }
            Fault::ClockStepped => return self.step_clock().await,
        }
        true
    }

    /// It is started to die at this edge, and started again when it did.
    async fn die_at(&mut self, edge: &str) {
        let large = edge.starts_with("retire");
        if large {
            self.receiver.answers(refuses_large);
        }
        self.sidecar.kill();
        let at = format!("{edge}:{}", self.rng.random_range(1..6));
        self.sidecar.spawn_with(&[("SIDECAR_FAILPOINT", &at)]);
        let ended = self.sidecar.ended().await;
        assert!(!ended.success(), "it dies at {at}");
        if large {
            self.receiver.answers(|_| Answer::Status(204));
        }
        self.start_sidecar(&[]).await;
    }

    /// Days forwards and back, under the eyes of a running process.
    async fn step_clock(&mut self) -> bool {
        let Some(library) = faketime() else {
            eprintln!("SKIPPED: no libfaketime, and a stepped clock needs it (`make tools`)");
            return false;
        };
        let file = self.sidecar.folder.path().join("clock");
        let step = |by: &str| std::fs::write(&file, by).unwrap();
        step("+0");
        self.sidecar.kill();
        let file_name = file.to_str().unwrap().to_owned();
        let variables = [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", file_name.as_str()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("FAKETIME_CACHE_DURATION", "1"),
        ];
        self.start_sidecar(&variables).await;
        for by in ["+90d", "-30d", "+0"] {
            step(by);
            // libfaketime reads its file once a second.
            lasts(Duration::from_millis(1_300)).await;
        }
        self.sidecar.kill();
        self.start_sidecar(&[]).await;
        true
    }

    /// The first column of the first row, where Postgres answers.
    pub(crate) async fn on_postgres(&self, sql: &str) -> Vec<String> {
        until("Postgres to answer", async || {
            let client = self.session().await?;
            let rows = client.query(sql, &[]).await.ok()?;
            Some(rows.iter().filter_map(|row| row.try_get::<_, String>(0).ok()).collect())
        })
        .await
    }
}

/// 413 to more than a few records; but what it may have taken once, it does not refuse.
fn refuses_large(request: &Received) -> Answer {
    let is_new = request.header("sidecar-attempt") == "1";
    Answer::Status(if is_new && request.records().len() > 3 { 413 } else { 204 })
}

/// The library under which a process sees the wall clock that a file sets.
fn faketime() -> Option<String> {
    let machines = std::fs::read_dir("/usr/lib").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut libraries = machines.map(|machine| machine.join("faketime/libfaketime.so.1"));
    libraries.find(|library| library.exists())?.to_str().map(str::to_owned)
}

async fn disturb(proxy: &FaultyProxy, network: Network, short: Duration) {
    let state = match network {
        Network::Cut => LinkState::Cut,
        Network::HalfOpen => LinkState::Hang,
        Network::Garbage => LinkState::Garbage,
        Network::Slow => LinkState::Delay(Duration::from_millis(20)),
        Network::Narrow => LinkState::Bandwidth(200_000),
    };
    proxy.set(state);
    let wait = if network == Network::HalfOpen { Duration::from_millis(1_200) } else { short };
    lasts(wait).await;
    if network == Network::HalfOpen {
        proxy.cut(); // Nobody will ever answer on the connections that hung.
    }
    proxy.set(LinkState::Up);
}

/// Waits while a fault lasts.
async fn lasts(time: Duration) {
    // The pace of the faults.
    tokio::time::sleep(time).await;
}

fn signal(name: &str, pids: &[String]) {
    // One that has ended meanwhile is no fault.
    let _ = Command::new("kill").arg(format!("-{name}")).args(pids).output();
}
