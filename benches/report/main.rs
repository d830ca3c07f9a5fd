//! The report of speed: every figure is a ratio within one run, of this program, of an earlier one where it is
//! given, and of what the server's own tools take for the same work.
//!
//! Writes `benches/report.md`, its plots and its raw data. `cargo bench --bench report -- NAME...` measures only the
//! parts whose names contain one of these, and writes nothing.
//!
//! `SIDECAR_BENCH_CHANGES` (default 400,000) is the work of one row, `SIDECAR_BENCH_ROUNDS` (default 3) how often each
//! is done, of which the median is told, and `SIDECAR_BENCH_BEFORE` the path of the earlier program.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::too_many_lines,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark fails loudly, and its figures are no money"
)]

#[path = "../support/counter.rs"]
mod counter;
mod drain;
mod idle;
mod latency;
mod plot;
#[path = "../support/process.rs"]
mod process;
mod row;
mod seeding;
mod start;
#[path = "../../tests/support/mod.rs"]
mod support;
mod workloads;
mod write;

use std::path::PathBuf;

use row::{Row, Run};

fn main() {
    let names: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with("--")).collect();
    let run = Run::from_environment(names.clone());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let rows = runtime.block_on(measure(&run));
    let report = write::report(&run, &rows);
    println!("\n{report}");
    if names.is_empty() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches");
        write::all(&folder, &report, &rows);
    }
}

/// Whether capture beside a receiver that is down is within 20 % of the drain where all is well.
fn down_beside_well(rows: &mut [Row]) {
    let rate = |rows: &[Row], work: &str| {
        let row = rows.iter().find(|row| row.program == "now" && row.work.starts_with(work));
        row.map(|row| row.figure("rate"))
    };
    let (well, down) = (rate(rows, "20 projects, 100"), rate(rows, "a receiver that is down"));
    let reached = well.zip(down).map(|(well, down)| down >= 0.8 * well);
    for row in rows.iter_mut().filter(|row| row.work.starts_with("a receiver that is down")) {
        row.is_reached = reached.filter(|_| row.program == "now");
    }
}

async fn measure(run: &Run) -> Vec<Row> {
    let mut rows = Vec::new();
    for work in workloads::all(run).into_iter().filter(|work| run.includes(&work.name)) {
        rows.extend(drain::measure(run, &work).await);
    }
    rows.extend(drain::watched(run, &workloads::all(run)[0]).await);
    down_beside_well(&mut rows);
    rows.extend(start::measure(run).await);
    rows.extend(seeding::measure(run).await);
    rows.extend(idle::measure(run).await);
    rows.extend(latency::measure(run).await);
    rows
}
