//! The settings of a webhook's own TLS: `client_cert`, `client_key` and `ca_file`.

use super::error::SettingErrors;
use super::raw;
use crate::deliver::{ClientFiles, TlsFiles, UrlTemplate};

/// The files that a webhook names; `None` where it names none, or a wrong one.
pub(super) fn tls_files(
    field: &dyn Fn(&str) -> String,
    raw: &raw::Webhook,
    url: Option<&UrlTemplate>,
    errors: &mut SettingErrors,
) -> Option<TlsFiles> {
    let client = match (raw.client_cert.clone(), raw.client_key.clone()) {
        (Some(certificate), Some(key)) => Some(ClientFiles { certificate, key }),
        (None, None) => None,
        (Some(_), None) => {
            errors.note(
                &field("client_key"),
                "`client_cert` needs its key: name its file, which may be the same",
            );
            None
        }
        (None, Some(_)) => {
            errors.note(&field("client_cert"), "`client_key` needs its certificate: name its file");
            None
        }
    };
    let files = TlsFiles { client, authorities: raw.ca_file.clone() };
    let first = match (&files.client, &files.authorities) {
        (Some(_), _) => "client_cert",
        (None, Some(_)) => "ca_file",
        (None, None) => return None,
    };
    if url.is_some_and(|url| url.uri().scheme_str() != Some("https")) {
        errors.note(&field(first), "it is of use only with a URL that begins with https://");
    }
    files.check().map_err(|error| errors.note(&field(error.setting), &error)).ok()?;
    Some(files)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    #[test]
    fn the_tls_files_of_a_webhook_are_checked_where_they_are_set() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let made = rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap();
        write("cert", &made.cert.pem());
        write("key", &made.signing_key.serialize_pem());
        write("both", &(made.cert.pem() + &made.signing_key.serialize_pem()));
        write("other", &other.signing_key.serialize_pem());
        write("text", "no PEM");
        let hook = |scheme: &str, files: &[(&str, &str)]| {
            let mut text =
                format!("[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{scheme}://h/\"\n");
            for (setting, name) in files {
                let _ = writeln!(text, "{setting} = {:?}", folder.path().join(name));
            }
            crate::settings::parse(&format!("postgres.url = \"postgres://u@h/d\"\n{text}"))
        };
        let tls =
            |files: &[(&str, &str)]| hook("https", files).unwrap().routes.all().next().unwrap().tls.clone();
        assert_eq!(tls(&[]), None);
        assert!(tls(&[("client_cert", "cert"), ("client_key", "key")]).is_some());
        assert!(tls(&[("client_cert", "both"), ("client_key", "both"), ("ca_file", "both")]).is_some());
        for (scheme, files, setting, why) in [
            ("https", &[("client_cert", "cert")][..], "client_key", "needs its key"),
            ("https", &[("client_key", "key")], "client_cert", "needs its certificate"),
            (
                "https",
                &[("client_cert", "cert"), ("client_key", "other")],
                "client_key",
                "use it with `client_cert`",
            ),
            (
                "https",
                &[("client_cert", "text"), ("client_key", "key")],
                "client_cert",
                "no certificate in PEM",
            ),
            ("https", &[("client_cert", "cert"), ("client_key", "text")], "client_key", "openssl pkey"),
            ("https", &[("client_cert", "missing"), ("client_key", "key")], "client_cert", "No such file"),
            ("https", &[("ca_file", "missing")], "ca_file", "No such file"),
            ("https", &[("ca_file", "key")], "ca_file", "no certificate in PEM"),
            ("http", &[("ca_file", "cert")], "ca_file", "https://"),
            ("http", &[("client_cert", "cert"), ("client_key", "key")], "client_cert", "https://"),
        ] {
            let message = hook(scheme, files).unwrap_err().to_string();
            assert!(
                message.contains(&format!("`webhook[0].{setting}`")) && message.contains(why),
                "{message}"
            );
        }
    }
}
