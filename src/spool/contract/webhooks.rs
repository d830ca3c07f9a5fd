//! Webhooks that are set while the sidecar runs.

use super::{EngineFactory, Fixture, LATER, NOW};
use crate::spool::ops::{Done, Op};
use crate::spool::stored_webhook::{StoredWebhook, WebhookChange};

fn change(project: &str, callback: &str, settings: Option<&str>) -> WebhookChange {
    WebhookChange {
        project: project.to_owned(),
        callback: callback.to_owned(),
        settings: settings.map(str::to_owned),
    }
}

pub(in crate::spool) fn a_webhook_is_replaced_or_removed_and_no_revision_returns(
    factory: impl EngineFactory,
) {
    let mut fixture = Fixture::new(factory);
    let all = vec![
        change("b", "*", Some("{1}")),
        change("a", "*", Some("{2}")),
        change("a", "modified", Some("{3}")),
    ];
    assert_eq!(fixture.apply(Op::SetWebhooks { changes: all, at: NOW }), Ok(Done::Ok));
    let some = vec![change("b", "*", None), change("a", "*", Some("{4}")), change("none", "*", None)];
    assert_eq!(fixture.apply(Op::SetWebhooks { changes: some, at: LATER }), Ok(Done::Ok));
    fixture.reopen();
    let stored = |callback: &str, settings: &str, revision, changed_at| StoredWebhook {
        project: "a".into(),
        callback: callback.into(),
        settings: settings.into(),
        revision,
        changed_at,
    };
    let both = [stored("*", "{4}", 4, LATER), stored("modified", "{3}", 3, NOW)];
    assert_eq!(fixture.reader().webhooks().unwrap(), both);
    let none = vec![change("a", "*", None), change("a", "modified", None)];
    assert_eq!(fixture.apply(Op::SetWebhooks { changes: none, at: LATER }), Ok(Done::Ok));
    assert_eq!(fixture.reader().webhooks().unwrap(), []);
    fixture.reopen();
    let again = vec![change("a", "*", Some("{5}"))];
    assert_eq!(fixture.apply(Op::SetWebhooks { changes: again, at: LATER }), Ok(Done::Ok));
    assert_eq!(fixture.reader().webhooks().unwrap(), [stored("*", "{5}", 5, LATER)]);
}
