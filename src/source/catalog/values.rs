//! The values that mark excluded documents, in the text that the stream carries. The server parses them
//! once: `false` becomes `f`, `2030-1-1` becomes `2030-01-01 00:00:00+00`, and a text that is not a value
//! of the type is a violation.

use std::collections::BTreeMap;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::roles::{excludes_all, forms, rule, setting, typed};
use super::violation::Violation;
use crate::relation::{Column, ColumnType, ExcludedWhen, Table, TypeClass, TypeForm, canonical};
use crate::source::{Required, SourceError};

/// How an excluded document is recognised in this table.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ExclusionRule {
    /// The rule, with its values as the stream writes them; `None` if it is a violation or the column is
    /// missing.
    pub when: Option<ExcludedWhen>,
    /// The column's type.
    pub form: Option<TypeForm>,
    /// Why the column cannot mark excluded documents.
    pub violation: Option<Violation>,
}

/// Reads `documents.excluded_when` or `documents.live_when` for the column that `documents.excluded` names.
pub async fn exclusion_rule(
    client: &Client,
    table: &Table,
    types: &BTreeMap<String, ColumnType>,
    required: &Required,
) -> Result<ExclusionRule, SourceError> {
    let Some(name) = required.excluded() else {
        return Ok(ExclusionRule { when: Some(ExcludedWhen::NotNull), ..ExclusionRule::default() });
    };
    let Some((column, of)) = table.column(name).zip(types.get(name)) else {
        return Ok(ExclusionRule::default());
    };
    let form = Some(of.form);
    let when = match rule(table, column, of, &required.excluded_when) {
        Ok(when) => when,
        Err(violation) => return Ok(ExclusionRule { when: None, form, violation: Some(violation) }),
    };
    let mut values = Vec::new();
    for value in when.values() {
        match output_text(client, column, of, value).await? {
            Ok(text) => values.push(text),
            Err(why) => {
                let violation = Violation::in_settings(format!(
                    "{}: {}, and {value:?} {why}. What works: {}",
                    setting(&when),
                    typed(column, of),
                    forms(column, of)
                ));
                return Ok(ExclusionRule { when: None, form, violation: Some(violation) });
            }
        }
    }
    let when = when.with_values(values).canonical(of.form);
    let violation = excludes_all(column, of, &when);
    Ok(ExclusionRule { when: Some(when).filter(|_| violation.is_none()), form, violation })
}

/// The output text of `value` as a value of the column's type, or why it is not one.
async fn output_text(
    client: &Client,
    column: &Column,
    of: &ColumnType,
    value: &str,
) -> Result<Result<String, String>, SourceError> {
    if depends_on_clock(of, value) {
        return Ok(Err("has another value at each start".to_owned()));
    }
    // Cast twice: without the column's length, to which a cast would truncate, and with its length and a
    // domain's checks.
    let sql = format!(
        "SELECT pg_catalog.concat(CAST($1::text AS {})), pg_catalog.concat(CAST($1::text AS {}))",
        of.base_name, of.whole_name
    );
    let row = match client.query_one(&sql, &[&value]).await {
        Ok(row) => row,
        Err(error) => {
            return match error.as_db_error() {
                // Using a type needs USAGE on its schema, reading a column of that type does not.
                Some(error) if *error.code() == SqlState::INSUFFICIENT_PRIVILEGE => {
                    Ok(check_unreadable_type(of, value, error.message()))
                }
                Some(error) if is_value_error(error.code().code()) => {
                    Ok(Err(format!("is not one: {}", error.message())))
                }
                _ => Err(error.into()),
            };
        }
    };
    let (base, whole): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let same = |one: &str, other: &str| canonical(of.form.kind, one) == canonical(of.form.kind, other);
    let is_verbatim = of.form.is_text() || of.form.base == CHAR || of.class == TypeClass::Enum;
    let stored =
        [&base, &whole].into_iter().find(|text| !same(text, if is_verbatim { value } else { &base }));
    Ok(match stored {
        Some(stored) => {
            Err(format!("is never in a column of {}: it would become {stored:?}", column.type_name))
        }
        None => Ok(base),
    })
}

/// Checks a value whose type our role may not use, as far as possible.
fn check_unreadable_type(of: &ColumnType, value: &str, why: &str) -> Result<String, String> {
    if of.labels.iter().any(|label| label == value) {
        return Ok(value.to_owned());
    }
    match of.class {
        TypeClass::Enum => Err("is not one of its labels".to_owned()),
        _ => Err(format!("cannot be read: {why} (it needs GRANT USAGE ON SCHEMA)")),
    }
}

/// Whether a date or time is relative to the clock: `now`, `today` and the like.
fn depends_on_clock(of: &ColumnType, value: &str) -> bool {
    let value = value.to_lowercase();
    TIMES.contains(&of.form.base)
        && ["now", "today", "tomorrow", "yesterday"].iter().any(|word| value.contains(word))
}

/// Whether the error is about the value: a data exception or a domain's check.
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn is_value_error(sqlstate: &str) -> bool {
    ["22", "23", "42"].iter().any(|class| sqlstate.starts_with(class))
}

const CHAR: u32 = 18;
/// date, time, timestamp, timestamptz, timetz.
const TIMES: &[u32] = &[1082, 1083, 1114, 1184, 1266];
