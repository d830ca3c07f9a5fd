//! The form of the text of a column's type, used to write labels as JSON, and to compare texts as SQL
//! compares their values.

use std::borrow::Cow;

/// The text form of a type, with domains resolved to their base types.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TypeForm {
    /// The OID of the type, or of a domain's base type.
    pub base: u32,
    /// The form of its text.
    pub kind: TypeKind,
}

impl TypeForm {
    /// text, varchar, char(n), name or citext.
    pub fn is_text(self) -> bool {
        self.kind == TypeKind::Folded || matches!(self.base, 19 | 25 | 1042 | 1043)
    }

    /// date, timestamp or timestamptz.
    pub fn is_moment(self) -> bool {
        matches!(self.base, 1082 | 1114 | 1184)
    }
}

/// The form of a type's text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TypeKind {
    /// An array. <https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO>
    Array {
        /// The delimiter of its elements: a comma, except for box.
        delimiter: u8,
        /// How an element is written in JSON.
        element: Element,
    },
    /// citext: compared without case.
    Folded,
    /// json or jsonb.
    Json,
    /// A number, which has several texts.
    Number,
    /// char(n): trailing blanks are insignificant.
    Padded,
    /// Any other type: a string.
    Text,
}

/// How an array's element is written in JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Element {
    /// `t` or `f`.
    Bool,
    /// A number, if JSON has it; `NaN` and `Infinity` are strings.
    Number,
    /// A string with insignificant trailing blanks.
    Padded,
    /// A string.
    Text,
}

/// The text without its insignificant parts: texts of a type that SQL treats as equal have the same
/// canonical form.
pub fn canonical(kind: TypeKind, text: &str) -> Cow<'_, str> {
    match kind {
        TypeKind::Folded => text.to_lowercase().into(),
        TypeKind::Number => number(text),
        TypeKind::Padded => text.trim_end_matches(' ').into(),
        TypeKind::Array { .. } | TypeKind::Json | TypeKind::Text => text.into(),
    }
}

/// `-0012.500e3` → `-12500`: the significant digits, with the point in its place. A text that is not a
/// number, such as `NaN`, is left as it is.
fn number(text: &str) -> Cow<'_, str> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let Ok(exponent) = exponent.parse::<i64>() else { return text.into() };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.into();
    }
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return "0".into();
    }
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    let length = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    let power = exponent.saturating_sub(length(fraction.len())).saturating_add(length(zeros));
    let sign = if negative { "-" } else { "" };
    match power {
        0 => format!("{sign}{significant}").into(),
        1..=PLAIN_ZEROS => {
            let zeros = "0".repeat(usize::try_from(power).unwrap_or(0));
            format!("{sign}{significant}{zeros}").into()
        }
        _ => format!("{sign}{significant}e{power}").into(),
    }
}

/// The form by OIDs, which are fixed.
/// <https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat>
pub(crate) fn kind(base: u32, element: Option<u32>, delimiter: u8) -> TypeKind {
    match (base, element) {
        (_, Some(16)) => TypeKind::Array { delimiter, element: Element::Bool },
        // int8, int2, int4, oid, float4, float8, numeric. Not money, whose text is not a number.
        (_, Some(20 | 21 | 23 | 26 | 700 | 701 | 1700)) => {
            TypeKind::Array { delimiter, element: Element::Number }
        }
        (_, Some(1042)) => TypeKind::Array { delimiter, element: Element::Padded },
        (_, Some(_)) => TypeKind::Array { delimiter, element: Element::Text },
        (114 | 3802, None) => TypeKind::Json,
        (20 | 21 | 23 | 26 | 700 | 701 | 1700, None) => TypeKind::Number,
        (1042, None) => TypeKind::Padded,
        (_, None) => TypeKind::Text,
    }
}

/// Up to this many zeros after a number's digits are written out, so that integers look as usual.
const PLAIN_ZEROS: i64 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_sql_takes_for_equal_are_the_same_without_what_means_nothing() {
        let equal = |kind, one: &str, other: &str| canonical(kind, one) == canonical(kind, other);
        for (one, other) in [
            ("0", "0.00"),
            ("0", "-0"),
            ("1", "1.0"),
            ("1.50", "1.5"),
            ("-0.05", "-5e-2"),
            ("100", "1e+02"),
            ("1e+20", "100000000000000000000"),
            ("NaN", "NaN"),
        ] {
            assert!(equal(TypeKind::Number, one, other), "{one} and {other}");
        }
        for (one, other) in
            [("1", "-1"), ("10", "1"), ("0.1", "0.01"), ("1", "11"), ("NaN", "0"), ("Infinity", "-Infinity")]
        {
            assert!(!equal(TypeKind::Number, one, other), "{one} and {other}");
        }
        assert_eq!(canonical(TypeKind::Number, "1200.00"), "1200");
        assert!(equal(TypeKind::Padded, "a", "a  ") && !equal(TypeKind::Padded, " a", "a"));
        assert!(equal(TypeKind::Folded, "Gone", "gONE") && !equal(TypeKind::Text, "Gone", "gone"));
    }
}
