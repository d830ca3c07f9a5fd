//! What the slot costs the server, asked now and then while the stream runs.

use std::convert::Infallible;
use std::time::Duration;

use tokio_postgres::Client;

use crate::service::state::State;
use crate::source::slot::{self, Slot};
use crate::source::{Conninfo, SourceError, connect_sql};

/// Asks for ever. A session that is gone is no reason to end a stream that is not: it is made again. What
/// is not to be had is not shown for long.
pub(super) async fn look_at_slot(
    conninfo: &Conninfo,
    client: Client,
    name: &str,
    state: &State,
) -> Infallible {
    let mut session = Some(client);
    loop {
        let asked = tokio::time::timeout(ASK_PATIENCE, ask(conninfo, &mut session, name)).await;
        match asked {
            Ok(Ok(slot)) => state.learn_slot(slot.as_ref()),
            Ok(Err(error)) => tracing::debug!("look at the slot: {error}"),
            Err(_) => {
                session = None;
                tracing::debug!("look at the slot: no answer for {ASK_PATIENCE:?}");
            }
        }
        tokio::time::sleep(LOOK_AT_SLOT_EVERY).await;
    }
}

async fn ask(
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

pub(super) const LOOK_AT_SLOT_EVERY: Duration = Duration::from_secs(10);
const ASK_PATIENCE: Duration = Duration::from_secs(15);
