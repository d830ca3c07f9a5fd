//! Batches are cut and sent.

use std::sync::Arc;

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::outcomes::Ended;
use super::{Event, Shell};
use crate::deliver::client::Ask;
use crate::deliver::dispatch::Run;
use crate::deliver::heads::{Kind, Made};
use crate::deliver::request::{About, headers};
use crate::deliver::webhook::Webhook;
use crate::failpoint::{self, Side};
use crate::record::LaneNo;
use crate::spool::{Batch, DeadNo, Op, SpoolError};
use crate::time::Uptime;

impl Shell {
    pub(super) fn cut(&mut self, lane: LaneNo, now: Uptime) -> Result<(), SpoolError> {
        let Some(state) = self.dispatch.lane(lane) else { return Ok(()) };
        let (records_max, bytes_max) = state
            .webhook
            .as_ref()
            .map_or((1, 1), |webhook| (webhook.limits.records_max, webhook.limits.bytes_max));
        let Some((kind, replay, cursor, last)) = state.range_at_work() else {
            // The replay was cancelled meanwhile.
            self.dispatch.unseize(lane, now);
            return Ok(());
        };
        let head = self.heads.head(kind, lane, cursor, records_max, bytes_max)?;
        let Some(first) = head.first()? else {
            let lost = format!("the records of lane {lane} behind {}", cursor.0);
            return Err(SpoolError::Damaged(lost));
        };
        let epoch = self.params.epochs.of(first);
        let last = epoch.last.into_iter().chain(last).min();
        let mut heads = head.heads(records_max, last)?;
        if let Some(replay) = replay {
            self.order_of_replay(lane, replay, &mut heads)?;
        }
        let records = match self.dispatch.run(lane, &heads, now) {
            Run::Records(records) => records,
            Run::Blocked => {
                let after = heads.first().map(|head| head.after).unwrap_or_default();
                self.dispatch.blocked(lane, after, now);
                return Ok(());
            }
        };
        let made = head.make(records)?;
        let batch = Batch { replay, ..self.batch(lane, epoch.id, &made) };
        self.made.insert(lane, (batch.id, made));
        let events = self.events.clone();
        self.params.spool.submit(Op::Cut(batch.clone()), move |written| {
            let _ = events.send(Event::Cut { lane, batch, written });
        });
        Ok(())
    }

    pub(super) fn send(&mut self, lane: LaneNo, batch: Batch) -> Result<(), SpoolError> {
        let Some(webhook) = self.dispatch.lane(lane).and_then(|lane| lane.webhook.clone()) else {
            return Ok(());
        };
        let made = if let Some((_, made)) = self.made.remove(&lane).filter(|(id, _)| *id == batch.id) {
            made
        } else {
            let kind = if batch.replay.is_some() { Kind::Settled } else { Kind::Pending };
            self.heads.remake(kind, &batch)?
        };
        let replay = batch.replay.and_then(|replay| self.replays.get(&replay).copied());
        self.request(webhook, batch, made, replay, None);
        Ok(())
    }

    /// Makes the request. `dead` is the dead letter that it is one more attempt of.
    pub(super) fn request(
        &mut self,
        webhook: Arc<Webhook>,
        batch: Batch,
        made: Made,
        replay: Option<Uuid>,
        dead: Option<DeadNo>,
    ) {
        let lane = batch.lane;
        let started_at = self.params.clock.wall();
        let about = About {
            batch: &batch,
            project: self.project(lane),
            first: made.first,
            last: made.last,
            attempt: batch.attempts.saturating_add(1),
            replay,
            now: started_at,
        };
        let ask = Ask {
            headers: headers(&webhook, &about, &made.body),
            url: webhook.url.clone(),
            body: made.body,
            timeout: webhook.limits.timeout,
            connect_timeout: webhook.limits.connect_timeout,
            response_bytes_max: webhook.limits.response_bytes_max,
        };
        let (events, committed_at) = (self.events.clone(), made.committed_at);
        let clock = self.params.clock;
        let began = clock.elapsed();
        failpoint::reach("send", Side::Before);
        let told = move |outcome| {
            failpoint::reach("send", Side::After);
            let took = clock.elapsed().saturating_sub(began);
            let ended = Ended { lane, batch, dead, outcome, started_at, took, committed_at };
            let _ = events.send(Event::Ended(Box::new(ended)));
        };
        (self.params.post)(ask, Box::new(told));
    }

    pub(super) fn batch(&self, lane: LaneNo, epoch: Uuid, made: &Made) -> Batch {
        Batch {
            id: Uuid::now_v7(),
            lane,
            first: made.ends.0,
            last: made.ends.1,
            records: made.records,
            body_bytes: made.body.len() as u64,
            body_sum: xxh3_64(&made.body),
            cut_at: self.params.clock.wall(),
            epoch,
            attempts: 0,
            replay: None,
        }
    }
}
