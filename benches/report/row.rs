//! What is measured, and a row of the report.

use std::path::PathBuf;

use serde::Serialize;

/// What is measured, and how much of it.
pub struct Run {
    pub changes: u64,
    pub rounds: usize,
    pub programs: Vec<Program>,
    names: Vec<String>,
}

/// A program that is measured.
#[derive(Clone)]
pub struct Program {
    /// `now` or `before`.
    pub name: &'static str,
    pub path: PathBuf,
}

/// One work by one program.
#[derive(Clone, Default, Serialize)]
pub struct Row {
    /// The part of the report that it belongs to.
    pub part: String,
    pub work: String,
    pub program: String,
    /// What the issue of speed set out to reach, in words.
    pub reach: String,
    /// Whether it is reached; `None` where nothing was set.
    pub is_reached: Option<bool>,
    /// Name, unit and value of each figure.
    pub figures: Vec<(String, String, f64)>,
    /// The figures of each round, in the order of `figures`.
    pub rounds: Vec<Vec<f64>>,
}

impl Run {
    pub fn from_environment(names: Vec<String>) -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
        let now = Program { name: "now", path: env!("CARGO_BIN_EXE_sidecar").into() };
        let before = std::env::var_os("SIDECAR_BENCH_BEFORE").filter(|path| !path.is_empty());
        let before = before.map(|path| Program { name: "before", path: path.into() });
        Self {
            changes: number("SIDECAR_BENCH_CHANGES").unwrap_or(400_000),
            rounds: number("SIDECAR_BENCH_ROUNDS").unwrap_or(3) as usize,
            programs: std::iter::once(now).chain(before).collect(),
            names,
        }
    }

    /// Whether a work of this name is measured.
    pub fn includes(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|wanted| name.contains(wanted.as_str()))
    }
}

impl Row {
    /// The median of every figure over `rounds`.
    pub fn of(
        part: &str,
        work: &str,
        program: &Program,
        names: &[(&str, &str)],
        rounds: Vec<Vec<f64>>,
    ) -> Self {
        let figure = |at: usize| {
            let mut values: Vec<f64> = rounds.iter().map(|round| round[at]).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let figures = names
            .iter()
            .enumerate()
            .map(|(at, (name, unit))| ((*name).to_owned(), (*unit).to_owned(), figure(at)));
        let row = Self {
            part: part.to_owned(),
            work: work.to_owned(),
            program: program.name.to_owned(),
            figures: figures.collect(),
            rounds,
            ..Self::default()
        };
        println!("{}", row.line());
        row
    }

    /// Says what was to be reached, and whether it is.
    pub fn reach(mut self, reach: &str, is_reached: impl Fn(&Self) -> bool) -> Self {
        if self.program == "now" && !reach.is_empty() {
            reach.clone_into(&mut self.reach);
            self.is_reached = Some(is_reached(&self));
        }
        self
    }

    /// A figure by its name.
    pub fn figure(&self, name: &str) -> f64 {
        self.figures.iter().find(|(known, ..)| known == name).map_or(f64::NAN, |(.., value)| *value)
    }

    fn line(&self) -> String {
        let figures: Vec<String> = self
            .figures
            .iter()
            .map(|(name, unit, value)| format!("{name} {}{unit}", short(*value)))
            .collect();
        format!("{:<8} {:<60} {}", self.program, self.work, figures.join("   "))
    }
}

/// Three digits that matter.
pub fn short(value: f64) -> String {
    match value.abs() {
        1_000.0.. => {
            let text = format!("{value:.0}");
            let digits: Vec<char> = text.chars().rev().collect();
            let groups: Vec<String> = digits.chunks(3).map(|group| group.iter().collect()).collect();
            groups.join(",").chars().rev().collect()
        }
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
