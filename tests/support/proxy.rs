//! A network whose faults a test sets, between two real programs on this machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LinkState {
    /// Bytes pass.
    Up,
    /// All connections are cut, and new ones refused.
    Cut,
    /// Connections stay, and nothing passes: half-open.
    Hang,
    /// Connections are cut; new ones are answered with noise.
    Garbage,
    /// Every piece of up to 16 KiB waits so long.
    Delay(Duration),
    /// So many bytes a second, each way.
    Bandwidth(u32),
}

#[derive(Clone)]
pub struct FaultyProxy {
    pub port: u16,
    state: Arc<watch::Sender<LinkState>>,
    /// Connections of an older generation are cut.
    generation: Arc<watch::Sender<u64>>,
    /// Connections that were taken in.
    taken: Arc<AtomicU64>,
}

impl FaultyProxy {
    /// Stands before `port` of this machine.
    pub async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            state: Arc::new(watch::Sender::new(LinkState::Up)),
            generation: Arc::new(watch::Sender::new(0)),
            taken: Arc::default(),
        };
        let serving = proxy.clone();
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                serving.taken.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serving.clone().carry(stream, port));
            }
        });
        proxy
    }

    pub fn set(&self, state: LinkState) {
        self.state.send_replace(state);
        if matches!(state, LinkState::Cut | LinkState::Garbage) {
            self.cut();
        }
    }

    /// Cuts what is there; new connections are taken as the state has it.
    pub fn cut(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// Connections that were made so far.
    pub fn connections(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    async fn carry(self, mut near: TcpStream, port: u16) {
        let state = *self.state.borrow();
        match state {
            LinkState::Cut => return,
            LinkState::Garbage => {
                let noise: Vec<u8> = (0..512).map(|_| rand::random::<u8>()).collect();
                let _ = near.write_all(&noise).await;
                return;
            }
            _ => {}
        }
        let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
        let (near_in, near_out) = near.into_split();
        let (far_in, far_out) = far.into_split();
        let mut generation = self.generation.subscribe();
        tokio::select! {
            () = forward(near_in, far_out, self.state.subscribe()) => {}
            () = forward(far_in, near_out, self.state.subscribe()) => {}
            _ = generation.changed() => {}
        }
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<LinkState>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { return };
        loop {
            let now = *state.borrow_and_update();
            let wait = match now {
                LinkState::Hang => {
                    if state.changed().await.is_err() {
                        return;
                    }
                    continue;
                }
                LinkState::Delay(wait) => wait,
                LinkState::Bandwidth(rate) => Duration::from_secs(u64::try_from(read).unwrap()) / rate,
                _ => Duration::ZERO,
            };
            // The pace of the network.
            tokio::time::sleep(wait).await;
            break;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
