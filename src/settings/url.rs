//! A webhook's URL, parsed as browsers parse it: what a browser rejects is rejected.
//! <https://url.spec.whatwg.org>
//!
//! Errors do not repeat any part of it, because a URL often contains a secret.

use hyper::Uri;
use hyper::http::uri::Authority;
use url::Url;

pub(super) fn url(text: &str) -> Result<Uri, String> {
    if text.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
        return Err("a URL has no blanks, line breaks or control characters: write %20 for a blank".into());
    }
    // Browsers accept `http:///host` and `http:host` too. Here they are treated as mistakes.
    let begins = ["http://", "https://"].into_iter().find_map(|scheme| {
        let (head, rest) = text.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    if begins.is_none_or(|rest| rest.is_empty() || rest.starts_with(['/', '\\', '?', '#', ':'])) {
        return Err("a URL should begin with http:// or https:// and a host".into());
    }
    if text.len() > URL_BYTES_MAX {
        return Err("a URL has at most 65,534 bytes".into());
    }
    if text.contains('#') {
        return Err("what follows `#` in a URL is never sent: remove it, or write %23".into());
    }
    let parsed = Url::parse(text).map_err(|error| format!("this is no URL: {error}"))?;
    let authority = begins.and_then(|rest| rest.split(['/', '\\', '?', '#']).next()).unwrap_or_default();
    if authority.contains('@') {
        return Err("a login in a URL ends up in logs: give it in `headers` as `authorization`".into());
    }
    if parsed.port() == Some(0) {
        return Err("nobody listens on port 0".into());
    }
    let host = parsed.host_str().unwrap_or_default();
    // The original text, if hyper and browsers see the same host in it.
    let written = text.parse::<Uri>().ok().filter(|_| text.is_ascii());
    let with_port = format!("{host}:{}", parsed.port_or_known_default().unwrap_or_default());
    let same = |uri: &Uri| {
        let authority = uri.authority().map_or("", Authority::as_str);
        authority.eq_ignore_ascii_case(host) || authority.eq_ignore_ascii_case(&with_port)
    };
    written.filter(same).map_or_else(|| normalised(parsed), Ok)
}

fn normalised(url: Url) -> Result<Uri, String> {
    url.as_str().parse().map_err(|_| "this URL cannot be requested over HTTP".to_owned())
}

/// The most that can be requested.
const URL_BYTES_MAX: usize = 65_534;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_refuses_is_refused_and_not_repeated() {
        for text in [
            "http://zz:99999/",
            "http://zz:65536/",
            "http://zz:-1/",
            "http://zz:8o/",
            "http://zz:80:80/",
            "http://zz:0/",
            "http://z z/",
            "http://zz/a b",
            "http://zz%20/",
            "http://zz%00/",
            "http://zz%2fa/",
            "http://zz%/",
            "http://zz%ff/",
            "http://zz<a>/",
            "http://zz^/",
            "http://zz|/",
            "http://[zz]/",
            "http://[::1/",
            "http://::1]/",
            "http://[::1]zz/",
            "http://[1:2:3]/",
            "http://[::1%25eth0]/",
            "http://[1:2:3:4:5:6:7:8:9]/",
            "http://256.256.256.256/",
            "http://1.2.3.4.5/",
            "http://0x1ffffffff/",
            "http://1.2.3.08/",
            "http:///zz",
            "http:////zz",
            "http:zz",
            "http:/zz",
            "http:\\\\zz",
            "http://",
            "http://?zz",
            "http://#zz",
            "http://h/x#zz",
            "http://h/x?y#zz",
            "http://h/#",
            "http://:80/zz",
            "http://@/zz",
            "http://zz@/",
            "http://zz@h/",
            "http://zz:zz@h/",
            "https://:zz@h/",
            "http://@h/",
            "http://h\\@zz/@",
            "http://xn--zz-/",
            "http://\u{ad}/",
            "http://zz\u{0}/",
            "http://zz\n/",
            " http://zz/",
            "http://zz/\t",
            "ftp://zz/",
            "file:///zz",
            "javascript:zz",
            "//zz/",
            "zz",
            "",
        ] {
            match url(text) {
                Ok(taken) => assert_eq!(text, "http://h\\@zz/@", "taken as {taken}"),
                Err(why) => assert!(!why.contains("zz"), "{text}: {why}"),
            }
        }
    }

    #[test]
    fn what_a_browser_takes_goes_where_a_browser_goes() {
        for (text, wanted) in [
            ("http://h", "http://h/"),
            ("HTTP://H/A?b=c", "http://H/A?b=c"),
            ("https://h:443/x", "https://h:443/x"),
            ("http://h:/x", "http://h/x"),
            ("http://h:00080/x", "http://h/x"),
            ("http://h:65535/", "http://h:65535/"),
            ("http://h./", "http://h./"),
            ("http://a_b.example/%zz", "http://a_b.example/%zz"),
            ("http://h/a/../b?q='x'", "http://h/a/../b?q='x'"),
            ("http://h/é?ü=ö", "http://h/%C3%A9?%C3%BC=%C3%B6"),
            ("http://bücher.example/", "http://xn--bcher-kva.example/"),
            ("http://ex%41mple.com/", "http://example.com/"),
            ("http://0x7f.1/", "http://127.0.0.1/"),
            ("http://2130706433/", "http://127.0.0.1/"),
            ("http://[::1]:8080/x", "http://[::1]:8080/x"),
            ("http://[0:0::1]/", "http://[::1]/"),
            ("http://h\\x", "http://h/x"),
        ] {
            assert_eq!(url(text).map(|uri| uri.to_string()), Ok(wanted.to_owned()), "{text}");
        }
    }
}
