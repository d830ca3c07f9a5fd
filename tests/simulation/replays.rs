//! Replays that users request during the faults, and what must have been sent.

use std::collections::{BTreeMap, HashSet};

use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use sidecar::position::{Place, Position};
use sidecar::record::Seq;
use sidecar::replay::{ReplayError, ReplayInputs, ReplayLane, ReplayRequest, plan};
use sidecar::spool::{DeadLetterNo, Done, LaneReplay, NewReplay, Op, Reader, Replay, ReplayNo, SpoolError};
use uuid::Uuid;

use crate::model::Expected;
use crate::oracle::{FaultsSeen, Seen, documents_in_order, redelivered, taken_once};
use crate::postgres::PROJECTS;
use crate::process::Refusals;
use crate::receivers::Sent;
use crate::world::World;

/// A replay that the spool took in.
pub struct Entered {
    from: Position,
    to: Option<Position>,
    records: u64,
}

impl World {
    /// A user requests a replay of what was taken.
    pub(super) fn ask_replay(&mut self) {
        let Some(process) = self.process.as_ref().filter(|_| !self.setup.is_crowded()) else { return };
        if self.setup.refusals == Refusals::All {
            return; // It would be skipped over.
        }
        let taken: Vec<&Sent> = self.receivers.sent.iter().filter(|sent| sent.taken.is_some()).collect();
        let Some(from) = taken.choose(&mut self.random) else { return };
        let (first, _) = from.header("sidecar-positions").split_once("..").unwrap();
        let to = taken.choose(&mut self.random).filter(|_| self.random.random_bool(0.3));
        let to = to.and_then(|sent| Some(sent.header("sidecar-positions").split_once("..")?.1.to_owned()));
        let requested = ReplayRequest {
            from_lsn: Some(first.to_owned()),
            to_lsn: to,
            project: self.random.random_bool(0.3).then(|| from.host.clone()),
            rate: self.random.random_bool(0.2).then(|| self.random.random_range(1..50)),
            ..ReplayRequest::default()
        };
        let views = PROJECTS.iter().zip(0..).flat_map(|(_, no)| (0..3).map(move |callback| (no, callback)));
        let lanes: Vec<ReplayLane> = views
            .filter_map(|(no, callback)| {
                let lane = sidecar::record::LaneNo(no * 3 + callback);
                let project = process.projects().get(usize::try_from(no).unwrap())?.clone();
                Some(ReplayLane { lane, project, has_webhook: true })
            })
            .collect();
        let known = ReplayInputs {
            now: process.clock.wall(),
            position: process.capture.position(),
            epoch_after: Seq(0),
            lanes: &lanes,
        };
        let plan = match plan(&process.reader, &requested, &known) {
            Ok(plan) => plan,
            // Too old, backwards, or a disk that is dying.
            Err(ReplayError::Invalid(_) | ReplayError::Unavailable(_) | ReplayError::Spool(_)) => return,
        };
        if plan.ranges.is_empty() {
            return;
        }
        let ranges =
            |replay| plan.ranges.iter().map(|range| LaneReplay::new(replay, range)).collect::<Vec<_>>();
        let new = NewReplay {
            id: Uuid::from_u128(self.random.random()),
            request: serde_json::to_string(&requested).unwrap(),
            requested_at: known.now,
            rate: requested.rate,
            ranges: ranges(ReplayNo(0)),
            low_watermark: Some(plan.window.low_watermark),
        };
        let (id, rate) = (new.id, new.rate);
        if let Ok(Done::Replaying(no)) = process.spool.apply(Op::Replay(new)) {
            process.deliver.replay(no, id, rate, ranges(no));
        }
        self.know_replays();
    }

    /// A user requests one more attempt of all that was given up.
    pub(super) fn ask_redelivery(&mut self) {
        let Some(process) = &self.process else { return };
        let letters = process.reader.dead_letters(DeadLetterNo(0), 10_000).unwrap_or_default();
        if letters.is_empty() {
            return;
        }
        self.redeliveries += 1;
        let id = Uuid::from_u128(self.redeliveries);
        let dead = letters.iter().map(|letter| letter.no).collect();
        if let Ok(Done::Redelivering { lanes, .. }) = process.spool.apply(Op::Redeliver { dead, id }) {
            process.deliver.redeliver(lanes);
        }
    }

    /// Those that are on the disk, whether or not the request was answered.
    pub(super) fn know_replays(&mut self) {
        let Some(process) = &self.process else { return };
        for replay in process.reader.replays().unwrap_or_default() {
            if let Ok(entered) = entered(&process.reader, &replay) {
                self.replays.entry(replay.id.to_string()).or_insert(entered);
            }
        }
    }
}

fn entered(reader: &Reader, replay: &Replay) -> Result<Entered, SpoolError> {
    let requested: ReplayRequest = serde_json::from_str(&replay.request).unwrap();
    let place = |text: String| text.parse::<Place>().unwrap();
    Ok(Entered {
        from: place(requested.from_lsn.unwrap()).first(),
        to: requested.to_lsn.map(|text| place(text).last()),
        records: reader.ranges(replay.no)?.iter().map(|part| part.records).sum(),
    })
}

/// Each replay sent exactly so many records as were entered, in each lane a stretch of what the model
/// holds, in order, that begins and ends where it was requested to; and each document's in order.
pub fn check_replays(
    expected: &[Expected],
    sent: &[Sent],
    replays: &BTreeMap<String, Entered>,
    skipped: &BTreeMap<String, u64>,
    faults: &FaultsSeen<'_>,
) -> Result<usize, String> {
    // In the order of their lane, whether they were taken at first or as dead letters.
    let mut all_taken = taken_once(sent, "")?;
    for (lane, batches) in redelivered(sent, &all_taken)? {
        all_taken.entry(lane).or_default().extend(batches);
    }
    all_taken.values_mut().for_each(|batches| batches.sort_unstable_by_key(|batch| batch.ends));
    let known: HashSet<&str> =
        sent.iter().filter(|sent| sent.is_replayed()).map(|sent| sent.header("sidecar-replay")).collect();
    if let Some(unknown) = known.iter().find(|id| !replays.contains_key(**id)) {
        return Err(format!("nothing requested the replay {unknown}"));
    }
    let mut all = 0;
    for (id, entered) in replays {
        let mut seen: Vec<Option<Seen>> = vec![None; expected.len()];
        let (mut count, mut is_certain) = (0, true);
        for (lane, batches) in taken_once(sent, id)? {
            let of_lane: Vec<(usize, &Expected)> = expected
                .iter()
                .enumerate()
                .filter(|(_, record)| record.project == lane.0 && record.callback == lane.1)
                .collect();
            // Where each live batch begins among the lane's records.
            let mut begins = Vec::new();
            let mut at = 0;
            for batch in all_taken.get(&lane).into_iter().flatten() {
                begins.push((at, batch.ends, batch.records.len()));
                at += batch.records.len();
            }
            let inside = |ends: &(Position, Position)| ends.1 >= entered.from;
            let (start, _, length) = begins
                .iter()
                .find(|(_, ends, _)| inside(ends))
                .ok_or_else(|| format!("replay {id} sent what no live batch of {lane:?} held"))?;
            let got: Vec<_> = batches.iter().flat_map(|b| b.records.iter().map(move |r| (b, r))).collect();
            let fits = |from: usize| {
                of_lane.len() >= from + got.len()
                    && got.iter().zip(&of_lane[from..]).all(|((_, record), (_, e))| **record == e.json)
            };
            // It may begin in the midst of the first batch that reaches so far.
            let mut fitting = (*start..start + length).filter(|from| fits(*from));
            let from = fitting.next();
            // Where records are alike, which of them came is unknown.
            is_certain &= fitting.next().is_none();
            let from =
                from.ok_or_else(|| format!("replay {id}: {lane:?} got {} other records", got.len()))?;
            for ((batch, _), (at, _)) in got.iter().zip(&of_lane[from..]) {
                seen[*at] = Some(Seen { sent: batch.sent, taken: batch.taken });
            }
            let (first, last) = (batches[0].ends.0, batches[batches.len() - 1].ends.1);
            if first < entered.from || entered.to.is_some_and(|to| last > to) {
                return Err(format!(
                    "replay {id} from {} to {:?}: {lane:?} got {first} to {last}",
                    entered.from, entered.to
                ));
            }
            count += got.len();
        }
        let skipped = skipped.get(id).copied().unwrap_or_default();
        if count as u64 + skipped != entered.records {
            return Err(format!("replay {id} sent {count} of {} records", entered.records));
        }
        if faults.strict_order && is_certain {
            documents_in_order(expected, &seen).map_err(|wrong| format!("replay {id}: {wrong}"))?;
        }
        all += count;
    }
    Ok(all)
}
