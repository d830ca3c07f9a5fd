//! A receiver that costs little, and counts.

#![allow(dead_code, unreachable_pub, reason = "each of several benchmarks uses what it needs of this")]

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// A receiver that counts records, and remembers when the first of each small batch came.
#[derive(Clone)]
pub struct Counter {
    pub url: String,
    records: Arc<AtomicU64>,
    requests: Arc<AtomicU64>,
    /// How long each answer takes, in milliseconds.
    delay: Arc<AtomicU64>,
    /// Whether the time of every record is remembered.
    traces: Arc<AtomicBool>,
    arrived: Arc<Mutex<Vec<(u64, Instant)>>>,
    refuses: Arc<AtomicBool>,
    refused: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
}

impl Counter {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let me = Self {
            url,
            records: Arc::default(),
            requests: Arc::default(),
            delay: Arc::default(),
            traces: Arc::default(),
            arrived: Arc::default(),
            refuses: Arc::default(),
            refused: Arc::default(),
            received: Arc::default(),
        };
        tokio::spawn(me.clone().serve(listener));
        me
    }

    /// Answers 503 from now on, or takes everything.
    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }

    /// Answers after this time from now on.
    pub fn delay(&self, delay: Duration) {
        self.delay.store(delay.as_millis().try_into().unwrap(), Ordering::Relaxed);
    }

    /// Remembers from now on when each record came.
    pub fn trace(&self) {
        self.traces.store(true, Ordering::Relaxed);
    }

    /// Requests that were taken.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Records that came.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Requests that came, whether answered or not.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Waits until no more requests come, and returns how many came.
    pub async fn quiet(&self) -> u64 {
        loop {
            let before = self.received();
            // The pace of looking.
            tokio::time::sleep(Duration::from_millis(200)).await;
            if self.received() == before {
                return before;
            }
        }
    }

    /// Requests that were refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// The first id of each batch of one or two records, or of every record if they are traced, and when it came.
    pub fn arrived(&self) -> Vec<(u64, Instant)> {
        self.arrived.lock().unwrap().clone()
    }

    pub async fn until(&self, records: u64) {
        let deadline = Instant::now() + Duration::from_mins(10);
        while self.records() < records {
            assert!(Instant::now() < deadline, "{} of {records} records came", self.records());
            // The resolution of the measured time; a pace of 20 ms, as of `until`, would be seen in it.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn serve(self, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            let me = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| me.clone().one(request));
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    }

    async fn one(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        self.received.fetch_add(1, Ordering::Relaxed);
        let delay = self.delay.load(Ordering::Relaxed);
        if delay > 0 {
            // The pace of a slow receiver.
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        if self.refuses.load(Ordering::Relaxed) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Ok(Response::builder().status(503).body(Full::default()).unwrap());
        }
        let count = body.windows(6).filter(|window| window == b"{\"id\":").count() as u64;
        self.records.fetch_add(count, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        if self.traces.load(Ordering::Relaxed) {
            let now = Instant::now();
            self.arrived.lock().unwrap().extend(ids(&body).map(|id| (id, now)));
            return Ok(Response::new(Full::default()));
        }
        if let Some(id) = first_id(&body).filter(|_| count < 3) {
            self.arrived.lock().unwrap().push((id, Instant::now()));
        }
        Ok(Response::new(Full::default()))
    }
}

fn first_id(body: &[u8]) -> Option<u64> {
    ids(body).next()
}

fn ids(body: &[u8]) -> impl Iterator<Item = u64> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    text.split("{\"id\":\"").skip(1).filter_map(|rest| rest.split('"').next()?.parse().ok())
}
