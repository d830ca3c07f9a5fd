//! `sidecar completions` and `sidecar man`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::exit::Exit;

/// Prints the completions of `sidecar` for `shell`.
pub(super) fn print_completions(sidecar: &mut clap::Command, shell: clap_complete::Shell) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(shell, sidecar, "sidecar", &mut text);
    print(&text)
}

#[derive(clap::Args, Clone, Debug)]
pub(super) struct Args {
    /// Write one page per command into this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints the manual page of `sidecar`, or writes a page for each command.
pub(super) fn man(sidecar: clap::Command, args: &Args) -> Exit {
    match &args.dir {
        None => {
            let mut text = Vec::new();
            match clap_mangen::Man::new(sidecar).render(&mut text) {
                Ok(()) => print(&text),
                Err(_) => Exit::Failed,
            }
        }
        Some(dir) => write_all(sidecar, dir).map_or_else(
            |error| {
                eprintln!("write the manual pages into {}: {error}", dir.display());
                Exit::Failed
            },
            |()| Exit::Done,
        ),
    }
}

/// `sidecar.1`, `sidecar-run.1` and so on.
fn write_all(sidecar: clap::Command, dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    clap_mangen::generate_to(sidecar, dir)
}

/// A closed pipe is no error.
fn print(text: &[u8]) -> Exit {
    let _ = std::io::stdout().write_all(text);
    Exit::Done
}

pub(super) const COMPLETIONS_AFTER_HELP: &str = "\
  sidecar completions bash > /etc/bash_completion.d/sidecar
  sidecar completions zsh > \"${fpath[1]}/_sidecar\"
  sidecar completions fish > ~/.config/fish/completions/sidecar.fish";

pub(super) const AFTER_HELP: &str = "\
  sidecar man | man -l -                          read the page of `sidecar`
  sidecar man --dir /usr/local/share/man/man1     install sidecar.1, sidecar-run.1 and so on";
