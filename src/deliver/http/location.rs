//! The target of a redirect, to be shown: it is not followed.

use hyper::header::{HeaderMap, LOCATION};

/// Without a login and a query, which may be secrets; control characters are escaped.
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
    let shown: String = place.chars().take(LETTERS_MAX).collect();
    Some(format!("{}{hidden}", shown.escape_debug()))
}

const LETTERS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

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
}
