//! The text of a label column → JSON.

use std::collections::HashMap;

use crate::record::write_string;
use crate::relation::{Element, ExcludedWhen, TypeForm, TypeKind, canonical};

/// The text forms of types by OID: the built-in ones, and those read from the catalog.
#[derive(Clone, Debug, Default)]
pub struct TypeKinds {
    user_types: HashMap<u32, TypeForm>,
    read_for: Option<TypeForm>,
}

/// The type is an array, and the text is not one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not the text of an array")]
pub struct ArrayText;

impl TypeKinds {
    /// Whether the form is known. Types with OIDs from 16384 on are user-defined.
    pub fn contains(&self, type_oid: u32) -> bool {
        type_oid < FIRST_USER_OID || self.user_types.contains_key(&type_oid)
    }

    /// Adds a form that was read from the catalog.
    pub fn insert(&mut self, type_oid: u32, form: TypeForm) {
        self.user_types.insert(type_oid, form);
    }

    /// The form of the type; text if it is unknown.
    pub fn kind(&self, type_oid: u32) -> TypeKind {
        self.user_types.get(&type_oid).map_or_else(|| built_in(type_oid), |form| form.kind)
    }

    /// Only the type for which `excluded_when` was parsed; nothing if that is unknown.
    pub fn read_for(form: Option<TypeForm>) -> Self {
        Self { read_for: form, ..Self::default() }
    }

    /// Whether `when` has the same meaning for a column of this type.
    pub(super) fn is_read_for(&self, when: &ExcludedWhen, type_oid: u32) -> bool {
        let base = self.user_types.get(&type_oid).map_or(type_oid, |form| form.base);
        let here = TypeForm { base, kind: self.kind(type_oid) };
        self.read_for.is_none_or(|known| when.means_the_same(known, here))
    }
}

/// Appends the JSON of a label column's text.
pub(super) fn write_labels_json(out: &mut Vec<u8>, kind: TypeKind, text: &str) -> Result<(), ArrayText> {
    match kind {
        TypeKind::Array { delimiter, element } => write_array(out, delimiter, element, text)?,
        TypeKind::Json => out.extend_from_slice(text.as_bytes()),
        TypeKind::Padded => write_string(out, &canonical(kind, text)),
        TypeKind::Folded | TypeKind::Number | TypeKind::Text => write_string(out, text),
    }
    Ok(())
}

/// An array's text: `{a,"b c",NULL}`, nested, or with explicit bounds: `[2:3]={…}`.
/// <https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO>
fn write_array(out: &mut Vec<u8>, delimiter: u8, element: Element, text: &str) -> Result<(), ArrayText> {
    let body = if text.starts_with('[') { text.split_once('=').ok_or(ArrayText)?.1 } else { text };
    let mut array = Array { rest: body.as_bytes(), delimiter, element, unescaped: Vec::new() };
    array.braces(out)?;
    if array.rest.is_empty() { Ok(()) } else { Err(ArrayText) }
}

struct Array<'a> {
    rest: &'a [u8],
    delimiter: u8,
    element: Element,
    /// One quoted element, without its escapes. A buffer, reused.
    unescaped: Vec<u8>,
}

impl Array<'_> {
    /// Parses all dimensions. A loop and not a recursion, because the input determines the depth.
    fn braces(&mut self, out: &mut Vec<u8>) -> Result<(), ArrayText> {
        let mut depth = 0_usize;
        // The depth of the elements, which is the same for all.
        let mut dimensions = None;
        loop {
            // An element or an opening brace must follow.
            while self.eat(b'{') {
                out.push(b'[');
                depth += 1;
            }
            if depth == 0 {
                return Err(ArrayText);
            }
            // The empty array has no dimensions.
            let empty = self.rest == b"}" && depth == 1 && dimensions.is_none();
            if !empty {
                if *dimensions.get_or_insert(depth) != depth {
                    return Err(ArrayText);
                }
                self.element(out)?;
            }
            while self.eat(b'}') {
                out.push(b']');
                depth -= 1;
                if depth == 0 {
                    return Ok(());
                }
            }
            if !self.eat(self.delimiter) {
                return Err(ArrayText);
            }
            out.push(b',');
        }
    }

    fn eat(&mut self, wanted: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == wanted => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn element(&mut self, out: &mut Vec<u8>) -> Result<(), ArrayText> {
        if self.eat(b'"') {
            self.quoted()?;
            let text = std::str::from_utf8(&self.unescaped).map_err(|_| ArrayText)?;
            // Numbers are never quoted. An element of a user-defined type may be: it is a string.
            write_string(out, &self.cut(text));
            return Ok(());
        }
        let end =
            self.rest.iter().position(|byte| *byte == self.delimiter || *byte == b'}').ok_or(ArrayText)?;
        let (plain, rest) = self.rest.split_at_checked(end).ok_or(ArrayText)?;
        self.rest = rest;
        let text = std::str::from_utf8(plain).map_err(|_| ArrayText)?;
        match (text, self.element) {
            ("", _) => return Err(ArrayText),
            // The server quotes elements with these characters.
            (bare, _) if bare.contains(['{', '"', '\\']) => return Err(ArrayText),
            // The server quotes a text that reads NULL.
            ("NULL", _) => out.extend_from_slice(b"null"),
            ("t", Element::Bool) => out.extend_from_slice(b"true"),
            ("f", Element::Bool) => out.extend_from_slice(b"false"),
            (number, Element::Number) if is_json_number(number) => out.extend_from_slice(number.as_bytes()),
            (text, _) => write_string(out, &self.cut(text)),
        }
        Ok(())
    }

    /// An element without insignificant blanks.
    fn cut<'t>(&self, text: &'t str) -> std::borrow::Cow<'t, str> {
        let kind = if self.element == Element::Padded { TypeKind::Padded } else { TypeKind::Text };
        canonical(kind, text)
    }

    /// Reads to the closing quote, and removes the escaping backslashes.
    fn quoted(&mut self) -> Result<(), ArrayText> {
        self.unescaped.clear();
        loop {
            let special = self.rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).ok_or(ArrayText)?;
            let (plain, rest) = self.rest.split_at_checked(special).ok_or(ArrayText)?;
            self.unescaped.extend_from_slice(plain);
            match rest {
                [b'"', rest @ ..] => {
                    self.rest = rest;
                    return Ok(());
                }
                [b'\\', escaped, rest @ ..] => {
                    self.unescaped.push(*escaped);
                    self.rest = rest;
                }
                _ => return Err(ArrayText),
            }
        }
    }
}

/// <https://www.rfc-editor.org/rfc/rfc8259#section-6>
fn is_json_number(text: &str) -> bool {
    let digits = |text: &mut &str| {
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let some = rest.len() < text.len();
        *text = rest;
        some
    };
    let mut rest = text.strip_prefix('-').unwrap_or(text);
    let leading_zero = rest.starts_with('0') && rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    if leading_zero || !digits(&mut rest) {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction;
        if !digits(&mut rest) {
            return false;
        }
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        rest = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if !digits(&mut rest) {
            return false;
        }
    }
    rest.is_empty()
}

/// The forms of built-in types, by their fixed OIDs.
/// <https://www.postgresql.org/docs/current/catalog-pg-type.html>
fn built_in(type_oid: u32) -> TypeKind {
    let array = |element| TypeKind::Array { delimiter: b',', element };
    match type_oid {
        20 | 21 | 23 | 26 | 700 | 701 | 1700 => TypeKind::Number,
        114 | 3802 => TypeKind::Json,
        1042 => TypeKind::Padded,
        1014 => array(Element::Padded),
        1000 => array(Element::Bool),
        // int2[], int4[], oid[], int8[], float4[], float8[], numeric[]
        1005 | 1007 | 1028 | 1016 | 1021 | 1022 | 1231 => array(Element::Number),
        // box[]
        1020 => TypeKind::Array { delimiter: b';', element: Element::Text },
        _ if TEXT_ARRAYS.contains(&type_oid) => array(Element::Text),
        _ => TypeKind::Text,
    }
}

/// The other built-in arrays that a table may contain: their elements are strings.
const TEXT_ARRAYS: &[u32] = &[
    143, 199, 271, 629, 651, 719, 775, 791, 1001, 1002, 1003, 1006, 1008, 1009, 1010, 1011, 1012, 1013, 1015,
    1017, 1018, 1019, 1027, 1034, 1040, 1041, 1115, 1182, 1183, 1185, 1187, 1263, 1270, 1561, 1563, 2201,
    2207, 2208, 2209, 2210, 2211, 2949, 2951, 3221, 3643, 3644, 3645, 3735, 3770, 3807, 3905, 3907, 3909,
    3911, 3913, 3927, 4073, 4090, 4097, 4192, 5039, 6150, 6151, 6152, 6153, 6155, 6157,
];

/// FirstNormalObjectId: lower OIDs are reserved for the server.
/// <https://www.postgresql.org/docs/current/system-catalog-initial-data.html#SYSTEM-CATALOG-OID-ASSIGNMENT>
const FIRST_USER_OID: u32 = 16_384;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn array(element: Element, text: &str) -> Result<String, ArrayText> {
        let mut out = Vec::new();
        write_array(&mut out, b',', element, text)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn arrays_become_arrays() {
        for (element, text, json) in [
            (Element::Text, "{}", "[]"),
            (Element::Text, "{a,b}", r#"["a","b"]"#),
            (
                Element::Text,
                r#"{"a,b","q\"u\\o","",NULL,"NULL",null}"#,
                r#"["a,b","q\"u\\o","",null,"NULL","null"]"#,
            ),
            (Element::Text, "[2:3]={a,b}", r#"["a","b"]"#),
            (Element::Text, "[0:0][5:6]={{a,NULL}}", r#"[["a",null]]"#),
            (Element::Text, "{{{a},{b}},{{c},{d}}}", r#"[[["a"],["b"]],[["c"],["d"]]]"#),
            (
                Element::Number,
                "{1,-2.50,1e+20,NaN,Infinity,NULL,0}",
                r#"[1,-2.50,1e+20,"NaN","Infinity",null,0]"#,
            ),
            (Element::Bool, "{t,f,NULL}", "[true,false,null]"),
            (Element::Text, "{t,1}", r#"["t","1"]"#),
            (Element::Text, r#"{"a  "}"#, r#"["a  "]"#),
            (Element::Padded, r#"{"a  ",b,NULL}"#, r#"["a","b",null]"#),
        ] {
            assert_eq!(array(element, text).as_deref(), Ok(json), "{text}");
        }
        let mut out = Vec::new();
        write_array(&mut out, b';', Element::Text, "{(1,1),(0,0);(2,2),(1,1)}").unwrap();
        assert_eq!(out, br#"["(1,1),(0,0)","(2,2),(1,1)"]"#);
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for text in [
            "", "a", "{", "}", "{a", "{a,", "{a,}", "{,a}", "{a}b", "{{a}", "{\"a}", "{\"a\\", "[1:2]{a}",
            "{a}{b}", "{{},a", "{{a},b}", "{a,{b}}", "{{}}", "{{},a}", "{a{b}", "{a\"b}", "{a\\b}",
        ] {
            assert_eq!(array(Element::Text, text), Err(ArrayText), "{text}");
        }
    }

    #[test]
    fn json_is_passed_through_and_other_types_are_strings() {
        let json = |kind, text| {
            let mut out = Vec::new();
            write_labels_json(&mut out, kind, text).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(json(TypeKinds::default().kind(3802), r#"{"a": [1, 2.50]}"#), r#"{"a": [1, 2.50]}"#);
        assert_eq!(json(TypeKinds::default().kind(25), "a \"b\""), r#""a \"b\"""#);
        assert_eq!(json(TypeKinds::default().kind(1009), "{a}"), r#"["a"]"#);
    }

    fn quoted(text: &str) -> String {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    }

    proptest! {
        #[test]
        fn any_texts_survive(texts: Vec<Option<String>>) {
            let elements: Vec<String> =
                texts.iter().map(|text| text.as_deref().map_or_else(|| "NULL".to_owned(), quoted)).collect();
            let written = array(Element::Text, &format!("{{{}}}", elements.join(","))).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), json!(texts));
        }

        #[test]
        fn no_text_panics_and_what_passes_is_json(text in r#"[\[\]{}",\\a1:=NUL]{0,24}"#) {
            for element in [Element::Bool, Element::Number, Element::Text] {
                if let Ok(written) = array(element, &text) {
                    prop_assert!(serde_json::from_str::<Value>(&written).is_ok(), "{} -> {}", text, written);
                }
            }
        }

        #[test]
        fn numbers_are_those_of_json(text in r"-?[0-9]{0,3}(\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?") {
            prop_assert_eq!(is_json_number(&text), serde_json::from_str::<serde_json::Number>(&text).is_ok() || huge(&text));
        }
    }

    /// serde_json rejects numbers that are too large for it; JSON does not.
    fn huge(text: &str) -> bool {
        serde_json::from_str::<Value>(text).is_err_and(|error| error.to_string().contains("out of range"))
    }
}
