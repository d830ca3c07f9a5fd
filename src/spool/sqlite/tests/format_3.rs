//! A spool of format 3: what it has beyond format 2 reads as if it had been written in the newest format.
//!
//! `tests/fixtures/spool-3/spool.sqlite` was written by `writes_the_fixture`, and is never written again.

use super::format_1::{AT, FIRST_HALF, GLOBEX_INGESTED, write, write_fixture};
use super::*;
use crate::spool::batch_query::BatchQuery;

fn fixture() -> std::path::PathBuf {
    std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/spool-3/spool.sqlite")
}

fn credential(id: &str, hash: u8) -> StoredCredential {
    StoredCredential { id: id.into(), hash: vec![hash; 32], content: format!(r#"{{"name":"{id}"}}"#) }
}

fn entry(no: u64, project: Option<&str>) -> StoredAudit {
    StoredAudit {
        no,
        at: Timestamp(AT.0 + i64::try_from(no).unwrap()),
        project: project.map(str::to_owned),
        content: format!(r#"{{"by":"uid 1","what":"entry {no}"}}"#),
    }
}

/// Every operation of format 2, and those that write what is new.
fn ops() -> Vec<Op> {
    let limit = AuditLimit { entries: 10, since: Timestamp(0) };
    let mut ops = super::format_2::ops();
    ops.extend([
        Op::SetCredentials { put: vec![credential("a", 1), credential("b", 2)], remove: Vec::new() },
        Op::SetCredentials { put: vec![credential("c", 3)], remove: vec!["a".into()] },
        Op::Audit { entry: entry(1, None), limit },
        Op::Audit { entry: entry(2, Some("acme")), limit },
    ]);
    ops
}

#[test]
#[ignore = "writes the fixture of format 3 where it is not there"]
fn writes_the_fixture() {
    write_fixture(&fixture(), ops());
}

#[test]
fn every_row_of_a_spool_of_format_3_is_read() {
    let (migrated, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::copy(fixture(), migrated.path().join(schema::FILE_NAME)).unwrap();
    drop(write(new.path(), ops()));
    let (migrated, new) = (open(migrated.path()), open(new.path()));
    assert_eq!((migrated.facts, migrated.projects), (new.facts, new.projects));
    assert_eq!(migrated.lanes, new.lanes);
    let (old, new_reader) = (migrated.spool.reader().unwrap(), new.spool.reader().unwrap());
    assert_eq!(old.credentials().unwrap(), [credential("b", 2), credential("c", 3)]);
    assert_eq!(old.audit(9, None, 9).unwrap(), [entry(2, Some("acme")), entry(1, None)]);
    assert_eq!(old.audit(9, Some("acme"), 9).unwrap(), [entry(2, Some("acme"))]);
    assert_eq!(old.webhooks().unwrap(), new_reader.webhooks().unwrap());
    // The second was lost, at the time of the start.
    assert_eq!(old.attempts(&FIRST_HALF).unwrap()[0], new_reader.attempts(&FIRST_HALF).unwrap()[0]);
    let listed = |reader: &Reader| {
        let query = BatchQuery { lanes: Some(vec![GLOBEX_INGESTED]), limit: 9, ..BatchQuery::default() };
        reader.batches(&query).unwrap().batches
    };
    assert!(!listed(&old).is_empty());
    assert_eq!(listed(&old), listed(&new_reader));
    migrated.spool.close();
    new.spool.close();
}
