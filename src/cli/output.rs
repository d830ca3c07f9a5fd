//! Text for people: control characters in it never reach the terminal.

use std::fmt::Display;
use std::io::Write as _;

use comfy_table::{Table, presets};

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

/// A number of bytes with a unit: `1.5 GiB`.
pub(super) fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = units.into_iter().find(|(_, shift)| bytes >> shift > 0);
    match unit {
        Some((name, shift)) => {
            let tenths = (u128::from(bytes) * 10) >> shift;
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}
