//! Filters: what a list can be narrowed to, and what is chosen. Pure.

use crate::record::Callback;

/// One option of a filter.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) word: &'static str,
    pub(super) is_chosen: bool,
}

/// The options of a filter, each as its value and its word.
pub(super) fn choices(
    options: impl IntoIterator<Item = (&'static str, &'static str)>,
    chosen: Option<&str>,
) -> Vec<Choice> {
    let choice = |(value, word)| Choice { value, word, is_chosen: chosen == Some(value) };
    options.into_iter().map(choice).collect()
}

/// The three callbacks.
pub(super) fn callbacks(chosen: Option<&str>) -> Vec<Choice> {
    choices(
        [Callback::Ingested, Callback::Modified, Callback::Excluded].map(|it| (it.name(), it.name())),
        chosen,
    )
}
