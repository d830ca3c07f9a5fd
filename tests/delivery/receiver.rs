//! A receiver whose answers a test sets, down to the bytes and the end of the connection.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// How one request is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Status, header lines, body.
    Answer(u16, &'static str, &'static str),
    /// 200, and then the connection is closed without notice.
    AnswerAndClose,
    /// 200, and a body that goes on and on.
    Endless {
        /// Between its pieces.
        pause: Duration,
    },
    /// Nothing, until the client goes.
    Hang,
    /// These bytes, and then the connection is closed.
    Raw(&'static [u8]),
    /// These bytes, and then nothing, until the client goes.
    RawAndHang(&'static [u8]),
    /// These bytes, and then the connection is reset.
    RawAndReset(&'static [u8]),
    /// The connection is reset.
    Reset,
}

/// What came.
#[derive(Clone, Debug)]
pub struct Received {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub at: Instant,
}

#[derive(Clone)]
pub struct Receiver {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    replies: Mutex<VecDeque<Reply>>,
    received: Mutex<Vec<Received>>,
    came: Condvar,
    connections: AtomicUsize,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The ids of its documents, in order.
    pub fn ids(&self) -> Vec<String> {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        let docs = body.get("docs").or(body.get("modified")).and_then(|docs| docs.as_array()).unwrap();
        docs.iter().map(|doc| doc["id"].as_str().unwrap().to_owned()).collect()
    }
}

impl Receiver {
    /// Answers with `replies` in turn, then with 200.
    pub fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Shared::default());
        shared.replies.lock().unwrap().extend(replies);
        let receiver = Self { address: listener.local_addr().unwrap(), shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (shared, stream) = (Arc::clone(&shared), stream.unwrap());
                shared.connections.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || serve(&shared, stream));
            }
        });
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook?a=b", self.address)
    }

    /// Answers the next requests with these in turn.
    pub fn answer_next(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.replies.lock().unwrap().extend(replies);
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Waits until so many requests have come.
    pub fn wait_for(&self, requests: usize) -> Vec<Received> {
        let received = self.shared.received.lock().unwrap();
        let few = |received: &mut Vec<Received>| received.len() < requests;
        let patience = Duration::from_mins(2);
        let (received, waited) = self.shared.came.wait_timeout_while(received, patience, few).unwrap();
        assert!(!waited.timed_out(), "{} of {requests} requests came", received.len());
        received.clone()
    }
}

/// Serves one connection until either side has had enough.
fn serve(shared: &Shared, stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(received) = read(&mut reader) {
        // The reply is chosen before anybody can know of the request.
        let reply = shared.replies.lock().unwrap().pop_front();
        shared.received.lock().unwrap().push(received);
        shared.came.notify_all();
        if !answer(&stream, reply.unwrap_or(Reply::Answer(200, "", "ok"))) {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    if headers.iter().any(|(name, value)| name == "content-encoding" && value == "gzip") {
        let mut decoded = Vec::new();
        flate2::read::GzDecoder::new(&*body).read_to_end(&mut decoded).unwrap();
        body = decoded;
    }
    let (line, body) = (line.trim_end().to_owned(), String::from_utf8(body).unwrap());
    Some(Received { line, headers, body, at: Instant::now() })
}

/// Whether the connection goes on.
fn answer(mut stream: &TcpStream, reply: Reply) -> bool {
    match reply {
        Reply::Answer(status, headers, body) => {
            let length = body.len();
            // In one piece: many small ones would each wait for the last one's acknowledgement.
            let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n");
            stream.write_all((head + body).as_bytes()).is_ok()
        }
        Reply::AnswerAndClose => {
            write!(stream, "HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\nok").unwrap();
            stream.shutdown(std::net::Shutdown::Both).unwrap();
            false
        }
        Reply::Endless { pause } => {
            write!(stream, "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
            while write!(stream, "400\r\n{}\r\n", "x".repeat(1024)).is_ok() {
                // The pace of the receiver.
                std::thread::sleep(pause);
            }
            false
        }
        Reply::Hang => {
            let _ = stream.read(&mut [0]);
            false
        }
        Reply::Raw(bytes) => {
            let _ = stream.write_all(bytes);
            let _ = stream.shutdown(std::net::Shutdown::Both);
            false
        }
        Reply::RawAndHang(bytes) => {
            let _ = stream.write_all(bytes);
            let _ = stream.read(&mut [0]);
            false
        }
        Reply::RawAndReset(bytes) => {
            stream.write_all(bytes).unwrap();
            // What is reset at once may never be read.
            let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
            let _ = stream.read(&mut [0]);
            socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
            false
        }
        Reply::Reset => {
            socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
            false
        }
    }
}
