//! What the settings require of the server, as values.

use crate::relation::ExcludedWhen;

/// What the settings name on the server.
#[derive(Clone, Debug)]
pub struct Required {
    /// The documents table's schema.
    pub schema: String,
    /// The documents table.
    pub table: String,
    /// The table that documents are known of: where none bears the name, it is found under its other one.
    pub oid: Option<u32>,
    /// `postgres.publication`
    pub publication: String,
    /// `postgres.slot`
    pub slot: String,
    /// `postgres.failover_slot`
    pub failover: bool,
    /// The columns of the documents' ids.
    pub id: Vec<String>,
    /// The identity that documents are known by. `None` before a first start, which chooses it.
    pub identity: Option<Vec<String>>,
    /// The column of their projects.
    pub project: Option<String>,
    /// Every column that is named, the ids' too.
    pub columns: Vec<RequiredColumn>,
    /// `documents.excluded_when` or `documents.live_when`, as it was written.
    pub excluded_when: ExcludedWhen,
    /// `documents.content`; every column without another role where `None`.
    pub content: Option<Vec<String>>,
    /// `documents.ignore`
    pub ignore: Vec<String>,
    /// The project of each webhook; `None` is `*`.
    pub webhooks: Vec<Option<String>>,
}

impl Required {
    /// The column of a setting, where it names one.
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
    /// The setting, as `documents.labels`.
    pub setting: String,
    /// The column.
    pub name: String,
}
