//! Where Postgres is, and as whom it runs.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of PostgreSQL `version`'s programs.
pub(crate) fn bin(version: u32) -> PathBuf {
    let named = [format!("SIDECAR_PG{version}_BIN"), "SIDECAR_PG_BIN".to_owned()]
        .into_iter()
        .filter_map(std::env::var_os);
    let local = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!(".local/pg{version}/bin"));
    let mut places =
        named.map(PathBuf::from).chain([local, format!("/usr/lib/postgresql/{version}/bin").into()]);
    let is_it = |bin: &PathBuf| {
        let said = Command::new(bin.join("postgres")).arg("--version").output();
        said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains(&format!(" {version}.")))
    };
    places
        .find(is_it)
        .unwrap_or_else(|| panic!("no PostgreSQL {version}: `make tools` installs it, or set SIDECAR_PG{version}_BIN to its bin folder"))
}

/// Postgres does not run as root; whom it runs as then.
pub(crate) fn unprivileged() -> Option<u32> {
    let id = |args: &[&str]| {
        let said = Command::new("id").args(args).output().ok()?;
        String::from_utf8_lossy(&said.stdout).trim().parse::<u32>().ok()
    };
    (id(&["-u"])? == 0).then(|| id(&["-u", "postgres"]).or_else(|| id(&["-u", "nobody"]))).flatten()
}

/// A command that runs as somebody whom a server accepts.
pub(crate) fn run_as(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some(user) = unprivileged() {
        command.uid(user).gid(user);
    }
    command
}
