//! A spool, a right loop and their records, without a database.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use sidecar::clock::Clock;
use sidecar::deliver::{
    Client, Deliver, Egress, HeaderNames, HostLimits, LaneView, Limits, Params, Proxy, Routes, SurgeLimit,
    UrlTemplate, Webhook,
};
use sidecar::metrics::Metrics;
use sidecar::position::{Lsn, Place, Position};
use sidecar::record::{Callback, LaneNo, ProjectNo, Seq, WaitsFor, write_document};
use sidecar::spool::{
    DeadLetterNo, Done, Epochs, Group, GroupBuilder, LaneReplay, NewReplay, Op, Opened, Options, ReplayNo,
    Search, SearchStart, Spool,
};
use tokio::sync::watch;
use uuid::Uuid;

use crate::support::until_blocking;

/// The one project's name.
pub const PROJECT: &str = "Haus 5";
pub const EPOCH: Uuid = Uuid::from_u128(1);

/// What a test chooses.
#[derive(Clone)]
pub struct Setup {
    pub webhooks: Vec<Webhook>,
    pub egress: Egress,
    pub proxy: Option<Proxy>,
    pub ca_file: Option<std::path::PathBuf>,
    pub in_flight_max: usize,
    pub host_limits: HostLimits,
    pub surge: Option<SurgeLimit>,
    pub lane_bytes_max: u64,
    pub retain: Duration,
}

pub struct Fixture {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    setup: Setup,
    pub metrics: Metrics,
    clock: Clock,
    spool: Spool,
    pub deliver: Deliver,
    routes: watch::Sender<Arc<Routes>>,
    builder: GroupBuilder,
    epochs: Epochs,
    commit: u64,
    /// Projects that the spool knows.
    projects: u32,
}

/// Quick ones, so that tests are.
pub fn limits() -> Limits {
    Limits {
        records_max: 3,
        wait_max: Duration::from_millis(20),
        timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(2),
        retry_schedule: vec![Duration::from_millis(50)],
        ..Limits::default()
    }
}

pub fn webhook(url: &str) -> Webhook {
    let url = UrlTemplate::parse(url, |url| url.parse().map_err(|_| url.to_owned()));
    Webhook { limits: limits(), ..Webhook::new(url.unwrap()) }
}

impl Setup {
    pub fn new(webhooks: impl IntoIterator<Item = Webhook>) -> Self {
        Self {
            webhooks: webhooks.into_iter().collect(),
            egress: Egress::default(),
            proxy: None,
            ca_file: None,
            in_flight_max: 8,
            host_limits: HostLimits::default(),
            surge: None,
            lane_bytes_max: 1 << 30,
            retain: Duration::from_hours(1),
        }
    }

    pub fn start(self) -> Fixture {
        Fixture::open(tempfile::tempdir().unwrap(), self, Epochs::new(EPOCH))
    }
}

impl Fixture {
    /// Everything to the receiver at `url`.
    pub fn to(url: &str) -> Self {
        Setup::new([webhook(url)]).start()
    }

    /// Over a copy of this file.
    pub fn of(file: &std::path::Path, setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("spool")).unwrap();
        std::fs::copy(file, folder.path().join("spool/spool.sqlite")).unwrap();
        Self::open(folder, setup, Epochs::new(EPOCH))
    }

    fn open(folder: tempfile::TempDir, setup: Setup, epochs: Epochs) -> Self {
        let options = Options { bytes_max: 1 << 30, retain: setup.retain };
        let Opened { spool, projects, last_seq, uptime, .. } =
            Spool::open(&folder.path().join("spool"), options).unwrap();
        let clock = Clock::start(uptime);
        let metrics = Metrics::unregistered();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.unwrap();
        let client =
            Client::new(setup.egress.clone(), setup.proxy.clone(), setup.ca_file.as_deref(), metrics.clone());
        let projects = u32::try_from(projects.len()).unwrap();
        let (routes, effective) = watch::channel(Arc::new(Routes::new(setup.webhooks.clone()).unwrap()));
        let deliver = Deliver::start(Params {
            spool: spool.clone(),
            held: false,
            epochs: epochs.clone(),
            routes: effective,
            in_flight_max: setup.in_flight_max,
            host_limits: setup.host_limits.clone(),
            lane_bytes_max: setup.lane_bytes_max,
            surge: setup.surge,
            spool_bytes_max: options.bytes_max,
            retain: options.retain,
            post: client.unwrap().post(runtime.handle().clone()),
            header_names: HeaderNames::new("sidecar").unwrap(),
            jitter: Box::new(sidecar::deliver::random_jitter),
            clock,
            metrics: metrics.clone(),
            on_alert: Box::new(|_| {}),
            on_failure: Box::new(|error| panic!("{error}")),
        });
        let builder = GroupBuilder::new(last_seq);
        let deliver = deliver.unwrap();
        Self {
            folder,
            runtime,
            setup,
            metrics,
            clock,
            spool,
            deliver,
            routes,
            builder,
            epochs,
            commit: 0,
            projects,
        }
    }

    /// The process dies and starts again, with what the disk holds.
    pub fn restart(self) -> Self {
        self.deliver.stop(Duration::ZERO);
        self.spool.close();
        self.runtime.shutdown_timeout(Duration::from_secs(1));
        let mut fixture = Self::open(self.folder, self.setup, self.epochs);
        fixture.commit = self.commit;
        fixture
    }

    /// One group of records; they wait for nothing.
    pub fn spool(&mut self, callback: Callback, ids: &[&str]) {
        let records: Vec<_> = ids.iter().map(|id| (callback, *id, WaitsFor::default())).collect();
        self.spool_all(&records);
    }

    /// One group of records. Says the number of the last.
    pub fn spool_all(&mut self, records: &[(Callback, &str, WaitsFor)]) -> Seq {
        self.commit += 1;
        for (number, (callback, id, after)) in (1..).zip(records) {
            let mut fragment = Vec::new();
            write_document(&mut fragment, id, None);
            let position = Position { commit: Lsn(self.commit), number };
            self.builder.push(lane(*callback), position, Clock::now(), *after, 0, &fragment);
        }
        let last = self.builder.last();
        let chunks = self.builder.finish(Clock::now(), self.clock.uptime());
        let new = self.projects == 0;
        self.projects = self.projects.max(1);
        let projects = if new { vec![(ProjectNo(0), PROJECT.to_owned())] } else { Vec::new() };
        let group = Group { chunks, projects, ..Group::default() };
        self.spool.apply(Op::Commit(Arc::new(group))).unwrap();
        last
    }

    /// One record for each of these projects, which are new: their numbers follow the first's.
    pub fn spool_projects(&mut self, names: &[String]) {
        self.spool_for_projects(names, 1);
    }

    /// As [`Fixture::spool_projects`], so many records each. Says their numbers.
    pub fn spool_for_projects(&mut self, names: &[String], records: usize) -> Range<u32> {
        let numbers = self.projects..self.projects + u32::try_from(names.len()).unwrap();
        self.projects = numbers.end;
        let projects = numbers.clone().map(ProjectNo).zip(names.iter().cloned()).collect();
        self.commit_for(numbers.clone(), projects, records);
        numbers
    }

    /// So many records more for each of these projects.
    pub fn spool_more(&mut self, numbers: Range<u32>, records: usize) {
        self.commit_for(numbers, Vec::new(), records);
    }

    fn commit_for(&mut self, numbers: Range<u32>, projects: Vec<(ProjectNo, String)>, records: usize) {
        self.commit += 1;
        let each = numbers.flat_map(|project| std::iter::repeat_n(ProjectNo(project), records));
        for (number, project) in (1..).zip(each) {
            let mut fragment = Vec::new();
            write_document(&mut fragment, "a", None);
            let position = Position { commit: Lsn(self.commit), number };
            let lane = LaneNo::new(project, Callback::Ingested);
            self.builder.push(lane, position, Clock::now(), WaitsFor::default(), 0, &fragment);
        }
        let chunks = self.builder.finish(Clock::now(), self.clock.uptime());
        let group = Group { chunks, projects, ..Group::default() };
        self.spool.apply(Op::Commit(Arc::new(group))).unwrap();
    }

    /// All that is settled of these callbacks, once more. Says the replay's id.
    pub fn replay(&self, callbacks: &[Callback], rate: Option<u32>) -> String {
        let reader = self.spool.reader().unwrap();
        let all = Search {
            from: SearchStart::Place(Place { commit: Lsn(0), number: None }),
            to: None,
            epoch_after: Seq(0),
        };
        let found = reader.search(&all, &mut |lane| callbacks.contains(&lane.callback())).unwrap();
        let ranges =
            |replay| -> Vec<_> { found.ranges.iter().map(|range| LaneReplay::new(replay, range)).collect() };
        let id = Uuid::now_v7();
        let (request, requested_at) = ("{}".to_owned(), Clock::now());
        let new = NewReplay {
            id,
            request,
            requested_at,
            rate,
            ranges: ranges(ReplayNo(0)),
            low_watermark: found.low_watermark,
        };
        let Done::Replaying(no) = self.spool.apply(Op::Replay(new)).unwrap() else { panic!("it is entered") };
        self.deliver.replay(no, id, rate, ranges(no));
        id.to_string()
    }

    /// One more attempt for every dead letter.
    pub fn redeliver_all(&self) {
        let letters = self.spool.reader().unwrap().dead_letters(DeadLetterNo(0), 1_000).unwrap();
        let dead = letters.iter().map(|letter| letter.no).collect();
        let redelivering = self.spool.apply(Op::Redeliver { dead, id: Uuid::now_v7() }).unwrap();
        let Done::Redelivering { lanes, .. } = redelivering else { panic!("they are redelivered") };
        self.deliver.redeliver(lanes);
    }

    /// Records from now on are of another epoch.
    pub fn begin_epoch(&mut self, epoch: Uuid) {
        self.epochs.begin(self.builder.last(), epoch);
        self.deliver.begin_epoch(self.builder.last(), epoch);
        self.commit = 0;
    }

    pub fn routed(&mut self, webhooks: Vec<Webhook>) {
        self.setup.webhooks.clone_from(&webhooks);
        self.routes.send_replace(Arc::new(Routes::new(webhooks).unwrap()));
        let Setup { in_flight_max, host_limits, lane_bytes_max, surge, .. } = &self.setup;
        self.deliver.routes_changed(*in_flight_max, host_limits.clone(), *lane_bytes_max, *surge);
    }

    /// Waits until nothing is pending.
    pub fn settle(&self) {
        self.wait("everything to be settled", |lanes| lanes.iter().all(|lane| lane.pending_records == 0));
    }

    pub fn wait(&self, what: &str, done: impl Fn(&[LaneView]) -> bool) -> Vec<LaneView> {
        until_blocking(what, || Some(self.deliver.view()).filter(|lanes| !lanes.is_empty() && done(lanes)))
    }

    /// What runs for requests.
    pub fn tasks(&self) -> usize {
        self.runtime.metrics().num_alive_tasks()
    }

    /// The log of attempts: number, status, outcome.
    pub fn attempts(&self) -> Vec<(u32, Option<u16>, String)> {
        let sql = "SELECT number, status, outcome FROM attempt ORDER BY no";
        self.rows(sql, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
    }

    pub fn rows<T>(&self, sql: &str, read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let file = self.folder.path().join("spool/spool.sqlite");
        let connection = rusqlite::Connection::open(file).unwrap();
        let mut found = connection.prepare(sql).unwrap();
        found.query_map([], read).unwrap().map(Result::unwrap).collect()
    }
}

pub fn lane(callback: Callback) -> LaneNo {
    LaneNo::new(ProjectNo(0), callback)
}
