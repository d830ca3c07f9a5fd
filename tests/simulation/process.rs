//! One life of the sidecar: the shipped loops and spool, turned by hand.

use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Waker};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use sidecar::capture::{
    Capture, CaptureLoop, CatalogAnswer, Documents, IndexLimits, Listeners, Notification,
};
use sidecar::classify::{ExcludedWhen, Mapping, SimilarityColumns, TableName};
use sidecar::clock::{Clock, ManualClock};
use sidecar::deliver::{
    Deliver, Driver, HeaderNames, HostLimits, Limits, Params, Routes, SendRequest, Webhook,
};
use sidecar::metrics::Metrics;
use sidecar::position::Lsn;
use sidecar::source::FrameBlock;
use sidecar::spool::{
    Appended, Epochs, Fact, Group, Op, Options, Reader, Spool, StreamPosition, Subscription,
};
use sidecar::time::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use crate::postgres::{PROJECTS, START};

/// What a seed's settings are.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_field_names, reason = "as the settings are called")]
pub struct Setup {
    pub records_max: u32,
    pub bytes_max: u64,
    pub wait_max: Duration,
    pub in_flight_max: usize,
    /// Small in a seed whose receivers are well: then reading stops now and then, and nothing is lost.
    pub spool_bytes_max: u64,
    /// How long a record waits for a failing lane of its project.
    pub order_wait: Duration,
    /// How long settled records are kept.
    pub retain: Duration,
    /// When what a failing lane holds becomes dead letters.
    pub give_up_after: Duration,
    pub refusals: Refusals,
    /// How much of the pending records is known exactly.
    pub index_limits: IndexLimits,
}

/// What receivers refuse besides batches that are too large.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusals {
    /// Everything, for a while.
    All,
    None,
    /// Some records, always.
    Some,
}

impl Setup {
    pub fn draw(random: &mut StdRng) -> Self {
        let drawn = Self::with_give_up(random);
        let index_limits = IndexLimits {
            documents: *[4, 20, 1_000].choose(random).unwrap(),
            records_at_start: *[0, 10, 1_000].choose(random).unwrap(),
        };
        Self { index_limits, ..drawn }
    }

    fn with_give_up(random: &mut StdRng) -> Self {
        let drawn = Self::any(random);
        if drawn.refusals != Refusals::None {
            // A record that is refused alone, and one that waits for another lane that waits for it, part by
            // this wait alone.
            return Self { order_wait: Duration::from_secs(2), retain: FOR_EVER, ..drawn };
        }
        // What is given up is kept, so that nothing is lost of it.
        let gives_up = !drawn.is_crowded() && random.random_bool(0.25);
        let give_up_after = Duration::from_secs(random.random_range(2..60));
        if gives_up { Self { give_up_after, retain: FOR_EVER, ..drawn } } else { drawn }
    }

    fn any(random: &mut StdRng) -> Self {
        let setup = Self::without_refusals(random);
        let refusals = match random.random_range(0..10) {
            _ if setup.is_crowded() => Refusals::None,
            0 | 1 => Refusals::All,
            2 | 3 => Refusals::Some,
            _ => Refusals::None,
        };
        Self { refusals, ..setup }
    }

    fn without_refusals(random: &mut StdRng) -> Self {
        Self {
            records_max: random.random_range(1..12),
            bytes_max: random.random_range(40..2_000),
            wait_max: Duration::from_millis(*[0, 20, 500].choose(random).unwrap()),
            in_flight_max: random.random_range(1..6),
            spool_bytes_max: if random.random_bool(0.15) { CROWDED } else { 1 << 30 },
            order_wait: if random.random_bool(0.15) { Duration::from_secs(2) } else { FOR_EVER },
            retain: if random.random_bool(0.4) { Duration::from_secs(30) } else { Duration::from_hours(24) },
            give_up_after: FOR_EVER,
            refusals: Refusals::None,
            index_limits: IndexLimits::default(),
        }
    }

    /// The spool is so small that what fails would be given up.
    pub fn is_crowded(&self) -> bool {
        self.spool_bytes_max == CROWDED
    }

    /// What fails for long becomes dead letters.
    pub fn gives_up(&self) -> bool {
        self.give_up_after != FOR_EVER
    }

    /// Order among the callbacks holds however long one of them fails.
    pub fn is_strict(&self) -> bool {
        self.order_wait == FOR_EVER
    }
}

pub struct Process {
    pub spool: Spool,
    pub capture: Capture,
    pub left: CaptureLoop,
    pub right: Driver,
    pub deliver: Arc<Deliver>,
    pub reader: Reader,
    pub clock: Clock,
    subscription: Mutex<Subscription>,
    committed: mpsc::Receiver<Appended>,
    notifications: Arc<Mutex<Vec<Notification>>>,
    number: u64,
}

impl Process {
    /// Opens the spool and puts both loops together, as the service does.
    pub fn start(
        folder: &Path,
        setup: &Setup,
        manual: &'static ManualClock,
        wall: Timestamp,
        post: SendRequest,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let clock = Clock::manual(manual);
        let options = Options { bytes_max: setup.spool_bytes_max, retain: setup.retain };
        let opened = Spool::open_without_thread(folder, options, clock)?;
        manual.set(opened.uptime, wall);
        let epochs = Epochs::new(Uuid::from_u128(1));
        if !opened.facts.contains_key(&Fact::Epoch) {
            let facts = vec![(Fact::Epoch, Some(epochs.to_bytes()))];
            // The first start's end, with what can be replayed: before anything that is streamed.
            let position = Some(StreamPosition { resume_lsn: START, last_end: START, open: None });
            let group = Group { facts, position, taken_at: Some(wall), ..Group::default() };
            opened.spool.apply(Op::Commit(Arc::new(group)))?;
        }
        let metrics = Metrics::unregistered();
        let mut rng = StdRng::seed_from_u64(seed);
        let routes = Arc::new(routes(setup));
        let notifications: Arc<Mutex<Vec<Notification>>> = Arc::default();
        let (noticed, failed) = (Arc::clone(&notifications), Arc::clone(&notifications));
        let (deliver, right) = Deliver::without_thread(Params {
            held: false,
            spool: opened.spool.clone(),
            epochs,
            routes: watch::channel(Arc::clone(&routes)).1,
            in_flight_max: setup.in_flight_max,
            host_limits: HostLimits::default(),
            lane_bytes_max: 1 << 30,
            surge: None,
            spool_bytes_max: options.bytes_max,
            retain: options.retain,
            post,
            header_names: HeaderNames::new("sidecar").unwrap(),
            jitter: Box::new(move || rng.random()),
            clock,
            metrics: metrics.clone(),
            on_alert: Box::new(|_| {}),
            on_failure: Box::new(move |error| failed.lock().unwrap().push(Notification::SpoolFailed(error))),
        })?;
        let deliver = Arc::new(deliver);
        let (sender, committed) = mpsc::channel();
        let subscription = opened.spool.subscribe(0, move |appended| drop(sender.send(appended)))?;
        let listeners = Listeners {
            route_filter: Arc::new(move |project, callback| routes.properties(project, callback)),
            record_observer: Arc::new(|_, _, _, _| {}),
        };
        let (capture, left) = Capture::without_thread(
            &opened,
            clock,
            metrics,
            (listeners, setup.index_limits),
            move |notification| {
                noticed.lock().unwrap().push(notification);
            },
        )?;
        let reader = opened.spool.reader()?;
        Ok(Self {
            spool: opened.spool,
            capture,
            left,
            right,
            deliver,
            reader,
            clock,
            subscription: Mutex::new(subscription),
            committed,
            notifications,
            number: 0,
        })
    }

    /// What the supervisor does before it connects: what an earlier stream left becomes durable.
    /// Where to start from; `None` where the left loop has ended.
    pub fn connect(&mut self) -> Option<Lsn> {
        {
            let mut settled = pin!(self.capture.flush());
            let mut context = Context::from_waker(Waker::noop());
            while settled.as_mut().poll(&mut context).is_pending() {
                self.left.step()?;
            }
        }
        self.number += 1;
        let position = self.capture.position();
        let position = position.unwrap_or(StreamPosition { resume_lsn: START, last_end: START, open: None });
        let documents = Documents {
            mapping: mapping(),
            excluded_type: None,
            table: None,
            identity: vec!["id".into()],
            exclude_on_truncate: true,
            until: None,
        };
        let request = Box::new(|_: &[u32], _: &[String], _| Ok(CatalogAnswer::default()));
        self.capture.connected(self.number, documents, request, position);
        Some(position.resume_lsn)
    }

    pub fn hand_over(&self, block: FrameBlock) {
        self.capture.blocks(self.number)(block);
    }

    /// Names of the projects that have had records, by number.
    pub fn projects(&self) -> Vec<String> {
        let mut subscription = self.subscription.lock().unwrap();
        for appended in self.committed.try_iter() {
            let (new, _) = subscription.receive(appended);
            subscription.projects.extend(new.into_iter().map(|(_, name)| name));
        }
        subscription.projects.clone()
    }

    pub fn notifications(&self) -> Vec<Notification> {
        std::mem::take(&mut *self.notifications.lock().unwrap())
    }
}

fn mapping() -> Mapping {
    Mapping {
        table: TableName { schema: "public".into(), name: "documents".into() },
        id: vec!["id".into()],
        key: Some("key".into()),
        project: Some("project_id".into()),
        labels: Some("labels".into()),
        predicted_labels: Some("predicted_labels".into()),
        similarity: SimilarityColumns::Json("similarity".into()),
        excluded: Some("deleted_at".into()),
        excluded_when: ExcludedWhen::NotNull,
        content: None,
        ignore: Vec::new(),
    }
}

fn routes(setup: &Setup) -> Routes {
    let limits = Limits {
        records_max: setup.records_max,
        bytes_max: setup.bytes_max,
        wait_max: setup.wait_max,
        timeout: Duration::from_secs(15),
        retry_schedule: [1, 2, 5].map(Duration::from_secs).to_vec(),
        give_up_after: setup.give_up_after,
        order_wait: setup.order_wait,
        ..Limits::default()
    };
    let webhook = |project: &str| Webhook {
        project: Some(project.to_owned()),
        limits: limits.clone(),
        ..Webhook::new(format!("http://{project}/").parse::<hyper::Uri>().unwrap().into())
    };
    Routes::new(PROJECTS.map(webhook).to_vec()).unwrap()
}

/// Every seed's own clock lives as long as the program.
pub fn manual_clock() -> &'static ManualClock {
    Box::leak(Box::default())
}

const FOR_EVER: Duration = Duration::from_hours(10_000);
const CROWDED: u64 = 6_000;
