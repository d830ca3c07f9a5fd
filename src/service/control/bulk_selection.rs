//! The dead letters that a bulk request is about, counted by the database and read part by part: memory does not grow
//! with them.

use std::collections::HashMap;

use super::dead_letter_filter::{AT_ONCE, Filter, Pages};
use crate::admin::RequestError;
use crate::record::LaneNo;
use crate::spool::{BatchQuery, BatchState, DeadLetter, DeadLetterNo, LaneDeadLetters, Reader, SpoolError};

/// Dead letters: those of batches, by filter, or one by one.
pub(super) enum Selected {
    Batches(BatchQuery),
    Filter(Filter),
    Letters(Vec<DeadLetter>),
}

/// What is selected.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) dead_letters: u64,
    pub(super) records: u64,
    pub(super) by_lane: HashMap<LaneNo, u64>,
}

impl Selected {
    pub(super) fn count(&self, reader: &Reader) -> Result<Counted, RequestError> {
        let mut counted = Counted::default();
        let by_lane = match self {
            Self::Batches(query) => reader.count_dead_batches(query)?,
            Self::Filter(filter) => filter.count(reader)?,
            Self::Letters(letters) => {
                let one = |letter: &DeadLetter| LaneDeadLetters {
                    lane: letter.lane,
                    dead_letters: 1,
                    records: letter.records,
                };
                letters.iter().map(one).collect()
            }
        };
        for LaneDeadLetters { lane, dead_letters, records } in by_lane {
            counted.dead_letters += dead_letters;
            counted.records += records;
            *counted.by_lane.entry(lane).or_default() += dead_letters;
        }
        Ok(counted)
    }

    /// Calls `apply` with what is selected, part by part, until it says no.
    pub(super) fn for_each_part(
        &self,
        reader: &Reader,
        apply: &mut dyn FnMut(&[DeadLetter]) -> Result<bool, RequestError>,
    ) -> Result<(), RequestError> {
        match self {
            Self::Letters(letters) => {
                for some in letters.chunks(AT_ONCE as usize) {
                    if !apply(some)? {
                        break;
                    }
                }
            }
            Self::Filter(filter) => {
                let mut pages = Pages::new(reader, filter, DeadLetterNo(0));
                while let Some(mut some) = pages.next()? {
                    some.retain(|letter| filter.matches(letter));
                    if !some.is_empty() && !apply(&some)? {
                        break;
                    }
                }
            }
            Self::Batches(query) => {
                let mut query = BatchQuery {
                    state: Some(BatchState::DeadLetter),
                    limit: AT_ONCE as usize,
                    ..query.clone()
                };
                loop {
                    let page = reader.batches(&query)?;
                    let letters = page
                        .batches
                        .iter()
                        .map(|(batch, _)| reader.dead_letter_holding(batch.lane, batch.first));
                    let letters = letters.collect::<Result<Vec<_>, SpoolError>>()?;
                    let some: Vec<DeadLetter> = letters.into_iter().flatten().collect();
                    if !some.is_empty() && !apply(&some)? || page.next.is_none() {
                        break;
                    }
                    query.before = page.next;
                }
            }
        }
        Ok(())
    }
}
