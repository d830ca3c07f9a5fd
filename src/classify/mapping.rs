//! The roles of columns: `[documents]`, validated.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::relation::{ExcludedWhen, TypeForm};

/// The roles of the table's columns. Stored in the spool, because the shadow is valid for its mapping only.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Mapping {
    /// The documents table.
    pub table: TableName,
    /// The columns of the id; several are joined.
    pub id: Vec<String>,
    /// The column of the key; `None` means the id.
    pub key: Option<String>,
    /// The column of the project; `None` means one project for all documents.
    pub project: Option<String>,
    /// The column of the labels.
    pub labels: Option<String>,
    /// The column of the predicted labels.
    pub predicted_labels: Option<String>,
    /// The columns of the similarity entries.
    pub similarity: SimilarityColumns,
    /// The column that marks excluded documents.
    pub excluded: Option<String>,
    /// The values that mark them.
    pub excluded_when: ExcludedWhen,
    /// The content columns; `None` means every column without another role.
    pub content: Option<Vec<String>>,
    /// Columns that are not content. They need not exist.
    pub ignore: Vec<String>,
}

/// Where similarity entries are stored.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SimilarityColumns {
    /// In three columns of text.
    Columns {
        /// `similar_doc_id`
        id: String,
        /// `similar_doc_key`
        key: String,
        /// `similarity_label`
        label: String,
    },
    /// In a json or jsonb column with one object or a list of objects.
    Json(String),
    /// Nowhere.
    None,
}

/// A table's schema and name, as the catalog has them.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct TableName {
    /// The schema.
    pub schema: String,
    /// The name.
    pub name: String,
}

impl Mapping {
    /// (setting, column) of every role but `content`, in the order of the settings.
    pub fn roles(&self) -> Vec<(&'static str, &str)> {
        let mut roles: Vec<(&'static str, &str)> =
            self.id.iter().map(|id| ("documents.id", id.as_str())).collect();
        let single = [
            ("documents.key", &self.key),
            ("documents.project", &self.project),
            ("documents.labels", &self.labels),
            ("documents.predicted_labels", &self.predicted_labels),
        ];
        roles.extend(single.into_iter().filter_map(|(setting, column)| Some((setting, column.as_deref()?))));
        match &self.similarity {
            SimilarityColumns::Columns { id, key, label } => roles.extend([
                ("documents.similarity.id", id.as_str()),
                ("documents.similarity.key", key.as_str()),
                ("documents.similarity.label", label.as_str()),
            ]),
            SimilarityColumns::Json(column) => roles.push(("documents.similarity", column)),
            SimilarityColumns::None => {}
        }
        roles.extend(self.excluded.as_deref().map(|column| ("documents.excluded", column)));
        roles
    }

    /// Normalises settings that mean the same, for a column of `excluded` of this type.
    #[must_use]
    pub fn canonical(mut self, excluded: Option<TypeForm>) -> Self {
        if self.excluded.is_none() {
            self.excluded_when = ExcludedWhen::NotNull;
        } else if let Some(form) = excluded {
            self.excluded_when = self.excluded_when.canonical(form);
        }
        self
    }

    /// Whether `column` is content by `content` and `ignore`.
    pub(super) fn is_content(&self, column: &str) -> bool {
        match &self.content {
            Some(listed) => listed.iter().any(|listed| listed == column),
            None => {
                !self.ignore.iter().any(|ignored| ignored == column)
                    && !self.roles().iter().any(|(_, taken)| *taken == column)
            }
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// The text is not a table's name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{0}` is not a table's name: expected `documents`, `schema.documents` or `\"Schema\".\"Documents\"`"
)]
pub struct NotATable(String);

impl FromStr for TableName {
    type Err = NotATable;

    /// Parses as SQL does: names without quotes become lower case (ASCII only, as in a UTF-8 database). The
    /// default schema is `public`.
    fn from_str(text: &str) -> Result<Self, NotATable> {
        let refuse = || NotATable(text.to_owned());
        let (first, rest) = identifier(text).ok_or_else(refuse)?;
        if rest.is_empty() {
            return Ok(Self { schema: "public".to_owned(), name: first });
        }
        let (name, rest) = rest.strip_prefix('.').and_then(identifier).ok_or_else(refuse)?;
        if rest.is_empty() { Ok(Self { schema: first, name }) } else { Err(refuse()) }
    }
}

/// The identifier at the start of `text`, and the rest.
fn identifier(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(['.', '"']).unwrap_or(text.len());
        let (plain, rest) = text.split_at_checked(end)?;
        let proper = !plain.is_empty() && plain.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$');
        return proper.then(|| (plain.to_ascii_lowercase(), rest));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return (!name.is_empty()).then_some((name, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_as_in_sql() {
        let named = |schema: &str, name: &str| Ok(TableName { schema: schema.into(), name: name.into() });
        assert_eq!("Documents".parse(), named("public", "documents"));
        assert_eq!("app.documents".parse(), named("app", "documents"));
        assert_eq!("ÄB".parse(), named("public", "Äb"));
        assert_eq!(r#""App"."Docu.""ments""#.parse(), named("App", r#"Docu."ments"#));
        for wrong in ["", ".", "a.", ".b", "a.b.c", "a b", r#""a"#, r#""""#, r#""a"b"#] {
            assert!(wrong.parse::<TableName>().is_err(), "{wrong}");
        }
    }
}
