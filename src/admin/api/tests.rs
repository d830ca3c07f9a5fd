//! The JSON is a contract: its keys and words stay, whatever the types are called, and commands read it back.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    ApplyResult, PauseResult, RotateResult, SigningSecretList, SkipResult, WebhookDetail, WebhookList,
};
use super::{DeadLetterDetail, ReplayList, ReplayStatus, ReplaySummary, Status};

/// `json` is read as a `T` and written again.
fn survives<T: DeserializeOwned + Serialize>(json: Value) {
    // From text, as a command reads it: `RawValue` needs that.
    let read: T = serde_json::from_str(&json.to_string()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), json);
}

fn replay() -> Value {
    json!({
        "no": 3, "id": "0199", "state": "cancelled",
        "asked": {"from_lsn": "0/1", "callback": "modified"}, "asked_at": "2026-01-31T09:00:00Z",
        "ended_at": null, "rate": 10, "records": 9, "sent": 4, "refused": 1,
        "waiting": [{"project": "p", "callback": "excluded", "state": "without webhook", "records": 4}]
    })
}

fn window() -> Value {
    json!({"from_lsn": "0/1", "after": "2026-01-31T09:00:00Z", "to_lsn": "0/9"})
}

#[test]
fn a_status_keeps_its_keys() {
    survives::<Status>(json!({
        "version": "1.0.0", "started_at": "2026-01-31T09:00:00Z", "at": "2026-01-31T10:00:00Z",
        "readiness": {"ready": false, "reasons": ["spool full"]},
        "source": {
            "state": "waiting_for_postgres", "detail": "no answer", "database": "postgres://h/d",
            "server_version": "18.0", "system_id": "7", "timeline": 1, "slot": "sidecar", "publication": "sidecar",
            "confirmed_lsn": "0/1", "whole_lsn": "0/2",
            "open_transaction": {"commit_lsn": "0/3", "changes_applied": 7, "records_made": 8},
            "last_message_at": null, "confirmed_lag_bytes": 1, "retained_bytes": 2, "wal_status": "reserved",
            "confirmed_at": "2026-01-31T09:00:00Z", "confirmed_lag_seconds": 1.5, "catches_up_in_seconds": null,
            "safe_wal_bytes": 3, "walsender_waits_for": "Client/WalSenderWaitForWal",
            "slot_asked_at": "2026-01-31T09:00:00Z",
            "seeding": {"done": 1, "estimate": 2, "documents_per_second": null, "seconds_left": null},
            "resync": {
                "number": 1, "state": "held", "why": "why", "cancellable": true, "result": "result", "from_lsn": "0/1", "to_lsn": "0/2",
                "rows": 1, "gone": 2, "ingested": 3, "modified": 4, "excluded": 5
            }
        },
        "spool": {
            "path": "/spool", "epoch": "0199", "room": "near", "live_bytes": 1, "bytes_max": 2, "file_bytes": 3,
            "shadow_documents": 4, "shadow_bytes": 5, "dead_letter_records": 6, "window": window(),
            "disk_free_bytes": 7, "full_in_seconds": 8.5, "window_seconds": null
        },
        "lanes": [{
            "project": "p", "callback": "ingested", "state": "failing",
            "pending": {"records": 1, "bytes": 2, "oldest_seconds": 0.5}, "failures": 1, "next_attempt_in_seconds": 1.5,
            "last_outcome": "timeout", "last_success_seconds": null, "gives_up_in_seconds": null, "reason": null, "paused_by": null, "since_seconds": 12.5, "status": null,
            "class": "endpoint", "cause": "timeout", "remedy": "Answer in time."
        }],
        "not_kept": {
            "records": 3, "lanes": [{"project": "p", "callback": "modified", "records": 3}], "more_lanes": 0
        },
        "filtered": {
            "records": 4, "lanes": [{"project": "q", "callback": "modified", "records": 4}], "more_lanes": 1
        },
        "webhooks": sources(), "replays": [replay()]
    }));
}

fn sources() -> Value {
    json!({
        "from": ["file", "query"], "locked": "webhooks are set elsewhere", "counts": {"file": 1, "query": 2, "set": 0},
        "query": {
            "read_at": "2026-01-31T09:00:00Z", "error": null, "webhooks": 2, "more_refused": 0,
            "refused": [{"project": "p", "callback": "*", "why": "`webhook.url`: a URL is expected"}]
        }
    })
}

#[test]
fn replays_keep_their_keys() {
    survives::<ReplayStatus>(replay());
    survives::<ReplayList>(json!({"window": window(), "replays": [replay()]}));
    let lane = json!({"project": "p", "callback": "ingested", "records": 1, "bytes": 2});
    survives::<ReplaySummary>(json!({
        "no": 1, "id": "0199", "records": 1, "bytes": 2, "lanes": [lane], "without_webhook": [lane],
        "begins_late": "2026-01-31T09:00:00Z", "documents_with_newer_records": 4
    }));
}

#[test]
fn a_dead_letter_keeps_its_keys() {
    survives::<DeadLetterDetail>(json!({
        "no": 1, "project": "p", "callback": "ingested", "reason": "given_up", "at": "2026-01-31T09:00:00Z",
        "records": 1, "bytes": 2, "batch": null, "last_attempt": null, "redelivering": true,
        "first_records": [{
            "position": "0-1/1", "commit_lsn": "0/1", "committed_at": "2026-01-31T09:00:00Z", "record": {"id": "1"}
        }],
        "attempts": [{
            "number": 1, "started_at": "2026-01-31T09:00:00Z", "took_seconds": 0.5, "status": 500,
            "outcome": "status", "detail": null, "request_id": "00", "phase": "answer",
            "steps": {"dns_seconds": 0.1, "connect_seconds": 0.1, "tls_seconds": 0.1, "first_byte_seconds": 0.1},
            "remote_address": "[::1]:443", "connection_reused": true, "response_headers": "server: x\n",
            "response_body": "b", "next_attempt_at": "2026-01-31T09:00:00Z"
        }]
    }));
}

#[test]
fn webhooks_keep_their_keys() {
    let webhook = json!({
        "project": "p", "callback": "*", "host": "h:443", "origin": "set", "revision": 7,
        "set_in": null, "changed_at": "2026-01-31T09:00:00Z", "lanes": []
    });
    let mut detail = webhook.clone();
    detail["settings"] = json!({"url": "https://h/", "secret": {"env": "S"}});
    detail["locked"] = json!(null);
    detail["refused"] = json!("`webhook.url`: a URL is expected");
    survives::<WebhookList>(json!({ "webhooks": [webhook], "sources": sources() }));
    survives::<WebhookDetail>(detail);
    survives::<ApplyResult>(json!({
        "changes": [{"action": "change", "project": "p", "callback": "*", "fields": ["url"], "over": "sidecar.toml, line 41"}], "unchanged": 1
    }));
    survives::<PauseResult>(json!({
        "lanes": 2, "in_flight": [{"project": "p", "callback": "ingested"}],
        "still_paused": [{"project": "p", "callback": "modified", "by": {"host": "h"}}]
    }));
    survives::<SigningSecretList>(json!({
        "project": "p", "callback": "*", "origin": "set", "secrets": [
            {"secret": "whsec_bmV3", "until": null}, {"secret": "whsec_b2xk", "until": "2026-01-31T09:00:00.000Z"}
        ]
    }));
    survives::<RotateResult>(json!({
        "project": "p", "callback": "*", "revision": 8, "secret": "whsec_bmV3", "old_secrets": 1,
        "old_until": "2026-01-31T09:00:00.000Z"
    }));
    survives::<SkipResult>(json!({
        "records": 3, "lanes": [{"callback": "ingested", "records": 3, "through": 9}]
    }));
}
