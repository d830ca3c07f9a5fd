//! The report as text, and its files.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use super::plot;
use super::row::{Row, Run, short};
use sidecar::amount::count;

/// The report, in Markdown.
pub fn report(run: &Run, rows: &[Row]) -> String {
    let mut text = String::from(
        "# Speed\n\nWritten by `cargo bench --bench report`. Each figure is the median of its rounds in one run; `ratio` compares with\nwhat the server's own tool takes for the same work in the same round: `pg_recvlogical` to `/dev/null`, or `COPY`. CPU is\nthe sidecar's, for one change. The server, the sidecar and the receiver share the machine.\n\n",
    );
    let _ = writeln!(text, "- {}", machine());
    let _ = writeln!(text, "- {}", output("uname", &["-sr"]));
    for version in [15, 18] {
        let postgres = super::support::server::bin(version).join("postgres");
        let _ = writeln!(text, "- {}", output(postgres.to_str().unwrap_or_default(), &["--version"]));
    }
    for program in &run.programs {
        let version = output(program.path.to_str().unwrap_or_default(), &["--version"]);
        let of = std::env::var("SIDECAR_BENCH_BEFORE_IS").ok().filter(|_| program.name == "before");
        let _ = writeln!(
            text,
            "- {}: {version}{}",
            program.name,
            of.map_or_else(String::new, |of| format!(", {of}"))
        );
    }
    let _ = writeln!(
        text,
        "- {} changes a row, {}\n",
        short(run.changes as f64),
        count(run.rounds as u64, "round", "rounds")
    );
    let _ = writeln!(text, "Raw data: [report/data.json](report/data.json), every round.");
    for part in parts(rows) {
        let _ = writeln!(text, "\n## {}{}\n", part[..1].to_uppercase(), &part[1..]);
        table(&mut text, rows, part);
        for (name, file) in PLOTS.iter().filter(|(of, ..)| *of == part).map(|(_, name, file)| (name, file)) {
            let _ = writeln!(text, "\n![{name}: {part}](report/{file}.svg)");
        }
    }
    text
}

/// Writes the report, its plots and its data into `folder`.
pub fn all(folder: &Path, text: &str, rows: &[Row]) {
    let files = folder.join("report");
    std::fs::write(folder.join("report.md"), text).unwrap();
    std::fs::write(files.join("data.json"), serde_json::to_string_pretty(rows).unwrap()).unwrap();
    for (part, figure, file) in PLOTS {
        let of_part: Vec<&Row> = rows.iter().filter(|row| row.part == part).collect();
        let title = format!("{part}: {figure}");
        plot::bars(&files.join(file).with_extension("svg"), &title, figure, &of_part);
    }
}

/// A part, the figure that is drawn, and the file's name.
const PLOTS: [(&str, &str, &str); 5] = [
    ("the drain of a backlog", "ratio", "drain-ratio"),
    ("the drain of a backlog", "CPU", "drain-cpu"),
    ("documents and rows of other sizes", "ratio", "sizes-ratio"),
    ("documents and rows of other sizes", "CPU", "sizes-cpu"),
    ("latency", "p50", "latency-p50"),
];

fn table(text: &mut String, rows: &[Row], part: &str) {
    let mut names: Vec<String> = Vec::new();
    for row in rows.iter().filter(|row| row.part == part) {
        let these: Vec<String> =
            row.figures.iter().map(|(name, unit, _)| format!("{name}{}", bracketed(unit))).collect();
        if these != names {
            let _ = writeln!(text, "\n| work | program | {} | to reach |", these.join(" | "));
            let _ = writeln!(text, "|---|---|{}---|", "---:|".repeat(these.len()));
            names = these;
        }
        let values: Vec<String> = row.figures.iter().map(|(.., value)| short(*value)).collect();
        let reached = match row.is_reached {
            Some(true) => format!("{}: reached", row.reach),
            Some(false) => format!("{}: **not reached**", row.reach),
            None => String::new(),
        };
        let _ = writeln!(text, "| {} | {} | {} | {reached} |", row.work, row.program, values.join(" | "));
    }
}

fn bracketed(unit: &str) -> String {
    let unit = unit.trim();
    if unit.is_empty() { String::new() } else { format!(" ({unit})") }
}

fn parts(rows: &[Row]) -> Vec<&str> {
    let mut parts: Vec<&str> = Vec::new();
    for row in rows {
        if !parts.contains(&row.part.as_str()) {
            parts.push(&row.part);
        }
    }
    parts
}

fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = text.lines().filter(|line| line.starts_with("processor")).count();
    format!("{cores} cores, {}", model.unwrap_or("of an unknown model"))
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| program.to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
