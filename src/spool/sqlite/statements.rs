//! How connections keep prepared statements.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

/// Keeps up to `count` prepared statements, whose plans never depend on what is bound to them: without
/// the stability guarantee, SQLite plans a statement anew where a bound value might give a better plan,
/// which was most of the cost of reading a chunk. <https://www.sqlite.org/queryplanner-ng.html#qpstab>
pub(super) fn keep_statements(connection: &Connection, count: usize) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(count);
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use crate::spool::sqlite::schema::{open, open_reader};

    #[test]
    fn a_statement_is_planned_once_whatever_is_bound() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, _) = open(folder.path()).unwrap();
        let reader = open_reader(folder.path()).unwrap();
        for connection in [writer, reader] {
            let sql = "SELECT first FROM chunk WHERE lane = ?1 AND last > ?2 ORDER BY last LIMIT 1";
            let mut found = connection.prepare_cached(sql).unwrap();
            for lane in [0, 1, 7, 1, 9] {
                assert!(!found.exists([lane, lane * 1_000]).unwrap());
            }
            assert_eq!(found.get_status(StatementStatus::RePrepare), 0);
        }
    }
}
