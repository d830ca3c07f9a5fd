//! What systemd is told, over a socket as it gives one.

use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::fixture::release;
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::until;

struct Systemd(Arc<Mutex<Vec<String>>>);

impl Systemd {
    fn listen(path: &std::path::Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        let messages = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&messages);
        std::thread::spawn(move || {
            let mut message = [0; 4096];
            while let Ok(length) = socket.recv(&mut message) {
                kept.lock().unwrap().push(String::from_utf8(message[..length].to_vec()).unwrap());
            }
        });
        Self(messages)
    }

    fn lines(&self) -> Vec<String> {
        let messages = self.0.lock().unwrap();
        messages.iter().flat_map(|message| message.lines()).map(str::to_owned).collect()
    }

    async fn told(&self, what: &str, times: usize) {
        until(what, async || {
            (self.lines().iter().filter(|line| line.starts_with(what)).count() >= times).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_told_of_the_start_the_state_a_reload_life_and_the_stop() {
    let database = Database::new(18, "systemd").await;
    database.run(DOCUMENTS).await;
    let mut sidecar = Sidecar::prepare(&database, "");
    let path = sidecar.folder.path().join("notify");
    let systemd = Systemd::listen(&path);
    let watchdog = Duration::from_millis(400).as_micros().to_string();
    sidecar.spawn_with(&[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", &watchdog)]);
    systemd.told("READY=1", 1).await;
    systemd.told("STATUS=ready", 1).await;
    systemd.told("WATCHDOG=1", 3).await;
    sidecar.signal("HUP");
    systemd.told("RELOADING=1", 1).await;
    systemd.told("READY=1", 2).await;
    let lines = systemd.lines();
    let reloading = lines.iter().position(|line| line == "RELOADING=1").unwrap();
    assert!(lines[reloading + 1].starts_with("MONOTONIC_USEC="), "{lines:?}");
    assert!(lines[reloading..].iter().any(|line| line == "READY=1"), "{lines:?}");
    sidecar.stop().await;
    systemd.told("STOPPING=1", 1).await;
    release(&database).await;
}
