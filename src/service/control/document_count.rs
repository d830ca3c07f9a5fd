//! How many live documents a project has: counted where there are few documents, else estimated from a sample.
//!
//! The shadow is in the order of identities. A sample is short runs behind beginnings that are spread over the texts
//! that identities begin with; identities of several columns begin with a length, and are not sampled.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::Controller;
use crate::admin::DocumentCount;
use crate::classify::{Entry, Identity};
use crate::record::ProjectNo;
use crate::spool::{Reader, SpoolError};

impl Controller {
    /// The live documents of a project; `None`: not known.
    pub(super) fn document_count(
        &self,
        reader: &Reader,
        project: &str,
    ) -> Result<Option<DocumentCount>, SpoolError> {
        if self.capture.position().is_none() {
            return Ok(None);
        }
        let now = self.clock.elapsed();
        if let Some(kept) = self.recent.counts.within(KEPT_FOR, &project.to_owned(), now) {
            return Ok(kept);
        }
        let count = match reader.project(project)? {
            Some(no) => count(reader, no)?,
            None => Some(DocumentCount { count: 0, is_estimate: false }),
        };
        self.recent.counts.keep(project.to_owned(), now, count);
        Ok(count)
    }
}

fn count(reader: &Reader, project: ProjectNo) -> Result<Option<DocumentCount>, SpoolError> {
    let documents = reader.usage()?.shadow_documents;
    if documents <= COUNTED_MAX {
        let (mut count, mut after) = (0, None);
        loop {
            let page = reader.shadow_after(after.as_ref(), PAGE)?;
            count += live(&page, project);
            match page.last() {
                Some((last, _)) if page.len() >= PAGE as usize => after = Some(last.clone()),
                _ => return Ok(Some(DocumentCount { count, is_estimate: false })),
            }
        }
    }
    let (mut seen, mut sample) = (HashSet::new(), Vec::new());
    for beginning in beginnings() {
        let run = reader.shadow_after(Some(&beginning), RUN)?;
        sample.extend(run.into_iter().filter(|(identity, _)| seen.insert(identity.clone())));
    }
    let examined = sample.len() as u64;
    if examined < SAMPLE_MIN {
        return Ok(None);
    }
    let share = u128::from(documents) * u128::from(live(&sample, project)) / u128::from(examined);
    Ok(Some(DocumentCount { count: u64::try_from(share).unwrap_or(u64::MAX), is_estimate: true }))
}

/// Entries of the project that are not excluded.
fn live(entries: &[(Identity, Arc<[u8]>)], project: ProjectNo) -> u64 {
    let is_of = |(identity, bytes): &&(Identity, Arc<[u8]>)| {
        Entry::decode(identity, bytes).is_ok_and(|entry| entry.project == project && !entry.excluded)
    };
    entries.iter().filter(is_of).count() as u64
}

/// Two hexadecimal digits: UUIDs and numbers begin so, each about as often.
fn beginnings() -> impl Iterator<Item = Identity> {
    (0..=u8::MAX).map(|byte| Identity(format!("{byte:02x}").into_bytes().into()))
}

/// Some 15 ms.
const COUNTED_MAX: u64 = 10_000;
const PAGE: u32 = 1_000;
/// Documents behind each beginning.
const RUN: u32 = 16;
/// Fewer say too little.
const SAMPLE_MIN: u64 = 1_000;
const KEPT_FOR: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_are_in_order_and_each_is_there_once() {
        let all: Vec<Identity> = beginnings().collect();
        assert!(all.len() == 256 && all.is_sorted());
    }
}
