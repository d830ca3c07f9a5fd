//! What arrived against what must have: the guarantees, one by one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;
use sidecar::position::{Place, Position};

use crate::model::Expected;
use crate::receivers::Sent;

pub struct FaultsSeen<'a> {
    pub deaths: usize,
    /// Batches that were taken without an answer that arrived, by lane.
    pub unheard: &'a HashMap<(String, String), usize>,
    /// No wait for another callback is ever over.
    pub strict_order: bool,
}

pub struct Verdict {
    pub records: usize,
    pub batches: usize,
    pub duplicates: usize,
}

pub type Lane = (String, String);

/// When a record was first sent, and first taken.
#[derive(Clone, Copy)]
pub struct Seen {
    pub sent: usize,
    pub taken: usize,
}

pub fn check(expected: &[Expected], sent: &[Sent], faults: &FaultsSeen<'_>) -> Result<Verdict, String> {
    same_batches(sent)?;
    let duplicates = duplicates(sent, faults)?;
    let mut required: BTreeMap<Lane, Vec<(usize, &Expected)>> = BTreeMap::new();
    for (at, record) in expected.iter().enumerate() {
        required.entry((record.project.clone(), record.callback.to_owned())).or_default().push((at, record));
    }
    let mut seen: Vec<Option<Seen>> = vec![None; expected.len()];
    let taken = taken_once(sent, "")?;
    let given_up = redelivered(sent, &taken)?;
    let lanes: BTreeSet<&Lane> = taken.keys().chain(given_up.keys()).collect();
    for lane in lanes {
        let required = required.remove(lane).unwrap_or_default();
        // What was given up and then taken closes the gaps that it left.
        let live = taken.get(lane).into_iter().flatten().map(|batch| (batch, true));
        let again = given_up.get(lane).into_iter().flatten().map(|batch| (batch, false));
        let mut batches: Vec<(&Batch, bool)> = live.chain(again).collect();
        batches.sort_unstable_by_key(|(batch, _)| batch.ends);
        if let Some(pair) = batches.windows(2).find(|pair| pair[0].0.ends.1 >= pair[1].0.ends.0) {
            return Err(format!("two batches of {lane:?} hold {}", pair[1].0.ends.0));
        }
        let records = |(batch, live)| {
            let of = |batch: &'_ Batch| batch.records.clone();
            of(batch).into_iter().map(move |record| (batch, live, record))
        };
        let mut got = batches.into_iter().flat_map(records).peekable();
        for (at, record) in required {
            let Some((batch, is_live, value)) = got.next() else {
                return Err(format!("lost in {lane:?}: {record:?}"));
            };
            if value != record.json {
                return Err(format!("in {lane:?} {value} came where {record:?} was due"));
            }
            // One more attempt knows no order.
            seen[at] = is_live.then_some(Seen { sent: batch.sent, taken: batch.taken });
        }
        if let Some((.., value)) = got.next() {
            return Err(format!("unexpected in {lane:?}: {value}"));
        }
    }
    if let Some((lane, records)) = required.into_iter().next() {
        return Err(format!("lost in {lane:?}: {} records", records.len()));
    }
    if faults.strict_order {
        documents_in_order(expected, &seen)?;
    }
    let batches = taken.values().map(Vec::len).sum();
    Ok(Verdict { records: expected.len(), batches, duplicates })
}

pub struct Batch {
    pub id: String,
    pub records: Vec<Value>,
    pub ends: (Position, Position),
    /// The first of its requests left then.
    pub sent: usize,
    pub taken: usize,
}

/// Of each lane its batches of one replay, or of none, in the order in which they were first taken.
pub fn taken_once(sent: &[Sent], replay: &str) -> Result<BTreeMap<Lane, Vec<Batch>>, String> {
    let mut first_sent: HashMap<&str, usize> = HashMap::new();
    let of = |request: &&Sent| request.header("sidecar-replay") == replay;
    for request in sent.iter().filter(of) {
        first_sent.entry(request.header("webhook-id")).or_insert(request.at);
    }
    let mut taken: Vec<(usize, &Sent)> =
        sent.iter().filter(of).filter_map(|request| Some((request.taken?, request))).collect();
    taken.sort_unstable_by_key(|(at, _)| *at);
    let mut lanes: BTreeMap<Lane, Vec<Batch>> = BTreeMap::new();
    let mut ids = HashSet::new();
    let mut last: HashMap<Lane, Position> = HashMap::new();
    for (at, request) in taken {
        let id = request.header("webhook-id");
        if !ids.insert(id) {
            continue;
        }
        let lane = (request.host.clone(), request.header("sidecar-callback").to_owned());
        if request.header("sidecar-project") != request.host {
            return Err(format!(
                "a record of {} went to {}",
                request.header("sidecar-project"),
                request.host
            ));
        }
        let (from, to) = positions(request)?;
        if last.insert(lane.clone(), to).is_some_and(|last| last >= from) {
            return Err(format!("positions do not grow in {lane:?} at {from}"));
        }
        let batch = Batch {
            id: id.to_owned(),
            records: records(request),
            ends: (from, to),
            sent: first_sent[id],
            taken: at,
        };
        lanes.entry(lane).or_default().push(batch);
    }
    Ok(lanes)
}

/// Of each lane the dead letters that were taken when they were attempted once more, and not before.
pub fn redelivered(
    sent: &[Sent],
    live: &BTreeMap<Lane, Vec<Batch>>,
) -> Result<BTreeMap<Lane, Vec<Batch>>, String> {
    let mut known: HashSet<&str> = live.values().flatten().map(|batch| batch.id.as_str()).collect();
    let mut lanes: BTreeMap<Lane, Vec<Batch>> = BTreeMap::new();
    for request in sent.iter().filter(|request| request.is_redelivered()) {
        let Some(taken) = request.taken.filter(|_| known.insert(request.header("webhook-id"))) else {
            continue;
        };
        let lane = (request.host.clone(), request.header("sidecar-callback").to_owned());
        if request.header("sidecar-project") != request.host {
            return Err(format!("a dead letter of {} went elsewhere", request.header("sidecar-project")));
        }
        let id = request.header("webhook-id").to_owned();
        let batch =
            Batch { id, records: records(request), ends: positions(request)?, sent: request.at, taken };
        lanes.entry(lane).or_default().push(batch);
    }
    Ok(lanes)
}

fn positions(request: &Sent) -> Result<(Position, Position), String> {
    let positions = request.header("sidecar-positions");
    let parse = |text: &str| {
        let place: Place = text.parse().map_err(|error| format!("{error}"))?;
        Ok::<_, String>(Position { commit: place.commit, number: place.number.unwrap_or(0) })
    };
    let (from, to) = positions.split_once("..").ok_or_else(|| format!("positions `{positions}`"))?;
    Ok((parse(from)?, parse(to)?))
}

pub fn records(request: &Sent) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let list = body.as_object().and_then(|body| body.values().next()).cloned();
    match list {
        Some(Value::Array(records)) => records,
        other => panic!("a body without a list: {other:?}"),
    }
}

/// One id is one body; attempts are counted on; and what was sent once never goes out in another batch,
/// unless that one was refused as too large.
fn same_batches(sent: &[Sent]) -> Result<(), String> {
    let mut first: HashMap<&str, (&Sent, u32)> = HashMap::new();
    let mut holders: HashMap<((&str, &str), &str, Position), &str> = HashMap::new();
    let mut refused = HashSet::new();
    for request in sent {
        let id = request.header("webhook-id");
        let attempt: u32 = request.header("sidecar-attempt").parse().unwrap_or(0);
        let stable = ["sidecar-project", "sidecar-callback", "sidecar-positions", "sidecar-epoch"];
        let (before, attempts) = first.entry(id).or_insert((request, 0));
        if before.body != request.body
            || stable.iter().any(|name| before.header(name) != request.header(name))
        {
            return Err(format!("batch {id} changed"));
        }
        if attempt <= *attempts {
            return Err(format!("batch {id}: attempt {attempt} after {attempts}"));
        }
        *attempts = attempt;
        let (from, to) = positions(request)?;
        for end in [from, to] {
            let of = (request.host.as_str(), request.header("sidecar-callback"));
            let place = (of, request.header("sidecar-replay"), end);
            let holder = holders.insert(place, id).unwrap_or(id);
            if holder != id && !refused.contains(holder) {
                return Err(format!("the record at {end} was in batch {holder}, and then in {id}"));
            }
        }
        if request.refused {
            refused.insert(id);
        }
    }
    Ok(())
}

/// Batches taken again: at most one a lane a death, besides those whose answers never came.
fn duplicates(sent: &[Sent], faults: &FaultsSeen<'_>) -> Result<usize, String> {
    let mut taken: HashMap<&str, usize> = HashMap::new();
    let mut again: BTreeMap<Lane, usize> = BTreeMap::new();
    for request in sent.iter().filter(|request| request.taken.is_some()) {
        let times = taken.entry(request.header("webhook-id")).or_default();
        *times += 1;
        if *times > 1 {
            let lane = (request.host.clone(), request.header("sidecar-callback").to_owned());
            *again.entry(lane).or_default() += 1;
        }
    }
    for (lane, times) in &again {
        let most = faults.deaths + faults.unheard.get(lane).copied().unwrap_or(0);
        if *times > most {
            return Err(format!("{times} batches were taken again in {lane:?}, where {most} may be"));
        }
    }
    Ok(again.values().sum())
}

/// A record is not sent before the earlier records of its document are taken, whatever their callback.
pub fn documents_in_order(expected: &[Expected], seen: &[Option<Seen>]) -> Result<(), String> {
    let mut last: HashMap<(&str, &str), (&Expected, Seen)> = HashMap::new();
    for (record, seen) in expected.iter().zip(seen) {
        let Some(seen) = *seen else { continue };
        let before = last.insert((&record.project, &record.id), (record, seen));
        let Some((earlier, before)) = before.filter(|(earlier, _)| earlier.callback != record.callback)
        else {
            continue;
        };
        if before.taken > seen.sent {
            return Err(format!("{record:?} was sent before {earlier:?} was taken"));
        }
    }
    Ok(())
}
