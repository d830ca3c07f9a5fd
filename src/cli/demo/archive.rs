//! The documents of the simulated application, the archive of three newspapers. The same seed makes the same
//! documents.

use std::fmt::Write as _;

use fastrand::Rng;

/// The projects: a newspaper each.
pub(super) const PROJECTS: [&str; 3] = ["harbour-post", "island-echo", "tide-gazette"];

/// The application's table. Nothing in it is specific to the sidecar.
pub(super) const TABLE: &str = "\
CREATE TABLE documents (
    id               bigint PRIMARY KEY,
    key              text NOT NULL,
    project_id       text NOT NULL,
    title            text NOT NULL,
    author           text NOT NULL,
    body             text NOT NULL,
    labels           text[] NOT NULL DEFAULT '{}',
    predicted_labels jsonb,
    similarity       jsonb,
    deleted_at       timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now()
)";

/// A row of the table.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) id: i64,
    pub(super) key: String,
    pub(super) project: &'static str,
    pub(super) title: String,
    pub(super) author: &'static str,
    pub(super) body: String,
    pub(super) labels: Vec<&'static str>,
    pub(super) predicted: Vec<&'static str>,
    pub(super) live: bool,
}

impl Document {
    /// A random document with this id.
    pub(super) fn random(id: i64, rng: &mut Rng) -> Self {
        let project = pick(rng, &PROJECTS);
        let (what, topic) = pick(rng, WHAT);
        let initials: String = project.split('-').filter_map(|word| word.chars().next()).collect();
        Self {
            id,
            key: format!("{}-{}-{id:05}", initials.to_uppercase(), 1994 + below(rng, 32)),
            project,
            title: format!("{} {} {what}", pick(rng, WHO), pick(rng, DOES)),
            author: pick(rng, AUTHORS),
            body: body(what, rng),
            labels: vec![topic],
            predicted: Vec::new(),
            live: true,
        }
    }

    /// Appends a paragraph to the body.
    pub(super) fn revise(&mut self, rng: &mut Rng) {
        let _ = write!(self.body, "\n\nUpdate: {}", pick(rng, SENTENCES));
    }
}

/// Labels that differ from `now`.
pub(super) fn other_labels(now: &[&'static str], rng: &mut Rng) -> Vec<&'static str> {
    let mut labels = vec![pick(rng, WHAT).1];
    for _ in 0..=below(rng, 2) {
        let label = pick(rng, LABELS);
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    if labels == now {
        labels.reverse();
        labels.push("desk");
    }
    labels
}

fn body(what: &str, rng: &mut Rng) -> String {
    // One in ten is so long that Postgres stores it out of line (TOAST).
    let paragraphs = if below(rng, 10) == 0 { 60 } else { 2 + below(rng, 5) };
    let mut body = format!("It is about {what}, and not for the first time.");
    for _ in 0..paragraphs {
        let _ = write!(body, "\n\n{} {}", pick(rng, SENTENCES), pick(rng, SENTENCES));
    }
    body
}

/// A random number below `end`; 0 if `end` is 0.
pub(super) fn below(rng: &mut Rng, end: usize) -> usize {
    if end == 0 { 0 } else { rng.usize(..end) }
}

/// A random item.
pub(super) fn pick<T: Copy + Default>(rng: &mut Rng, items: &[T]) -> T {
    rng.choice(items.iter().copied()).unwrap_or_default()
}

const WHO: &[&str] = &[
    "City archive",
    "Ferry company",
    "Fish market",
    "Harbour council",
    "Island school",
    "Lighthouse trust",
    "Pilots' guild",
    "Regional court",
    "Rowing club",
    "Theatre by the quay",
    "University of the North",
    "Weather service",
];

const DOES: &[&str] = &[
    "approves",
    "celebrates",
    "corrects",
    "defends",
    "explains",
    "opens",
    "postpones",
    "publishes",
    "questions",
    "rejects",
    "repairs",
    "reviews",
];

/// The topic of an article, and its label.
const WHAT: &[(&str, &str)] = &[
    ("a dispute over rents", "housing"),
    ("a new reading room", "culture"),
    ("its oldest map", "history"),
    ("plans for the old pier", "planning"),
    ("last year's budget", "economy"),
    ("the herring quota", "fisheries"),
    ("the lighthouse lamp", "heritage"),
    ("the night ferry", "transport"),
    ("the school merger", "education"),
    ("the storm report", "weather"),
    ("the winter timetable", "transport"),
    ("the women's regatta", "sport"),
];

const LABELS: &[&str] = &["analysis", "front-page", "interview", "long-read", "opinion", "photo", "series"];

const AUTHORS: &[&str] = &[
    "A. Lindqvist",
    "B. Okafor",
    "C. Marchetti",
    "D. Ferreira",
    "E. Haugen",
    "F. Tanaka",
    "G. Novak",
    "H. Osei",
];

const SENTENCES: &[&str] = &[
    "The decision came late in the evening, after two speakers had asked for another week.",
    "Nobody at the quay remembers a spring in which the water stood so high for so long.",
    "The figures were read aloud, and then read aloud again.",
    "A copy of the letter lies in the archive, between a tide table and a menu.",
    "The keeper of the light declined to be photographed, but not to be quoted.",
    "By noon the last boxes had been carried up from the cellar.",
    "What it will cost is known; who will pay for it is not.",
    "Three of the five islands have answered, and one of them has answered twice.",
    "The ferry left on time, which was noted in the log with an exclamation mark.",
    "Those who were there describe it differently, and agree on the weather.",
    "A second report is due before the herring return.",
    "The old timetable remains valid until the new one has been printed.",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_documents() {
        let documents = || {
            let mut rng = Rng::with_seed(7);
            (0..50)
                .map(|id| Document::random(id, &mut rng))
                .map(|d| (d.key, d.title, d.body))
                .collect::<Vec<_>>()
        };
        assert_eq!(documents(), documents());
    }

    #[test]
    fn other_labels_are_other_labels() {
        let mut rng = Rng::with_seed(7);
        let mut labels = Vec::new();
        for _ in 0..1_000 {
            let others = other_labels(&labels, &mut rng);
            assert_ne!(labels, others);
            labels = others;
        }
    }
}
