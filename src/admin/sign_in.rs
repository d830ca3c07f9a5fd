//! The pages on which a browser signs in, as HTML. Pure.

/// The form for a token.
pub(super) struct SignInPage<'a> {
    /// The path that is shown after it.
    pub(super) next: &'a str,
    /// Why the last try failed.
    pub(super) error: Option<&'a str>,
}

/// The form for a link.
pub(super) struct LinkPage<'a> {
    pub(super) key: &'a str,
    /// Why the last try failed.
    pub(super) error: Option<&'a str>,
}

pub(super) fn sign_in_page(page: &SignInPage<'_>) -> String {
    let next = escaped(page.next);
    let fields = format!(
        "<form method=\"post\" action=\"sign-in\">\
         <label for=\"token\">Token</label>\
         <input id=\"token\" name=\"token\" type=\"password\" autocomplete=\"current-password\" required autofocus>\
         <input type=\"hidden\" name=\"next\" value=\"{next}\">\
         <button>Sign in</button></form>\
         <p><code>sidecar tokens create</code> makes a token.</p>"
    );
    html("Sign in", page.error, &fields)
}

pub(super) fn link_page(page: &LinkPage<'_>) -> String {
    let key = escaped(page.key);
    let fields = format!(
        "<form method=\"post\" action=\"link\"><input type=\"hidden\" name=\"key\" value=\"{key}\">\
         <button autofocus>Open</button></form><p>The link works once.</p>"
    );
    html("Open", page.error, &fields)
}

fn html(title: &str, error: Option<&str>, content: &str) -> String {
    let error = error.map(|why| format!("<p role=\"alert\">{}</p>", escaped(why))).unwrap_or_default();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title} – Sidecar</title>\
         <link rel=\"stylesheet\" href=\"assets/page.css\"><link rel=\"icon\" href=\"assets/icon.svg\"></head>\
         <body><main><h1>{title}</h1>{error}{content}</main></body></html>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_visitor_gives_is_text() {
        let evil = "\"><script>alert(1)</script>'";
        for html in [
            sign_in_page(&SignInPage { next: evil, error: Some(evil) }),
            link_page(&LinkPage { key: evil, error: Some(evil) }),
        ] {
            assert!(!html.contains("<script") && !html.contains("\">\""), "{html}");
        }
    }
}
