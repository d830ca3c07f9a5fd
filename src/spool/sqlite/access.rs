//! Credentials and the audit log as rows.

use rusqlite::{Connection, Row, params};

use super::error::failed;
use super::row_bytes::RowBytes;
use super::store::Store;
use crate::spool::access::{AuditLimit, StoredAudit, StoredCredential};
use crate::spool::error::SpoolError;
use crate::spool::ops::Done;
use crate::time::Timestamp;

impl StoredCredential {
    pub(super) fn row_bytes(&self) -> RowBytes {
        RowBytes::of("credential").text(&self.id).bytes(&self.hash).text(&self.content)
    }
}

impl StoredAudit {
    pub(super) fn row_bytes(&self) -> RowBytes {
        let row = RowBytes::of("audit").number(self.no).signed(self.at.0);
        row.option(self.project.as_deref(), RowBytes::text).text(&self.content)
    }
}

impl Store {
    /// Writes credentials, in place of those with the same ids, and removes others.
    pub(super) fn set_credentials(
        &mut self,
        put: &[StoredCredential],
        remove: &[String],
    ) -> Result<Done, SpoolError> {
        for id in remove {
            self.execute("DELETE FROM credential WHERE id = ?1", params![id])?;
        }
        for credential in put {
            let StoredCredential { id, hash, content } = credential;
            let sum = credential.row_bytes().sum();
            self.execute(
                "INSERT OR REPLACE INTO credential (id, hash, content, sum) VALUES (?1, ?2, ?3, ?4)",
                params![id, hash, content, sum],
            )?;
        }
        Ok(Done::Ok)
    }

    /// Adds an entry to the audit log, and removes those beyond the limit.
    pub(super) fn add_audit(&mut self, entry: StoredAudit, limit: AuditLimit) -> Result<Done, SpoolError> {
        let last: i64 =
            self.one("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'audit'", [])?;
        let entry = StoredAudit { no: last.cast_unsigned() + 1, ..entry };
        let sum = entry.row_bytes().sum();
        let StoredAudit { no, at, project, content } = entry;
        self.execute(
            "INSERT INTO audit (no, at, project, content, sum) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![no.cast_signed(), at.0, project, content, sum],
        )?;
        let first = no.saturating_sub(limit.entries).cast_signed();
        self.execute("DELETE FROM audit WHERE no <= ?1 OR at < ?2", params![first, limit.since.0])?;
        Ok(Done::Ok)
    }
}

/// All credentials.
pub(super) fn all_credentials(connection: &Connection) -> Result<Vec<StoredCredential>, SpoolError> {
    let mut found = connection
        .prepare_cached("SELECT id, hash, content, sum FROM credential ORDER BY id")
        .map_err(failed)?;
    let read = |row: &Row<'_>| {
        let credential = StoredCredential { id: row.get(0)?, hash: row.get(1)?, content: row.get(2)? };
        let sum: i64 = row.get(3)?;
        Ok((credential.row_bytes().sum() == sum).then_some(credential))
    };
    let rows = found.query_map([], read).and_then(Iterator::collect::<Result<Option<Vec<_>>, _>>);
    rows.map_err(failed)?.ok_or_else(|| SpoolError::Damaged("a credential".into()))
}

/// Entries of the audit log before a number, the newest first; of one project, where one is given.
pub(super) fn audit_before(
    connection: &Connection,
    before: u64,
    project: Option<&str>,
    limit: u32,
) -> Result<Vec<StoredAudit>, SpoolError> {
    let sql = "SELECT no, at, project, content, sum FROM audit \
               WHERE no < ?1 AND (?2 IS NULL OR project = ?2) ORDER BY no DESC LIMIT ?3";
    let mut found = connection.prepare_cached(sql).map_err(failed)?;
    let read = |row: &Row<'_>| {
        let entry = StoredAudit {
            no: row.get::<_, i64>(0)?.cast_unsigned(),
            at: Timestamp(row.get(1)?),
            project: row.get(2)?,
            content: row.get(3)?,
        };
        let sum: i64 = row.get(4)?;
        Ok((entry.row_bytes().sum() == sum).then_some(entry))
    };
    let before = i64::try_from(before).unwrap_or(i64::MAX);
    let rows = found
        .query_map(params![before, project, limit], read)
        .and_then(Iterator::collect::<Result<Option<Vec<_>>, _>>);
    rows.map_err(failed)?.ok_or_else(|| SpoolError::Damaged("an entry of the audit log".into()))
}
