//! The types that a column may have for its role in `[documents]`. Pure: the catalog's facts in, violations
//! out.

use super::violation::Violation;
use crate::relation::{BOOL, Column, ColumnType, ExcludedWhen, Table, TypeClass, TypeKind};
use crate::source::RequiredColumn;

/// The role of a column.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// A change sends the document again.
    Content,
    /// Marks excluded documents.
    Excluded,
    /// The document's id or a part of it, or its key.
    Id,
    /// Labels.
    Labels,
    /// The tenant.
    Project,
    /// Similarity entries, as JSON.
    Similarity,
}

impl Role {
    /// The role that `setting` assigns.
    pub fn of(setting: &str) -> Self {
        match setting {
            "documents.excluded" => Self::Excluded,
            "documents.id" | "documents.key" => Self::Id,
            "documents.labels" | "documents.predicted_labels" => Self::Labels,
            "documents.project" => Self::Project,
            "documents.similarity" => Self::Similarity,
            setting if setting.starts_with("documents.similarity.") => Self::Id,
            _ => Self::Content,
        }
    }
}

/// Why the column cannot play its role, whatever its values. The values of `documents.excluded` are checked
/// by [`rule`].
pub fn violation(required: &RequiredColumn, column: &Column, of: &ColumnType) -> Option<Violation> {
    let role = Role::of(&required.setting);
    let why = match role {
        Role::Id | Role::Project if is_named(of) => NAMED,
        Role::Project if !is_scalar(of) => "and a project is a single name",
        Role::Labels if !holds_labels(of) => "and an array, json, jsonb, text or enum column is expected",
        Role::Similarity if of.form.kind != TypeKind::Json => {
            "and a json or jsonb column is expected, or three columns: { id = \"…\", key = \"…\", label = \"…\" }"
        }
        Role::Content | Role::Excluded | Role::Id | Role::Labels | Role::Project | Role::Similarity => {
            return None;
        }
    };
    let none = match (role, required.setting.as_str()) {
        (_, "documents.id") | (Role::Id, _) => String::new(),
        (_, setting) => format!(", or set {setting} = \"\""),
    };
    Some(Violation::in_settings(format!(
        "{}: {}, {why}: name another column{none}",
        required.setting,
        typed(column, of)
    )))
}

/// The rule that marks excluded documents by this column, with its values as written in the settings. A
/// violation if no value of the column could match.
pub fn rule(
    table: &Table,
    column: &Column,
    of: &ColumnType,
    when: &ExcludedWhen,
) -> Result<ExcludedWhen, Violation> {
    let refuse = |setting: &str, why: &str| {
        let (is, forms) = (typed(column, of), forms(column, of));
        Err(Violation::in_settings(format!("{setting}: {is}{why}. What works: {forms}")))
    };
    let when = match when {
        ExcludedWhen::ByType if of.form.base == BOOL => ExcludedWhen::True,
        ExcludedWhen::ByType if of.form.is_moment() => ExcludedWhen::NotNull,
        ExcludedWhen::ByType => {
            let why = ", so the values that mean \"excluded\" must be set";
            return refuse("documents.excluded_when", why);
        }
        given => given.clone(),
    };
    match &when {
        ExcludedWhen::NotNull if column.not_null => {
            let why = format!(
                " and NOT NULL in {}.{}, so that \"not_null\" excludes every document for ever",
                table.schema, table.name
            );
            refuse("documents.excluded_when", &why)
        }
        ExcludedWhen::True if of.form.base != BOOL && !of.form.is_text() => {
            refuse("documents.excluded_when", ", which is never \"true\"")
        }
        ExcludedWhen::Unless(_) | ExcludedWhen::Values(_) if !has_one_text(of) => {
            let why = ", and equal values of it can have different texts, so a list cannot match them";
            refuse(setting(&when), why)
        }
        _ => Ok(when),
    }
}

/// Whether a list of values, as the server writes them, leaves no document live.
pub(in crate::source) fn excludes_all(
    column: &Column,
    of: &ColumnType,
    when: &ExcludedWhen,
) -> Option<Violation> {
    let possible: Vec<&str> = match of.class {
        TypeClass::Enum => of.labels.iter().map(String::as_str).collect(),
        _ if of.form.base == BOOL => vec!["f", "t"],
        _ => return None,
    };
    let ExcludedWhen::Values(values) = when else { return None };
    let listed = |value: &&str| values.iter().any(|listed| listed == value);
    (column.not_null && possible.iter().all(listed)).then(|| {
        let is = typed(column, of);
        Violation::in_settings(format!(
            "{}: {is} and NOT NULL, and every value of it is listed, so that no document is live. What works: {}",
            setting(when),
            forms(column, of)
        ))
    })
}

/// `deleted_at is timestamp with time zone`
pub(in crate::source) fn typed(column: &Column, of: &ColumnType) -> String {
    format!("{} is {}", column.name, type_name(column, of))
}

/// The name of a type, with the base type of a domain.
pub(in crate::source) fn type_name(column: &Column, of: &ColumnType) -> String {
    if column.type_oid == of.form.base {
        column.type_name.clone()
    } else {
        format!("{} (a domain of {})", column.type_name, of.base_name)
    }
}

/// The settings that can mark excluded documents by this column.
pub(in crate::source) fn forms(column: &Column, of: &ColumnType) -> String {
    let mut forms = Vec::new();
    if of.form.base == BOOL {
        forms.push("documents.excluded_when = \"true\"".to_owned());
    }
    if has_one_text(of) {
        let live = match of.class {
            TypeClass::Enum => of.labels.first().map_or("…", String::as_str),
            _ if of.form.base == BOOL => "f",
            _ if of.form.is_moment() => "infinity",
            _ if of.form.kind == TypeKind::Number => "0",
            _ => "…",
        };
        forms.push(format!("documents.live_when = [{live:?}] (live where it holds one of these)"));
        forms.push("documents.excluded_when = [\"…\"] (excluded where it holds one of these)".to_owned());
    }
    if !column.not_null {
        forms.push("documents.excluded_when = \"not_null\"".to_owned());
    }
    let labels = match of.class {
        TypeClass::Enum => format!("; its labels are {}", of.labels.join(", ")),
        _ => String::new(),
    };
    forms.push("documents.excluded = \"\", or another column".to_owned());
    forms.join("; ") + &labels
}

/// The name of the setting that the rule comes from.
pub(in crate::source) fn setting(when: &ExcludedWhen) -> &'static str {
    match when {
        ExcludedWhen::Unless(_) => "documents.live_when",
        _ => "documents.excluded_when",
    }
}

/// Whether values that SQL treats as equal have the same text, or one that [`super::types::canonical`]
/// makes the same.
fn has_one_text(of: &ColumnType) -> bool {
    is_scalar(of) && !is_named(of) && of.form.base != INTERVAL
}

fn holds_labels(of: &ColumnType) -> bool {
    matches!(of.form.kind, TypeKind::Array { .. } | TypeKind::Json)
        || of.form.is_text()
        || of.form.base == CHAR
        || of.class == TypeClass::Enum
}

/// Whether the type is a single value with a text of its own. Types of extensions are assumed to be.
fn is_scalar(of: &ColumnType) -> bool {
    match of.class {
        TypeClass::Enum => true,
        TypeClass::Base => of.is_of_extension() || SCALARS.contains(&of.form.base) || is_named(of),
        TypeClass::Array | TypeClass::Composite | TypeClass::Pseudo | TypeClass::Range => false,
    }
}

/// Whether the type's text is the name of an object in the catalog.
fn is_named(of: &ColumnType) -> bool {
    REG.contains(&of.form.base)
}

const NAMED: &str = "whose text is the name of an object in the catalog, and changes when that is renamed";
const CHAR: u32 = 18;
/// Not a scalar here: '1 month' and '30 days' are equal but have different texts.
const INTERVAL: u32 = 1186;
/// boolean, bytea, "char", name, int8, int2, int4, text, oid, tid, xid, cid, cidr, float4, float8, macaddr8,
/// money, macaddr, inet, bpchar, varchar, date, time, timestamp, timestamptz, interval, timetz, bit, varbit,
/// numeric, uuid, pg_lsn, xid8.
/// <https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat>
const SCALARS: &[u32] = &[
    16, 17, 18, 19, 20, 21, 23, 25, 26, 27, 28, 29, 650, 700, 701, 774, 790, 829, 869, 1042, 1043, 1082,
    1083, 1114, 1184, 1186, 1266, 1560, 1562, 1700, 2950, 3220, 5069,
];
/// regproc, regprocedure, regoper, regoperator, regclass, regtype, regconfig, regdictionary, regnamespace,
/// regrole, regcollation.
const REG: &[u32] = &[24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191];
