//! Facts and the names of projects as rows.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::error::failed;
use super::row_bytes::RowBytes;
use super::store::Store;
use crate::record::ProjectNo;
use crate::spool::error::SpoolError;
use crate::spool::fact::Fact;

impl Store {
    pub(super) fn write_fact(&mut self, fact: Fact, value: Option<&[u8]>) -> Result<(), SpoolError> {
        match value {
            Some(value) => {
                let sum = fact_bytes(fact, value).sum();
                let sql = "INSERT OR REPLACE INTO fact (name, value, sum) VALUES (?1, ?2, ?3)";
                self.execute(sql, params![fact.name(), value, sum])
            }
            None => self.execute("DELETE FROM fact WHERE name = ?1", params![fact.name()]),
        }
    }

    pub(super) fn add_project(&self, no: ProjectNo, name: &str) -> Result<(), SpoolError> {
        let sum = project_bytes(no.0, name).sum();
        self.execute("INSERT INTO project (no, name, sum) VALUES (?1, ?2, ?3)", params![no.0, name, sum])
    }

    pub(super) fn facts(&self) -> Result<HashMap<Fact, Vec<u8>>, SpoolError> {
        let mut facts = HashMap::new();
        for fact in Fact::ALL {
            if let Some(value) = read_fact(&self.connection, fact)? {
                facts.insert(fact, value);
            }
        }
        Ok(facts)
    }

    pub(super) fn projects(&self) -> Result<Vec<String>, SpoolError> {
        let mut names = Vec::new();
        let mut rows = self
            .connection
            .prepare_cached("SELECT no, name, sum FROM project ORDER BY no")
            .map_err(failed)?;
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?));
        for row in rows.query_map([], read).map_err(failed)? {
            let (no, name, sum): (u32, String, i64) = row.map_err(failed)?;
            if no as usize != names.len() || project_bytes(no, &name).sum() != sum {
                return Err(SpoolError::Damaged("the name of a project".into()));
            }
            names.push(name);
        }
        Ok(names)
    }
}

/// The value of a fact.
pub(super) fn read_fact(connection: &Connection, fact: Fact) -> Result<Option<Vec<u8>>, SpoolError> {
    let row: Option<(Vec<u8>, i64)> = connection
        .prepare_cached("SELECT value, sum FROM fact WHERE name = ?1")
        .and_then(|mut found| found.query_row([fact.name()], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .map_err(failed)?;
    match row {
        Some((value, sum)) if fact_bytes(fact, &value).sum() == sum => Ok(Some(value)),
        Some(_) => Err(SpoolError::Damaged(format!("the fact {}", fact.name()))),
        None => Ok(None),
    }
}

pub(super) fn fact_bytes(fact: Fact, value: &[u8]) -> RowBytes {
    RowBytes::of("fact").text(fact.name()).bytes(value)
}

/// With the number: **a name that is read as another would send its records there.**
pub(super) fn project_bytes(no: u32, name: &str) -> RowBytes {
    RowBytes::of("project").number(no.into()).text(name)
}
