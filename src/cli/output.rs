//! Text for people: control characters in it never reach the terminal.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};

use comfy_table::{Table, presets};

use super::exit::Exit;
use crate::admin::lines;

/// Writes `text` to standard output, with its control characters escaped. A closed pipe is no error.
pub(super) fn print(text: impl Display) {
    let _ = std::io::stdout().write_all(lines(&text.to_string()).as_bytes());
}

/// Writes `text` to standard error as a line, with its control characters escaped.
pub(super) fn print_error(text: impl Display) {
    eprintln!("{}", lines(text.to_string().trim_end_matches('\n')));
}

/// A table without borders. Its columns are aligned, and a row is a line, whatever the width of the terminal.
pub(super) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

/// Asks for confirmation on the terminal. Without a terminal there is none.
pub(super) fn confirmed(question: &str) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    eprint!("{question} [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// Asks before batches are discarded, unless `yes` was given.
pub(super) fn confirm_discard(yes: bool) -> Result<(), Exit> {
    if yes || confirmed("Discard them? They cannot be sent again.") {
        return Ok(());
    }
    eprintln!("nothing was discarded: use --yes to discard without confirmation");
    Err(Exit::Usage)
}
