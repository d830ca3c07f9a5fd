//! The shadow as rows.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::error::failed;
use super::row_bytes::RowBytes;
use super::store::Store;
use crate::classify::Identity;
use crate::spool::error::SpoolError;

impl Store {
    /// Writes entries (`Some`) or removes them.
    pub(super) fn write_shadow(&self, changes: &[(Identity, Option<Arc<[u8]>>)]) -> Result<(), SpoolError> {
        let prepare = |sql| self.connection.prepare_cached(sql).map_err(failed);
        let mut write = prepare("INSERT OR REPLACE INTO shadow (identity, entry) VALUES (?1, ?2)")?;
        let mut remove = prepare("DELETE FROM shadow WHERE identity = ?1")?;
        let mut summed = Vec::new();
        for (identity, entry) in changes {
            let Some(entry) = entry else {
                remove.execute([&identity.0[..]]).map_err(failed)?;
                continue;
            };
            summed.clear();
            summed.extend_from_slice(entry);
            summed.extend_from_slice(&shadow_bytes(identity).sum_with(entry).to_le_bytes());
            write.execute([&identity.0[..], &summed]).map_err(failed)?;
        }
        Ok(())
    }
}

/// The shadow's entry of one identity.
pub(super) fn find_shadow(
    connection: &Connection,
    identity: &Identity,
) -> Result<Option<Arc<[u8]>>, SpoolError> {
    let mut found =
        connection.prepare_cached("SELECT entry FROM shadow WHERE identity = ?1").map_err(failed)?;
    let mut rows = found.query([&identity.0[..]]).map_err(failed)?;
    match rows.next().map_err(failed)? {
        Some(row) => {
            let summed = row.get_ref(0).and_then(|value| Ok(value.as_blob()?)).map_err(failed)?;
            checked(identity, summed).map(Some)
        }
        None => Ok(None),
    }
}

/// Up to `limit` entries of the shadow behind `after`, in the order of identities.
pub(super) fn shadow_after(
    connection: &Connection,
    after: Option<&Identity>,
    limit: u32,
) -> Result<Vec<(Identity, Arc<[u8]>)>, SpoolError> {
    // No identity is empty bytes but that of one empty text, which is then the first.
    let (from, inclusive) = after.map_or((&[][..], true), |identity| (&identity.0[..], false));
    let sql = if inclusive {
        "SELECT identity, entry FROM shadow WHERE identity >= ?1 ORDER BY identity LIMIT ?2"
    } else {
        "SELECT identity, entry FROM shadow WHERE identity > ?1 ORDER BY identity LIMIT ?2"
    };
    let mut found = connection.prepare_cached(sql).map_err(failed)?;
    let rows = found
        .query_map(params![from, limit], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?)));
    let entry = |row: rusqlite::Result<(Vec<u8>, Vec<u8>)>| {
        let (identity, summed) = row.map_err(failed)?;
        let identity = Identity(identity.into());
        checked(&identity, &summed).map(|entry| (identity, entry))
    };
    rows.map_err(failed)?.map(entry).collect()
}

/// An entry without the checksum behind it.
fn checked(identity: &Identity, summed: &[u8]) -> Result<Arc<[u8]>, SpoolError> {
    let whole = summed.split_last_chunk::<8>();
    let entry =
        whole.filter(|(entry, sum)| shadow_bytes(identity).sum_with(entry) == i64::from_le_bytes(**sum));
    let (entry, _) = entry.ok_or_else(|| SpoolError::Damaged("an entry of the shadow".into()))?;
    Ok(entry.into())
}

/// What the checksum behind a shadow entry is taken of, without the entry that ends it.
pub(super) fn shadow_bytes(Identity(identity): &Identity) -> RowBytes {
    RowBytes::of("shadow").bytes(identity)
}
