//! Which columns of the identity the stream carries: of the table, and of each of its partitions.
//!
//! A changed row is logged by the replica identity of the partition that holds it, and published as the
//! root's. Before the first change of a partition, its Relation message follows directly on the root's, and
//! the change of the root directly on both (`maybe_send_schema` in the server's `pgoutput.c`; seen on 15 and 18).

use std::collections::BTreeMap;

use crate::classify::TableName;
use crate::decode::Relation;
use crate::relation::sql_names;

/// The replica identities of the table and its partitions.
#[derive(Debug, Default)]
pub(super) struct ReplicaIdentities {
    /// By OID: those whose old rows lack columns of the identity.
    incomplete: BTreeMap<u32, IncompleteReplicaIdentity>,
    described: Described,
}

/// A replica identity that lacks columns of the identity.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the replica identity of {table} lacks `{}`, so the stream does not tell which document was changed. Before the next changes: \
     ALTER TABLE {} REPLICA IDENTITY FULL; (or USING INDEX, with one that has it)",
    columns.join("`, `"),
    sql_names::qualified_name(&table.schema, &table.name)
)]
pub struct IncompleteReplicaIdentity {
    /// The table, or its partition.
    pub table: TableName,
    /// Columns of the identity that its replica identity lacks.
    pub columns: Vec<String>,
}

/// What the messages before this one described.
#[derive(Debug, Default)]
enum Described {
    #[default]
    Nothing,
    /// The table. The replica identity of a partitioned table itself has no effect.
    Table(u32, Option<IncompleteReplicaIdentity>),
    /// The table, and then another relation: its partition, if a change of the table follows.
    TableAndPartition(u32, Option<IncompleteReplicaIdentity>),
}

impl ReplicaIdentities {
    /// Handles a Relation message.
    pub(super) fn on_relation(&mut self, relation: &Relation, is_documents: bool, identity: &[String]) {
        self.described = match self.described {
            _ if is_documents => Described::Table(relation.oid, lacking(relation, identity)),
            Described::Table(..) => Described::TableAndPartition(relation.oid, lacking(relation, identity)),
            Described::Nothing | Described::TableAndPartition(..) => Described::Nothing,
        };
    }

    /// Handles a row change of the table.
    pub(super) fn on_row(&mut self) {
        let (Described::Table(oid, lacking) | Described::TableAndPartition(oid, lacking)) =
            std::mem::take(&mut self.described)
        else {
            return;
        };
        match lacking {
            Some(lacking) => self.incomplete.insert(oid, lacking),
            None => self.incomplete.remove(&oid),
        };
    }

    /// Handles any other message.
    pub(super) fn on_other(&mut self) {
        self.described = Described::Nothing;
    }

    /// Why an UPDATE without an old row cannot be applied: it may have changed the identity.
    pub(super) fn incomplete(&self) -> Option<&IncompleteReplicaIdentity> {
        self.incomplete.values().next()
    }
}

fn lacking(relation: &Relation, identity: &[String]) -> Option<IncompleteReplicaIdentity> {
    let carries =
        |name: &String| relation.columns.iter().any(|column| column.part_of_key && column.name == *name);
    let columns: Vec<String> = identity.iter().filter(|name| !carries(name)).cloned().collect();
    let table = TableName { schema: relation.schema.clone(), name: relation.name.clone() };
    (!columns.is_empty()).then_some(IncompleteReplicaIdentity { table, columns })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Column;
    use crate::relation::ReplicaIdentity;

    const TABLE: u32 = 1;
    const PART: u32 = 2;

    fn relation(oid: u32, key: &str) -> Relation {
        let column = |name: &str| Column { name: name.into(), type_oid: 25, part_of_key: key.contains(name) };
        Relation {
            oid,
            schema: "s".into(),
            name: format!("t{oid}"),
            replica_identity: ReplicaIdentity::Index,
            columns: vec![column("a"), column("b")],
        }
    }

    /// Messages: a relation as its OID and key columns, `row` as 0, anything else as 9. Whose replica
    /// identity lacks a column then.
    fn after(messages: &[(u32, &str)]) -> Option<String> {
        let mut identities = ReplicaIdentities::default();
        for (oid, key) in messages {
            match oid {
                0 => identities.on_row(),
                9 => identities.on_other(),
                oid => identities.on_relation(&relation(*oid, key), *oid == TABLE, &["a".to_owned()]),
            }
        }
        identities.incomplete().map(|lacking| lacking.table.name.clone())
    }

    #[test]
    fn the_flags_of_whatever_holds_the_row_count() {
        const ROW: (u32, &str) = (0, "");
        const OTHER: (u32, &str) = (9, "");
        let (good, bad) = ((TABLE, "a"), (TABLE, "b"));
        let (good_part, bad_part) = ((PART, "ab"), (PART, "b"));
        let cases: [(&[(u32, &str)], Option<&str>); 10] = [
            (&[good, ROW], None),
            (&[bad, ROW], Some("t1")),
            (&[bad, ROW, ROW], Some("t1")),
            (&[bad, ROW, good, ROW], None),
            (&[bad, good_part, ROW], None),
            (&[good, bad_part, ROW], Some("t2")),
            (&[good, bad_part, ROW, good, (3, "a"), ROW], Some("t2")),
            (&[good, bad_part, ROW, good, good_part, ROW], None),
            // Another table of the publication.
            (&[good, bad_part, OTHER, ROW], None),
            (&[good, ROW, bad_part, ROW], None),
        ];
        for (messages, lacks) in cases {
            assert_eq!(after(messages).as_deref(), lacks, "{messages:?}");
        }
    }
}
