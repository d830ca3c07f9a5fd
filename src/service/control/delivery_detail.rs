//! One delivery, with its request and its attempts.

use xxhash_rust::xxh3::xxh3_64;

use super::Controller;
use super::dead_letters::attempt;
use super::delivery_query::id;
use super::stored_records::{StoredRecord, body_of, stored_records};
use crate::admin::{DeliveryDetail, DeliveryHeader, DeliveryRequest, DeliveryStatus, RequestError, Scope};
use crate::deliver::BatchRequest;
use crate::spool::{Batch, LoggedAttempt, Reader, SpoolError};

impl Controller {
    pub(super) fn show_delivery(&self, text: &str, scope: &Scope) -> Result<DeliveryDetail, RequestError> {
        let reader = self.reader()?;
        let found = reader.batch(&id("webhook-id", text)?)?;
        let (batch, state) = found.ok_or_else(|| not_found(text))?;
        let statuses = self.statuses(&reader, &[(batch.clone(), state)])?;
        let delivery = statuses.into_iter().next().ok_or_else(|| not_found(text))?;
        if !scope.holds(&delivery.project) {
            return Err(not_found(text));
        }
        let attempts = reader.attempts(&batch.id)?;
        let records = stored_records(&reader, batch.lane, (batch.first, batch.last), batch.records as usize)?;
        let mut request = self.request_of(&reader, &delivery, &batch, &records, attempts.last())?;
        if !self.is_webhook_of(scope, &delivery) {
            request = DeliveryRequest { url: None, headers: Vec::new(), curl: None, ..request };
        }
        Ok(DeliveryDetail {
            epoch: batch.epoch.to_string(),
            request,
            record_list: records.iter().map(StoredRecord::shown).collect::<Result<_, _>>()?,
            attempt_list: attempts.into_iter().map(|row| attempt(Some(batch.id), row, scope)).collect(),
            delivery,
        })
    }

    /// A webhook of all projects is the operator's: a tenant does not see it.
    fn is_webhook_of(&self, scope: &Scope, delivery: &DeliveryStatus) -> bool {
        let routes = self.webhooks.routes();
        let webhook = routes.find(&delivery.project, delivery.callback);
        webhook.is_some_and(|webhook| scope.holds(webhook.project.as_deref().unwrap_or("*")))
    }

    fn request_of(
        &self,
        reader: &Reader,
        delivery: &DeliveryStatus,
        batch: &Batch,
        records: &[StoredRecord],
        last: Option<&LoggedAttempt>,
    ) -> Result<DeliveryRequest, SpoolError> {
        let bytes = body_of(batch.lane.callback(), records);
        let is_whole = xxh3_64(&bytes) == batch.body_sum;
        let body = is_whole.then(|| String::from_utf8_lossy(&bytes).into_owned());
        let replay = match batch.replay {
            Some(no) => reader.replay(no)?.map(|replay| replay.id),
            None => None,
        };
        let position =
            |record: Option<&StoredRecord>| record.map(|record| record.position).unwrap_or_default();
        let request = BatchRequest {
            batch,
            project: &delivery.project,
            positions: (position(records.first()), position(records.last())),
            attempt: last.map_or(1, |last| last.number),
            replay,
            at: last.map_or_else(|| self.clock.wall(), |last| last.started_at),
        };
        let routes = self.webhooks.routes();
        let webhook = routes.find(&delivery.project, batch.lane.callback());
        let shown =
            webhook.map(|webhook| request.shown(webhook, &self.settings.webhook_defaults.header_names));
        Ok(DeliveryRequest {
            url: shown.as_ref().map(|shown| shown.url.clone()),
            curl: shown.as_ref().zip(body.as_ref()).map(|(shown, body)| shown.curl(body)),
            headers: shown
                .map(|shown| shown.headers)
                .unwrap_or_default()
                .into_iter()
                .map(|(name, value)| DeliveryHeader { name, value })
                .collect(),
            body,
        })
    }
}

fn not_found(id: &str) -> RequestError {
    RequestError::NotFound(format!(
        "no batch {id} is on record: it was removed after `spool.retain`, or never was"
    ))
}
