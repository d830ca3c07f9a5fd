//! A receiver that keeps its requests, and whose answers a test sets.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::Value;
use tokio::net::TcpListener;

/// One request, and how it was answered.
#[derive(Clone, Debug)]
pub struct Received {
    pub at: Instant,
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: Bytes,
    pub status: u16,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn project(&self) -> &str {
        self.header("sidecar-project")
    }

    pub fn callback(&self) -> &str {
        self.header("sidecar-callback")
    }

    pub fn taken(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The records, as the JSON they came in.
    pub fn records(&self) -> Vec<Value> {
        let body: Value = serde_json::from_slice(&self.body).expect("a body is JSON");
        let (name, records) = body.as_object().expect("an object").iter().next().expect("one member");
        assert_eq!(name, if self.callback() == "modified" { "modified" } else { "docs" });
        records.as_array().expect("a list").clone()
    }
}

/// How to answer.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// With this status.
    Status(u16),
    /// Never.
    Hang,
    /// With this status, after this.
    Slow(u16, Duration),
}

type Responder = Arc<dyn Fn(&Received) -> Answer + Send + Sync>;

#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
    responder: Arc<Mutex<Responder>>,
    /// Requests that are being answered, and the most that ever were.
    at_once: Arc<Mutex<(usize, usize)>>,
}

impl Receiver {
    /// Takes everything.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let responder: Responder = Arc::new(|_| Answer::Status(204));
        let receiver = Self {
            url,
            received: Arc::default(),
            responder: Arc::new(Mutex::new(responder)),
            at_once: Arc::default(),
        };
        tokio::spawn(receiver.clone().serve(listener));
        receiver
    }

    /// Answers by `responder` from now on.
    pub fn answers(&self, responder: impl Fn(&Received) -> Answer + Send + Sync + 'static) {
        *self.responder.lock().unwrap() = Arc::new(responder);
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The most requests that were being answered at a time.
    pub fn most_at_once(&self) -> usize {
        self.at_once.lock().unwrap().1
    }

    /// Forgets what came.
    pub fn forget(&self) {
        self.received.lock().unwrap().clear();
        self.at_once.lock().unwrap().1 = 0;
    }

    /// Records that were taken, repetitions included.
    pub fn records_taken(&self) -> usize {
        let received = self.received.lock().unwrap();
        received.iter().filter(|received| received.taken()).map(|received| received.records().len()).sum()
    }

    async fn serve(self, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let me = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| me.clone().one(request));
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    }

    async fn one(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let _being_answered = BeingAnswered::new(&self.at_once);
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return Ok(Response::new(Full::default())) };
        let text =
            |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let mut received = Received {
            at: Instant::now(),
            path: head.uri.path().to_owned(),
            headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: body.to_bytes(),
            status: 0,
        };
        let responder = self.responder.lock().unwrap().clone();
        let answer = responder(&received);
        let status = match answer {
            Answer::Status(status) | Answer::Slow(status, _) => status,
            Answer::Hang => 0,
        };
        if let Answer::Slow(_, wait) = answer {
            // The pace of the receiver.
            tokio::time::sleep(wait).await;
        }
        received.status = status;
        received.at = Instant::now();
        self.received.lock().unwrap().push(received);
        if status == 0 {
            std::future::pending::<()>().await;
        }
        Ok(Response::builder().status(status).body(Full::default()).unwrap())
    }
}

/// Counts a request while it is answered.
struct BeingAnswered(Arc<Mutex<(usize, usize)>>);

impl BeingAnswered {
    fn new(at_once: &Arc<Mutex<(usize, usize)>>) -> Self {
        let mut counts = at_once.lock().unwrap();
        counts.0 += 1;
        counts.1 = counts.1.max(counts.0);
        Self(Arc::clone(at_once))
    }
}

impl Drop for BeingAnswered {
    fn drop(&mut self) {
        self.0.lock().unwrap().0 -= 1;
    }
}
