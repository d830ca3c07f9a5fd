//! `[documents]`, validated as far as possible without the table.

use super::error::{SettingErrors, some};
use super::raw::{self, OneOrMany, Similarity};
use crate::classify::{ExcludedWhen, Mapping, SimilarityColumns};

pub(super) fn mapping(raw: &raw::Documents, errors: &mut SettingErrors) -> Option<Mapping> {
    let table = errors.or("documents.table", raw.table.parse());
    let id = many(&raw.id);
    if id.is_empty() || id.iter().any(String::is_empty) {
        errors.note("documents.id", "a document needs an id: name its column, or a list of columns");
    }
    Some(Mapping {
        table: table?,
        id,
        key: some(&raw.key),
        project: some(&raw.project),
        labels: some(&raw.labels),
        predicted_labels: some(&raw.predicted_labels),
        similarity: match &raw.similarity {
            Similarity::Json(column) if column.is_empty() => SimilarityColumns::None,
            Similarity::Json(column) => SimilarityColumns::Json(column.clone()),
            Similarity::Columns(raw::SimilarityColumns { id, key, label }) => {
                SimilarityColumns::Columns { id: id.clone(), key: key.clone(), label: label.clone() }
            }
        },
        excluded: some(&raw.excluded),
        excluded_when: excluded_when(raw, errors)?,
        content: Some(raw.content.clone()).filter(|content| !content.is_empty()),
        ignore: raw.ignore.clone(),
    })
}

fn excluded_when(raw: &raw::Documents, errors: &mut SettingErrors) -> Option<ExcludedWhen> {
    let when = match &raw.excluded_when {
        OneOrMany::One(word) if word.is_empty() => ExcludedWhen::ByType,
        OneOrMany::One(word) if word == "not_null" => ExcludedWhen::NotNull,
        OneOrMany::One(word) if word == "true" => ExcludedWhen::True,
        OneOrMany::One(word) => {
            let why = format!("`{word}` is neither \"not_null\" nor \"true\" nor a list of values");
            errors.note("documents.excluded_when", why);
            return None;
        }
        OneOrMany::Many(values) if values.is_empty() => {
            let why = "no value excludes no document: list some, or set documents.excluded = \"\"";
            errors.note("documents.excluded_when", why);
            return None;
        }
        OneOrMany::Many(values) => ExcludedWhen::Values(values.clone()),
    };
    if raw.live_when.is_empty() {
        return Some(when);
    }
    if when != ExcludedWhen::ByType {
        errors.note("documents.live_when", "`documents.excluded_when` is set as well: keep one of them");
    }
    if raw.excluded.is_empty() {
        errors.note("documents.live_when", "`documents.excluded` names no column whose values these are");
    }
    Some(ExcludedWhen::Unless(raw.live_when.clone()))
}

fn many(one_or_many: &OneOrMany) -> Vec<String> {
    match one_or_many {
        OneOrMany::One(one) => vec![one.clone()],
        OneOrMany::Many(many) => many.clone(),
    }
}
