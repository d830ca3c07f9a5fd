//! One dead letter: its records, and what was answered. Pure.

use askama::Template;

use super::list::List;
use crate::admin::access::Capability;
use crate::admin::api::{DeadLetterDetail, DeadLetterRecord};
use crate::admin::page::attempts::Attempts;
use crate::admin::page::times::{Fact, Time};
use crate::admin::page::visit::Visit;
use crate::admin::page::{show, texts as t};
use crate::admin::text;

#[derive(Template)]
#[template(path = "dead_letter.html")]
pub(super) struct Letter {
    title: String,
    facts: Vec<(&'static str, Fact)>,
    records: Vec<Record>,
    attempts: Attempts,
    redeliver: Option<String>,
    discard: Option<String>,
    batch: Option<String>,
    back: String,
}

struct Record {
    position: String,
    committed_at: Time,
    json: String,
}

impl Letter {
    pub(super) fn of(detail: &DeadLetterDetail, visit: &Visit) -> Self {
        let letter = &detail.dead_letter;
        let no = letter.no.to_string();
        let link = |path: &str, needs| visit.can(needs).then(|| visit.links.by(path, "no", &no));
        let batch = letter.batch.clone().unwrap_or_else(|| t::dead_letters::NOT_CUT.to_owned());
        let mut facts = vec![
            (t::PROJECT, show::plain(&letter.project).into()),
            (t::CALLBACK, letter.callback.to_string().into()),
            (t::dead_letters::REASON, t::dead_letters::reason(letter.reason.name()).to_owned().into()),
            (t::dead_letters::GIVEN_UP, Time::of(&letter.at).into()),
            (t::dead_letters::RECORDS, show::number(letter.records).into()),
            (t::dead_letters::SIZE, show::size(letter.bytes).into()),
            (t::dead_letters::WEBHOOK_ID, batch.into()),
        ];
        if letter.redelivering {
            facts.push((t::dead_letters::REDELIVERING, t::YES.to_owned().into()));
        }
        Self {
            title: t::dead_letters::title(letter.no),
            facts,
            records: detail.first_records.iter().map(Record::of).collect(),
            attempts: Attempts::of(&detail.attempts),
            redeliver: link("dead-letters/redeliver", Capability::SendAgain),
            discard: link("dead-letters/discard", Capability::Manage),
            batch: letter.batch.as_deref().map(|id| visit.links.by("delivery", "id", id)),
            back: List::link(visit, &[]),
        }
    }
}

impl Record {
    fn of(record: &DeadLetterRecord) -> Self {
        Self {
            position: record.position.clone(),
            committed_at: Time::of(&record.committed_at),
            json: text::pretty_json(record.record.get()),
        }
    }
}
