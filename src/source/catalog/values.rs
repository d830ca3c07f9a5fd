//! The values that mark excluded documents, in the text that the stream will carry. The server is queried once:
//! `false` is `f`, `2030-1-1` is `2030-01-01 00:00:00+00`, and what is no value of the type is refused.

use std::collections::BTreeMap;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::roles::{excludes_all, forms, rule, setting, typed};
use super::violation::Violation;
use crate::relation::{Column, ColumnType, ExcludedWhen, Table, TypeClass, TypeForm, canonical};
use crate::source::{Required, SourceError};

/// How an excluded document is recognised on this table.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ExclusionRule {
    /// The setting, its values as the stream writes them; `None` where it was refused, or its column is missing.
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
        match normal(client, column, of, value).await? {
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

/// The text of `value` as a value of the column, or why it is none.
async fn normal(
    client: &Client,
    column: &Column,
    of: &ColumnType,
    value: &str,
) -> Result<Result<String, String>, SourceError> {
    if has_clock(of, value) {
        return Ok(Err("is another value at each start".to_owned()));
    }
    // Once without the column's length, which a cast would cut it to, and once with it, and a domain's checks.
    let sql = format!(
        "SELECT pg_catalog.concat(CAST($1::text AS {})), pg_catalog.concat(CAST($1::text AS {}))",
        of.base_name, of.whole_name
    );
    let row = match client.query_one(&sql, &[&value]).await {
        Ok(row) => row,
        Err(error) => {
            return match error.as_db_error() {
                // To use a schema takes more than to read a column of a type in it.
                Some(said) if *said.code() == SqlState::INSUFFICIENT_PRIVILEGE => {
                    Ok(unread(of, value, said.message()))
                }
                Some(said) if is_of_value(said.code().code()) => {
                    Ok(Err(format!("is none: {}", said.message())))
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

/// Checks a value whose type our role may not use, as far as that is possible.
fn unread(of: &ColumnType, value: &str, why: &str) -> Result<String, String> {
    if of.labels.iter().any(|label| label == value) {
        return Ok(value.to_owned());
    }
    match of.class {
        TypeClass::Enum => Err("is no label of it".to_owned()),
        _ => Err(format!("cannot be read: {why} (it takes GRANT USAGE ON SCHEMA)")),
    }
}

/// `now`, `today` and the like in a date or time.
fn has_clock(of: &ColumnType, value: &str) -> bool {
    let value = value.to_lowercase();
    TIMES.contains(&of.form.base)
        && ["now", "today", "tomorrow", "yesterday"].iter().any(|word| value.contains(word))
}

/// Data exceptions, and what a domain's check refuses.
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn is_of_value(sqlstate: &str) -> bool {
    ["22", "23", "42"].iter().any(|class| sqlstate.starts_with(class))
}

const CHAR: u32 = 18;
/// date, time, timestamp, timestamptz, timetz.
const TIMES: &[u32] = &[1082, 1083, 1114, 1184, 1266];
