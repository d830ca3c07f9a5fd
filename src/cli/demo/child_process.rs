//! A program that never outlives this process, and whose folder is removed with it.
//!
//! A shell starts the program and reads from a pipe that this process holds. When the pipe closes, because of
//! [`ChildProcess::stop`] or because this process died, the shell stops the program and removes the folder.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::Context as _;
use tokio::process::ChildStdout;

/// A running program.
#[derive(Debug)]
pub(super) struct ChildProcess {
    shell: Child,
    folder: PathBuf,
    /// The shell stops the program when this is closed.
    stdin: Option<ChildStdin>,
    /// Reaches its end when the program has ended.
    stdout: ChildStdout,
}

/// How a program is stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum StopSignal {
    /// `SIGQUIT`: at once. Postgres would need recovery, but the cluster is discarded.
    Quit,
    /// `SIGTERM`: a clean shutdown.
    Terminate,
}

impl ChildProcess {
    /// Starts `program` as `user`. Its standard error goes to the file `log` in `folder`.
    pub(super) fn start(
        program: &Command,
        user: Option<u32>,
        folder: &Path,
        stop_signal: StopSignal,
    ) -> anyhow::Result<Self> {
        let log = fs::File::create(folder.join(LOG)).context("create the log file")?;
        let signals = match stop_signal {
            // A shell starts its programs with SIGQUIT ignored, until Postgres has installed its own handler.
            StopSignal::Quit => "TERM QUIT",
            StopSignal::Terminate => "TERM",
        };
        let mut shell = command(Path::new("sh"), user)
            .args(["-c", SUPERVISOR])
            .arg(folder)
            .arg(signals)
            .arg(program.get_program())
            .args(program.get_args())
            // Ctrl-C at the terminal reaches only this process, which then stops the others.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", program.get_program().display()))?;
        let stdout = shell.stdout.take().context("standard output of the shell")?;
        let stdout = ChildStdout::from_std(stdout).context("standard output of the shell")?;
        Ok(Self { stdin: shell.stdin.take(), shell, folder: folder.to_owned(), stdout })
    }

    /// Returns when the program has ended.
    pub(super) async fn ended(&mut self) {
        // The program holds the other end open until it ends.
        let _ = tokio::io::copy(&mut self.stdout, &mut tokio::io::sink()).await;
    }

    /// Stops the program, waits for its end, and removes its folder.
    pub(super) fn stop(mut self) {
        self.stdin = None;
        let _ = self.shell.wait();
        // The shell empties it, but may lack the permission to remove it from its parent.
        let _ = fs::remove_dir_all(self.folder);
    }
}

/// The last lines of the log in `folder`.
pub(super) fn last_log_lines(folder: &Path) -> String {
    let log = fs::read_to_string(folder.join(LOG)).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default().join("\n")
}

/// Creates a folder with mode 0700: `/tmp/sidecar-NAME-1a2b3c4d`.
pub(super) fn temporary_folder(name: &str) -> anyhow::Result<PathBuf> {
    let suffix = uuid::Uuid::new_v4().as_fields().0;
    let path = std::env::temp_dir().join(format!("sidecar-{name}-{suffix:08x}"));
    DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("create {}", path.display()))?;
    Ok(path)
}

/// A command for `program` as `user`, without the environment of this process that concerns databases.
pub(super) fn command(program: &Path, user: Option<u32>) -> Command {
    let mut command = Command::new(program);
    // The user may lack access to the current folder.
    command.current_dir("/");
    // Variables of real databases and of a real sidecar must not reach the demo.
    let is_foreign = |name: &OsString| {
        ["PG", "SIDECAR_"].iter().any(|start| name.as_bytes().starts_with(start.as_bytes()))
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_foreign(name)) {
        command.env_remove(name);
    }
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command
}

/// Starts a program and stops it when standard input closes. $0 is the folder, $1 the signals, the rest the program.
const SUPERVISOR: &str = r#"
signals=$1; shift
"$@" </dev/null & program=$!
exec >/dev/null
cat
for signal in $signals; do kill -"$signal" $program; done
wait $program
rm -rf "$0""#;

const LOG: &str = "log";
const LOG_LINES: usize = 12;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_stopped_program_ends_and_its_folder_is_removed() {
        let folder = temporary_folder("test").unwrap();
        let mut sleep = Command::new("sleep");
        sleep.arg("600");
        let program = ChildProcess::start(&sleep, None, &folder, StopSignal::Terminate).unwrap();
        tokio::task::spawn_blocking(|| program.stop()).await.unwrap();
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn a_program_that_ends_by_itself_is_noticed() {
        let folder = temporary_folder("test").unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo last words >&2"]);
        let mut program = ChildProcess::start(&shell, None, &folder, StopSignal::Quit).unwrap();
        tokio::time::timeout(Duration::from_secs(30), program.ended()).await.unwrap();
        assert_eq!(last_log_lines(&folder), "last words");
        program.stop();
        assert!(!folder.exists());
    }
}
