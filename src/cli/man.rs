//! `sidecar completions` and `sidecar man`.

use std::io::Write as _;

use clap::CommandFactory as _;

use super::{Cli, Exit};

pub(super) fn completions(shell: clap_complete::Shell) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sidecar", &mut text);
    print(&text)
}

pub(super) fn man() -> Exit {
    let mut text = Vec::new();
    match clap_mangen::Man::new(Cli::command()).render(&mut text) {
        Ok(()) => print(&text),
        Err(_) => Exit::Failed,
    }
}

/// A reader that goes away early is no error of ours.
fn print(text: &[u8]) -> Exit {
    let _ = std::io::stdout().write_all(text);
    Exit::Done
}
