//! Every kind of fault, so many times, and what came of it: `make torture` makes it long.

use std::io::Write as _;

use crate::faults::fault::Fault;
use crate::faults::fixture::Fixture;
use crate::support::check::Report;

/// Faults over all kinds; a few of them where the environment does not set the number.
fn required() -> usize {
    std::env::var("SIDECAR_TORTURE").ok().and_then(|text| text.parse().ok()).unwrap_or(Fault::ALL.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_nothing_is_lost_changed_misplaced_or_out_of_order() {
    let seed = std::env::var("SIDECAR_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(rand::random::<u64>);
    println!("seed {seed} (SIDECAR_TEST_SEED={seed} runs it again)");
    let required = required();
    let only = std::env::var("SIDECAR_FAULT").ok();
    let version = if seed.is_multiple_of(2) { 15 } else { 18 };
    let mut fixture = Fixture::new(version, seed, "").await;
    let mut rows = Vec::new();
    for fault in Fault::ALL.into_iter().filter(|f| only.as_ref().is_none_or(|only| f.name().contains(only))) {
        let times = (required / Fault::ALL.len()).max(1);
        let times = if fault.is_slow() { times.div_ceil(2) } else { times };
        let began = std::time::Instant::now();
        let Some((times, report)) = fixture.run_under(fault, times).await else { continue };
        println!("{}: {times} times in {:?}: {report:?}", fault.name(), began.elapsed());
        let allowed = times * fault.deaths() * fixture.lanes();
        assert!(report.is_clean(), "{}, seed {seed}: {report:?}", fault.name());
        assert!(report.duplicates <= allowed, "{}, seed {seed}: {report:?} of {allowed}", fault.name());
        assert_eq!(fixture.dead_letters(), 0, "{}, seed {seed}: nothing is given up early", fault.name());
        rows.push((fault.name(), times, report));
    }
    let matrix = table(&format!("PostgreSQL {version}, seed {seed}"), &rows);
    println!("{matrix}");
    if let Some(path) = std::env::var_os("SIDECAR_FIGURES") {
        std::fs::File::create(path).unwrap().write_all(matrix.as_bytes()).unwrap();
    }
}

type Row = (String, usize, Report);

/// For people: a table of Markdown, its last row the sum.
fn table(title: &str, rows: &[Row]) -> String {
    let line = |name: &str, figures: [usize; 7]| {
        figures.iter().fold(format!("| {name} |"), |line, figure| format!("{line} {figure} |")) + "\n"
    };
    let figures = |(_, times, report): &Row| {
        [
            *times,
            report.records,
            report.lost + report.unexpected,
            report.wrong_project,
            report.lane_inversions + report.document_inversions,
            report.changed_batches,
            report.duplicates,
        ]
    };
    let mut sums = [0; 7];
    let mut table = format!(
        "{title}\n\n| fault | times | records | lost | in the wrong project | out of order | changed | batches repeated |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|\n"
    );
    for row in rows {
        let figures = figures(row);
        sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure);
        table += &line(&row.0, figures);
    }
    table + &line("**all**", sums)
}
