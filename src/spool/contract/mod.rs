//! What every engine promises, as tests that take any engine.
//!
//! [`contract_tests!`] runs all of them on one [`EngineFactory`]. A test reads only through
//! [`super::engine::EngineReader`]; what speaks of SQL, files or damage is tested beside its engine.

pub(in crate::spool) mod access;
pub(in crate::spool) mod batches;
pub(in crate::spool) mod dead_letters;
pub(in crate::spool) mod epochs;
pub(in crate::spool) mod queries;
pub(in crate::spool) mod reopening;
pub(in crate::spool) mod replays;
pub(in crate::spool) mod retention;
pub(in crate::spool) mod scratch;
pub(in crate::spool) mod search;
pub(in crate::spool) mod subscriptions;
pub(in crate::spool) mod webhooks;

use std::sync::Arc;

use uuid::Uuid;

use super::attempt::{Attempted, Exchange, Fate, LoggedAnswer, LoggedAttempt, Phase};
use super::batch::Batch;
use super::engine::{OpenEngine, Reader};
use super::error::SpoolError;
use super::group::{Group, GroupBuilder};
use super::lane::{LaneHealth, LaneState};
use super::meta::Usage;
use super::ops::{Done, Op};
use crate::outcome::OutcomeKind;
use crate::position::{Lsn, Position};
use crate::record::{Callback, LaneNo, ProjectNo, Seq, WaitsFor};
use crate::time::{Timestamp, Uptime};

/// Makes and opens the spool of one test.
pub(in crate::spool) trait EngineFactory: Sized {
    /// The factory of another spool, a new one.
    fn another(&self) -> Self;

    /// Opens the spool, new at first. The engine that was open before was dropped.
    fn open(&self, bytes_max: u64, now: Timestamp) -> OpenEngine;
}

/// An engine under test.
struct Fixture<F> {
    factory: F,
    opened: Option<OpenEngine>,
    bytes_max: u64,
    builder: GroupBuilder,
}

impl<F: EngineFactory> Fixture<F> {
    fn new(factory: F) -> Self {
        Self::with_limit(factory, 1 << 30)
    }

    fn with_limit(factory: F, bytes_max: u64) -> Self {
        let opened = factory.open(bytes_max, NOW);
        assert!(opened.contents.is_new && opened.contents.lanes.is_empty());
        Self { factory, opened: Some(opened), bytes_max, builder: GroupBuilder::new(Seq(0)) }
    }

    fn opened(&mut self) -> &mut OpenEngine {
        self.opened.as_mut().unwrap()
    }

    /// Ends the engine and opens it again.
    fn reopen(&mut self) -> &OpenEngine {
        drop(self.opened.take());
        self.opened.insert(self.factory.open(self.bytes_max, NOW))
    }

    fn apply(&mut self, op: Op) -> Result<Done, SpoolError> {
        self.opened().engine.apply(vec![op]).remove(0)
    }

    /// Whether the operation is refused; then nothing was changed.
    fn refuses(&mut self, op: Op) -> bool {
        let before = (self.lanes(), self.usage());
        let refused = matches!(self.apply(op), Err(SpoolError::Refused(_)));
        assert!(!refused || before == (self.lanes(), self.usage()), "a refused operation changes nothing");
        refused
    }

    /// Adds records of `size` bytes to a lane, in a group of their own.
    fn commit(&mut self, lane: LaneNo, records: u64, size: usize, at: Timestamp) {
        for number in 0..records {
            let position = Position { commit: Lsn(self.builder.last().0 * 8), number: 1 };
            let fragment = vec![b'x'; size];
            self.builder.push(lane, position, at, WaitsFor::default(), number, &fragment);
        }
        self.commit_built(at);
    }

    /// Commits what the builder holds.
    fn commit_built(&mut self, at: Timestamp) {
        let chunks = self.builder.finish(at, Uptime(1));
        self.commit_group(Group { chunks, ..Group::default() });
    }

    fn commit_group(&mut self, group: Group) {
        let done = self.apply(Op::Commit(Arc::new(group)));
        assert!(matches!(done, Ok(Done::Committed(_))), "{done:?}");
    }

    fn cut(&mut self, batch: &Batch) {
        assert_eq!(self.apply(Op::Cut(batch.clone())), Ok(Done::Ok));
    }

    fn attempt(&mut self, batch: &Batch, fate: Fate) {
        assert_eq!(self.apply(Op::Attempted(attempted(batch, fate))), Ok(Done::Ok));
    }

    /// Cuts the batch and delivers it.
    fn deliver(&mut self, batch: &Batch) {
        self.cut(batch);
        self.attempt(batch, Fate::Delivered);
    }

    fn reader(&self) -> Reader {
        (self.opened.as_ref().unwrap().open_reader)().unwrap()
    }

    fn lanes(&self) -> Vec<LaneState> {
        self.reader().lanes().unwrap()
    }

    fn lane(&self, lane: LaneNo) -> LaneState {
        self.lanes().into_iter().find(|state| state.lane == lane).unwrap()
    }

    fn usage(&self) -> Usage {
        // The size of the file is the engine's affair.
        Usage { file_bytes: 0, ..self.reader().usage().unwrap() }
    }

    /// The first and last record of each chunk of a lane.
    fn chunks(&self, lane: LaneNo) -> Vec<(u64, u64)> {
        let reader = self.reader();
        let (mut chunks, mut seq) = (Vec::new(), Seq(0));
        while let Some(chunk) = reader.chunk_holding(lane, seq).unwrap() {
            chunks.push((chunk.first.0, chunk.last.0));
            seq = Seq(chunk.last.0 + 1);
        }
        chunks
    }

    /// One step of retention.
    fn sweep(&mut self, cutoff: Timestamp) -> bool {
        self.opened().engine.sweep(cutoff).unwrap().more
    }

    /// Retention until it has nothing more to do.
    fn sweep_all(&mut self, cutoff: Timestamp) {
        while self.sweep(cutoff) {}
    }
}

fn lane(callback: Callback) -> LaneNo {
    LaneNo::new(ProjectNo(0), callback)
}

/// Consecutive records of 100 bytes.
pub(in crate::spool) fn batch(lane: LaneNo, first: u64, last: u64) -> Batch {
    let records = u32::try_from(last - first + 1).unwrap();
    Batch {
        id: Uuid::now_v7(),
        lane,
        first: Seq(first),
        last: Seq(last),
        records,
        body_bytes: 11 + u64::from(records) * 101 - 1,
        body_sum: 7,
        cut_at: NOW,
        epoch: Uuid::nil(),
        attempts: 0,
        replay: None,
    }
}

fn attempted(batch: &Batch, fate: Fate) -> Attempted {
    Attempted {
        batch: batch.id,
        lane: batch.lane,
        log: LoggedAttempt {
            took_micros: 3,
            status: Some(200),
            ..LoggedAttempt::new(batch.attempts + 1, batch.cut_at, OutcomeKind::Delivered)
        },
        fate,
        health: LaneHealth::default(),
    }
}

/// An attempt that was answered so.
fn with_answer(body: &str, detail: &str) -> LoggedAttempt {
    let answer = LoggedAnswer { headers: "server: x\n".into(), body: body.into() };
    let peer = "[::1]:443".parse().ok();
    let exchange = Exchange {
        first_byte_micros: Some(7),
        peer,
        reused: true,
        phase: Some(Phase::Answer),
        answer: Some(answer),
        ..Exchange::default()
    };
    LoggedAttempt {
        status: Some(500),
        detail: Some(detail.into()),
        exchange,
        next_at: Some(NOW),
        ..LoggedAttempt::new(1, NOW, OutcomeKind::Status)
    }
}

const NOW: Timestamp = Timestamp(1_000);
/// Every record was spooled before this.
const LATER: Timestamp = Timestamp(9_000);

/// Runs every test of the contract on the spools that `$factory` makes.
macro_rules! contract_tests {
    ($factory:expr) => {
        $crate::spool::contract::contract_tests!($factory;
            access: {
                a_credential_is_replaced_or_removed,
                the_audit_log_keeps_its_last_entries_and_no_number_returns
            }
            batches: {
                a_batch_begins_with_the_first_unsettled_record,
                cuts_and_outcomes_that_do_not_fit_are_refused_and_change_nothing,
                a_retired_batch_is_replaced_by_its_first_records_and_the_rest_is_pending,
                records_that_were_refused_alone_die_with_a_later_one_that_was_taken,
                a_probe_that_was_in_flight_at_the_end_may_have_been_taken,
                a_refused_operation_does_not_stop_the_others,
                an_attempt_is_read_as_it_was_logged,
                what_is_discarded_leaves_nothing_behind,
                what_is_skipped_is_settled_and_can_be_replayed
            }
            dead_letters: {
                a_dead_letter_that_was_never_cut_is_cut_piece_by_piece,
                a_redelivery_keeps_its_first_id_and_skips_what_is_gone,
                a_redelivery_of_a_discarded_dead_letter_is_only_logged,
                what_is_given_up_is_one_dead_letter_for_each_batch_and_one_for_the_rest,
                discarded_dead_letters_are_counted_once_and_never_replayed,
                dead_letters_are_counted_as_they_are_listed
            }
            epochs: { places_are_those_of_the_current_epoch }
            reopening: {
                the_health_of_a_lane_is_read_as_it_was_written,
                the_uptime_goes_on_from_the_last_write,
                what_is_committed_is_there_after_a_new_start_and_numbers_go_on,
                a_batch_found_unsettled_counts_as_one_lost_attempt_and_is_the_same_batch,
                facts_and_shadow_entries_are_replaced_and_removed
            }
            queries: {
                a_history_holds_each_attempt_of_its_lane_and_ends_after_its_rows,
                lists_of_batches_are_complete_and_the_newest_come_first,
                a_search_for_records_finds_them_all_and_the_newest_first,
                a_record_is_found_by_its_position_in_the_current_epoch
            }
            replays: {
                a_replay_is_entered_only_over_what_is_still_there_and_cut_only_in_its_place,
                a_cancelled_replay_only_logs_what_was_in_flight
            }
            retention: {
                age_removes_settled_records_and_never_pending_ones,
                near_its_limit_delivered_records_go_first_then_the_fullest_dead_then_there_is_no_room
            }
            scratch: { a_value_is_replaced_or_kept }
            search: { a_search_finds_exactly_the_settled_records_of_its_range }
            subscriptions: {
                a_snapshot_and_what_follows_it_are_all_that_is_committed,
                what_was_not_received_is_not_read
            }
            webhooks: { a_webhook_is_replaced_or_removed_and_no_revision_returns }
        );
    };
    ($factory:expr; $($area:ident: { $($test:ident),* })*) => {
        $(mod $area {
            use super::*;
            $(#[test]
            fn $test() {
                $crate::spool::contract::$area::$test($factory);
            })*
        })*
    };
}
pub(in crate::spool) use contract_tests;
