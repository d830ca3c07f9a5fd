//! `~/.pgpass`: the password of the first matching line.
//! <https://www.postgresql.org/docs/current/libpq-pgpass.html>

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{Conninfo, Host, PasswordSource};
use crate::secret::Secret;
use crate::source::wire::error::SourceError;

/// Finds the password for `host` in the text of a password file. Pure.
fn find(text: &str, host: &str, port: u16, dbname: &str, user: &str) -> Option<Secret> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let [in_host, in_port, in_dbname, in_user, password] = <[String; 5]>::try_from(fields).ok()?;
        let fits = |field: &str, value: &str| field == "*" || field == value;
        let all = fits(&in_host, host) && fits(&in_port, &port.to_string());
        (all && fits(&in_dbname, dbname) && fits(&in_user, user)).then(|| Secret::of_text(password))
    })
}

/// The fields of a line, separated by colons, with backslash escapes.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        let letter = match letter {
            ':' if fields.len() < 5 => {
                fields.push(String::new());
                continue;
            }
            '\\' => letters.next(),
            plain => Some(plain),
        };
        if let Some(field) = fields.last_mut() {
            field.extend(letter);
        }
    }
    fields
}

/// The password for one of the hosts: the given one, from the given file, or from the password file. Files
/// are read at each connection. A password file that others may read is ignored, as libpq does.
pub(in crate::source) fn password(
    conninfo: &Conninfo,
    host: &Host,
    port: u16,
) -> Result<Option<Secret>, SourceError> {
    // Unreachable and thus retried: a file that is just being replaced may be complete at the next try.
    let unread = SourceError::Unreachable;
    match &conninfo.password_source {
        Some(PasswordSource::File(path)) => read_secret(path).map(Some).map_err(unread),
        Some(PasswordSource::UrlFile(path)) => {
            let url = read_secret(path).map_err(unread)?;
            let parsed = Conninfo::parse(url.expose(), Some(&conninfo.user));
            let parsed = parsed.map_err(|why| unread(format!("{}: {why}", path.display())))?;
            Ok(parsed.password.or_else(|| in_passfile(conninfo, host, port)))
        }
        Some(PasswordSource::Command(_)) | None if conninfo.password.is_some() => {
            Ok(conninfo.password.clone())
        }
        Some(PasswordSource::Command(_)) | None => Ok(in_passfile(conninfo, host, port)),
    }
}

/// Removes the line break that tools often add at the end of a secret in a file or variable.
pub fn without_line_break(secret: &str) -> Secret {
    Secret::of_text(secret.trim_end_matches(['\r', '\n']))
}

/// The secret in a file, without a line break at its end.
pub fn read_secret(path: &Path) -> Result<Secret, String> {
    std::fs::read_to_string(path)
        .map(|text| without_line_break(&Zeroizing::new(text)))
        .map_err(|error| format!("read {}: {error}", path.display()))
}

fn in_passfile(conninfo: &Conninfo, host: &Host, port: u16) -> Option<Secret> {
    let path = conninfo
        .passfile
        .clone()
        .or_else(|| std::env::var_os("PGPASSFILE").map(PathBuf::from))
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pgpass")))?;
    let metadata = std::fs::metadata(&path).ok()?;
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
    if mode & 0o077 != 0 {
        tracing::warn!(
            "the password file {} is passed over: others may read it (chmod 0600)",
            path.display()
        );
        return None;
    }
    let text = Zeroizing::new(std::fs::read_to_string(&path).ok()?);
    find(&text, &name_of(host), port, &conninfo.dbname, &conninfo.user)
}

/// The name of a host in the password file: the directory of a socket, or `localhost` for a default
/// directory.
fn name_of(host: &Host) -> Cow<'_, str> {
    match host {
        Host::Tcp(name) => name.into(),
        Host::Unix(folder) if USUAL_FOLDERS.iter().any(|usual| folder == Path::new(usual)) => {
            "localhost".into()
        }
        Host::Unix(folder) => folder.to_string_lossy(),
    }
}

/// The default directories of the server's socket: upstream's, and those of packages.
const USUAL_FOLDERS: [&str; 3] = ["/tmp", "/run/postgresql", "/var/run/postgresql"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let text = "# comment\nother:5432:*:*:no\nh:*:app:u:a\\:b\\\\c\n*:*:*:*:last\n";
        assert_eq!(find(text, "h", 5432, "app", "u"), Some(Secret::of_text("a:b\\c")));
        assert_eq!(find(text, "h", 5432, "app", "v"), Some(Secret::of_text("last")));
        assert_eq!(find("h:1:d:u:p", "h", 2, "d", "u"), None);
        assert_eq!(find("h:1:d:u", "h", 1, "d", "u"), None);
    }

    #[test]
    fn a_socket_is_called_by_its_folder_or_localhost() {
        assert_eq!(name_of(&Host::Unix("/run/postgresql".into())), "localhost");
        assert_eq!(name_of(&Host::Unix("/srv/pg".into())), "/srv/pg");
        assert_eq!(name_of(&Host::Tcp("db".into())), "db");
    }
}
