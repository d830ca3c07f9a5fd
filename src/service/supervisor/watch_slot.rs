//! What the slot retains on the server, polled while the stream runs.

use std::convert::Infallible;
use std::time::Duration;

use tokio_postgres::Client;

use crate::service::state::State;
use crate::source::catalog::slot::{self, Slot};
use crate::source::{Conninfo, SourceError, connect_sql};

/// Polls for ever. A lost session is opened again and does not end the stream. Figures that are no longer
/// current are not shown.
pub(super) async fn poll_slot(conninfo: &Conninfo, client: Client, name: &str, state: &State) -> Infallible {
    let mut session = Some(client);
    loop {
        let answer = tokio::time::timeout(QUERY_TIMEOUT, query(conninfo, &mut session, name)).await;
        match answer {
            Ok(Ok(slot)) => state.set_slot(slot.as_ref()),
            Ok(Err(error)) => tracing::debug!("read the slot: {error}"),
            Err(_) => {
                session = None;
                tracing::debug!("read the slot: no answer for {QUERY_TIMEOUT:?}");
            }
        }
        tokio::time::sleep(POLL_SLOT_EVERY).await;
    }
}

async fn query(
    conninfo: &Conninfo,
    session: &mut Option<Client>,
    name: &str,
) -> Result<Option<Slot>, SourceError> {
    if let Some(client) = session.take()
        && let Ok(slot) = slot::slot(&client, name).await
    {
        *session = Some(client);
        return Ok(slot);
    }
    let client = session.insert(connect_sql(conninfo).await?);
    slot::slot(client, name).await
}

pub(super) const POLL_SLOT_EVERY: Duration = Duration::from_secs(10);
const QUERY_TIMEOUT: Duration = Duration::from_secs(15);
