//! What arrived against what must have.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::model::Expected;
use super::receiver::Received;

/// What was found. All but `duplicates` must be nothing.
#[derive(Debug, Default)]
pub struct Report {
    pub records: usize,
    pub lost: usize,
    pub unexpected: usize,
    /// Batches taken again.
    pub duplicates: usize,
    pub lane_inversions: usize,
    pub document_inversions: usize,
    /// One id with other bytes or headers than before.
    pub changed_batches: usize,
    pub wrong_project: usize,
    /// The first difference.
    pub first: Option<String>,
}

impl Report {
    pub fn is_clean(&self) -> bool {
        let wrong = self.lost + self.unexpected + self.lane_inversions + self.document_inversions;
        wrong + self.changed_batches + self.wrong_project == 0
    }
}

type Lane = (String, String);

/// `received` in the order of arrival; `expected` in commit order a project.
pub fn check(expected: &[Expected], received: &[Received]) -> Report {
    let mut report = Report::default();
    let (lanes, arrivals) = first_deliveries(received, &mut report);
    let mut required: BTreeMap<Lane, Vec<&Expected>> = BTreeMap::new();
    for record in expected {
        required.entry((record.project.clone(), record.callback.to_owned())).or_default().push(record);
    }
    let projects: HashSet<&String> = required.keys().map(|(project, _)| project).collect();
    report.wrong_project = lanes.keys().filter(|(project, _)| !projects.contains(project)).count();
    // (project, document) → arrival numbers of its records, in commit order.
    let mut of_document: HashMap<(&str, &str), Vec<(usize, usize)>> = HashMap::new();
    let mut placed: HashMap<&Lane, usize> = HashMap::new();
    let commit_order: HashMap<*const Expected, usize> =
        expected.iter().enumerate().map(|(at, record)| (std::ptr::from_ref(record), at)).collect();
    for (lane, required) in &required {
        let got = lanes.get(lane).map(Vec::as_slice).unwrap_or_default();
        report.records += got.len();
        compare(lane, required, got, &mut report);
        for (at, record) in required.iter().enumerate() {
            let Some(arrival) = arrivals.get(lane).and_then(|arrivals| arrivals.get(at)) else { continue };
            let key = (record.project.as_str(), record.id.as_str());
            let order = commit_order[&std::ptr::from_ref(*record)];
            of_document.entry(key).or_default().push((order, *arrival));
        }
        placed.insert(lane, got.len());
    }
    for (key, mut records) in of_document {
        records.sort_unstable();
        if let Some(pair) = records.windows(2).find(|pair| pair[0].1 > pair[1].1) {
            report.document_inversions += 1;
            report.first.get_or_insert(format!("document {key:?} is out of order: {pair:?}"));
        }
    }
    report
}

/// Of each lane: its records as first taken, and the number of the request that brought each.
#[allow(clippy::type_complexity, reason = "read once, below")]
fn first_deliveries(
    received: &[Received],
    report: &mut Report,
) -> (BTreeMap<Lane, Vec<Value>>, BTreeMap<Lane, Vec<usize>>) {
    let mut lanes: BTreeMap<Lane, Vec<Value>> = BTreeMap::new();
    let mut arrivals: BTreeMap<Lane, Vec<usize>> = BTreeMap::new();
    let mut batches: HashMap<&str, &Received> = HashMap::new();
    let mut taken: HashSet<&str> = HashSet::new();
    for (number, request) in received.iter().enumerate() {
        let id = request.header("webhook-id");
        let same = |name: &str, other: &Received| other.header(name) == request.header(name);
        let first = batches.entry(id).or_insert(request);
        let stable = ["sidecar-project", "sidecar-callback", "sidecar-positions", "sidecar-epoch"];
        if first.body != request.body || !stable.iter().all(|name| same(name, first)) {
            report.changed_batches += 1;
            report.first.get_or_insert(format!("batch {id} changed"));
        }
        if !request.taken() {
            continue;
        }
        if !taken.insert(id) {
            report.duplicates += 1;
            continue;
        }
        let lane = (request.project().to_owned(), request.callback().to_owned());
        let records = request.records();
        arrivals.entry(lane.clone()).or_default().extend(std::iter::repeat_n(number, records.len()));
        lanes.entry(lane).or_default().extend(records);
    }
    (lanes, arrivals)
}

fn compare(lane: &Lane, required: &[&Expected], got: &[Value], report: &mut Report) {
    let same = required.iter().zip(got).take_while(|(required, got)| required.json == **got).count();
    if same == required.len() && same == got.len() {
        return;
    }
    report.first.get_or_insert_with(|| {
        format!(
            "lane {lane:?}, record {same} of {}: wanted {:?}, got {:?} (of {})",
            required.len(),
            required.get(same).map(|required| required.json.to_string()),
            got.get(same).map(ToString::to_string),
            got.len()
        )
    });
    let mut left: HashMap<String, i64> = HashMap::new();
    required.iter().for_each(|required| *left.entry(required.json.to_string()).or_default() += 1);
    got.iter().for_each(|got| *left.entry(got.to_string()).or_default() -= 1);
    let count =
        |sign: i64| left.values().map(|left| usize::try_from(left * sign).unwrap_or(0)).sum::<usize>();
    let (lost, unexpected) = (count(1), count(-1));
    report.lost += lost;
    report.unexpected += unexpected;
    report.lane_inversions += usize::from(lost + unexpected == 0);
}
