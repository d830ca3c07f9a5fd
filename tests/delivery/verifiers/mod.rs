//! The Standard Webhooks libraries of other languages, which `scripts/tools.sh test` installs.

use std::path::{Path, PathBuf};
use std::process::Command;

pub fn python() -> Command {
    let mut command = Command::new(installed("python/bin/python"));
    command.arg(source("verify.py"));
    command
}

pub fn node() -> Command {
    let modules = installed("node_modules/standardwebhooks");
    let mut command = Command::new("node");
    command.arg(source("verify.cjs")).env("NODE_PATH", modules.parent().unwrap());
    command
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/delivery/verifiers").join(name)
}

fn installed(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".local/webhook-verifiers").join(name);
    assert!(path.exists(), "there is no {}: run `scripts/tools.sh test`, which installs it", path.display());
    path
}
