//! `sidecar receive`: a test receiver that prints the records it gets.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, HeaderMap};
use hyper::{Request, StatusCode};
use serde_json::value::RawValue;
use tokio::net::TcpListener;

use super::exit::Exit;
use super::runtime::block_on;
use crate::admin::{json, plain};
use crate::amount::count;

#[derive(clap::Args, Clone, Debug)]
pub(super) struct Args {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,

    /// Fraction of requests to answer with status 503, from 0.0 to 1.0
    #[arg(long, default_value_t = 0.0, value_name = "RATE", value_parser = rate)]
    fail: f64,

    /// Milliseconds to wait before each response
    #[arg(long, default_value_t = 0, value_name = "N")]
    delay_ms: u64,

    /// Print the rate once a second in place of the records
    #[arg(long)]
    quiet: bool,
}

/// Totals of what was received.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) requests: AtomicU64,
    pub(super) records: AtomicU64,
    pub(super) refused: AtomicU64,
}

pub(super) fn receive(args: &Args) -> Exit {
    let args = args.clone();
    block_on(async move {
        let listener = match TcpListener::bind(args.listen).await {
            Ok(listener) => listener,
            Err(error) => {
                eprintln!("listen on {}: {error}", args.listen);
                return Exit::Failed;
            }
        };
        let address = listener.local_addr().unwrap_or(args.listen);
        eprintln!("receiving on http://{address}");
        let counts = Arc::new(Counts::default());
        if args.quiet {
            tokio::spawn(print_rates(Arc::clone(&counts)));
        }
        let (fail, delay, quiet) = (args.fail, Duration::from_millis(args.delay_ms), args.quiet);
        let shown = Arc::clone(&counts);
        let serving = serve(listener, move |request, body| {
            let counts = Arc::clone(&shown);
            async move {
                tokio::time::sleep(delay).await;
                respond(&request, &body, fail, quiet, &counts)
            }
        });
        tokio::select! {
            () = serving => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        let of = |counter: &AtomicU64, one, many| count(counter.load(Ordering::Relaxed), one, many);
        eprintln!(
            "{} with {}; {} refused",
            of(&counts.requests, "request", "requests"),
            of(&counts.records, "record", "records"),
            of(&counts.refused, "request", "requests")
        );
        Exit::Done
    })
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (0.0..=1.0).contains(rate));
    rate.ok_or_else(|| format!("`{text}` is not a fraction from 0.0 to 1.0"))
}

/// Serves HTTP/1.1 and HTTP/2 until dropped; `respond` gets each request with its body.
pub(super) async fn serve<R, F>(listener: TcpListener, respond: R)
where
    R: Fn(Request<()>, Bytes) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = StatusCode> + Send + 'static,
{
    let handler = move |request: axum::extract::Request| async move {
        let (head, body) = request.into_parts();
        match axum::body::to_bytes(body, usize::MAX).await {
            Ok(body) => match decoded(&head.headers, body) {
                Ok(body) => respond(Request::from_parts(head, ()), body).await,
                Err(_) => StatusCode::BAD_REQUEST,
            },
            Err(_) => StatusCode::BAD_REQUEST,
        }
    };
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    // It returns no error: a broken connection concerns only its client.
    let _ = axum::serve(listener, Router::new().fallback(handler)).await;
}

/// The body before its compression.
fn decoded(headers: &HeaderMap, body: Bytes) -> std::io::Result<Bytes> {
    if headers.get(CONTENT_ENCODING).is_none_or(|encoding| encoding != "gzip") {
        return Ok(body);
    }
    let mut decoded = Vec::new();
    flate2::read::GzDecoder::new(&*body).read_to_end(&mut decoded)?;
    Ok(decoded.into())
}

fn respond(request: &Request<()>, body: &Bytes, fail: f64, quiet: bool, counts: &Counts) -> StatusCode {
    if header(request, "sidecar-test") == "1" {
        eprintln!("a test request");
        return StatusCode::NO_CONTENT;
    }
    counts.requests.fetch_add(1, Ordering::Relaxed);
    let refused = fastrand::f64() < fail;
    if refused {
        counts.refused.fetch_add(1, Ordering::Relaxed);
    }
    let records = records_in(body);
    counts.records.fetch_add(records.len() as u64, Ordering::Relaxed);
    if !quiet {
        let _ = std::io::stdout().write_all(describe(request, &records, refused).as_bytes());
    }
    if refused { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT }
}

/// The records of a body, as written in it. Empty if the body is not a payload of the sidecar.
fn records_in(body: &[u8]) -> Vec<&RawValue> {
    let lists: Result<BTreeMap<String, Vec<&RawValue>>, _> = serde_json::from_slice(body);
    lists.unwrap_or_default().into_values().flatten().collect()
}

/// A line for the request and one for each record. What the sender controls is escaped.
fn describe(request: &Request<()>, records: &[&RawValue], refused: bool) -> String {
    let [callback, project, positions, attempt] =
        ["sidecar-callback", "sidecar-project", "sidecar-positions", "sidecar-attempt"]
            .map(|name| plain(header(request, name)));
    let status = if refused { "  -> 503" } else { "" };
    let mut text = format!("{callback} {project} {positions} attempt {attempt}{status}\n");
    for record in records {
        let _ = writeln!(text, "    {}", json(record.get()).replace(['\n', '\r'], " "));
    }
    text
}

pub(super) fn header<'a>(request: &'a Request<()>, name: &str) -> &'a str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("-")
}

async fn print_rates(counts: Arc<Counts>) {
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let records = counts.records.load(Ordering::Relaxed);
        if records != before {
            eprintln!("{}/s, {records} in total", count(records - before, "record", "records"));
        }
        before = records;
    }
}

pub(super) const AFTER_HELP: &str = "\
Answers every request with status 204 and prints a line for each record.
Signatures are not verified. Ctrl-C ends it and prints the totals.

  sidecar receive                          print every record
  sidecar receive --listen 0.0.0.0:9000    from other hosts
  sidecar receive --fail 0.2               refuse every fifth request on average, to see retries
  sidecar receive --delay-ms 200 --quiet   a slow receiver, and the rate it reaches";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_whatever_their_labels_look_like() {
        let body = br#"{"modified":[{"id":"1","key":"k","labels":[{"id":1},{"similar_doc_id":2}]},{"similar_doc_id":"3"}]}"#;
        let records: Vec<&str> = records_in(body).into_iter().map(RawValue::get).collect();
        assert_eq!(
            records,
            [r#"{"id":"1","key":"k","labels":[{"id":1},{"similar_doc_id":2}]}"#, r#"{"similar_doc_id":"3"}"#]
        );
        for other in ["", "{\"docs\":[]}", "[1, 2]", "{\"docs\":[", "{\"docs\":7}"] {
            assert_eq!(records_in(other.as_bytes()).len(), 0, "{other}");
        }
    }
}
