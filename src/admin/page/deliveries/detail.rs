//! One batch: its request byte for byte, what was answered, and what can be done. Pure.

use askama::Template;

use super::list::pill;
use crate::admin::access::Capability;
use crate::admin::api::{DeliveryDetail, DeliveryHeader};
use crate::admin::page::attempts::Attempts;
use crate::admin::page::parts::Pill;
use crate::admin::page::times::{Fact, Time};
use crate::admin::page::visit::{Links, Visit};
use crate::admin::page::{show, texts as t};
use crate::admin::text;

#[derive(Template)]
#[template(path = "delivery.html")]
pub(super) struct Delivery {
    id: String,
    pill: Pill,
    facts: Vec<(&'static str, Fact)>,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    curl: Option<String>,
    records: Vec<Record>,
    attempts: Attempts,
    dead_letter: Option<String>,
    replay: Option<String>,
    back: String,
}

struct Record {
    position: String,
    committed_at: Time,
    document: Option<String>,
}

impl Delivery {
    pub(super) fn of(detail: &DeliveryDetail, visit: &Visit) -> Self {
        let (delivery, request) = (&detail.delivery, &detail.request);
        let header = |header: &DeliveryHeader| (show::plain(&header.name), show::plain(&header.value));
        let no = delivery.dead_letter.map(|no| no.to_string());
        Self {
            id: delivery.id.clone(),
            pill: pill(delivery.state),
            facts: facts(detail),
            url: request.url.as_deref().map_or_else(|| t::deliveries::NO_WEBHOOK.to_owned(), show::plain),
            headers: request.headers.iter().map(header).collect(),
            body: request.body.as_deref().map(text::lines),
            curl: request.curl.as_deref().map(text::lines),
            records: detail
                .record_list
                .iter()
                .map(|record| Record {
                    position: record.position.clone(),
                    committed_at: Time::of(&record.committed_at),
                    document: id_of(record.record.get()).map(|id| {
                        visit.links.with("document", &[("project", &delivery.project), ("id", &id)])
                    }),
                })
                .collect(),
            attempts: Attempts::of(&detail.attempt_list),
            dead_letter: no.map(|no| visit.links.by("dead-letter", "no", &no)),
            replay: visit.can(Capability::SendAgain).then(|| replay(detail, &visit.links)).flatten(),
            back: visit.links.to("deliveries"),
        }
    }
}

fn facts(detail: &DeliveryDetail) -> Vec<(&'static str, Fact)> {
    let delivery = &detail.delivery;
    let optional = [
        (t::deliveries::NEXT, delivery.next_attempt_at.as_deref().map(|at| Time::of(at).into())),
        (t::deliveries::WAITS_FOR, delivery.waits_for.as_deref().map(|reason| show::plain(reason).into())),
        (t::deliveries::OF_REPLAY, delivery.replay.map(|no| show::number(no).into())),
    ];
    let known = optional.into_iter().filter_map(|(name, fact)| Some((name, fact?)));
    let facts = [
        (t::PROJECT, show::plain(&delivery.project).into()),
        (t::CALLBACK, delivery.callback.to_string().into()),
        (t::deliveries::CUT, Time::of(&delivery.cut_at).into()),
        (t::deliveries::RECORDS, show::number(u64::from(delivery.records)).into()),
        (t::deliveries::SIZE, show::size(delivery.bytes).into()),
        (t::deliveries::ATTEMPTS, delivery.attempts.to_string().into()),
        (t::deliveries::EPOCH, detail.epoch.clone().into()),
    ];
    facts.into_iter().chain(known).collect()
}

/// The replay of the records of this batch, as it is counted first.
fn replay(detail: &DeliveryDetail, links: &Links) -> Option<String> {
    let (first, last) = detail.record_list.first().zip(detail.record_list.last())?;
    let range = [
        ("from_lsn", first.position.as_str()),
        ("to_lsn", &last.position),
        ("project", &detail.delivery.project),
        ("callback", detail.delivery.callback.name()),
    ];
    Some(links.with("replay/start", &range))
}

fn id_of(record: &str) -> Option<String> {
    let record: serde_json::Value = serde_json::from_str(record).ok()?;
    record.get("id").and_then(|id| id.as_str()).map(str::to_owned)
}
