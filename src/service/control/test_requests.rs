//! Tests of webhooks on request.

use std::sync::{Arc, PoisonError, mpsc};
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::Controller;
use super::dead_letters::steps;
use super::stored_records::{body_of, stored_records};
use crate::admin::{Access, RequestError, TestBody, TestRequest, TestResult};
use crate::deliver::{self, LaneCondition, LaneView, Webhook};
use crate::position::Position;
use crate::record::{Callback, LabelProperty, body, write_document, write_labels, write_similarity};
use crate::service::audit::Entry;
use crate::spool::{Reader, SpoolError};

impl Controller {
    pub(super) fn send_test(
        &self,
        request: &TestRequest,
        access: &Access,
    ) -> Result<TestResult, RequestError> {
        let TestRequest { project, callback, .. } = request;
        access.scope.require(project)?;
        let routes = self.webhooks.routes();
        // A webhook of all projects is the operator's: a tenant does not write to its receiver.
        let of_scope =
            |webhook: &&Arc<Webhook>| access.scope.holds(webhook.project.as_deref().unwrap_or("*"));
        let webhook = routes.find(project, *callback).filter(of_scope).ok_or_else(|| {
            RequestError::NotFound(format!("no webhook answers for `{callback}` of the project `{project}`"))
        })?;
        let view = self.lane_of(project, *callback);
        let (sent, positions) = match &request.body {
            TestBody::Empty => (Bytes::from(body(*callback, [])), None),
            TestBody::Specimen => (specimen(*callback), None),
            TestBody::Text(text) => (Bytes::from(text.clone()), None),
            TestBody::Last => {
                let last = view.as_ref().map(|view| last_batch(&self.reader()?, view)).transpose()?.flatten();
                let (body, ends) = last.ok_or_else(|| {
                    RequestError::NotFound(format!(
                        "no batch of `{callback}` of the project `{project}` is on record"
                    ))
                })?;
                (body, Some(ends))
            }
        };
        let id = Uuid::now_v7();
        let test = deliver::TestRequest {
            project,
            callback: *callback,
            body: sent.clone(),
            positions,
            epoch: self.epoch,
            id,
            now: self.clock.wall(),
        };
        let outgoing = test.to_webhook(webhook, &self.settings.webhook_defaults.header_names);
        let (patience, began) = (outgoing.timeout + Duration::from_secs(5), self.clock.elapsed());
        let (reply, replied) = mpsc::sync_channel(1);
        {
            let post = self.post.lock().unwrap_or_else(PoisonError::into_inner);
            post(outgoing, Box::new(move |outcome, exchange| drop(reply.send((outcome, exchange)))));
        }
        let replied = replied.recv_timeout(patience);
        let (outcome, exchange) =
            replied.map_err(|_| RequestError::Internal("the request did not end in time".to_owned()))?;
        let kind = outcome.kind;
        let host = webhook.host();
        let (about, detail) = (Entry::about("a webhook was tested", Some(project)), Some(kind.to_string()));
        self.record(access, Entry { callback: Some(callback.name()), host: Some(&host), detail, ..about });
        Ok(TestResult {
            delivered: kind.is_success(),
            host: webhook.host().to_string(),
            id: id.to_string(),
            bytes: sent.len() as u64,
            status: outcome.status,
            outcome: kind,
            detail: outcome.detail,
            steps: steps(&exchange),
            took_seconds: self.clock.elapsed().saturating_sub(began).as_secs_f64(),
            paused: view.is_some_and(|view| view.state == LaneCondition::Paused),
        })
    }
}

/// The body of the last batch that was cut of a lane, with its first and last position.
fn last_batch(reader: &Reader, view: &LaneView) -> Result<Option<(Bytes, (Position, Position))>, SpoolError> {
    let Some(batch) = reader.last_batch(view.lane)? else { return Ok(None) };
    let records = stored_records(reader, view.lane, (batch.first, batch.last), batch.records as usize)?;
    let ends = records.first().zip(records.last()).map(|(first, last)| (first.position, last.position));
    Ok(ends.map(|ends| (Bytes::from(body_of(view.lane.callback(), &records)), ends)))
}

/// One record of each shape that the callback has.
pub(super) fn specimen(callback: Callback) -> Bytes {
    let (id, key) = ("specimen-id", Some("specimen-key"));
    let fragment = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        out
    };
    let fragments = match callback {
        Callback::Excluded | Callback::Ingested => vec![fragment(&|out| write_document(out, id, key))],
        Callback::Modified => vec![
            fragment(&|out| write_labels(out, id, key, LabelProperty::Labels, r#"["specimen"]"#)),
            fragment(&|out| write_labels(out, id, key, LabelProperty::PredictedLabels, r#"["specimen"]"#)),
            fragment(&|out| write_similarity(out, id, key, Some("specimen"))),
        ],
    };
    Bytes::from(body(callback, fragments.iter().map(Vec::as_slice)))
}
