//! A receiver whose first connection misbehaves, and all others behave.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is known of a receiver afterwards.
#[derive(Clone, Default)]
pub struct Seen {
    /// The bodies of requests that were read whole.
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
    /// The bytes that the first connection could write.
    written: Arc<AtomicU64>,
    pub connections: Arc<AtomicUsize>,
}

impl Seen {
    /// How many whole requests held this text.
    pub fn holding(&self, text: &str) -> usize {
        let holds = |body: &&Vec<u8>| body.windows(text.len()).any(|part| part == text.as_bytes());
        self.bodies.lock().unwrap().iter().filter(holds).count()
    }

    pub fn keep(&self, body: Vec<u8>) {
        self.bodies.lock().unwrap().push(body);
    }

    pub fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::SeqCst);
    }

    pub fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }
}

/// One side of a connection.
pub struct Wire {
    stream: TcpStream,
    seen: Seen,
}

impl Wire {
    /// Reads one request. `false`: the client is gone.
    pub fn request(&mut self) -> bool {
        let mut came = Vec::new();
        let mut byte = [0];
        while !came.ends_with(b"\r\n\r\n") {
            match self.stream.read(&mut byte) {
                Ok(1) => came.push(byte[0]),
                _ => return false,
            }
        }
        let head = String::from_utf8(came).unwrap().to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        if self.stream.read_exact(&mut body).is_err() {
            return false;
        }
        self.seen.keep(body);
        true
    }

    /// Reads the beginning of a request.
    pub fn beginning(&mut self) {
        let _ = self.stream.read(&mut [0; 1024]);
    }

    /// Whether the client still takes it.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let bytes = bytes.as_ref();
        let is_taken = self.stream.write_all(bytes).is_ok();
        self.seen.wrote(if is_taken { bytes.len() } else { 0 });
        is_taken
    }

    /// Says it again and again, up to a GiB.
    pub fn repeat(&mut self, bytes: impl AsRef<[u8]>, pause: Duration) {
        while self.seen.written() < 1 << 30 && self.say(&bytes) {
            if !pause.is_zero() {
                // The pace of the receiver.
                std::thread::sleep(pause);
            }
        }
    }

    /// Nothing more, until the client goes.
    pub fn hang(&mut self) {
        while self.stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {}
    }

    /// The connection is reset.
    pub fn reset(&mut self) {
        // What is reset at once may never be read.
        let _ = self.stream.set_read_timeout(Some(Duration::from_millis(50)));
        let _ = self.stream.read(&mut [0; 1024]);
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// Nothing is read, and the connection stays.
pub fn hang_unread() {
    loop {
        std::thread::park();
    }
}

/// What the first connection does.
pub type Misdeed = fn(&mut Wire);

/// Listens; the first connection misbehaves, and others take every request.
pub fn start(misdeed: Misdeed) -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Seen::default());
    let shared = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut wire = Wire { stream: stream.unwrap(), seen: shared.clone() };
            let is_first = shared.connections.fetch_add(1, Ordering::SeqCst) == 0;
            std::thread::spawn(move || {
                if is_first {
                    return misdeed(&mut wire);
                }
                while wire.request() && wire.stream.write_all(GOOD).is_ok() {}
            });
        }
    });
    (address, seen)
}

/// Listens; the first connection misbehaves, and others are passed on to a server.
pub fn start_before(misdeed: Misdeed, server: SocketAddr, seen: Seen) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let stream = stream.unwrap();
            if number == 0 {
                let mut wire = Wire { stream, seen: seen.clone() };
                std::thread::spawn(move || misdeed(&mut wire));
                continue;
            }
            let to = TcpStream::connect(server).unwrap();
            for (mut from, mut to) in [(stream.try_clone().unwrap(), to.try_clone().unwrap()), (to, stream)] {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    address
}

const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
