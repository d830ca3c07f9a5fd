//! Describes the role of each column, and warns of roles that are valid but rarely intended. Pure.

use strsim::levenshtein;

use super::finding::{Finding, note, warning};
use super::server_state::ServerState;
use crate::relation::{BOOL, Column, ColumnType, ExcludedWhen, TypeKind};
use crate::source::Required;
use crate::source::catalog::roles::type_name;

/// One line for each role.
pub fn lines(found: &ServerState, required: &Required) -> Vec<String> {
    let with_type = |name: &str| match found.table.column(name).zip(found.types.get(name)) {
        Some((column, of)) => format!("{name} ({})", type_name(column, of)),
        None => name.to_owned(),
    };
    let mut lines: Vec<String> = ROLES
        .iter()
        .map(|(setting, without)| {
            let columns = required.columns.iter().filter(|column| column.setting == *setting);
            let named = columns.map(|column| with_type(&column.name)).collect::<Vec<_>>().join(", ");
            let role = setting.trim_start_matches("documents.");
            match (named.is_empty(), *setting, &found.exclusion.when) {
                (true, ..) => format!("{role}: {without}"),
                (false, "documents.excluded", Some(when)) => format!("{role}: {named}: {when}"),
                (false, ..) => format!("{role}: {named}"),
            }
        })
        .collect();
    let parts = required.columns.iter().filter(|column| column.setting.starts_with("documents.similarity"));
    let parts = parts.map(|column| with_type(&column.name)).collect::<Vec<_>>().join(", ");
    lines.push(format!("similarity: {}", if parts.is_empty() { "none" } else { &parts }));
    let content: Vec<&str> = content(found, required).map(|(column, _)| column.name.as_str()).collect();
    lines.push(if content.is_empty() {
        "content: none".to_owned()
    } else {
        format!("content: a change of these sends the document again: {}", content.join(", "))
    });
    let has_role = |name: &str| required.columns.iter().any(|column| column.name == name);
    let others = found.table.columns.iter().map(|column| column.name.as_str());
    let others: Vec<&str> = others.filter(|name| !has_role(name) && !content.contains(name)).collect();
    if !others.is_empty() {
        lines.push(format!("ignored: {}", others.join(", ")));
    }
    lines
}

/// The same as a finding.
pub(in crate::source) fn finding(found: &ServerState, required: &Required) -> Finding {
    note(format!("the role of each column of {}", found.table.name), lines(found, required).join("\n"))
}

/// Warnings about roles that are valid but rarely intended.
pub fn warnings(found: &ServerState, required: &Required) -> Vec<Finding> {
    let mut findings = of_content(found, required);
    findings.extend(misspelt(found, required));
    findings.extend(of_project(found, required));
    findings.extend(of_excluded(found, required));
    findings
}

/// The columns whose change sends `ingested`.
fn content<'a>(
    found: &'a ServerState,
    required: &'a Required,
) -> impl Iterator<Item = (&'a Column, &'a ColumnType)> {
    let generated = found
        .publication
        .as_ref()
        .map_or_else(|| found.needs_generated(required), |publication| publication.generated);
    let is_content = |name: &String| match &required.content {
        Some(listed) => listed.contains(name),
        None => {
            !required.ignore.contains(name) && !required.columns.iter().any(|column| column.name == *name)
        }
    };
    let columns = found.table.published_columns(generated).filter(move |column| is_content(&column.name));
    columns.filter_map(|column| Some((column, found.types.get(&column.name)?)))
}

/// Content columns that are not listed in the settings and seem to change by themselves.
fn of_content(found: &ServerState, required: &Required) -> Vec<Finding> {
    if required.content.is_some() {
        return Vec::new();
    }
    let named = |is: fn(&Column, &ColumnType) -> bool| -> Vec<&str> {
        content(found, required)
            .filter(|(column, of)| is(column, of))
            .map(|(column, _)| column.name.as_str())
            .collect()
    };
    let is_counter = |column: &Column, of: &ColumnType| {
        of.form.kind == TypeKind::Number
            && words(&column.name).iter().any(|word| COUNTERS.contains(&word.as_str()))
    };
    let is_clock = |column: &Column, of: &ColumnType| {
        of.from_clock
            || (of.form.is_moment() && words(&column.name).iter().any(|word| CLOCKS.contains(&word.as_str())))
    };
    let finding = |what: &str, columns: Vec<&str>| {
        let ignore: Vec<String> = required
            .ignore
            .iter()
            .map(String::as_str)
            .chain(columns.iter().copied())
            .map(|name| format!("{name:?}"))
            .collect();
        (!columns.is_empty()).then(|| {
            warning(
                format!("{what}: {}", columns.join(", ")),
                format!(
                    "They are content: each change of one sends the document again. If that is not intended: \
                     documents.ignore = [{}], or list what is content in documents.content.",
                    ignore.join(", ")
                ),
            )
        })
    };
    let counters = finding("columns that look like counters", named(is_counter));
    let clocks = finding("columns that look like the time of a change", named(is_clock));
    counters.into_iter().chain(clocks).collect()
}

/// Names in `ignore` that the table does not have, if it has a similar one.
fn misspelt(found: &ServerState, required: &Required) -> Vec<Finding> {
    if required.content.is_some() {
        return Vec::new();
    }
    let absent = required.ignore.iter().filter(|name| found.table.column(name).is_none());
    let near = |name: &String| {
        let column = content(found, required).find(|(column, _)| resemble(name, &column.name))?.0;
        Some(warning(
            format!(
                "documents.ignore names {name}, which {} does not have; it has {}",
                found.table.name, column.name
            ),
            format!("{} is content: each change of it sends the document again.", column.name),
        ))
    };
    absent.filter_map(near).collect()
}

fn of_project(found: &ServerState, required: &Required) -> Option<Finding> {
    let (name, of) = typed(found, required.project.as_deref()?)?;
    let folds = of.form.kind == TypeKind::Folded || !of.deterministic;
    folds.then(|| {
        warning(
            format!("documents.project: {name} holds texts that the server treats as equal although they differ"),
            "Here each spelling is a project of its own, as `Acme` and `acme`, and a webhook's project is compared \
             letter by letter.",
        )
    })
}

fn of_excluded(found: &ServerState, required: &Required) -> Option<Finding> {
    let (name, of) = typed(found, required.excluded()?)?;
    let when = found.exclusion.when.as_ref()?;
    if *when == ExcludedWhen::NotNull && of.form.base == BOOL {
        return Some(warning(
            format!("documents.excluded_when is \"not_null\", and {name} is boolean: false excludes, too"),
            "documents.excluded_when = \"true\" excludes where it is true.",
        ));
    }
    let as_texts = !of.deterministic || (of.is_of_extension() && of.form.kind != TypeKind::Folded);
    (!when.values().is_empty() && as_texts).then(|| {
        warning(
            format!("{name} is compared with the listed values exactly"),
            "The server may treat different texts as equal: such a value does not match the list.",
        )
    })
}

fn typed<'a>(found: &'a ServerState, name: &'a str) -> Option<(&'a str, &'a ColumnType)> {
    Some((name, found.types.get(name)?))
}

/// `viewCount` and `view_count` → `view`, `count`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_small = false;
    for letter in name.chars() {
        let begins = letter.is_uppercase() && after_small;
        after_small = letter.is_lowercase();
        if begins || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
    }
    words
}

/// Whether the names are equal except for case and punctuation, or differ by a letter or two.
fn resemble(one: &str, other: &str) -> bool {
    let (one, other) = (words(one).concat(), words(other).concat());
    levenshtein(&one, &other) <= one.chars().count() / LETTERS_FOR_EACH_SLIP
}

/// (setting, what applies if it names no column)
const ROLES: &[(&str, &str)] = &[
    ("documents.id", "none"),
    ("documents.key", "none, the id is used"),
    ("documents.project", "none, all documents belong to `default`"),
    ("documents.excluded", "none, a document is excluded when its row is deleted"),
    ("documents.labels", "none"),
    ("documents.predicted_labels", "none"),
];
const COUNTERS: &[&str] = &[
    "clicks",
    "count",
    "counter",
    "counts",
    "downloads",
    "hits",
    "impressions",
    "likes",
    "reads",
    "revision",
    "version",
    "views",
    "visits",
    "votes",
];
const CLOCKS: &[&str] = &[
    "accessed",
    "changed",
    "edited",
    "modified",
    "refreshed",
    "seen",
    "synced",
    "touched",
    "updated",
    "viewed",
];
const LETTERS_FOR_EACH_SLIP: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_word_by_word_and_a_slip_is_seen() {
        assert_eq!(words("viewCount"), ["view", "count"]);
        assert_eq!(words("n_Views2"), ["n", "views2"]);
        for (one, other) in
            [("updated_at", "updatedAt"), ("updated_at", "updated_on"), ("view_cuont", "view_count")]
        {
            assert!(resemble(one, other), "{one} {other}");
        }
        for (one, other) in [("updated_at", "created_at"), ("id", "ad"), ("title", "body")] {
            assert!(!resemble(one, other), "{one} {other}");
        }
    }
}
