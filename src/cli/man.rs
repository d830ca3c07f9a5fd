//! `sidecar completions` and `sidecar man`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;

use super::{Cli, Exit};

pub(super) fn completions(shell: clap_complete::Shell) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sidecar", &mut text);
    print(&text)
}

#[derive(clap::Args, Clone, Debug)]
pub(super) struct Args {
    /// Write a page a command into this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn man(args: &Args) -> Exit {
    match &args.dir {
        None => {
            let mut text = Vec::new();
            match clap_mangen::Man::new(Cli::command()).render(&mut text) {
                Ok(()) => print(&text),
                Err(_) => Exit::Failed,
            }
        }
        Some(dir) => write_all(dir).map_or_else(
            |error| {
                eprintln!("write the pages into {}: {error}", dir.display());
                Exit::Failed
            },
            |()| Exit::Done,
        ),
    }
}

/// `sidecar.1`, `sidecar-run.1` and so on.
fn write_all(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    clap_mangen::generate_to(Cli::command(), dir)
}

/// A reader that goes away early is no error of ours.
fn print(text: &[u8]) -> Exit {
    let _ = std::io::stdout().write_all(text);
    Exit::Done
}
