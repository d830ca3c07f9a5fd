//! How a URL is shown in status, logs, errors and settings: as it is, or, where it holds a secret, as scheme,
//! host and a fingerprint, by which two can be told apart.

use sha2::{Digest as _, Sha256};

/// `https://hooks.example.com/… (sha256 1a2b3c4d)` for a URL with a secret. Also for a URL without a scheme,
/// or without a host.
pub fn shown_url(url: &str) -> String {
    let whole = url;
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let (authority, path) = rest.split_at(rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len()));
    let (login, host) =
        authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let holds_secret =
        login.is_some() || path.contains(['?', '#', '@']) || path.split(['/', '\\']).any(may_be_secret);
    if !holds_secret && !may_be_secret(scheme) {
        return whole.escape_debug().to_string();
    }
    let scheme =
        if url.contains("://") && !may_be_secret(scheme) { format!("{scheme}://") } else { String::new() };
    let host = if scheme.is_empty() { "" } else { host };
    let fingerprint = url_fingerprint(whole);
    format!("{}/… (sha256 {fingerprint})", format!("{scheme}{host}").escape_debug())
}

/// Tells one URL from another without showing it: the first 8 hex digits of its SHA-256.
pub fn url_fingerprint(whole: &str) -> String {
    let digest = Sha256::digest(whole);
    let [first, second, third, fourth, ..] = digest.as_slice() else { return String::new() };
    format!("{first:02x}{second:02x}{third:02x}{fourth:02x}")
}

/// Whether a part of a path is as long as the tokens of chat hooks, and made of such letters.
fn may_be_secret(part: &str) -> bool {
    let is_random =
        part.bytes().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase() || byte == b'%');
    part.len() >= TOKEN_BYTES_MIN && (is_random || part.len() >= ANY_BYTES_MIN)
}

const TOKEN_BYTES_MIN: usize = 16;
/// Longer than a word that a person chooses.
const ANY_BYTES_MIN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_secret_is_shown_as_it_is() {
        for url in [
            "https://h",
            "https://h:8443/",
            "https://h/hooks/{project}/{callback}",
            "https://h/v2/labels-of-documents",
            "https://a-host-with-a-very-long-name-12345.example.com/x",
            "/login",
            "",
        ] {
            assert_eq!(shown_url(url), url);
        }
    }

    #[test]
    fn a_url_with_a_secret_is_shown_as_its_host_and_a_fingerprint() {
        for (url, host) in [
            ("https://h/?key=geheim", "https://h"),
            ("https://h?geheim", "https://h"),
            ("https://h/x#geheim", "https://h"),
            ("https://user:geheim@h:81/x", "https://h:81"),
            ("https://h/services/T00/B00/geheimgeheim0123456789ab", "https://h"),
            ("https://h/api/geheimGeheimGeheimGeheim", "https://h"),
            ("https://h/geheimgeheimgeheimgeheimgeheimgeheim/x", "https://h"),
            ("https://h/webhook/0189dca2-geheim-7000@8000/x", "https://h"),
            ("/x?geheim", ""),
            ("geheim@h/x", ""),
        ] {
            let shown = shown_url(url);
            assert!(!shown.to_lowercase().contains("geheim"), "{shown}");
            assert!(
                shown.starts_with(&format!("{host}/… (sha256 ")) && shown.len() < host.len() + 30,
                "{shown}"
            );
        }
        assert_eq!(shown_url("https://h/?key=geheim"), shown_url("https://h/?key=geheim"));
        assert_ne!(shown_url("https://h/?key=geheim"), shown_url("https://h/?key=geheim2"));
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(shown_url("/a\u{202e}\n"), "/a\\u{202e}\\n");
    }
}
