//! A spool of format 2: what it has beyond format 1 reads as if it had been written in the newest format.
//!
//! `tests/fixtures/spool-2/spool.sqlite` was written by `writes_the_fixture`, and is never written again.

use super::format_1::{
    self, AT, FIRST_HALF, GLOBEX_INGESTED, GLOBEX_MODIFIED, cut, ended, failing, write, write_fixture,
};
use super::*;
use crate::outcome::OutcomeKind;

fn fixture() -> std::path::PathBuf {
    std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/spool-2/spool.sqlite")
}

/// The health of a lane with all that format 2 added.
fn refused() -> LaneHealth {
    let search = crate::spool::lane::Search { suspects: 1, accepted: true, isolated: 0, rounds: 0 };
    let refusals = Refusals { status: 422, count: 3, search: Some(search) };
    LaneHealth {
        last_failure: Some(Failure { outcome: OutcomeKind::Status, status: Some(422), throttled: false }),
        size_limit: Some(SizeLimit { bytes: 700, since: Uptime(45_000) }),
        refusals: Some(refusals),
        replay_refusals: Some((ReplayNo(3), Refusals { search: None, ..refusals })),
        ..failing()
    }
}

/// Every operation of format 1, and those that write what is new.
pub(super) fn ops() -> Vec<Op> {
    let exchange = Exchange {
        dns_micros: Some(10),
        connect_micros: Some(20),
        tls_micros: Some(30),
        first_byte_micros: Some(40),
        peer: Some("127.0.0.1:443".parse().unwrap()),
        is_proxy: true,
        reused: true,
        phase: Some(Phase::Answer),
        answer: Some(LoggedAnswer { headers: "server: a".into(), body: "no thanks".into() }),
    };
    let attempted = |batch: Batch, exchange: Exchange, health| {
        let mut attempted = ended(&batch, 422, OutcomeKind::Status, Fate::Failed, health);
        attempted.log.exchange = exchange;
        attempted.log.next_at = Some(Timestamp(AT.0 + 1));
        Op::Attempted(attempted)
    };
    let webhook = |callback: &str| WebhookChange {
        project: "acme".into(),
        callback: callback.into(),
        settings: Some(format!(r#"{{"url":"https://a.example/{callback}"}}"#)),
    };
    let removed = WebhookChange { settings: None, ..webhook("excluded") };
    let surge = Pause { since: Uptime(41_000), reason: "a surge".into(), by: PausedBy::Surge };
    let pauses = Group { facts: vec![(Fact::Pauses, Some(b"{}".to_vec()))], ..Group::default() };
    let mut ops = format_1::ops();
    ops.extend([
        attempted(cut(FIRST_HALF, 9, 9), exchange, refused()),
        Op::SetHealth {
            lane: GLOBEX_MODIFIED,
            health: LaneHealth { paused: Some(surge), ..LaneHealth::default() },
        },
        Op::SetWebhooks { changes: vec![webhook("ingested"), webhook("excluded")], at: AT },
        Op::SetWebhooks { changes: vec![removed, webhook("modified")], at: AT },
        Op::Commit(Arc::new(pauses)),
        Op::Tick(format_1::UPTIME),
    ]);
    ops
}

#[test]
#[ignore = "writes the fixture of format 2 where it is not there"]
fn writes_the_fixture() {
    write_fixture(&fixture(), ops());
}

#[test]
fn every_row_of_a_spool_of_format_2_is_read() {
    let (migrated, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::copy(fixture(), migrated.path().join(schema::FILE_NAME)).unwrap();
    drop(write(new.path(), ops()));
    let (migrated, new) = (open(migrated.path()), open(new.path()));
    assert_eq!((migrated.facts, migrated.projects), (new.facts, new.projects));
    assert_eq!(
        (migrated.position, migrated.last_seq, migrated.uptime),
        (new.position, new.last_seq, new.uptime)
    );
    assert_eq!(migrated.lanes, new.lanes);
    let lane = migrated.lanes.iter().find(|lane| lane.lane == GLOBEX_INGESTED).unwrap();
    assert_eq!(lane.health, refused());
    let (old, new_reader) = (migrated.spool.reader().unwrap(), new.spool.reader().unwrap());
    assert_eq!(old.webhooks().unwrap(), new_reader.webhooks().unwrap());
    let revisions: Vec<_> = old.webhooks().unwrap().iter().map(|webhook| webhook.revision).collect();
    assert_eq!(revisions, [1, 3]);
    let attempts = old.attempts(&FIRST_HALF).unwrap();
    assert_eq!(attempts[0], new_reader.attempts(&FIRST_HALF).unwrap()[0]);
    assert_eq!(attempts[0].exchange.peer.map(|peer| peer.port()), Some(443));
    assert_eq!(
        old.dead_letters(DeadLetterNo(0), 9).unwrap(),
        new_reader.dead_letters(DeadLetterNo(0), 9).unwrap()
    );
    migrated.spool.close();
    new.spool.close();
}
