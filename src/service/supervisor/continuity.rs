//! Whether the connected database is the one in the spool, and continues from the spool's position.
//! Pure.

use serde::{Deserialize, Serialize};

use crate::position::Lsn;
use crate::spool::StreamPosition;

/// The source as the spool remembers it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct KnownSource {
    /// The cluster's identifier, as `IDENTIFY_SYSTEM` gives it.
    pub system_id: String,
    /// The cluster's timeline.
    pub timeline: u32,
    /// The replication slot.
    pub slot: String,
    /// The database's name, for people: it may be renamed.
    pub database: String,
    /// The database's oid, which stays the same.
    #[serde(default)]
    pub database_oid: Option<u32>,
    /// The documents table's oid: one that is dropped and made again has another.
    #[serde(default)]
    pub table: Option<u32>,
    /// The oid of the publication.
    #[serde(default)]
    pub publication: Option<u32>,
}

/// The source as found on the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct FoundSource {
    /// The same properties, as found.
    pub source: KnownSource,
    /// The end of the server's log.
    pub flush: Lsn,
    /// The LSN at which the timeline in the spool was left for a later one; `None` where it is the
    /// server's own, or no ancestor of it.
    /// <https://www.postgresql.org/docs/current/protocol-replication.html>
    pub switched_at: Option<Lsn>,
    /// The state of the slot.
    pub slot: FoundSlot,
}

/// The state of the slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FoundSlot {
    /// The server reports it as lost or invalidated, for this reason.
    Lost(&'static str),
    /// No slot has this name.
    Missing,
    /// It can be read from `confirmed` on.
    Usable {
        /// `confirmed_flush_lsn`
        confirmed: Lsn,
    },
}

/// How the database found continues the one known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Continuity {
    /// Nothing is read or delivered until a resync adopts the database.
    Diverged {
        /// The reason.
        why: String,
    },
    /// Nothing was read yet.
    FirstStart {
        /// The slot exists and is lost: it is dropped first.
        drop_slot: bool,
    },
    /// The stream goes on from this position.
    GoOn(StreamPosition),
    /// The slot is gone: changes after `from` are not in the stream.
    SlotGone {
        /// The LSN up to which the stream is applied.
        from: Lsn,
        /// Why the server reports it as lost; `None` where it is missing.
        lost: Option<&'static str>,
    },
    /// The slot has confirmed changes that the spool does not have.
    SpoolBehind {
        /// `confirmed_flush_lsn`
        confirmed: Lsn,
    },
    /// An object was dropped and created again. What changed meanwhile is not in the stream.
    Replaced {
        /// The object.
        what: SourceObject,
        /// The LSN up to which the stream is applied.
        from: Lsn,
    },
}

/// An object on the server that the stream depends on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SourceObject {
    Publication,
    Table,
}

/// Compares the source in the spool with the source found. `known` and `position` are `None` until a first
/// start has finished.
pub(super) fn assess(known: Option<(&KnownSource, StreamPosition)>, found: &FoundSource) -> Continuity {
    let Some((known, position)) = known else {
        return Continuity::FirstStart { drop_slot: matches!(found.slot, FoundSlot::Lost(_)) };
    };
    let position = match same_history(known, position, found) {
        Ok(position) => position,
        Err(why) => return Continuity::Diverged { why },
    };
    match found.slot {
        FoundSlot::Lost(why) => Continuity::SlotGone { from: position.resume_lsn, lost: Some(why) },
        FoundSlot::Missing => Continuity::SlotGone { from: position.resume_lsn, lost: None },
        FoundSlot::Usable { confirmed } if confirmed > position.resume_lsn => {
            Continuity::SpoolBehind { confirmed }
        }
        FoundSlot::Usable { .. } => match replaced(known, &found.source) {
            Some(what) => Continuity::Replaced { what, from: position.resume_lsn },
            None => Continuity::GoOn(position),
        },
    }
}

/// The object that has the known name and another oid. A missing one is handled elsewhere.
fn replaced(known: &KnownSource, found: &KnownSource) -> Option<SourceObject> {
    let other = |known: Option<u32>, found| known.zip(found).is_some_and(|(known, found)| known != found);
    if other(known.table, found.table) {
        return Some(SourceObject::Table);
    }
    other(known.publication, found.publication).then_some(SourceObject::Publication)
}

/// The position in the found database's own history, or why it has no place there.
fn same_history(
    known: &KnownSource,
    position: StreamPosition,
    found: &FoundSource,
) -> Result<StreamPosition, String> {
    let KnownSource { system_id, timeline, database, database_oid, .. } = &found.source;
    if *system_id != known.system_id {
        return Err(format!(
            "the database cluster is another one: its system id is {system_id}, the spool was made from {}",
            known.system_id
        ));
    }
    let is_same = match known.database_oid.zip(*database_oid) {
        Some((known, found)) => known == found,
        None => *database == known.database,
    };
    if !is_same {
        return Err(format!("the database is `{database}`, the spool was made from `{}`", known.database));
    }
    if *timeline != known.timeline {
        return after_failover(known.timeline, *timeline, position, found.switched_at);
    }
    if found.flush < position.resume_lsn {
        return Err(format!(
            "the server's log ends at {}, before {}, which was read from it: it is a restored copy",
            found.flush, position.resume_lsn
        ));
    }
    Ok(position)
}

fn after_failover(
    old: u32,
    new: u32,
    position: StreamPosition,
    switched_at: Option<Lsn>,
) -> Result<StreamPosition, String> {
    let switch = switched_at
        .filter(|_| new > old)
        .ok_or_else(|| format!("timeline {new} does not descend from timeline {old} of the spool"))?;
    let applied = position.open.map_or(position.last_end, |open| Lsn(open.commit.0 + 1));
    if applied > switch {
        return Err(format!(
            "timeline {new} left timeline {old} at {switch}, before {applied}, which was applied from it"
        ));
    }
    // Where only a keepalive lies beyond the switch, no change was: what the new timeline wrote
    // from the switch on is still to come.
    Ok(StreamPosition { resume_lsn: position.resume_lsn.min(switch), ..position })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::OpenTransaction;

    const POSITION: StreamPosition =
        StreamPosition { resume_lsn: Lsn(1_000), last_end: Lsn(900), open: None };

    fn known() -> KnownSource {
        KnownSource {
            system_id: "7".into(),
            timeline: 3,
            slot: "sidecar".into(),
            database: "app".into(),
            database_oid: Some(16_390),
            table: Some(16_400),
            publication: Some(16_410),
        }
    }

    fn found() -> FoundSource {
        FoundSource {
            source: known(),
            flush: Lsn(5_000),
            switched_at: None,
            slot: FoundSlot::Usable { confirmed: Lsn(1_000) },
        }
    }

    fn diverged(found: &FoundSource, position: StreamPosition) -> String {
        match assess(Some((&known(), position)), found) {
            Continuity::Diverged { why } => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_empty_spool_makes_a_first_start_and_drops_only_a_slot_that_is_lost() {
        assert_eq!(assess(None, &found()), Continuity::FirstStart { drop_slot: false });
        let lost = FoundSource { slot: FoundSlot::Lost("why"), ..found() };
        assert_eq!(assess(None, &lost), Continuity::FirstStart { drop_slot: true });
    }

    #[test]
    fn a_database_is_known_by_its_oid_where_there_is_one() {
        let named = |name: &str, oid| {
            let database = name.to_owned();
            FoundSource { source: KnownSource { database, database_oid: oid, ..known() }, ..found() }
        };
        let is_same =
            |found: &FoundSource| assess(Some((&known(), POSITION)), found) == Continuity::GoOn(POSITION);
        assert!(is_same(&named("renamed", Some(16_390))));
        assert!(!is_same(&named("app", Some(16_391))));
        assert!(is_same(&named("app", None)));
        assert!(!is_same(&named("renamed", None)));
    }

    #[test]
    fn the_same_database_goes_on() {
        assert_eq!(assess(Some((&known(), POSITION)), &found()), Continuity::GoOn(POSITION));
    }

    #[test]
    fn a_slot_beyond_the_position_means_that_the_spool_is_behind() {
        let beyond = FoundSource { slot: FoundSlot::Usable { confirmed: Lsn(1_001) }, ..found() };
        let assessed = assess(Some((&known(), POSITION)), &beyond);
        assert_eq!(assessed, Continuity::SpoolBehind { confirmed: Lsn(1_001) });
    }

    #[test]
    fn a_slot_that_is_gone_leaves_a_gap_from_the_position_on() {
        for (slot, lost) in [(FoundSlot::Missing, None), (FoundSlot::Lost("why"), Some("why"))] {
            let assessed = assess(Some((&known(), POSITION)), &FoundSource { slot, ..found() });
            assert_eq!(assessed, Continuity::SlotGone { from: Lsn(1_000), lost });
        }
    }

    #[test]
    fn a_table_or_publication_that_was_made_again_is_another_one() {
        let assessed =
            |source: KnownSource| assess(Some((&known(), POSITION)), &FoundSource { source, ..found() });
        let table = KnownSource { table: Some(16_500), ..known() };
        assert_eq!(assessed(table), Continuity::Replaced { what: SourceObject::Table, from: Lsn(1_000) });
        let publication = KnownSource { publication: Some(16_500), ..known() };
        assert_eq!(
            assessed(publication),
            Continuity::Replaced { what: SourceObject::Publication, from: Lsn(1_000) }
        );
        let none = KnownSource { publication: None, ..known() };
        assert_eq!(assessed(none), Continuity::GoOn(POSITION), "to be made");
    }

    #[test]
    fn another_system_or_database_or_a_restored_copy_has_diverged() {
        let mut other = found();
        other.source.system_id = "8".into();
        assert!(diverged(&other, POSITION).contains("system id is 8"));
        let mut other = found();
        (other.source.database, other.source.database_oid) = ("copy".into(), Some(16_391));
        assert!(diverged(&other, POSITION).contains("`copy`"));
        let restored = FoundSource { flush: Lsn(999), ..found() };
        assert!(diverged(&restored, POSITION).contains("restored copy"));
    }

    #[test]
    fn a_newer_timeline_goes_on_where_all_that_was_applied_lies_before_the_switch() {
        let promoted = |switched_at| {
            let mut found = FoundSource { switched_at, ..found() };
            found.source.timeline = 4;
            found.slot = FoundSlot::Usable { confirmed: Lsn(800) };
            found
        };
        let assessed = |found, position| assess(Some((&known(), position)), &found);
        assert_eq!(assessed(promoted(Some(Lsn(1_000))), POSITION), Continuity::GoOn(POSITION));
        let fallen_back = StreamPosition { resume_lsn: Lsn(950), ..POSITION };
        assert_eq!(
            assessed(promoted(Some(Lsn(950))), POSITION),
            Continuity::GoOn(fallen_back),
            "only a keepalive lay beyond"
        );
        assert!(diverged(&promoted(Some(Lsn(899))), POSITION).contains("which was applied"));
        assert!(diverged(&promoted(None), POSITION).contains("does not descend"));

        let open = OpenTransaction { commit: Lsn(1_200), changes_applied: 1, records_made: 0 };
        let inside = StreamPosition { open: Some(open), ..POSITION };
        assert_eq!(assessed(promoted(Some(Lsn(1_201))), inside), Continuity::GoOn(inside));
        assert!(diverged(&promoted(Some(Lsn(1_200))), inside).contains("which was applied"));
    }

    #[test]
    fn an_older_timeline_has_diverged() {
        let mut older = FoundSource { switched_at: Some(Lsn(9_000)), ..found() };
        older.source.timeline = 2;
        assert!(diverged(&older, POSITION).contains("does not descend"));
    }
}
