//! The headers of an answer that may be shown, without what may be secret.

use hyper::header::{HeaderMap, LOCATION};

/// The headers of an answer that the log of attempts keeps, a line each.
pub fn logged_headers(headers: &HeaderMap) -> String {
    let mut lines = String::new();
    for name in LOGGED {
        let value = match *name {
            "location" => location(headers),
            _ => headers.get(*name).map(|value| shown(&String::from_utf8_lossy(value.as_bytes()))),
        };
        if let Some(value) = value {
            lines.extend([name, ": ", &value, "\n"]);
        }
    }
    lines
}

/// The target of a redirect, to be shown: it is not followed. Without a login and a query, which may be secrets; control characters are escaped.
pub(in crate::deliver) fn location(headers: &HeaderMap) -> Option<String> {
    let value = String::from_utf8_lossy(headers.get(LOCATION)?.as_bytes()).into_owned();
    let place = value.split(['?', '#']).next().unwrap_or_default();
    let place = match place.split_once("//") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find(['/', '\\']).unwrap_or(rest.len()));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{scheme}//{host}{path}")
        }
        None => place.to_owned(),
    };
    let hidden = if value.len() > place.len() && value.contains('?') { "?…" } else { "" };
    Some(format!("{}{hidden}", shown(&place)))
}

/// The beginning of a value, control characters escaped.
fn shown(value: &str) -> String {
    let shown: String = value.chars().take(LETTERS_MAX).collect();
    shown.escape_debug().to_string()
}

/// Names that say who answered and when to come again, and never who may.
const LOGGED: &[&str] = &[
    "content-length",
    "content-type",
    "date",
    "location",
    "retry-after",
    "server",
    "via",
    "webhook-delivery",
    "x-amzn-requestid",
    "x-correlation-id",
    "x-request-id",
    "cf-ray",
];

const LETTERS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    #[test]
    fn a_location_is_shown_without_login_and_query() {
        for (value, shown) in [
            ("https://other.example/login?next=geheim#geheim", "https://other.example/login?…"),
            ("https://u:geheim@other.example/x", "https://other.example/x"),
            ("//u:geheim@h/x", "//h/x"),
            ("/x?geheim", "/x?…"),
            ("https://h/a@b", "https://h/a@b"),
            ("", ""),
        ] {
            let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_str(value).unwrap())]);
            assert_eq!(location(&headers).as_deref(), Some(shown));
        }
        let odd = HeaderValue::from_bytes(b"/\xff\xe2\x80\xae\t").unwrap();
        let shown = location(&HeaderMap::from_iter([(LOCATION, odd)])).unwrap();
        assert!(!shown.contains(['\u{202e}', '\t']), "{shown}");
        assert_eq!(location(&HeaderMap::new()), None);
    }

    #[test]
    fn harmless_headers_are_logged_bounded_and_in_lines_of_their_own() {
        let long = "x".repeat(9_999);
        let headers = HeaderMap::from_iter(
            [
                ("set-cookie", "geheim"),
                ("authorization", "geheim"),
                ("server", "nginx"),
                ("retry-after", "7"),
                ("location", "https://u:geheim@h/x?geheim"),
                ("x-request-id", long.as_str()),
            ]
            .map(|(name, value)| {
                (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
            }),
        );
        let logged = logged_headers(&headers);
        let lines: Vec<&str> = logged.lines().collect();
        let cut = format!("x-request-id: {}", &long[..LETTERS_MAX]);
        assert_eq!(lines, ["location: https://h/x?…", "retry-after: 7", "server: nginx", cut.as_str()]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn any_value_makes_one_bounded_line_without_control_characters(
            values in proptest::collection::vec(proptest::collection::vec(32_u8..=255, 0..600), LOGGED.len()),
        ) {
            let pairs = LOGGED.iter().zip(&values);
            let headers: HeaderMap = pairs
                .filter_map(|(name, value)| {
                    Some((HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?))
                })
                .collect();
            let logged = logged_headers(&headers);
            prop_assert_eq!(logged.lines().count(), headers.len());
            prop_assert!(logged.lines().all(|line| line.chars().count() < 11 * LETTERS_MAX));
            prop_assert!(logged.lines().all(|line| !line.contains(char::is_control)));
        }
    }
}
