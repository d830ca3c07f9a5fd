//! What the settings require on the server, as values.

use crate::relation::ExcludedWhen;

/// The objects on the server that the settings name.
#[derive(Clone, Debug)]
pub struct Required {
    /// The documents table's schema.
    pub schema: String,
    /// The documents table.
    pub table: String,
    /// The OID of the table in the spool. A table that was renamed is found by it. `None` before a first
    /// start.
    pub oid: Option<u32>,
    /// `postgres.publication`
    pub publication: String,
    /// `postgres.slot`
    pub slot: String,
    /// `postgres.failover_slot`
    pub failover: bool,
    /// The columns of the document id.
    pub id: Vec<String>,
    /// The identity columns stored in the spool. `None` before a first start, which chooses them.
    pub identity: Option<Vec<String>>,
    /// The column of the project.
    pub project: Option<String>,
    /// Every column that a setting names, those of the id included.
    pub columns: Vec<RequiredColumn>,
    /// `documents.excluded_when` or `documents.live_when`, as written in the settings.
    pub excluded_when: ExcludedWhen,
    /// `documents.content`; `None` means every column without another role.
    pub content: Option<Vec<String>>,
    /// `documents.ignore`
    pub ignore: Vec<String>,
    /// The project of each webhook; `None` is `*`.
    pub webhooks: Vec<Option<String>>,
}

impl Required {
    /// The column that `setting` names, if it names one.
    pub fn named(&self, setting: &str) -> Option<&str> {
        self.columns.iter().find(|column| column.setting == setting).map(|column| column.name.as_str())
    }

    /// The column that marks excluded documents.
    pub fn excluded(&self) -> Option<&str> {
        self.named("documents.excluded")
    }
}

/// A column that a setting names.
#[derive(Clone, Debug)]
pub struct RequiredColumn {
    /// The setting's path, such as `documents.labels`.
    pub setting: String,
    /// The column.
    pub name: String,
}
