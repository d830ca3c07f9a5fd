//! What is remembered by name, and the names of projects.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, params};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::ops::Fact;
use super::store::{SpoolError, Store, failed};
use crate::record::ProjectNo;

impl Store {
    pub(super) fn write_fact(&mut self, fact: Fact, value: Option<&[u8]>) -> Result<(), SpoolError> {
        let name = format!("{fact:?}");
        match value {
            Some(value) => {
                let sum = xxh3_64(value).cast_signed();
                self.execute("INSERT OR REPLACE INTO fact VALUES (?1, ?2, ?3)", params![name, value, sum])
            }
            None => self.execute("DELETE FROM fact WHERE name = ?1", params![name]),
        }
    }

    pub(super) fn add_project(&self, no: ProjectNo, name: &str) -> Result<(), SpoolError> {
        self.execute("INSERT INTO project VALUES (?1, ?2, ?3)", params![no.0, name, project_sum(no.0, name)])
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
            if no as usize != names.len() || project_sum(no, &name) != sum {
                return Err(SpoolError::Damaged("the name of a project".into()));
            }
            names.push(name);
        }
        Ok(names)
    }
}

/// What is remembered by this name.
pub(super) fn read_fact(connection: &Connection, fact: Fact) -> Result<Option<Vec<u8>>, SpoolError> {
    let row: Option<(Vec<u8>, i64)> = connection
        .prepare_cached("SELECT value, sum FROM fact WHERE name = ?1")
        .and_then(|mut found| {
            found.query_row([format!("{fact:?}")], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
        .map_err(failed)?;
    match row {
        Some((value, sum)) if xxh3_64(&value).cast_signed() == sum => Ok(Some(value)),
        Some(_) => Err(SpoolError::Damaged(format!("the fact {fact:?}"))),
        None => Ok(None),
    }
}

/// The checksum of a project's name: **a name that is read as another would send its records there.**
fn project_sum(no: u32, name: &str) -> i64 {
    let mut hash = Xxh3::new();
    hash.update(&no.to_le_bytes());
    hash.update(name.as_bytes());
    hash.digest().cast_signed()
}
