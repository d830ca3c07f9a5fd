//! The parameters of a list of deliveries, checked.

use uuid::Uuid;

use crate::admin::{DeliveryQuery, DeliveryState, RequestError, page_size};
use crate::classify::document_hash;
use crate::outcome::Class;
use crate::position::{Place, Position};
use crate::record::{Callback, LaneNo, Seq};
use crate::spool::{AttemptFilter, BatchId, BatchQuery, BatchState, Reader, SpoolError, Wanted};
use crate::time::Timestamp;

/// A list or a search.
#[derive(Clone, Debug)]
pub(super) struct ParsedQuery {
    pub(super) callback: Option<Callback>,
    pub(super) state: Option<DeliveryState>,
    attempt: Option<AttemptFilter>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    before_batch: Option<BatchId>,
    pub(super) before_record: Option<Seq>,
    pub(super) search: Option<Search>,
    pub(super) limit: usize,
}

/// What is searched for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Search {
    Batch(BatchId),
    Position(Position),
    Records(Wanted),
}

impl ParsedQuery {
    /// The query of a list, of any lane.
    pub(super) fn batches(&self) -> BatchQuery {
        BatchQuery {
            lanes: None,
            callback: self.callback,
            state: self.state.map(|state| match state {
                DeliveryState::DeadLetter => BatchState::DeadLetter,
                DeliveryState::Delivered => BatchState::Delivered,
                DeliveryState::InFlight | DeliveryState::Waiting => BatchState::Open,
                DeliveryState::Retired => BatchState::Retired,
            }),
            attempt: self.attempt,
            since: self.since,
            until: self.until,
            before: self.before_batch,
            limit: self.limit,
        }
    }
}

/// Checks the parameters. An error names the one that is wrong.
pub(super) fn parse(query: &DeliveryQuery) -> Result<ParsedQuery, RequestError> {
    let (filter, search) = (&query.filter, search(query)?);
    let class = filter.class.as_deref().map(class).transpose()?;
    let status = filter.status.as_deref().map(status).transpose()?;
    let (mut before_batch, mut before_record) = (None, None);
    if let Some(after) = &query.after {
        match search {
            Some(_) => before_record = Some(Seq(number(after)?)),
            None => before_batch = Some(id("after", after)?),
        }
    }
    let filters = [
        ("state", filter.state.is_some()),
        ("class", class.is_some()),
        ("status", status.is_some()),
        ("since", filter.since.is_some()),
        ("until", filter.until.is_some()),
    ];
    if let (Some(_), Some((name, _))) = (&search, filters.into_iter().find(|(_, is_set)| *is_set)) {
        return Err(invalid(format!(
            "`{name}`: a search for `document`, `key`, `position` or `webhook_id` takes `project` and `callback` only"
        )));
    }
    Ok(ParsedQuery {
        callback: callback(filter.callback.as_deref())?,
        state: filter.state.as_deref().map(state).transpose()?,
        attempt: (class.is_some() || status.is_some()).then_some(AttemptFilter { class, status }),
        since: filter.since.as_deref().map(|text| time("since", text)).transpose()?,
        until: filter.until.as_deref().map(|text| time("until", text)).transpose()?,
        before_batch,
        before_record,
        search,
        limit: page_size(query.limit, PAGE, PAGE_MAX)? as usize,
    })
}

fn search(query: &DeliveryQuery) -> Result<Option<Search>, RequestError> {
    let DeliveryQuery { document, key, position, webhook_id, .. } = query;
    let given = [document, key, position, webhook_id].into_iter().flatten().count();
    if given > 1 {
        return Err(invalid("search for one of `document`, `key`, `position` and `webhook_id`".to_owned()));
    }
    if query.filter.project.is_none() && (document.is_some() || key.is_some()) {
        let name = if document.is_some() { "document" } else { "key" };
        return Err(invalid(format!("`{name}`: name the document's `project` too")));
    }
    if let Some(document) = document {
        return Ok(Some(Search::Records(Wanted::Document(document_hash(document)))));
    }
    if let Some(key) = key {
        return Ok(Some(Search::Records(Wanted::Key(key.clone()))));
    }
    if let Some(text) = position {
        let place: Place = text.parse().map_err(|error| invalid(format!("`position`: {error}")))?;
        if place.number.is_none() {
            return Err(invalid(format!(
                "`position`: `{text}` is an LSN: a position names one record, as in `0-16B3748/3`"
            )));
        }
        return Ok(Some(Search::Position(place.first())));
    }
    webhook_id.as_deref().map(|text| id("webhook_id", text).map(Search::Batch)).transpose()
}

/// The lanes of a project; none where the project is unknown.
pub(super) fn lanes_of(
    reader: &Reader,
    project: &str,
    callback: Option<Callback>,
) -> Result<Vec<LaneNo>, SpoolError> {
    let Some(project) = reader.project(project)? else { return Ok(Vec::new()) };
    let wanted = Callback::ALL.into_iter().filter(|one| callback.is_none_or(|only| only == *one));
    Ok(wanted.map(|callback| LaneNo::new(project, callback)).collect())
}

/// The name of a callback, where there is one.
pub(super) fn callback(name: Option<&str>) -> Result<Option<Callback>, RequestError> {
    let parsed = name.map(str::parse::<Callback>).transpose();
    parsed.map_err(|error| invalid(format!("`callback`: {error}")))
}

/// A time.
pub(super) fn time(name: &str, text: &str) -> Result<Timestamp, RequestError> {
    Timestamp::from_rfc3339(text).ok_or_else(|| {
        invalid(format!("`{name}`: `{text}` is not a time: expected RFC 3339, as in `2026-01-31T12:00:00Z`"))
    })
}

/// The id of a batch.
pub(super) fn id(name: &str, text: &str) -> Result<BatchId, RequestError> {
    Uuid::try_parse(text).map_err(|_| invalid(format!("`{name}`: `{text}` is not a UUID")))
}

fn state(name: &str) -> Result<DeliveryState, RequestError> {
    let known = DeliveryState::ALL.into_iter().find(|state| state.name() == name);
    known.ok_or_else(|| unknown("state", name, &DeliveryState::ALL.map(DeliveryState::name)))
}

fn class(name: &str) -> Result<Class, RequestError> {
    let known = Class::ALL.into_iter().find(|class| class.name() == name);
    known.ok_or_else(|| unknown("class", name, &Class::ALL.map(Class::name)))
}

/// `503`, or `5xx`.
fn status(text: &str) -> Result<(u16, u16), RequestError> {
    let class = text.strip_suffix("xx").and_then(|digit| digit.parse::<u16>().ok());
    let range = class.filter(|class| *class < 10).map(|class| (class * 100, class * 100 + 99));
    let range = range.or_else(|| text.parse().ok().map(|status: u16| (status, status)));
    range.filter(|(from, _)| (100..=999).contains(from)).ok_or_else(|| {
        invalid(format!(
            "`status`: `{text}` is not a status: expected one as in `503`, or a class as in `5xx`"
        ))
    })
}

fn number(after: &str) -> Result<u64, RequestError> {
    after
        .parse()
        .map_err(|_| invalid(format!("`after`: `{after}` is not the `next` of a page of this search")))
}

fn unknown(field: &str, name: &str, known: &[&str]) -> RequestError {
    let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    invalid(format!("`{field}`: `{name}` is not one: expected one of {}", known.join(", ")))
}

/// A sentence that names its field first becomes an error of that field.
fn invalid(why: String) -> RequestError {
    RequestError::of_sentences(&[why])
}

const PAGE: u32 = 50;
const PAGE_MAX: u32 = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn query(json: serde_json::Value) -> DeliveryQuery {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        use serde_json::json;
        for (wrong, begins) in [
            (json!({"callback": "x"}), "`callback`: `x` is not"),
            (json!({"state": "open"}), "`state`: `open` is not one: expected one of `dead_letter`"),
            (json!({"class": "x"}), "`class`: `x` is not one: expected one of `content`"),
            (json!({"status": "99"}), "`status`: `99`"),
            (json!({"status": "655xx"}), "`status`: `655xx`"),
            (json!({"since": "yesterday"}), "`since`: `yesterday`"),
            (json!({"limit": 0}), "`limit`: 0"),
            (json!({"limit": 501}), "`limit`: 501"),
            (json!({"after": "x"}), "`after`: `x`"),
            (json!({"document": "7"}), "`document`: name"),
            (json!({"key": "7"}), "`key`: name"),
            (json!({"position": "0/1"}), "`position`: `0/1`"),
            (json!({"position": "x"}), "`position`: `x`"),
            (json!({"webhook_id": "x"}), "`webhook_id`: `x`"),
            (json!({"webhook_id": "x", "position": "y"}), "search for one of"),
            (json!({"position": "0-1/1", "state": "waiting"}), "`state`: a search"),
            (json!({"position": "0-1/1", "after": "x"}), "`after`: `x`"),
        ] {
            let refused = parse(&query(wrong.clone()));
            let why = refused.map(drop).unwrap_err().detail();
            assert!(why.starts_with(begins), "{wrong}: {why}");
        }
        let right = parse(&query(json!({"status": "5xx", "state": "in_flight", "limit": 500}))).unwrap();
        assert_eq!(right.batches().attempt.unwrap().status, Some((500, 599)));
        assert_eq!((right.batches().state, right.limit), (Some(BatchState::Open), 500));
    }
}
