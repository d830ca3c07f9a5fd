//! Why a document's records were sent, wait, or were not made: facts to sentences.

use crate::record::Callback;

/// What is known of a document.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct DocumentFacts {
    pub(super) project: String,
    pub(super) shadow: ShadowFact,
    pub(super) row: RowFact,
    /// Whether records of it are kept.
    pub(super) has_records: bool,
    /// Whether one of them is not settled.
    pub(super) has_pending: bool,
    /// Bytes of WAL that are not applied yet.
    pub(super) behind_bytes: Option<u64>,
    /// The first start has not ended.
    pub(super) is_seeding: bool,
    /// Callbacks without a webhook.
    pub(super) without_webhook: Vec<Callback>,
    /// Paused lanes, with the reason.
    pub(super) paused: Vec<(Callback, String)>,
    /// Callbacks whose webhook takes some properties only.
    pub(super) filtered: Vec<Callback>,
    /// `documents.ignore`
    pub(super) ignored: Vec<String>,
    /// Records are kept as long as this, in words.
    pub(super) retain: String,
}

/// What the shadow knows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum ShadowFact {
    #[default]
    Absent,
    /// It is of this project now.
    Elsewhere(Option<String>),
    Excluded,
    Live,
    /// The identity has columns that the id does not tell.
    NotById,
}

/// What the database has.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum RowFact {
    #[default]
    Absent,
    Elsewhere,
    Present,
    /// Why it is not known.
    Unknown(String),
}

/// The sentences, the most important first.
pub(super) fn summary(facts: &DocumentFacts) -> Vec<String> {
    let mut out = vec![known(facts)];
    if facts.is_seeding {
        out.push("The first start has not ended: changes are read after it.".to_owned());
    }
    out.extend(sent(facts));
    if let Some(behind) = facts.behind_bytes.filter(|bytes| *bytes > 0) {
        out.push(format!(
            "The stream is {behind} bytes of WAL behind the server: a change in there is not read yet, so no record of it is made."
        ));
    }
    if !facts.without_webhook.is_empty() {
        let names = listed(&facts.without_webhook);
        out.push(format!(
            "No webhook is set for {names} of this project: such records are not kept. `sidecar webhooks set` sets one."
        ));
    }
    for callback in &facts.filtered {
        out.push(format!(
            "The webhook for `{callback}` takes some `properties` only: other records are not kept."
        ));
    }
    for (callback, reason) in &facts.paused {
        out.push(format!("`{callback}` is paused ({reason}): its records wait until it is resumed."));
    }
    if let RowFact::Unknown(why) = &facts.row {
        out.push(format!("Whether the row exists is not known: {why}"));
    }
    out
}

fn known(facts: &DocumentFacts) -> String {
    let project = &facts.project;
    match (&facts.shadow, &facts.row) {
        (ShadowFact::Live, RowFact::Absent) => {
            "Receivers have this document, and the database has no such row any more: its deletion is not read yet."
                .to_owned()
        }
        (ShadowFact::Live, _) => "Receivers have this document: it is live.".to_owned(),
        (ShadowFact::Excluded, _) => {
            "The document is excluded: its row is marked as deleted, so that changes of it make no records until it is restored."
                .to_owned()
        }
        (ShadowFact::Elsewhere(Some(other)), _) => {
            format!("The document belongs to the project `{other}` now: its records are in that project.")
        }
        (ShadowFact::Elsewhere(None), _) => "The document belongs to another project now.".to_owned(),
        (ShadowFact::NotById, RowFact::Present) => {
            "The row exists. What the sidecar remembers of it cannot be looked up: the table's identity has columns that the id does not tell."
                .to_owned()
        }
        (ShadowFact::Absent, RowFact::Present) => {
            "The row exists, and the sidecar does not know it yet: its insertion is not read yet.".to_owned()
        }
        (ShadowFact::Absent | ShadowFact::NotById, RowFact::Elsewhere) => {
            format!("A row with this id exists, but not in the project `{project}`.")
        }
        (ShadowFact::Absent | ShadowFact::NotById, RowFact::Absent) if facts.has_records => {
            "The row was deleted.".to_owned()
        }
        (ShadowFact::Absent | ShadowFact::NotById, RowFact::Absent) => {
            format!("There is no such row: no document of the project `{project}` has this id.")
        }
        (ShadowFact::Absent, RowFact::Unknown(_)) => "The sidecar does not know this document.".to_owned(),
        (ShadowFact::NotById, RowFact::Unknown(_)) => {
            "What the sidecar remembers of the document cannot be looked up: the table's identity has columns that the id does not tell."
                .to_owned()
        }
    }
}

/// What was sent, or why nothing was.
fn sent(facts: &DocumentFacts) -> Option<String> {
    if facts.has_pending {
        return Some("Some of its records are not delivered yet: each says what it waits for.".to_owned());
    }
    let ignored = if facts.ignored.is_empty() {
        "a change that leaves every tracked column as it was makes none".to_owned()
    } else {
        let names: Vec<String> = facts.ignored.iter().map(|name| format!("`{name}`")).collect();
        format!("a change of nothing but ignored columns ({}) makes none", names.join(", "))
    };
    match (&facts.shadow, facts.has_records) {
        (ShadowFact::Live, true) => {
            Some(format!("All its records are settled. Where a later change sent nothing: {ignored}."))
        }
        (ShadowFact::Live, false) => Some(format!(
            "No record of it is kept: it was there at the first start (`documents.initial`), or its records are older than `spool.retain` ({}) or were removed for space. {}{}.",
            facts.retain,
            ignored.get(..1).unwrap_or_default().to_uppercase(),
            ignored.get(1..).unwrap_or_default()
        )),
        (ShadowFact::Excluded, false) => Some(
            "No record of it is kept: it was excluded when it was first seen, or its records are too old."
                .to_owned(),
        ),
        _ => None,
    }
}

fn listed(callbacks: &[Callback]) -> String {
    let names: Vec<String> = callbacks.iter().map(|callback| format!("`{callback}`")).collect();
    names.join(" and ")
}

/// What is known of a record, to tell what happened to its document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct RecordFacts {
    pub(super) callback: Callback,
    pub(super) property: RecordProperty,
    /// The record of the document before this one.
    pub(super) before: Before,
    /// The other half of a move, in the same transaction.
    pub(super) pair: Option<Pair>,
    /// It is the newest record of the document, and the shadow knows this.
    pub(super) now: Option<ShadowFact>,
    /// `excluded` has a webhook, so that its records are kept.
    pub(super) keeps_excluded: bool,
}

/// What a record is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RecordProperty {
    Document,
    Labels,
    PredictedLabels,
    Similarity,
}

/// The record of the same document before a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Before {
    /// It was live then.
    Live,
    /// It was excluded then.
    Excluded,
    /// None is kept.
    Unknown,
}

/// The other half of a move.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Pair {
    /// From or to this project; `None`: the caller may not know which.
    Project(Option<String>),
    /// The same document under another id.
    Id(String),
}

/// What happened to the document.
pub(super) fn cause(record: &RecordFacts) -> String {
    match (record.property, record.callback) {
        (RecordProperty::Labels, _) => "labels changed".to_owned(),
        (RecordProperty::PredictedLabels, _) => "predicted labels changed".to_owned(),
        (RecordProperty::Similarity, _) => "a similarity entry is new or changed".to_owned(),
        (RecordProperty::Document, Callback::Excluded) => excluded(record),
        (RecordProperty::Document, _) => ingested(record),
    }
}

fn excluded(record: &RecordFacts) -> String {
    match (&record.pair, &record.now) {
        (Some(Pair::Project(Some(project))), _) => format!("moved to project `{project}`"),
        (Some(Pair::Project(None)), _) => "moved to another project".to_owned(),
        (Some(Pair::Id(id)), _) => format!("the id changed to `{id}`"),
        (None, Some(ShadowFact::Excluded)) => "marked as deleted".to_owned(),
        (None, Some(ShadowFact::Absent)) => "the row was deleted".to_owned(),
        (None, _) => "marked as deleted, or the row was deleted: which is not kept".to_owned(),
    }
}

fn ingested(record: &RecordFacts) -> String {
    match (&record.pair, record.before) {
        (Some(Pair::Project(Some(project))), _) => format!("moved from project `{project}`"),
        (Some(Pair::Project(None)), _) => "moved from another project".to_owned(),
        (Some(Pair::Id(id)), _) => format!("the id changed from `{id}`"),
        (None, Before::Excluded) => "restored, or inserted again".to_owned(),
        (None, Before::Live) if record.keeps_excluded => "content or key changed".to_owned(),
        (None, Before::Live) => "content or key changed, or restored: which is not kept".to_owned(),
        (None, Before::Unknown) => {
            "inserted, restored, or content or key changed: no earlier record is kept that tells which"
                .to_owned()
        }
    }
}

/// Where a record is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Place {
    Delivered {
        attempts: u32,
        at: Option<String>,
    },
    InFlight {
        attempt: u32,
    },
    Open {
        attempts: u32,
        last: Option<String>,
        lane: LaneFact,
    },
    DeadLetter {
        no: i64,
        reason: &'static str,
    },
    Discarded,
    /// Settled, without a batch.
    Settled,
    /// In no batch yet.
    Pending(LaneFact),
}

/// What a lane does with its pending records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum LaneFact {
    Failing {
        cause: Option<&'static str>,
        next: Option<String>,
    },
    Paused {
        reason: Option<String>,
    },
    /// Another lane of the project comes first.
    Order {
        callback: Callback,
        position: Option<String>,
        wait: String,
    },
    Sending {
        records: u64,
    },
    WithoutWebhook,
}

/// What became of a record, or what it waits for.
pub(super) fn state(place: &Place) -> String {
    match place {
        Place::Delivered { attempts, at } => {
            let at = at.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
            if *attempts > 1 {
                format!("delivered{at}, at attempt {attempts}")
            } else {
                format!("delivered{at}")
            }
        }
        Place::InFlight { attempt } => format!("attempt {attempt} is on the wire"),
        Place::Open { attempts: 0, lane, .. } => format!("cut into a batch, not sent yet: {}", waits(lane)),
        Place::Open { attempts, last, lane } => {
            let last = last.as_ref().map(|last| format!(" ({last})")).unwrap_or_default();
            let failed = if *attempts == 1 { "attempt" } else { "attempts" };
            format!("{attempts} {failed} failed{last}: {}", waits(lane))
        }
        Place::DeadLetter { no, reason } => {
            format!(
                "given up ({reason}): dead letter {no}, which `sidecar dead-letters redeliver {no}` sends once more"
            )
        }
        Place::Discarded => "discarded: it is never sent".to_owned(),
        Place::Settled => {
            "settled, and its batch is not kept: it was delivered, skipped or given up".to_owned()
        }
        Place::Pending(lane) => format!("pending: {}", waits(lane)),
    }
}

fn waits(lane: &LaneFact) -> String {
    match lane {
        LaneFact::Failing { cause, next } => {
            let cause = cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
            let next =
                next.as_ref().map_or("as soon as its host has room".to_owned(), |next| format!("at {next}"));
            format!("the webhook fails{cause}, the next attempt is made {next}")
        }
        LaneFact::Paused { reason } => {
            let reason = reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            format!("the lane is paused{reason}, until it is resumed")
        }
        LaneFact::Order { callback, position, wait } => {
            let position = position.as_ref().map(|at| format!(" {at}")).unwrap_or_default();
            format!(
                "an earlier record{position} of the document in `{callback}` goes first; where that lane fails, for at most {wait} (`delivery.order_wait`)"
            )
        }
        LaneFact::Sending { records } => {
            let pending = if *records == 1 { "record" } else { "records" };
            format!("it is sent in its turn, with {records} pending {pending} in its lane")
        }
        LaneFact::WithoutWebhook => {
            "the lane has no webhook: its records are kept for `spool.retain`, and sent if one is set"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> DocumentFacts {
        DocumentFacts {
            project: "acme".into(),
            row: RowFact::Present,
            shadow: ShadowFact::Live,
            has_records: true,
            retain: "7d".into(),
            ..DocumentFacts::default()
        }
    }

    #[test]
    fn the_first_sentence_says_what_the_document_is() {
        let unknown = || RowFact::Unknown("no".into());
        for (shadow, row, has_records, begins) in [
            (ShadowFact::Live, RowFact::Present, true, "Receivers have this document: it is live."),
            (
                ShadowFact::Live,
                RowFact::Absent,
                true,
                "Receivers have this document, and the database has no such row",
            ),
            (ShadowFact::Excluded, RowFact::Present, true, "The document is excluded"),
            (
                ShadowFact::Elsewhere(Some("beta".into())),
                RowFact::Present,
                true,
                "The document belongs to the project `beta`",
            ),
            (ShadowFact::Elsewhere(None), RowFact::Present, true, "The document belongs to another project"),
            (
                ShadowFact::Absent,
                RowFact::Present,
                false,
                "The row exists, and the sidecar does not know it yet",
            ),
            (
                ShadowFact::Absent,
                RowFact::Elsewhere,
                false,
                "A row with this id exists, but not in the project `acme`",
            ),
            (ShadowFact::Absent, RowFact::Absent, true, "The row was deleted."),
            (ShadowFact::Absent, RowFact::Absent, false, "There is no such row"),
            (ShadowFact::Absent, unknown(), false, "The sidecar does not know this document."),
            (ShadowFact::NotById, RowFact::Present, false, "The row exists. What the sidecar remembers"),
            (ShadowFact::NotById, unknown(), false, "What the sidecar remembers"),
        ] {
            let facts = DocumentFacts { shadow, row, has_records, ..facts() };
            assert!(summary(&facts)[0].starts_with(begins), "{facts:?}: {}", summary(&facts)[0]);
        }
    }

    #[test]
    fn where_nothing_was_sent_the_reason_is_said() {
        type Change = fn(&mut DocumentFacts);
        let cases: [(Change, &str); 9] = [
            (
                |facts| facts.ignored = vec!["updated_at".into()],
                "a change of nothing but ignored columns (`updated_at`) makes none.",
            ),
            (|_| {}, "a change that leaves every tracked column as it was makes none."),
            (|facts| facts.has_records = false, "it was there at the first start"),
            (|facts| facts.has_pending = true, "each says what it waits for"),
            (|facts| facts.behind_bytes = Some(5), "The stream is 5 bytes of WAL behind"),
            (|facts| facts.without_webhook = vec![Callback::Modified], "No webhook is set for `modified`"),
            (|facts| facts.paused = vec![(Callback::Modified, "x".into())], "`modified` is paused (x)"),
            (|facts| facts.filtered = vec![Callback::Modified], "takes some `properties` only"),
            (|facts| facts.row = RowFact::Unknown("it is down".into()), "not known: it is down"),
        ];
        for (change, part) in cases {
            let mut facts = facts();
            change(&mut facts);
            let sentences = summary(&facts);
            assert!(sentences.iter().any(|sentence| sentence.contains(part)), "{part}: {sentences:?}");
        }
        assert_eq!(summary(&DocumentFacts { behind_bytes: Some(0), ..facts() }).len(), 2);
    }

    #[test]
    fn the_cause_of_a_record_is_told_as_far_as_it_is_known() {
        let (ingested, excluded, modified) = (Callback::Ingested, Callback::Excluded, Callback::Modified);
        let of = |callback| RecordFacts {
            callback,
            property: RecordProperty::Document,
            before: Before::Unknown,
            pair: None,
            now: None,
            keeps_excluded: true,
        };
        let project = |name: &str| Some(Pair::Project(Some(name.into())));
        for (record, expected) in [
            (RecordFacts { property: RecordProperty::Labels, ..of(modified) }, "labels changed"),
            (
                RecordFacts { property: RecordProperty::PredictedLabels, ..of(modified) },
                "predicted labels changed",
            ),
            (
                RecordFacts { property: RecordProperty::Similarity, ..of(modified) },
                "a similarity entry is new or changed",
            ),
            (RecordFacts { pair: project("beta"), ..of(ingested) }, "moved from project `beta`"),
            (RecordFacts { pair: project("beta"), ..of(excluded) }, "moved to project `beta`"),
            (RecordFacts { pair: Some(Pair::Project(None)), ..of(excluded) }, "moved to another project"),
            (RecordFacts { pair: Some(Pair::Id("8".into())), ..of(ingested) }, "the id changed from `8`"),
            (RecordFacts { pair: Some(Pair::Id("8".into())), ..of(excluded) }, "the id changed to `8`"),
            (RecordFacts { now: Some(ShadowFact::Excluded), ..of(excluded) }, "marked as deleted"),
            (RecordFacts { now: Some(ShadowFact::Absent), ..of(excluded) }, "the row was deleted"),
            (of(excluded), "marked as deleted, or the row was deleted: which is not kept"),
            (RecordFacts { before: Before::Excluded, ..of(ingested) }, "restored, or inserted again"),
            (RecordFacts { before: Before::Live, ..of(ingested) }, "content or key changed"),
            (
                RecordFacts { before: Before::Live, keeps_excluded: false, ..of(ingested) },
                "content or key changed, or restored: which is not kept",
            ),
            (
                of(ingested),
                "inserted, restored, or content or key changed: no earlier record is kept that tells which",
            ),
        ] {
            assert_eq!(cause(&record), expected, "{record:?}");
        }
    }

    #[test]
    fn a_record_says_what_became_of_it_or_what_it_waits_for() {
        let failing = LaneFact::Failing { cause: Some("timeout"), next: Some("12:00".into()) };
        let order = LaneFact::Order {
            callback: Callback::Ingested,
            position: Some("0-1/1".into()),
            wait: "60s".into(),
        };
        for (place, part) in [
            (Place::Delivered { attempts: 1, at: Some("12:00".into()) }, "delivered at 12:00"),
            (Place::Delivered { attempts: 3, at: None }, "delivered, at attempt 3"),
            (Place::InFlight { attempt: 2 }, "attempt 2 is on the wire"),
            (
                Place::Open { attempts: 2, last: Some("503".into()), lane: failing.clone() },
                "2 attempts failed (503): the webhook fails (timeout), the next attempt is made at 12:00",
            ),
            (
                Place::Open { attempts: 0, last: None, lane: failing },
                "cut into a batch, not sent yet: the webhook fails",
            ),
            (Place::DeadLetter { no: 7, reason: "given_up" }, "dead letter 7"),
            (Place::Discarded, "discarded"),
            (Place::Settled, "its batch is not kept"),
            (
                Place::Pending(LaneFact::Paused { reason: Some("x".into()) }),
                "pending: the lane is paused (x)",
            ),
            (Place::Pending(LaneFact::WithoutWebhook), "pending: the lane has no webhook"),
            (Place::Pending(LaneFact::Sending { records: 4 }), "in its turn, with 4 pending records"),
            (Place::Pending(order), "an earlier record 0-1/1 of the document in `ingested` goes first"),
        ] {
            assert!(state(&place).contains(part), "{place:?}: {}", state(&place));
        }
    }
}
