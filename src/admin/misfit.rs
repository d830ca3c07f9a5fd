//! Which field of a request does not fit, and what is expected. Pure.
//!
//! The value is not repeated: it may be a secret.

use std::fmt::Display;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;

use super::request_error::RequestError;

/// A field that does not fit.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Misfit {
    field: String,
    why: String,
}

/// Reads a JSON body.
pub(super) fn of_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, RequestError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let read =
        serde_path_to_error::deserialize(&mut json).map_err(|error| match error.inner().classify() {
            Category::Data => Misfit::of(&error).into(),
            // What stands in place of an enum's name is called wrong syntax, too.
            _ if serde_json::from_slice::<IgnoredAny>(body).is_ok() => Misfit::of(&error).into(),
            _ => no_json(error.inner()),
        })?;
    json.end().map_err(|error| no_json(&error))?;
    Ok(read)
}

fn no_json(error: &serde_json::Error) -> RequestError {
    let (line, column) = (error.line(), error.column());
    RequestError::Invalid(format!("the body is no JSON at line {line}, column {column}"))
}

impl Misfit {
    /// From what serde says.
    pub(super) fn of(error: &serde_path_to_error::Error<impl Display>) -> Self {
        let path = error.path().to_string();
        // Of the body as a whole.
        let path = if path == "." { String::new() } else { path };
        Self::of_text(path, &error.inner().to_string())
    }

    fn of_text(path: String, said: &str) -> Self {
        // Of JSON, with the place.
        let said = said.rsplit_once(" at line ").map_or(said, |(said, _)| said);
        // Of fields that stand among others'.
        if let Some((name, said)) = said.strip_prefix("field `").and_then(|rest| rest.split_once("`: ")) {
            return Self::of_text(if name == "." { path } else { name.to_owned() }, said);
        }
        let inside = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        for (begin, why) in NAMED {
            let Some((name, rest)) = said.strip_prefix(begin).and_then(|rest| rest.split_once('`')) else {
                continue;
            };
            // A path that serde tracked as far as the name has it already.
            let field = if path.rsplit('.').next() == Some(name) { path.clone() } else { inside(name) };
            let known = rest.strip_prefix(", ").unwrap_or_default();
            let why = match known {
                "" if *begin == UNKNOWN => format!("{why}: `/api/openapi.json` names those that are"),
                "" => (*why).to_owned(),
                known => format!("{why}: {known}"),
            };
            return Self { field, why };
        }
        Self { field: path, why: expected(said) }
    }
}

impl From<Misfit> for RequestError {
    fn from(Misfit { field, why }: Misfit) -> Self {
        if field.is_empty() {
            return Self::Invalid(format!("the body does not fit: {why}"));
        }
        Self::field(field, why)
    }
}

/// What is expected, of a sentence as in "invalid type: string \"x\", expected u64".
fn expected(said: &str) -> String {
    let what = said.rsplit_once("expected ").map_or("", |(_, what)| what);
    let what = match what {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative",
        "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "string" => "a text",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        known if known.starts_with("one of `") || known.starts_with('`') => known,
        object if object.starts_with("struct ") || object == "a map" => "an object",
        _ => "a value of another type",
    };
    format!("{what} is expected")
}

const NAMED: &[(&str, &str)] = &[
    (UNKNOWN, "there is no such field"),
    ("missing field `", "it is missing"),
    ("duplicate field `", "it is given more than once"),
];

const UNKNOWN: &str = "unknown field `";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::api::{DeadLetterSelection, SkipRequest, TokenRequest};

    fn refused<T: DeserializeOwned + std::fmt::Debug>(body: &str) -> (String, String) {
        match of_json::<T>(body.as_bytes()).unwrap_err() {
            RequestError::Fields(fields) => (fields[0].field.clone(), fields[0].detail.clone()),
            other => (String::new(), other.detail()),
        }
    }

    #[test]
    fn the_field_is_named_and_its_value_is_not() {
        for (body, field, begins) in [
            (r#"{"can":["view"]}"#, "name", "it is missing"),
            (r#"{"name":7,"can":["view"]}"#, "name", "a text is expected"),
            (r#"{"name":"x","can":"view"}"#, "can", "a list is expected"),
            (r#"{"name":"x","can":[7]}"#, "can[0]", "a value of another type is expected"),
            (r#"{"name":"x","can":["view","s3cret"]}"#, "can[1]", "one of `manage`, `secret`"),
            (r#"{"name":"x","can":[],"nmae":"s3cret"}"#, "nmae", "there is no such field: expected one of"),
            (r#"{"name":"x","name":"s3cret","can":[]}"#, "name", "it is given more than once"),
            (r"[]", "", "the body does not fit"),
            (r#""s3cret""#, "", "the body does not fit: an object is expected"),
            (r"{", "", "the body is no JSON at line 1"),
            (r#"{"name":"x","can":[]}}"#, "", "the body is no JSON at line 1"),
        ] {
            let (found, why) = refused::<TokenRequest>(body);
            assert_eq!(found, field, "{body}: {why}");
            assert!(why.starts_with(begins), "{body}: {why}");
            assert!(!why.contains("s3cret"), "{body}: {why}");
        }
    }

    #[test]
    fn a_field_of_a_filter_is_named_as_others_are() {
        for (body, field, begins) in [
            (r#"{"project":7}"#, "project", "a text is expected"),
            (r#"{"project":"s3cret","project":"p"}"#, "project", "it is given more than once"),
            (r#"{"numbers":["s3cret"]}"#, "numbers[0]", "a whole number is expected"),
            (r#"{"projcet":"s3cret"}"#, "projcet", "there is no such field: `/api/openapi.json` names"),
        ] {
            let (found, why) = refused::<DeadLetterSelection>(body);
            assert_eq!(found, field, "{body}: {why}");
            assert!(why.starts_with(begins) && !why.contains("s3cret"), "{body}: {why}");
        }
    }

    #[test]
    fn a_field_inside_a_list_has_its_place() {
        let counted =
            |inner: &str| refused::<SkipRequest>(&format!(r#"{{"project":"p","counted":[{inner}]}}"#));
        let lane = r#"{"callback":"ingested","records":-1,"through":2}"#;
        let expected = "a whole number that is not negative is expected".to_owned();
        assert_eq!(counted(lane), ("counted[0].records".to_owned(), expected));
        assert_eq!(counted(r#"{"callback":"ingested"}"#).0, "counted[0].records");
    }
}
