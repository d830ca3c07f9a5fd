//! The output of the demo: coloured on a terminal, unless `NO_COLOR` is set.

use std::fmt::{Display, Write as _};
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use super::tally::{Arrival, Tally};
use crate::amount::count;
use crate::record::Callback;
use crate::time::Timestamp;

/// Writes lines with the time since the start.
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

    /// The records of one request.
    pub(super) fn request(
        self,
        project: &str,
        callback: Callback,
        attempt: &str,
        records: &[Arrival],
        now: Timestamp,
    ) {
        let mut text = String::new();
        for record in records.iter().take(RECORDS_SHOWN) {
            let (action, latency) = match record {
                Arrival::Expected { action, latency } => {
                    (action.as_str(), format!("{} ms", latency.as_millis()))
                }
                Arrival::Unexpected => ("(unexpected)", String::new()),
            };
            let line = format!("{} {project:<13} {action}", self.label(callback));
            let _ = writeln!(text, "{} {line}  {}", self.at(now), self.paint(FAINT, &latency));
        }
        if records.len() > RECORDS_SHOWN {
            let more = format!("and {} more in the same request", records.len() - RECORDS_SHOWN);
            let _ = writeln!(text, "{} {:>11} {:<13} {}", self.at(now), "", "", self.paint(FAINT, &more));
        }
        if attempt != "1" {
            let retried = format!("accepted at attempt {attempt}");
            let _ =
                writeln!(text, "{} {:>11} {project:<13} {}", self.at(now), "", self.paint(YELLOW, &retried));
        }
        write(&text);
    }

    /// A request that was refused because of an outage.
    pub(super) fn refused(self, project: &str, callback: Callback, attempt: &str, now: Timestamp) {
        let status = self.paint(RED, &format!("status 503 for attempt {attempt}"));
        write(&format!("{} {} {project:<13} {status}\n", self.at(now), self.label(callback)));
    }

    /// An event of the demo itself.
    pub(super) fn event(self, what: &str, now: Timestamp) {
        write(&format!("{} {}\n", self.at(now), self.paint(YELLOW, what)));
    }

    /// The totals at the end.
    pub(super) fn summary(self, tally: &Tally, transactions: u64, silent: u64) {
        let counts = tally.counts();
        let ms = |percent| millis(tally.percentile(percent));
        let by_callback = Callback::ALL.map(|callback| {
            format!("{} {callback}", counts.arrived.get(callback.index()).copied().unwrap_or_default())
        });
        let mut text = format!(
            "\n  {transactions} transactions, {silent} of which make no record\n  \
             {} expected, {} arrived: {}\n  \
             latency from commit to receiver: median {}, 99th percentile {} (outages excluded)\n",
            count(counts.expected, "record", "records"),
            counts.all_arrived(),
            by_callback.join(", "),
            ms(50),
            ms(99),
        );
        if counts.unexpected > 0 {
            let _ = writeln!(text, "  {} were unexpected or arrived twice", counts.unexpected);
        }
        let verdict = match counts.missing() {
            0 => self.paint(GREEN, "every record arrived at its own project, none is missing"),
            missing => self.paint(RED, &format!("MISSING: {}", count(missing, "record", "records"))),
        };
        let _ = writeln!(text, "  {verdict}");
        write(&text);
    }

    fn label(self, callback: Callback) -> String {
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

/// A line without a time.
pub(super) fn print_line(what: impl Display) {
    write(&format!("{what}\n"));
}

fn millis(duration: Duration) -> String {
    format!("{:.0} ms", duration.as_secs_f64() * 1_000.0)
}

fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    // A closed pipe does not stop the demo.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The most records of one request that are printed.
const RECORDS_SHOWN: usize = 4;

/// <https://en.wikipedia.org/wiki/ANSI_escape_code#Select_Graphic_Rendition_parameters>
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";
const FAINT: &str = "2";
