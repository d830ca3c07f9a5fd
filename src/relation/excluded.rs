//! The values that mark excluded documents.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::types::{TypeForm, TypeKind, canonical};

/// Which values of a column mean "excluded". Stored in the spool as part of the mapping.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExcludedWhen {
    /// Chosen by the column's type; used only until the type is known.
    ByType,
    /// Any value but NULL.
    NotNull,
    /// The value true.
    True,
    /// Any value but these, and NULL.
    Unless(Vec<String>),
    /// One of these values.
    Values(Vec<String>),
}

impl ExcludedWhen {
    /// Whether a document with this text in the column (`None`: NULL) is excluded.
    pub fn holds(&self, kind: TypeKind, text: Option<&str>) -> bool {
        let among = |values: &[String], text: &str| {
            let text = canonical(kind, text);
            values.iter().any(|value| *value == text)
        };
        match (self, text) {
            (Self::NotNull, text) => text.is_some(),
            (Self::Unless(values), text) => !text.is_some_and(|text| among(values, text)),
            (Self::True, Some(text)) => matches!(canonical(kind, text).as_ref(), "t" | "true"),
            (Self::Values(values), Some(text)) => among(values, text),
            (Self::ByType | Self::True | Self::Values(_), None) | (Self::ByType, Some(_)) => false,
        }
    }

    /// The listed values.
    pub fn values(&self) -> &[String] {
        match self {
            Self::Unless(values) | Self::Values(values) => values,
            Self::ByType | Self::NotNull | Self::True => &[],
        }
    }

    /// The same rule with other values.
    pub(crate) fn with_values(&self, values: Vec<String>) -> Self {
        match self {
            Self::Unless(_) => Self::Unless(values),
            Self::Values(_) => Self::Values(values),
            Self::ByType | Self::NotNull | Self::True => self.clone(),
        }
    }

    /// Normalises rules that mean the same for a column of this type.
    #[must_use]
    pub fn canonical(&self, form: TypeForm) -> Self {
        let mut values: Vec<String> =
            self.values().iter().map(|value| canonical(form.kind, value).into_owned()).collect();
        values.sort();
        values.dedup();
        match self {
            Self::Values(_) if form.base == BOOL && values == ["t"] => Self::True,
            when => when.with_values(values),
        }
    }

    /// Whether a rule that was parsed for a column of type `one` has the same meaning for type `other`.
    pub fn means_the_same(&self, one: TypeForm, other: TypeForm) -> bool {
        let both = |holds: fn(TypeForm) -> bool| holds(one) && holds(other);
        one.base == other.base
            || both(|form| form.kind == TypeKind::Number)
            || both(TypeForm::is_text)
            || (*self == Self::NotNull && both(TypeForm::is_moment))
    }
}

impl fmt::Display for ExcludedWhen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |values: &[String]| {
            values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::ByType => f.write_str("by its type"),
            Self::NotNull => f.write_str("excluded where it is not NULL"),
            Self::True => f.write_str("excluded where it is true"),
            Self::Unless(values) => {
                write!(f, "live where it is one of {}; else, and where it is NULL, excluded", listed(values))
            }
            Self::Values(values) => {
                write!(f, "excluded where it is one of {}; else, and where it is NULL, live", listed(values))
            }
        }
    }
}

/// The OID of boolean.
pub(crate) const BOOL: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excluded_is_decided_by_presence_truth_or_value() {
        let holds = |when: &ExcludedWhen, text| when.holds(TypeKind::Text, text);
        assert!(holds(&ExcludedWhen::NotNull, Some("")) && !holds(&ExcludedWhen::NotNull, None));
        assert!(holds(&ExcludedWhen::True, Some("t")) && !holds(&ExcludedWhen::True, Some("f")));
        let values = ExcludedWhen::Values(vec!["gone".into(), "hidden".into()]);
        assert!(holds(&values, Some("hidden")) && !holds(&values, Some("here")) && !holds(&values, None));
        let unless = ExcludedWhen::Unless(vec!["here".into()]);
        assert!(!holds(&unless, Some("here")) && holds(&unless, Some("gone")) && holds(&unless, None));
        let zero = ExcludedWhen::Unless(vec!["0".into()]);
        assert!(!zero.holds(TypeKind::Number, Some("0.00")) && zero.holds(TypeKind::Text, Some("0.00")));
    }

    #[test]
    fn spellings_that_mean_the_same_are_one() {
        let of = |kind, base| TypeForm { base, kind };
        let values = |values: &[&str]| ExcludedWhen::Values(values.iter().map(|v| (*v).to_owned()).collect());
        assert_eq!(values(&["b", "a", "b"]).canonical(of(TypeKind::Text, 25)), values(&["a", "b"]));
        assert_eq!(values(&["t"]).canonical(of(TypeKind::Text, BOOL)), ExcludedWhen::True);
        assert_eq!(values(&["t"]).canonical(of(TypeKind::Text, 25)), values(&["t"]));
        assert_eq!(values(&["0.00", "0"]).canonical(of(TypeKind::Number, 1700)), values(&["0"]));
        assert_eq!(values(&["a  "]).canonical(of(TypeKind::Padded, 1042)), values(&["a"]));
    }

    #[test]
    fn what_earlier_spools_keep_is_read() {
        for (json, when) in [
            ("\"not_null\"", ExcludedWhen::NotNull),
            ("\"true\"", ExcludedWhen::True),
            (r#"{"values":["a"]}"#, ExcludedWhen::Values(vec!["a".into()])),
        ] {
            assert_eq!(serde_json::from_str::<ExcludedWhen>(json).unwrap(), when);
        }
    }
}
