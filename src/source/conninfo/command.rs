//! A command that prints the password, for tokens of a short life. It is run for each connection.

use std::borrow::Cow;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use zeroize::Zeroizing;

use super::passfile::without_line_break;
use super::{Conninfo, PasswordSource};
use crate::secret::Secret;

/// The options with the password that the command prints now; as they are, if there is no command.
pub(in crate::source) async fn with_password(conninfo: &Conninfo) -> Result<Cow<'_, Conninfo>, String> {
    let Some(PasswordSource::Command(command)) = &conninfo.password_source else {
        return Ok(Cow::Borrowed(conninfo));
    };
    let name = command.first().map_or("", String::as_str);
    let printed =
        run(command, PATIENCE).await.map_err(|why| format!("the password command `{name}` {why}"))?;
    Ok(Cow::Owned(Conninfo { password: Some(printed), ..conninfo.clone() }))
}

/// What the command prints, without a line break at its end. An error has what it wrote to its standard
/// error, never what it printed.
async fn run(command: &[String], patience: Duration) -> Result<Secret, String> {
    let (program, arguments) = command.split_first().ok_or("is empty")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot be run: {error}"))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let finished = async {
        let (printed, complaint) =
            tokio::join!(beginning(out, PRINTED_MAX + 1), beginning(err, COMPLAINT_MAX));
        (printed, complaint, child.wait().await)
    };
    let (printed, complaint, status) = tokio::time::timeout(patience, finished)
        .await
        .map_err(|_| format!("did not end within {patience:?}"))?;
    let status = status.map_err(|error| format!("cannot be waited for: {error}"))?;
    if !status.success() {
        let complaint = String::from_utf8_lossy(&complaint).trim().escape_debug().to_string();
        let complaint = if complaint.is_empty() { complaint } else { format!(": {complaint}") };
        return Err(format!("failed ({status}){complaint}"));
    }
    if printed.len() > PRINTED_MAX {
        return Err(format!("printed more than {PRINTED_MAX} bytes, and a password is expected"));
    }
    let printed = std::str::from_utf8(&printed).map_err(|_| "printed a password that is not UTF-8")?;
    let password = without_line_break(printed);
    if password.expose().is_empty() { Err("printed nothing".into()) } else { Ok(password) }
}

/// The first bytes of an output. The rest is read and dropped, so that the command can end.
async fn beginning(output: Option<impl AsyncRead + Unpin>, bytes_max: usize) -> Zeroizing<Vec<u8>> {
    // Of its full size: growing would leave copies behind.
    let mut kept = Zeroizing::new(Vec::with_capacity(bytes_max));
    let Some(mut output) = output else { return kept };
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    // What cannot be read any more has ended.
    let _ = (&mut output).take(limit).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut output, &mut tokio::io::sink()).await;
    kept
}

const PATIENCE: Duration = Duration::from_secs(10);
const PRINTED_MAX: usize = 64 * 1024;
const COMPLAINT_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    async fn sh(script: &str) -> Result<String, String> {
        run(&["sh".into(), "-c".into(), script.into()], PATIENCE)
            .await
            .map(|printed| printed.expose().to_string())
    }

    #[tokio::test]
    async fn the_password_is_what_the_command_prints() {
        assert_eq!(sh("echo ' a b '").await, Ok(" a b ".into()));
        assert_eq!(sh("printf 'x\\r\\n'; echo warning >&2").await, Ok("x".into()));
        assert_eq!(
            sh("head -c 5000000 /dev/zero >&2; echo x").await,
            Ok("x".into()),
            "a long complaint is read"
        );
    }

    #[tokio::test]
    async fn an_error_has_what_the_command_complains_of_and_never_what_it_printed() {
        for (script, says) in [
            ("echo geheim; echo 'no credentials' >&2; exit 3", "no credentials"),
            ("echo geheim; exit 3", "exit status: 3"),
            ("kill -9 $$", "signal"),
            ("true", "printed nothing"),
            ("echo", "printed nothing"),
            ("printf 'geheim\\377'", "UTF-8"),
            ("head -c 70000 /dev/zero", "more than"),
        ] {
            let why = sh(script).await.unwrap_err();
            assert!(why.contains(says) && !why.contains("geheim"), "{script}: {why}");
        }
        let missing = run(&["/no/such/program".into()], PATIENCE).await.unwrap_err();
        assert!(missing.contains("cannot be run"), "{missing}");
    }

    #[tokio::test]
    async fn a_command_that_does_not_end_is_ended() {
        let command = ["sleep".to_owned(), "1000".to_owned()];
        let why = run(&command, Duration::from_millis(100)).await.unwrap_err();
        assert!(why.contains("did not end within 100ms"), "{why}");
    }
}
