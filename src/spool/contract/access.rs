//! Credentials and the audit log.

use super::{EngineFactory, Fixture, LATER, NOW};
use crate::spool::access::{AuditLimit, StoredAudit, StoredCredential};
use crate::spool::ops::{Done, Op};
use crate::time::Timestamp;

fn credential(id: &str, content: &str) -> StoredCredential {
    StoredCredential { id: id.into(), hash: id.repeat(4).into_bytes(), content: content.into() }
}

pub(in crate::spool) fn a_credential_is_replaced_or_removed(factory: impl EngineFactory) {
    let mut fixture = Fixture::new(factory);
    let put = vec![credential("a", "{1}"), credential("b", "{2}")];
    assert_eq!(fixture.apply(Op::SetCredentials { put, remove: Vec::new() }), Ok(Done::Ok));
    let (put, remove) = (vec![credential("a", "{3}")], vec!["b".to_owned(), "none".to_owned()]);
    assert_eq!(fixture.apply(Op::SetCredentials { put, remove }), Ok(Done::Ok));
    fixture.reopen();
    assert_eq!(fixture.reader().credentials().unwrap(), [credential("a", "{3}")]);
}

pub(in crate::spool) fn the_audit_log_keeps_its_last_entries_and_no_number_returns(
    factory: impl EngineFactory,
) {
    let mut fixture = Fixture::new(factory);
    let entry = |project: Option<&str>, at| StoredAudit {
        no: 0,
        at,
        project: project.map(str::to_owned),
        content: "{}".into(),
    };
    let mut add = |project, at, entries, since| {
        let limit = AuditLimit { entries, since };
        assert_eq!(fixture.apply(Op::Audit { entry: entry(project, at), limit }), Ok(Done::Ok));
    };
    for project in [None, Some("a"), Some("b"), Some("a")] {
        add(project, NOW, 3, NOW);
    }
    fixture.reopen();
    let numbers = |fixture: &Fixture<_>, before, project, limit| {
        let found = fixture.reader().audit(before, project, limit).unwrap();
        found.into_iter().map(|entry| entry.no).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&fixture, u64::MAX, None, 9), [4, 3, 2], "the first is beyond the limit");
    assert_eq!(numbers(&fixture, 4, Some("a"), 9), [2]);
    assert_eq!(numbers(&fixture, u64::MAX, None, 1), [4]);
    let limit = AuditLimit { entries: 3, since: Timestamp(NOW.0 + 1) };
    assert_eq!(fixture.apply(Op::Audit { entry: entry(None, LATER), limit }), Ok(Done::Ok));
    assert_eq!(numbers(&fixture, u64::MAX, None, 9), [5], "the others are too old");
}
