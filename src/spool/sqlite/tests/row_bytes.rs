//! The bytes that checksums are taken of. They are on users' disks: where this fails, the format has
//! changed, and needs a number and a migration of its own.

use super::super::batches::batch_bytes;
use super::super::chunks::{chunk_bytes, chunk_sum};
use super::super::dead_letters::discarded_bytes;
use super::super::facts::{fact_bytes, project_bytes};
use super::super::lane_policy::LanePolicy;
use super::super::lanes::LaneRow;
use super::super::row_bytes::RowBytes;
use super::super::shadow::shadow_bytes;
use super::*;
use crate::outcome::OutcomeKind;
use crate::spool::meta::SpoolMeta;
use crate::spool::stored_webhook::StoredWebhook;

fn hex(row: &RowBytes) -> String {
    row.0.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// Of project 4, for `modified`.
const LANE: LaneNo = LaneNo(14);
const ID: Uuid = Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
const POSITION: Position = Position { commit: Lsn(0x1122_3344_5566_7788), number: 3 };

fn meta() -> SpoolMeta {
    SpoolMeta {
        position: Some(StreamPosition {
            resume_lsn: Lsn(1),
            last_end: Lsn(2),
            open: Some(OpenTransaction { commit: Lsn(3), changes_applied: 4, records_made: 5 }),
        }),
        last_seq: Seq(6),
        uptime: Uptime(7),
        live_bytes: 8,
        shadow_documents: 9,
        shadow_bytes: 10,
        dead_records: 11,
        low_watermark: Some(LowWatermark { seq: Seq(12), position: POSITION, at: Timestamp(-13) }),
    }
}

fn lane_row() -> LaneRow {
    LaneRow {
        cursor: Seq(1),
        pending_records: 2,
        pending_bytes: 3,
        health: LaneHealth {
            failures: 4,
            failing_since: Some(Uptime(5)),
            retry_at: Some(Uptime(6)),
            paused: Some(Pause { since: Uptime(7), reason: "schön".into(), by: PausedBy::Operator }),
            without_webhook: Some(Timestamp(8)),
            ..LaneHealth::default()
        },
    }
}

/// With every field of format 2.
fn lane_row_2() -> LaneRow {
    let search = RefusalSearch { suspects: 9, accepted: true, isolated: 10, rounds: 11 };
    let refusals = Refusals { status: 422, count: 12, search: Some(search) };
    let health = LaneHealth {
        last_failure: Some(Failure { outcome: OutcomeKind::Status, status: Some(429), throttled: true }),
        paused: Some(Pause { since: Uptime(7), reason: "410 Gone".into(), by: PausedBy::Receiver }),
        size_limit: Some(SizeLimit { bytes: 13, since: Uptime(14) }),
        refusals: Some(refusals),
        replay_refusals: Some((ReplayNo(15), Refusals { search: None, ..refusals })),
        ..lane_row().health
    };
    LaneRow { health, ..lane_row() }
}

fn chunk() -> Chunk {
    Chunk {
        lane: LANE,
        first: Seq(1),
        last: Seq(2),
        records: 3,
        fragment_bytes: 4,
        spooled_at: Timestamp(-5),
        spooled_uptime: Uptime(6),
        last_position: POSITION,
        committed_max: Timestamp(7),
        packed: vec![8, 9].into(),
        filter: vec![10].into(),
    }
}

fn batch() -> Batch {
    Batch {
        id: ID,
        lane: LANE,
        first: Seq(1),
        last: Seq(2),
        records: 3,
        body_bytes: 4,
        body_sum: 5,
        cut_at: Timestamp(6),
        epoch: Uuid::from_u128(7),
        attempts: 8,
        replay: Some(ReplayNo(9)),
    }
}

fn letter() -> DeadLetter {
    DeadLetter {
        no: DeadLetterNo(1),
        lane: LANE,
        first: Seq(2),
        last: Seq(3),
        records: 4,
        bytes: 5,
        reason: DeadReason::TooLarge,
        at: Timestamp(-6),
        batch: Some(ID),
        redelivery: Some(ID),
    }
}

fn replay() -> Replay {
    Replay {
        no: ReplayNo(1),
        id: ID,
        request: "{}".into(),
        requested_at: Timestamp(2),
        rate: Some(3),
        state: ReplayState::Cancelled,
        ended_at: Some(Timestamp(4)),
    }
}

fn webhook() -> StoredWebhook {
    StoredWebhook {
        project: "acme".into(),
        callback: "*".into(),
        settings: "{}".into(),
        revision: 1,
        changed_at: Timestamp(-2),
    }
}

fn replay_range() -> LaneReplay {
    LaneReplay {
        replay: ReplayNo(1),
        lane: LANE,
        first: Seq(2),
        last: Seq(3),
        cursor: Seq(4),
        records: 5,
        sent: 6,
        refused: 7,
    }
}

/// Every row in full, and once with nothing in what may be absent.
fn rows() -> Vec<(&'static str, String)> {
    let of = LANE;
    let meta = meta();
    let lane = lane_row();
    let policy = LanePolicy::of(&lane_row_2().health).to_json();
    let chunk = chunk();
    let batch = batch();
    let letter = letter();
    let replay = replay();
    let range = replay_range();
    let identity = Identity(b"id".as_slice().into());
    let mut rows = vec![
        ("meta", hex(&meta.row_bytes())),
        ("meta, empty", hex(&SpoolMeta::default().row_bytes())),
        ("project", hex(&project_bytes(7, "acme"))),
        ("lane", hex(&lane.row_bytes(of, None))),
        ("lane, policy", hex(&lane_row_2().row_bytes(of, policy.as_deref()))),
        ("lane, healthy", hex(&LaneRow::default().row_bytes(LaneNo(0), None))),
        ("chunk", hex(&chunk_bytes(&chunk))),
        ("chunk, sum", format!("{:016x}", chunk_sum(&chunk))),
        ("batch", hex(&batch_bytes(&batch))),
        ("batch, of the lane", hex(&batch_bytes(&Batch { replay: None, ..batch }))),
        ("dead letter", hex(&letter.row_bytes())),
        ("dead letter, never cut", hex(&DeadLetter { batch: None, ..letter.clone() }.row_bytes())),
        ("discarded", hex(&discarded_bytes(of, Seq(1), Seq(2)))),
        ("replay", hex(&replay.row_bytes())),
        (
            "replay, unlimited",
            hex(&Replay { rate: None, ended_at: None, state: ReplayState::Running, ..replay.clone() }
                .row_bytes()),
        ),
        ("replay, done", hex(&Replay { state: ReplayState::Done, ..replay }.row_bytes())),
        ("replay range", hex(&range.row_bytes())),
        ("shadow", hex(&shadow_bytes(&identity))),
        ("shadow, sum", format!("{:016x}", shadow_bytes(&identity).sum_with(b"entry"))),
    ];
    rows.push(("webhook", hex(&webhook().row_bytes())));
    rows.extend(Fact::ALL.map(|fact| (fact.name(), hex(&fact_bytes(fact, b"value")))));
    rows.extend(DeadReason::ALL.map(|reason| {
        (reason.name(), hex(&DeadLetter { reason, batch: None, ..letter.clone() }.row_bytes()))
    }));
    rows.extend(
        Callback::ALL.map(|callback| {
            (callback.name(), hex(&LaneRow::default().row_bytes(super::lane(callback), None)))
        }),
    );
    rows
}

#[test]
fn the_bytes_that_checksums_are_taken_of_are_those_on_disk() {
    let written: String =
        rows().iter().fold(String::new(), |all, (row, bytes)| all + &format!("{row}: {bytes}\n"));
    let golden = include_str!("row_bytes.txt");
    for (written, golden) in written.lines().zip(golden.lines()) {
        assert_eq!(written, golden);
    }
    assert_eq!(written.lines().count(), golden.lines().count(), "{written}");
}
