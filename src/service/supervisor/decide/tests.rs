//! Every job and request against every state of the source.

use super::*;
use crate::classify::ExcludedWhen;

const APPLIED: Lsn = Lsn(1_000);
const POSITION: StreamPosition = StreamPosition { resume_lsn: APPLIED, last_end: APPLIED, open: None };
const EPOCH: Uuid = Uuid::from_u128(7);

fn required() -> Required {
    Required {
        schema: "public".into(),
        table: "documents".into(),
        oid: None,
        publication: "p".into(),
        slot: "s".into(),
        failover: false,
        id: vec!["id".into()],
        identity: None,
        project: None,
        columns: Vec::new(),
        excluded_when: ExcludedWhen::ByType,
        content: None,
        ignore: Vec::new(),
        webhooks: Vec::new(),
    }
}

fn decided(job: Option<&ResyncJob>, request: Option<ResyncRequest>, continuity: &Continuity) -> Decision {
    decide(Inputs {
        job,
        request,
        continuity,
        held: None,
        applied: APPLIED,
        columns_to_backfill: &[],
        mapping_changed: false,
        required: &required(),
        new_epoch: EPOCH,
    })
}

fn resync(decision: Decision) -> (ResyncJob, bool) {
    match decision {
        Decision { next: Next::Resync { job, dry_run }, refusal: None } => (job, dry_run),
        other => panic!("{other:?}"),
    }
}

/// Nothing is read, and the request is refused for a reason that contains `refusal`.
fn blocked(decision: &Decision, refusal: Option<&str>) {
    let Next::Block(block) = &decision.next else { panic!("{decision:?}") };
    assert!(block.holds_delivery && !block.why.is_empty(), "{block:?}");
    refused(decision, refusal);
}

fn refused(decision: &Decision, refusal: Option<&str>) {
    match (&decision.refusal, refusal) {
        (None, None) => {}
        (Some(why), Some(expected)) => assert!(why.contains(expected), "{why}"),
        other => panic!("{other:?}"),
    }
}

fn diverged() -> Continuity {
    Continuity::Diverged { why: "another system".into() }
}

fn behind() -> Continuity {
    Continuity::SpoolBehind { confirmed: Lsn(2_000) }
}

/// The states that call for a resync by themselves, and whether a lost slot is dropped.
fn gaps() -> [(Continuity, bool); 4] {
    [
        (Continuity::SlotGone { from: APPLIED, lost: None }, false),
        (Continuity::SlotGone { from: APPLIED, lost: Some("wal_removed") }, true),
        (Continuity::Replaced { what: SourceObject::Table, from: APPLIED }, false),
        (Continuity::Replaced { what: SourceObject::Publication, from: APPLIED }, false),
    ]
}

fn all() -> Vec<Continuity> {
    let others =
        [Continuity::GoOn(POSITION), Continuity::FirstStart { drop_slot: false }, diverged(), behind()];
    others.into_iter().chain(gaps().map(|(gap, _)| gap)).collect()
}

fn gap_job() -> ResyncJob {
    ResyncJob::of_gap("a gap".into(), Lsn(500), true)
}

fn request() -> ResyncRequest {
    ResyncRequest::default()
}

#[test]
fn without_job_and_request_the_state_of_the_source_decides() {
    assert_eq!(decided(None, None, &Continuity::GoOn(POSITION)).next, Next::Stream(POSITION));
    for drop_slot in [false, true] {
        let first = Continuity::FirstStart { drop_slot };
        assert_eq!(decided(None, None, &first).next, Next::FirstStart { drop_slot });
    }
    blocked(&decided(None, None, &diverged()), None);
    blocked(&decided(None, None, &behind()), None);
    for (gap, drops_slot) in gaps() {
        let (job, dry_run) = resync(decided(None, None, &gap));
        assert!(job.why.contains("cannot be known from the stream"), "{}", job.why);
        assert_eq!(
            (job.from, job.drops_slot, job.catches_up, dry_run),
            (APPLIED.0, drops_slot, false, false)
        );
        assert!(!job.forced && !job.learns && !job.holds_delivery && job.epoch.is_none());
    }
}

#[test]
fn a_request_is_served_in_every_state_that_is_the_same_database() {
    for (continuity, catches_up, holds_delivery) in [
        (Continuity::GoOn(POSITION), true, false),
        (Continuity::FirstStart { drop_slot: false }, true, false),
        (behind(), false, true),
    ] {
        let (job, _) = resync(decided(None, Some(request()), &continuity));
        assert_eq!((job.catches_up, job.holds_delivery), (catches_up, holds_delivery), "{continuity:?}");
    }
    for (gap, drops_slot) in gaps() {
        let (job, _) = resync(decided(None, Some(ResyncRequest { force: true, ..request() }), &gap));
        assert!(job.why.contains("cannot be known from the stream"), "the gap is the reason: {}", job.why);
        assert_eq!((job.forced, job.drops_slot, job.catches_up), (true, drops_slot, false));
    }
}

#[test]
fn another_database_is_read_only_where_the_request_adopts_it() {
    let decision = decided(None, Some(request()), &diverged());
    blocked(&decision, Some("sidecar resync --adopt"));
    let adopt = ResyncRequest { adopt: true, ..request() };
    let (job, _) = resync(decided(None, Some(adopt.clone()), &diverged()));
    assert_eq!((job.epoch, job.catches_up, job.holds_delivery), (Some(EPOCH), false, true));

    blocked(&decided(Some(&gap_job()), None, &diverged()), None);
    blocked(&decided(Some(&gap_job()), Some(request()), &diverged()), Some("--adopt"));
    let catching_up = ResyncJob { catches_up: true, ..gap_job() };
    let (job, _) = resync(decided(Some(&catching_up), Some(adopt), &diverged()));
    assert_eq!((job.epoch, job.catches_up, job.holds_delivery), (Some(EPOCH), false, true));
    let adopting = ResyncJob { epoch: Some(Uuid::from_u128(1)), ..gap_job() };
    assert_eq!(resync(decided(Some(&adopting), None, &diverged())), (adopting.clone(), false));
}

#[test]
fn a_job_starts_again_whatever_the_state_of_the_same_database() {
    for continuity in all().into_iter().filter(|continuity| *continuity != diverged()) {
        assert_eq!(
            resync(decided(Some(&gap_job()), None, &continuity)),
            (gap_job(), false),
            "{continuity:?}"
        );
        let (job, _) = resync(decided(Some(&gap_job()), Some(request()), &continuity));
        assert_eq!(job, gap_job(), "the request adds nothing: {continuity:?}");
    }
}

#[test]
fn a_request_changes_the_job_under_way() {
    let silent = ResyncJob { learns: true, ..gap_job() };
    let force = ResyncRequest { force: true, ..request() };
    let (job, _) = resync(decided(Some(&silent), Some(force), &Continuity::GoOn(POSITION)));
    assert!(job.forced && job.learns, "what was to make no records makes none");
    let learn = ResyncRequest { learn: true, ..request() };
    assert!(resync(decided(Some(&gap_job()), Some(learn), &Continuity::GoOn(POSITION))).0.learns);
    let adopt = ResyncRequest { adopt: true, ..request() };
    let (job, _) = resync(decided(Some(&gap_job()), Some(adopt), &Continuity::GoOn(POSITION)));
    assert_eq!((job.epoch, job.holds_delivery), (Some(EPOCH), true));
    let earlier = ResyncJob { epoch: Some(Uuid::from_u128(1)), ..gap_job() };
    let again = ResyncRequest { adopt: true, ..request() };
    assert_eq!(resync(decided(Some(&earlier), Some(again), &diverged())).0.epoch, earlier.epoch);
}

#[test]
fn a_held_job_waits_for_a_request() {
    let job = ResyncJob { holds_delivery: true, ..gap_job() };
    let (continuity, required) = (Continuity::GoOn(POSITION), required());
    let inputs = |request| Inputs {
        job: Some(&job),
        request,
        continuity: &continuity,
        held: Some("too many are gone"),
        applied: APPLIED,
        columns_to_backfill: &[],
        mapping_changed: false,
        required: &required,
        new_epoch: EPOCH,
    };
    let block = Block { why: "too many are gone".into(), holds_delivery: true };
    assert_eq!(decide(inputs(None)), Decision { next: Next::Block(block), refusal: None });
    assert!(resync(decide(inputs(Some(ResyncRequest { force: true, ..request() })))).0.forced);
}

#[test]
fn a_dry_run_is_one_with_and_without_a_job() {
    let dry_run = ResyncRequest { dry_run: true, ..request() };
    for job in [None, Some(gap_job())] {
        assert!(resync(decided(job.as_ref(), Some(dry_run.clone()), &Continuity::GoOn(POSITION))).1);
    }
}

#[test]
fn as_ingested_is_refused_where_it_would_pass_over_a_difference() {
    let of = |project: &str| Some(ResyncRequest { as_ingested: Some(project.into()), ..request() });
    let (job, _) = resync(decided(None, of("p"), &Continuity::GoOn(POSITION)));
    assert_eq!(job.as_ingested.as_deref(), Some("p"));
    for continuity in all().into_iter().filter(|continuity| !matches!(continuity, Continuity::GoOn(_))) {
        let decision = decided(None, of("p"), &continuity);
        refused(&decision, Some("--as-ingested needs a stream"));
        assert_eq!(decision.next, decided(None, None, &continuity).next, "as without the request");
    }
    let decision = decided(Some(&gap_job()), of("p"), &Continuity::GoOn(POSITION));
    refused(&decision, Some("--as-ingested needs a stream"));
    assert_eq!(decision.next, Next::Resync { job: gap_job(), dry_run: false });
    let decision = decide(Inputs {
        job: None,
        request: of("p"),
        continuity: &Continuity::GoOn(POSITION),
        held: None,
        applied: APPLIED,
        columns_to_backfill: &[],
        mapping_changed: true,
        required: &required(),
        new_epoch: EPOCH,
    });
    refused(&decision, Some("--as-ingested needs a stream"));
    assert_eq!(decision.next, Next::Stream(POSITION));
}

#[test]
fn new_columns_are_backfilled_only_where_the_stream_goes_on() {
    let columns = ["added".to_owned()];
    for continuity in all() {
        let next = decide(Inputs {
            job: None,
            request: None,
            continuity: &continuity,
            held: None,
            applied: APPLIED,
            columns_to_backfill: &columns,
            mapping_changed: false,
            required: &required(),
            new_epoch: EPOCH,
        })
        .next;
        let backfills = matches!(&next, Next::Resync { job, .. } if job.only_backfills);
        assert_eq!(backfills, matches!(continuity, Continuity::GoOn(_)), "{continuity:?}");
    }
}
