//! The position in the stream: which transactions and changes are new, and the position after them.
//!
//! The server resends what was not confirmed, always whole transactions. What was applied before is
//! recognised by its position: transactions below the resume LSN, and the first changes of the one
//! that a group ended inside of. <https://www.postgresql.org/docs/current/logicaldecoding-explanation.html>

use crate::position::{Lsn, Position};
use crate::spool::{OpenTransaction, StreamPosition};
use crate::time::Timestamp;

/// The position in the stream, moved by its messages in order.
#[derive(Debug)]
pub(super) struct StreamCursor {
    position: StreamPosition,
    /// The transaction between Begin and Commit on this connection.
    arriving: Option<Arriving>,
}

/// The transaction that is being received.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Arriving {
    commit: Lsn,
    committed_at: Timestamp,
    /// Row changes that are still to be skipped, as they were applied before.
    already_applied: AlreadyApplied,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum AlreadyApplied {
    /// This number of changes.
    Changes(u64),
    /// All of them: the whole transaction was applied before.
    All,
}

/// What to do with a row change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Decision {
    /// Apply it, then call [`StreamCursor::applied`]. The time is that of its commit.
    Apply(Timestamp),
    /// It was applied before.
    Skip,
}

/// The stream's messages come in an order in which Postgres never sends them.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum OutOfOrder {
    #[error("a Begin at {found} inside the transaction at {open}")]
    BeginInside { open: Lsn, found: Lsn },
    #[error("the transaction at {found} came where the rest of the one at {open} was due")]
    OtherThanOpen { open: Lsn, found: Lsn },
    #[error("a row change outside a transaction")]
    Outside,
    #[error("a Commit of {found:?} in the transaction at {open:?}")]
    OtherCommit { open: Option<Lsn>, found: Lsn },
    #[error("more than 4,294,967,295 records in one transaction")]
    TooManyRecords,
}

impl StreamCursor {
    pub(super) fn new(position: StreamPosition) -> Self {
        Self { position, arriving: None }
    }

    pub(super) fn position(&self) -> StreamPosition {
        self.position
    }

    pub(super) fn begin(&mut self, commit: Lsn, committed_at: Timestamp) -> Result<(), OutOfOrder> {
        if let Some(arriving) = self.arriving {
            return Err(OutOfOrder::BeginInside { open: arriving.commit, found: commit });
        }
        let already_applied = match self.position.open {
            // A transaction that begins its commit record exactly at the resume LSN is new: the
            // resume LSN is an end, and ends lie behind their commit records.
            _ if commit < self.position.resume_lsn => AlreadyApplied::All,
            Some(open) if open.commit == commit => AlreadyApplied::Changes(open.changes_applied),
            Some(open) => return Err(OutOfOrder::OtherThanOpen { open: open.commit, found: commit }),
            None => AlreadyApplied::Changes(0),
        };
        self.arriving = Some(Arriving { commit, committed_at, already_applied });
        Ok(())
    }

    /// A row change or Truncate of any relation.
    pub(super) fn change(&mut self) -> Result<Decision, OutOfOrder> {
        let arriving = self.arriving.as_mut().ok_or(OutOfOrder::Outside)?;
        match &mut arriving.already_applied {
            AlreadyApplied::All => return Ok(Decision::Skip),
            AlreadyApplied::Changes(left @ 1..) => {
                *left -= 1;
                return Ok(Decision::Skip);
            }
            AlreadyApplied::Changes(0) => {}
        }
        let commit = arriving.commit;
        let committed_at = arriving.committed_at;
        self.position.open.get_or_insert(OpenTransaction { commit, changes_applied: 0, records_made: 0 });
        Ok(Decision::Apply(committed_at))
    }

    /// The change of the last [`Decision::Apply`] is applied.
    pub(super) fn applied(&mut self) {
        debug_assert!(self.position.open.is_some(), "a change is applied inside a transaction");
        if let Some(open) = &mut self.position.open {
            open.changes_applied += 1;
        }
    }

    /// The position of the next record of the transaction that is being applied.
    pub(super) fn next_record(&mut self) -> Result<Position, OutOfOrder> {
        let open = self.position.open.as_mut().ok_or(OutOfOrder::Outside)?;
        open.records_made = open.records_made.checked_add(1).ok_or(OutOfOrder::TooManyRecords)?;
        Ok(Position { commit: open.commit, number: open.records_made })
    }

    pub(super) fn commit(&mut self, commit: Lsn, end: Lsn) -> Result<(), OutOfOrder> {
        let open = self.arriving.take();
        let arriving = open
            .filter(|arriving| arriving.commit == commit)
            .ok_or(OutOfOrder::OtherCommit { open: open.map(|arriving| arriving.commit), found: commit })?;
        if arriving.already_applied == AlreadyApplied::All {
            return Ok(());
        }
        self.position =
            StreamPosition { resume_lsn: self.position.resume_lsn.max(end), last_end: end, open: None };
        Ok(())
    }

    /// A keepalive: everything below `end` was sent. Inside a transaction it moves nothing, as the
    /// transaction's commit may lie below `end`.
    pub(super) fn keepalive(&mut self, end: Lsn) {
        if self.arriving.is_none() && self.position.open.is_none() {
            self.position.resume_lsn = self.position.resume_lsn.max(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESUME: Lsn = Lsn(1_000);

    fn cursor() -> StreamCursor {
        StreamCursor::new(StreamPosition { resume_lsn: RESUME, last_end: Lsn(900), open: None })
    }

    fn apply_one(cursor: &mut StreamCursor, records: u32) {
        assert_eq!(cursor.change(), Ok(Decision::Apply(Timestamp(7))));
        for _ in 0..records {
            cursor.next_record().unwrap();
        }
        cursor.applied();
    }

    #[test]
    fn a_transaction_below_the_resume_lsn_is_passed_over() {
        let mut cursor = cursor();
        let before = cursor.position();
        cursor.begin(Lsn(999), Timestamp(7)).unwrap();
        assert_eq!(cursor.change(), Ok(Decision::Skip));
        cursor.commit(Lsn(999), Lsn(1_000)).unwrap();
        assert_eq!(cursor.position(), before);
    }

    #[test]
    fn a_transaction_exactly_at_the_resume_lsn_is_new() {
        let mut cursor = cursor();
        cursor.begin(RESUME, Timestamp(7)).unwrap();
        apply_one(&mut cursor, 1);
        cursor.commit(RESUME, Lsn(1_040)).unwrap();
        assert_eq!(
            cursor.position(),
            StreamPosition { resume_lsn: Lsn(1_040), last_end: Lsn(1_040), open: None }
        );
    }

    #[test]
    fn changes_applied_before_a_crash_are_passed_over_by_count_and_records_are_numbered_on() {
        let mut cursor = cursor();
        cursor.begin(Lsn(2_000), Timestamp(7)).unwrap();
        apply_one(&mut cursor, 2);
        apply_one(&mut cursor, 0);
        let kept = cursor.position();
        assert_eq!(kept.resume_lsn, RESUME, "an open transaction does not move the resume LSN");

        let mut again = StreamCursor::new(kept);
        again.begin(Lsn(2_000), Timestamp(7)).unwrap();
        assert_eq!(again.change(), Ok(Decision::Skip));
        assert_eq!(again.change(), Ok(Decision::Skip));
        assert_eq!(again.change(), Ok(Decision::Apply(Timestamp(7))));
        assert_eq!(again.next_record(), Ok(Position { commit: Lsn(2_000), number: 3 }));
    }

    #[test]
    fn a_new_connection_in_the_middle_of_a_transaction_passes_over_what_was_applied() {
        let mut cursor = cursor();
        cursor.begin(Lsn(2_000), Timestamp(7)).unwrap();
        apply_one(&mut cursor, 1);
        let mut cursor = StreamCursor::new(cursor.position());
        cursor.begin(Lsn(2_000), Timestamp(7)).unwrap();
        assert_eq!(cursor.change(), Ok(Decision::Skip));
        assert_eq!(cursor.change(), Ok(Decision::Apply(Timestamp(7))));
    }

    #[test]
    fn a_keepalive_moves_the_resume_lsn_between_transactions_only() {
        let mut cursor = cursor();
        cursor.keepalive(Lsn(1_500));
        cursor.keepalive(Lsn(1_200));
        assert_eq!(cursor.position().resume_lsn, Lsn(1_500), "and never back");

        cursor.begin(Lsn(2_000), Timestamp(7)).unwrap();
        cursor.keepalive(Lsn(3_000));
        assert_eq!(cursor.position().resume_lsn, Lsn(1_500));
        apply_one(&mut cursor, 0);
        let mut cursor = StreamCursor::new(cursor.position());
        cursor.keepalive(Lsn(3_000));
        assert_eq!(cursor.position().resume_lsn, Lsn(1_500), "a part of a transaction is applied");
    }

    #[test]
    fn what_postgres_never_sends_is_refused() {
        let mut cursor = cursor();
        assert_eq!(cursor.change(), Err(OutOfOrder::Outside));
        assert_eq!(cursor.next_record(), Err(OutOfOrder::Outside));
        cursor.begin(Lsn(2_000), Timestamp(7)).unwrap();
        assert_eq!(
            cursor.begin(Lsn(3_000), Timestamp(7)),
            Err(OutOfOrder::BeginInside { open: Lsn(2_000), found: Lsn(3_000) })
        );
        apply_one(&mut cursor, 0);
        assert!(cursor.commit(Lsn(2_001), Lsn(2_100)).is_err());
        let mut cursor = StreamCursor::new(cursor.position());
        assert_eq!(
            cursor.begin(Lsn(2_500), Timestamp(7)),
            Err(OutOfOrder::OtherThanOpen { open: Lsn(2_000), found: Lsn(2_500) })
        );
    }
}
