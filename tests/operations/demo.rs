//! `sidecar demo`: it shows that every record arrives, and leaves nothing behind however it ends.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::until_blocking;

#[test]
fn every_record_arrives_and_nothing_is_left_behind() {
    let folder = folder();
    let output = demo(folder.path(), &["--seconds", "3"]).output().expect("the demo");
    let message = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{message}{}", String::from_utf8_lossy(&output.stderr));
    assert!(message.contains("none is missing"), "{message}");
    assert!(["+ ingested", "~ modified"].iter().all(|mark| message.contains(mark)), "{message}");
    assert_eq!(left(folder.path()), 0);
}

#[test]
fn killed_in_the_middle_it_leaves_nothing_behind_either() {
    for signal in ["TERM", "KILL"] {
        let folder = folder();
        let mut running = demo(folder.path(), &[]).stdout(Stdio::piped()).spawn().expect("the demo");
        let mut lines = BufReader::new(running.stdout.take().expect("its output")).lines();
        let working = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("is ready")));
        assert!(working.is_some());
        let pid = running.id().to_string();
        Command::new("kill").args(["-s", signal, &pid]).status().expect("kill");
        running.wait().expect("its end");
        let what = format!("SIG{signal} to leave nothing behind");
        until_blocking(&what, || (left(folder.path()) == 0).then_some(()));
    }
}

#[test]
fn settings_for_a_real_sidecar_do_not_reach_the_demo() {
    let folder = folder();
    let mut demo = demo(folder.path(), &["--seconds", "1"]);
    demo.env("SIDECAR_POSTGRES__URL", "postgresql://nowhere.invalid/x").env("PGPORT", "1");
    let output = demo.output().expect("the demo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn without_postgres_it_says_how_to_get_one() {
    let folder = folder();
    let output = demo(folder.path(), &[]).env("SIDECAR_PG_BIN", "/nonexistent").output().expect("the demo");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("SIDECAR_PG_BIN"));
    assert_eq!(left(folder.path()), 0);
}

fn demo(folder: &Path, arguments: &[&str]) -> Command {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_sidecar"));
    demo.arg("demo").args(arguments).env("TMPDIR", folder);
    demo
}

/// A place for temporary folders, open to all as `/tmp` is.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).expect("permissions");
    folder
}

/// A program that still runs still has its folder.
fn left(folder: &Path) -> usize {
    fs::read_dir(folder).expect("the folder").count()
}
