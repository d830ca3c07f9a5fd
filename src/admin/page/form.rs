//! A form as it was sent, with what is wrong with it. Pure.

use super::times::Fact;
use crate::admin::request_error::RequestError;

/// The fields of a form, and its errors.
#[derive(Clone, Debug, Default)]
pub(super) struct Form {
    values: Vec<(String, String)>,
    errors: Vec<(String, String)>,
    /// What is wrong with no field in particular.
    pub(super) error: Option<Fact>,
}

impl Form {
    pub(super) fn new(values: Vec<(String, String)>) -> Self {
        Self { values, errors: Vec::new(), error: None }
    }

    /// The value of a field; empty where the form does not have it.
    pub(super) fn value(&self, name: &str) -> &str {
        self.values.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value.trim())
    }

    /// The value of a field that is not empty.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        Some(self.value(name)).filter(|value| !value.is_empty())
    }

    /// Every value of a field that may be there more than once.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.values.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.trim())
    }

    /// Whether a field has this value: of a box that is checked, or an option that is chosen.
    pub(super) fn has(&self, name: &str, value: &str) -> bool {
        self.all(name).any(|given| given == value)
    }

    /// What is wrong with a field.
    pub(super) fn error(&self, name: &str) -> Option<Fact> {
        self.errors.iter().find(|(field, _)| field == name).map(|(_, why)| why.clone().into())
    }

    pub(super) fn has_errors(&self) -> bool {
        self.error.is_some() || !self.errors.is_empty()
    }

    /// The same with what was refused. `field_of` names the field of the form for one of the API; errors of others
    /// stand above the form.
    pub(super) fn refused(mut self, error: &RequestError, field_of: impl Fn(&str) -> Option<String>) -> Self {
        let RequestError::Fields(fields) = error else {
            self.error = Some(error.detail().into());
            return self;
        };
        let mut above = Vec::new();
        for fault in fields {
            match field_of(&fault.field) {
                Some(field) => self.errors.push((field, fault.detail.clone())),
                None => above.push(format!("{}: {}", fault.field, fault.detail)),
            }
        }
        self.error = Some(above.join("; ")).filter(|above| !above.is_empty()).map(Fact::from);
        self
    }
}
