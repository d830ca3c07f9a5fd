//! What the demo prints. Colours where somebody looks, and has not asked for none (`NO_COLOR`).

use std::fmt::{Display, Write as _};
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use super::tally::{Arrival, Tally};
use crate::record::Callback;
use crate::time::Timestamp;

/// Where lines go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Printer {
    colours: bool,
    started: Timestamp,
}

impl Printer {
    pub(super) fn new(started: Timestamp) -> Self {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { colours, started }
    }

    /// What one request brought.
    pub(super) fn request(
        self,
        project: &str,
        callback: Callback,
        attempt: &str,
        records: &[Arrival],
        now: Timestamp,
    ) {
        let mut text = String::new();
        for record in records.iter().take(SHOWN) {
            let (told, after) = match record {
                Arrival::Expected { told, after } => (told.as_str(), format!("{} ms", after.as_millis())),
                Arrival::Unexpected => ("(not of the demo's doing)", String::new()),
            };
            let line = format!("{} {project:<13} {told}", self.mark(callback));
            let _ = writeln!(text, "{} {line}  {}", self.at(now), self.paint(FAINT, &after));
        }
        if records.len() > SHOWN {
            let more = format!("and {} more in the same request", records.len() - SHOWN);
            let _ = writeln!(text, "{} {:>11} {:<13} {}", self.at(now), "", "", self.paint(FAINT, &more));
        }
        if attempt != "1" {
            let again = format!("taken at attempt {attempt}");
            let _ =
                writeln!(text, "{} {:>11} {project:<13} {}", self.at(now), "", self.paint(YELLOW, &again));
        }
        write(&text);
    }

    /// A request that the receiver refused, as the demo told it to.
    pub(super) fn refused(self, project: &str, callback: Callback, attempt: &str, now: Timestamp) {
        let told = self.paint(RED, &format!("answered 503 to attempt {attempt}"));
        write(&format!("{} {} {project:<13} {told}\n", self.at(now), self.mark(callback)));
    }

    /// Something that the demo does to the sidecar.
    pub(super) fn event(self, what: &str, now: Timestamp) {
        write(&format!("{} {}\n", self.at(now), self.paint(YELLOW, what)));
    }

    /// How it ended.
    pub(super) fn summary(self, tally: &Tally, transactions: u64, silent: u64) {
        let counts = tally.counts();
        let ms = |percent| millis(tally.percentile(percent));
        let by_callback = Callback::ALL.map(|callback| {
            format!("{} {callback}", counts.arrived.get(callback.index()).copied().unwrap_or_default())
        });
        let mut text = format!(
            "\n  {transactions} transactions, {silent} of which changed nothing that a receiver is told\n  \
             {} records must arrive, {} did: {}\n  \
             from commit to receiver: half within {}, 99 of 100 within {} (where the receiver was up)\n",
            counts.expected,
            counts.all_arrived(),
            by_callback.join(", "),
            ms(50),
            ms(99),
        );
        if counts.unexpected > 0 {
            let _ = writeln!(text, "  {} were not of the demo's doing, or came twice", counts.unexpected);
        }
        let verdict = match counts.missing() {
            0 => self.paint(GREEN, "every record arrived at its own project, none is missing"),
            missing => self.paint(RED, &format!("{missing} records are MISSING")),
        };
        let _ = writeln!(text, "  {verdict}");
        write(&text);
    }

    fn mark(self, callback: Callback) -> String {
        let (sign, colour) = match callback {
            Callback::Excluded => ('-', RED),
            Callback::Ingested => ('+', GREEN),
            Callback::Modified => ('~', CYAN),
        };
        self.paint(colour, &format!("{sign} {:<9}", callback.name()))
    }

    fn at(self, now: Timestamp) -> String {
        self.paint(FAINT, &format!("{:>6.1} s", now.since(self.started).as_secs_f64()))
    }

    fn paint(self, colour: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A line of the demo itself.
pub(super) fn print_line(what: impl Display) {
    write(&format!("{what}\n"));
}

fn millis(duration: Duration) -> String {
    format!("{:.0} ms", duration.as_secs_f64() * 1_000.0)
}

fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever read this is gone; the demo ends at its time.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Records of one request that get a line of their own.
const SHOWN: usize = 4;

/// <https://en.wikipedia.org/wiki/ANSI_escape_code#Select_Graphic_Rendition_parameters>
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";
const FAINT: &str = "2";
