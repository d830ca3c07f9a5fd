//! The running service: spool, capture, delivery, supervisor, listeners, signals.

mod activity;
mod alerts;
mod audit;
mod control;
mod credentials;
mod doctor;
mod doctor_query;
mod logged_warnings;
mod reloadable_client;
mod resync_queue;
mod run_error;
mod settings_in_use;
mod slot_history;
mod state;
mod supervisor;
mod systemd;
mod webhooks;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use self::alerts::AlertPoster;
use self::control::{Controller, Jobs, Recent, tail_line};
use self::credentials::Credentials;
use self::reloadable_client::ReloadableClient;
use self::settings_in_use::SettingsInUse;
use self::state::{Phase, State};
use self::supervisor::{Supervisor, Termination};
use self::webhooks::Webhooks;
use crate::admin::{SOCKET_NAME, Tail};
use crate::alert;
use crate::capture::{Capture, Listeners};
use crate::clock::Clock;
use crate::deliver::{Deliver, Params, Routes, SendRequest, random_jitter};
use crate::metrics::Metrics;
use crate::settings::{self, Settings, Sources};
use crate::source::webhook_rows::WebhookTable;
use crate::spool::{Epochs, Fact, Group, Op, Opened, Options, Spool, SpoolError};

pub use doctor::findings;
pub use doctor_query::of_query;
pub use run_error::RunError;
pub use supervisor::required;

/// Runs until SIGTERM or SIGINT.
pub async fn run(settings: Settings, sources: Sources) -> Result<(), RunError> {
    let mut signals = Signals::listen()?;
    let mut service = Service::start(Arc::new(settings), sources).await?;
    systemd::ready();
    let termination = service.until_terminated(&mut signals).await;
    match &termination {
        Termination::Stopped => tracing::info!("received a stop signal"),
        Termination::Refused(why) => tracing::error!("{why}"),
        Termination::SpoolFailed(error) => tracing::error!("the spool failed: {error}"),
    }
    service.stop(&mut signals).await;
    match termination {
        Termination::Stopped => Ok(()),
        Termination::Refused(why) => Err(RunError::Refused(why)),
        Termination::SpoolFailed(error) => Err(RunError::Failed(error.into())),
    }
}

struct Signals {
    hang_up: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listen to signals");
        Ok(Self {
            hang_up: listen(SignalKind::hangup())?,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.hang_up.recv() => Request::Reload,
            _ = self.interrupt.recv() => Request::Stop,
            _ = self.terminate.recv() => Request::Stop,
        }
    }

    async fn next_stop(&mut self) {
        while self.next().await != Request::Stop {}
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Request {
    Reload,
    Stop,
}

struct Service {
    in_use: Arc<SettingsInUse>,
    client: ReloadableClient,
    webhooks: Arc<Webhooks>,
    /// `[alerts]` of the settings read last.
    alerts: watch::Sender<Arc<Option<settings::Alerts>>>,
    spool: Spool,
    /// Of the commands; removed at the end.
    socket: PathBuf,
    capture: Arc<Capture>,
    deliver: Arc<Deliver>,
    metrics: Metrics,
    supervisor: tokio::task::JoinHandle<Termination>,
    failures: mpsc::UnboundedReceiver<SpoolError>,
    stop: watch::Sender<bool>,
    listeners: Vec<tokio::task::JoinHandle<()>>,
}

impl Service {
    async fn start(settings: Arc<Settings>, sources: Sources) -> Result<Self, RunError> {
        let opened = open_spool(&settings)?;
        let clock = Clock::start(opened.uptime);
        let epochs = epochs(&opened)?;
        let (registry, metrics) = registered_metrics(&settings);
        let tail = Tail::default();
        let (fail, failures) = mpsc::unbounded_channel();
        let client = ReloadableClient::read(&settings, &metrics)?;
        let (alerts, alert_settings) = watch::channel(Arc::new(settings.alerts.clone()));
        let (observe, observed) = mpsc::unbounded_channel();
        let (in_force, table) = webhooks::read(&opened.spool, &settings, clock).await?;
        let (routes, effective) = watch::channel(Arc::new(in_force.routes()));
        let inputs = (&client, &effective, observe.clone());
        let deliver = deliver(&settings, &opened, &epochs, clock, &metrics, fail, inputs)?;
        let (notification, notifications) = mpsc::unbounded_channel();
        let listeners = listeners(&effective, &tail, clock);
        let notify = move |sent| drop(notification.send(sent));
        let capture = Arc::new(Capture::start(&opened, clock, metrics.clone(), listeners, notify)?);
        let webhooks = Webhooks::start(in_force, routes, &opened, clock, (&capture, &deliver, observe))?;
        let controller = Arc::new(Controller {
            state: State::new(),
            capture: Arc::clone(&capture),
            deliver: Arc::clone(&deliver),
            spool: opened.spool.clone(),
            reader: Mutex::new(opened.spool.reader().context("read the spool")?),
            metrics: metrics.clone(),
            clock,
            started_at: Clock::now(),
            settings: Arc::clone(&settings),
            epoch: epochs.current(),
            webhooks: Arc::clone(&webhooks),
            post: Mutex::new(client.post(Handle::current())),
            credentials: Credentials::read(&opened.spool, clock, webhooks.audit(), settings.token.clone())?,
            recent: Recent::default(),
            in_use: Arc::new(SettingsInUse::read(sources)?),
            jobs: Jobs::default(),
        });
        let poster = poster(&controller, observed, alert_settings, client.post(Handle::current()));
        let mut tasks = control::serve(Arc::clone(&controller), registry, tail).await?;
        tasks.extend(spawned(&controller, poster, table));
        let (stop, stopped) = watch::channel(false);
        tracing::info!(spool = %settings.spool_path.display(), epoch = %epochs.current(), "sidecar {}", env!("CARGO_PKG_VERSION"));
        let supervisor = supervisor::Params {
            settings: Arc::clone(&settings),
            capture: Arc::clone(&capture),
            deliver: Arc::clone(&deliver),
            state: controller.state.clone(),
            clock,
            metrics: metrics.clone(),
            notifications,
            stop: stopped,
            epochs,
            routes: effective,
        };
        Ok(Self {
            supervisor: supervised(supervisor, &opened, webhooks.unread())?,
            in_use: Arc::clone(&controller.in_use),
            client,
            webhooks,
            alerts,
            spool: opened.spool,
            socket: settings.spool_path.join(SOCKET_NAME),
            capture,
            deliver,
            metrics,
            failures,
            stop,
            listeners: tasks,
        })
    }

    async fn until_terminated(&mut self, signals: &mut Signals) -> Termination {
        loop {
            tokio::select! {
                request = signals.next() => match request {
                    Request::Reload => self.reload(),
                    Request::Stop => return Termination::Stopped,
                },
                ended = &mut self.supervisor => {
                    return ended.unwrap_or_else(|error| Termination::SpoolFailed(SpoolError::Unknown(error.to_string())));
                }
                failed = self.failures.recv() => {
                    return failed.map_or(Termination::Stopped, Termination::SpoolFailed);
                }
            }
        }
    }

    /// Reads the settings again. Wrong ones change nothing.
    fn reload(&mut self) {
        systemd::reloading();
        let read = settings::load(&self.in_use.sources).map_err(anyhow::Error::from);
        let read = read.and_then(|read| self.client.reload().map(|()| read));
        match read.and_then(|read| Ok(self.webhooks.reload(&read).map(|()| read)?)) {
            Ok(read) => {
                self.alerts.send_replace(Arc::new(read.alerts));
                self.in_use.reloaded();
                self.metrics.config_last_reload_successful.set(1);
                tracing::info!(
                    "the settings were read again: webhooks and limits are applied, all else by a restart"
                );
            }
            Err(wrong) => {
                self.metrics.config_last_reload_successful.set(0);
                tracing::error!("the settings are wrong, and those in force are kept:\n{wrong:#}");
            }
        }
        systemd::ready();
    }

    /// Ends the stream, finishes the requests in flight, makes all durable. A second signal ends it
    /// at once.
    async fn stop(self, signals: &mut Signals) {
        let _ = self.stop.send(true);
        let patience =
            self.webhooks.routes().all().map(|webhook| webhook.limits.timeout).max().unwrap_or_default();
        let patience = patience.max(LEAST_PATIENCE);
        let (capture, deliver, spool, socket) = (self.capture, self.deliver, self.spool, self.socket);
        let supervisor = self.supervisor;
        let ending = async move {
            // A supervisor that ended by itself has been awaited already.
            if !supervisor.is_finished() {
                let _ = tokio::time::timeout(LEAST_PATIENCE, supervisor).await;
            }
            let ended = tokio::task::spawn_blocking(move || {
                capture.stop();
                deliver.stop(patience);
                spool.close();
                let _ = std::fs::remove_file(socket);
            });
            let _ = ended.await;
        };
        systemd::stopping();
        tracing::info!("stopping: requests in flight have {patience:?}; a second signal ends them at once");
        tokio::select! {
            () = ending => tracing::info!("stopped"),
            () = signals.next_stop() => tracing::warn!("stopped at once"),
        }
        self.listeners.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

fn open_spool(settings: &Settings) -> anyhow::Result<Opened> {
    let options = Options { bytes_max: settings.spool_bytes_max, retain: settings.retain };
    Ok(Spool::open(&settings.spool_path, options)?)
}

fn registered_metrics(settings: &Settings) -> (Registry, Metrics) {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let metrics = match settings.metrics_projects_max {
        Some(projects_max) => metrics.with_projects(&mut registry, projects_max),
        None => metrics,
    };
    (registry, metrics)
}

/// The epochs in the spool. A new spool gets its first.
fn epochs(opened: &Opened) -> anyhow::Result<Epochs> {
    if let Some(bytes) = opened.facts.get(&Fact::Epoch) {
        return Epochs::from_bytes(bytes).context("read the spool's epochs");
    }
    let epochs = Epochs::new(Uuid::now_v7());
    let facts = vec![(Fact::Epoch, Some(epochs.to_bytes()))];
    opened
        .spool
        .apply(Op::Commit(Arc::new(Group { facts, ..Group::default() })))
        .context("keep the epoch")?;
    Ok(epochs)
}

/// Runs the supervisor, once it is known which records have a webhook.
fn supervised(
    params: supervisor::Params,
    opened: &Opened,
    unread: watch::Receiver<Option<String>>,
) -> anyhow::Result<tokio::task::JoinHandle<Termination>> {
    let state = params.state.clone();
    let waits = move |why| state.enter(Phase::WaitingForWebhooks(why));
    let ready = webhooks::until_read(unread, params.stop.clone(), waits);
    let supervisor = Supervisor::new(params, &opened.facts)?;
    Ok(tokio::spawn(async move { if ready.await { supervisor.run().await } else { Termination::Stopped } }))
}

fn spawned(
    controller: &Arc<Controller>,
    poster: AlertPoster,
    table: WebhookTable,
) -> [tokio::task::JoinHandle<()>; 3] {
    let (webhooks, conninfo) = (Arc::clone(&controller.webhooks), controller.settings.conninfo.clone());
    [
        tokio::spawn(poster.run()),
        tokio::spawn(webhooks::watch(webhooks, table, conninfo)),
        tokio::spawn(systemd::watch(Arc::clone(controller))),
    ]
}

/// Makes requests; the webhooks in force; takes what alerts may be about.
type DeliverInputs<'a> =
    (&'a ReloadableClient, &'a watch::Receiver<Arc<Routes>>, mpsc::UnboundedSender<alert::Event>);

fn deliver(
    settings: &Settings,
    opened: &Opened,
    epochs: &Epochs,
    clock: Clock,
    metrics: &Metrics,
    failed: mpsc::UnboundedSender<SpoolError>,
    (client, routes, observe): DeliverInputs<'_>,
) -> anyhow::Result<Arc<Deliver>> {
    let deliver = Deliver::start(Params {
        spool: opened.spool.clone(),
        // Held until the continuity of the database is assessed.
        held: true,
        epochs: epochs.clone(),
        routes: routes.clone(),
        in_flight_max: settings.in_flight_max,
        host_limits: settings.host_limits.clone(),
        lane_bytes_max: settings.lane_bytes_max,
        surge: settings.surge,
        spool_bytes_max: settings.spool_bytes_max,
        retain: settings.retain,
        header_names: settings.webhook_defaults.header_names.clone(),
        post: client.post(Handle::current()),
        jitter: Box::new(random_jitter),
        clock,
        metrics: metrics.clone(),
        on_alert: Box::new(move |event| drop(observe.send(event))),
        on_failure: Box::new(move |error| drop(failed.send(error))),
    })?;
    Ok(Arc::new(deliver))
}

fn poster(
    controller: &Arc<Controller>,
    events: mpsc::UnboundedReceiver<alert::Event>,
    settings: watch::Receiver<Arc<Option<settings::Alerts>>>,
    post: SendRequest,
) -> AlertPoster {
    let figures = Arc::clone(controller);
    let (clock, metrics) = (controller.clock, controller.metrics.clone());
    AlertPoster { events, settings, post, figures: Box::new(move || figures.alert_figures()), clock, metrics }
}

fn listeners(routes: &watch::Receiver<Arc<Routes>>, tail: &Tail, clock: Clock) -> Listeners {
    let (routes, tail) = (routes.clone(), tail.clone());
    Listeners {
        route_filter: Arc::new(move |project, callback| routes.borrow().properties(project, callback)),
        record_observer: Arc::new(move |project, callback, position, fragment| {
            tail.observe(project, callback, clock, || tail_line(project, callback, position, fragment));
        }),
    }
}

const LEAST_PATIENCE: Duration = Duration::from_secs(5);
