//! What the admin port and the control socket call: status, replays, dead letters, resyncs.

mod dead_letters;
mod replays;
mod status;
mod tail_line;

use std::sync::Arc;

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use self::replays::SendsAgain;
use crate::admin::{self, Admin, Tail};
use crate::clock::Clock;
use crate::settings::Settings;

pub(super) use self::status::Viewer;
pub(super) use self::tail_line::tail_line;

/// Listens on the port and on the socket.
pub(super) async fn serve(
    settings: &Settings,
    viewer: &Arc<Viewer>,
    registry: Registry,
    tail: Tail,
    clock: Clock,
) -> anyhow::Result<Vec<tokio::task::JoinHandle<()>>> {
    let (readiness, status, refresh) = (Arc::clone(viewer), Arc::clone(viewer), Arc::clone(viewer));
    let resync = Arc::clone(viewer);
    let again = SendsAgain {
        spool: viewer.spool.clone(),
        capture: Arc::clone(&viewer.capture),
        deliver: Arc::clone(&viewer.deliver),
        clock,
    };
    let admin = Arc::new(Admin {
        readiness: Box::new(move || readiness.readiness()),
        status: Box::new(move || status.status()),
        refresh: Box::new(move || refresh.refresh()),
        resync: Box::new(move |asked| resync.resync(asked)),
        again: Arc::new(again),
        registry,
        tail,
        token: settings.token.clone().map(|token| token.0),
    });
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("listen on `admin.listen` {}", settings.listen))?;
    let socket = admin::bind_socket(&settings.spool_path)?;
    let say = |served: anyhow::Result<()>| {
        if let Err(error) = served {
            tracing::error!("{error:#}");
        }
    };
    let (on_port, on_socket) = (Arc::clone(&admin), admin);
    Ok(vec![
        tokio::spawn(async move { say(admin::serve_tcp(on_port, listener).await) }),
        tokio::spawn(async move { say(admin::serve_socket(on_socket, socket).await) }),
    ])
}
