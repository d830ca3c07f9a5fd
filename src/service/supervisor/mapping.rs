//! The mapping of the settings against the table, and against the one that the spool was made under.

use super::stream_error::StreamError;
use crate::classify::Mapping;
use crate::relation::TypeForm;
use crate::source::Required;
use crate::source::catalog::values::ExclusionRule;
use crate::source::catalog::violation::CatalogError;
use crate::source::preflight::server_state::ServerState;

/// The mapping of the settings, resolved against a table.
pub(super) struct ResolvedMapping {
    pub(super) mapping: Mapping,
    /// The type of the column `documents.excluded`, as the mapping was resolved for it.
    pub(super) excluded_type: Option<TypeForm>,
}

impl ResolvedMapping {
    /// Before a table is found.
    pub(super) fn of(mapping: Mapping) -> Self {
        Self { mapping, excluded_type: None }
    }

    /// `excluded_when` depends on the type of the column `documents.excluded`. Where this table does not say it,
    /// that of `kept` applies: the mapping that the shadow was made under.
    pub(super) fn resolve(settings: &Mapping, kept: Option<&Mapping>, exclusion: &ExclusionRule) -> Self {
        let mut mapping = settings.clone();
        if let Some(when) = exclusion.when.as_ref().or(kept.map(|kept| &kept.excluded_when)) {
            mapping.excluded_when = when.clone();
        }
        Self { mapping: mapping.canonical(exclusion.form), excluded_type: exclusion.form }
    }
}

/// The mapping that the shadow was made under must be that of the settings, `now`. One that only replaces missing
/// columns is adopted: it is returned, to be kept.
pub(super) fn check_mapping(
    kept: Option<&Mapping>,
    now: &Mapping,
    found: &ServerState,
) -> Result<Option<Mapping>, StreamError> {
    // A renamed table is the same mapping.
    let is_other = |kept: &&Mapping| Mapping { table: now.table.clone(), ..(*kept).clone() } != *now;
    let Some(kept) = kept.filter(is_other) else { return Ok(None) };
    if only_replaces_missing(kept, now, found) {
        tracing::info!("the settings name new columns for those that are gone");
        return Ok(Some(now.clone()));
    }
    let why = String::from(
        "the mapping in [documents] is not the one that the spool was made under: reading stops, delivery goes on. \
         Set it back, or: `sidecar resync` sends the differences, `sidecar resync --learn` takes them over silently",
    );
    Err(StreamError::blocked(why))
}

/// Where only columns are missing, reading waits for them and delivery goes on, as in a running stream. Where
/// more is wrong, all of it is reported as at any start.
pub(super) fn check_columns(found: &ServerState, required: &Required) -> Result<(), StreamError> {
    let refusals = found.column_violations(required);
    if refusals.is_empty() || refusals.len() < found.violations(required).len() {
        return Ok(());
    }
    let why = CatalogError::Refused(refusals).to_string();
    Err(StreamError::blocked(format!("{why}. Reading waits for that, delivery goes on")))
}

/// Whether the mappings differ only in columns that the table no longer has.
fn only_replaces_missing(kept: &Mapping, now: &Mapping, found: &ServerState) -> bool {
    let (old, new) = (kept.roles(), now.roles());
    let settings =
        |roles: &[(&'static str, &str)]| roles.iter().map(|(setting, _)| *setting).collect::<Vec<_>>();
    let replaced = old.iter().zip(&new).filter(|(old, new)| old.1 != new.1);
    settings(&old) == settings(&new)
        && replaced.clone().count() > 0
        && replaced.clone().all(|(old, _)| found.table.column(old.1).is_none())
        && kept.table == now.table
        && kept.excluded_when == now.excluded_when
        && kept.content == now.content
        && kept.ignore == now.ignore
}
