//! The shape of the source is a promise too: which module may use which, which are pure, how long a file may
//! grow. The input is the source as text; a violation is reported with its file and line.

#![allow(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test fails loudly, and is its own documentation"
)]

#[path = "architecture/circles.rs"]
mod circles;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms in the order in which a change meets them. A room may use only those before it.
const FLOW: &[&str] = &[
    "time",
    "position",
    "record",
    "outcome",
    "metrics",
    "clock",
    "failpoint",
    "relation",
    "source",
    "decode",
    "classify",
    "spool",
    "capture",
    "deliver",
    "resync",
    "replay",
    "admin",
    "settings",
    "service",
    "cli",
];

/// Files and folders that do no I/O and read no clock: time is an argument, the next wake-up is a result.
const PURE: &[&str] = &[
    "time.rs",
    "position.rs",
    "record.rs",
    "outcome.rs",
    "relation/",
    "source/wire/frame.rs",
    "source/wire/handshake.rs",
    "source/wire/error.rs",
    "source/wire/progress.rs",
    "source/wire/sqlstate.rs",
    "decode/",
    "classify/",
    "capture/replica_identity.rs",
    "capture/stream_cursor.rs",
    "deliver/scheduler/",
    "deliver/driver/outage",
    "deliver/http/signature",
    "service/control/tail_line",
    "service/supervisor/continuity",
    "service/supervisor/decide",
    "service/supervisor/failure_log",
    "service/supervisor/resync_job",
];

/// What pure code does not name.
const IMPURE: &[&str] =
    &["tokio", "hyper", "rusqlite", "std::fs", "std::net", "std::thread", "Instant", "SystemTime"];

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

#[test]
fn the_map_lists_every_room_in_the_order_of_the_flow() {
    let map = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let listed: Vec<_> =
        map.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(listed, FLOW);
    let there: BTreeSet<_> = sources()
        .iter()
        .map(|source| source.room.clone())
        .filter(|room| room != "lib" && room != "main")
        .collect();
    assert_eq!(there, FLOW.iter().map(|room| (*room).to_owned()).collect());
}

#[test]
fn a_room_uses_only_those_before_it() {
    let place = |room: &str| FLOW.iter().position(|name| *name == room);
    report(sources().iter().flat_map(|source| {
        let own = place(&source.room);
        let used = used_rooms(&source.code).into_iter();
        let later = used.filter(move |(_, room)| own.is_some() && place(room) > own);
        later.map(|(line, room)| source.fault(line, &format!("uses `{room}`, which comes later")))
    }));
}

#[test]
fn pure_rooms_do_no_io_and_read_no_clock() {
    let is_pure = |source: &&Source| PURE.iter().any(|pure| source.path.starts_with(pure));
    let all = sources();
    for pure in PURE {
        assert!(all.iter().any(|source| source.path.starts_with(pure)), "{pure} is not there any more");
    }
    report(all.iter().filter(is_pure).flat_map(|source| {
        let named = |(number, line): (usize, &str)| {
            let word = IMPURE.iter().find(|word| names(line, word))?;
            Some(source.fault(number + 1, &format!("names `{word}`")))
        };
        source.code.lines().enumerate().filter_map(named).collect::<Vec<_>>()
    }));
}

/// Another engine can take its place: only the file that chooses the engine, and the module's root that
/// declares it, name the one that there is.
#[test]
fn only_one_folder_names_sqlite() {
    const CHOICE: &[&str] = &["spool/mod.rs", "spool/open.rs"];
    report(sources().iter().filter(|source| !source.path.starts_with("spool/sqlite/")).flat_map(|source| {
        let is_choice = CHOICE.contains(&source.path.as_str());
        let in_text = ["rusqlite", "spool.sqlite"].map(|word| (&source.text, word));
        let in_code = [(&source.code, "sqlite")].into_iter().filter(move |_| !is_choice);
        let named = in_text.into_iter().chain(in_code).flat_map(|(text, word)| {
            let lines = text.lines().enumerate().filter(move |(_, line)| line.to_lowercase().contains(word));
            lines.map(move |(number, _)| source.fault(number + 1, &format!("names `{word}`")))
        });
        named.collect::<Vec<_>>()
    }));
}

/// An engine may keep its rows elsewhere than in a folder.
#[test]
fn what_every_engine_shares_names_no_folder() {
    let is_shared = |source: &&Source| {
        let path = &source.path;
        path.starts_with("spool/") && !path.starts_with("spool/sqlite/") && path != "spool/open.rs"
    };
    report(sources().iter().filter(is_shared).flat_map(|source| {
        let named = |(number, line): (usize, &str)| {
            let word = ["Path", "PathBuf", "folder", "fs"].iter().find(|word| names(line, word))?;
            Some(source.fault(number + 1, &format!("names `{word}`")))
        };
        source.code.lines().enumerate().filter_map(named).collect::<Vec<_>>()
    }));
}

/// A column that is added or moved by a migration changes no statement.
#[test]
fn every_statement_of_the_spool_names_its_columns() {
    let of_spool =
        |source: &&Source| source.path.starts_with("spool/sqlite/") && !source.path.contains("/tests");
    report(sources().iter().filter(of_spool).flat_map(|source| {
        let nameless = |(number, line): (usize, &str)| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let inserts = words.windows(3).any(|words| matches!(words, ["INTO", _, "VALUES"]));
            (line.contains("SELECT *") || inserts)
                .then(|| source.fault(number + 1, "does not name its columns"))
        };
        shipped(source).lines().enumerate().filter_map(nameless).collect::<Vec<_>>()
    }));
}

#[test]
fn files_and_functions_stay_small() {
    report(sources().iter().flat_map(|source| {
        let lines = source.code.trim_end().lines().count();
        let long_file = (lines > FILE_LINES_MAX).then(|| source.fault(lines, "the file is too long"));
        let functions = functions(&source.code).into_iter();
        let long = functions.filter(|function| function.lines > FUNCTION_LINES_MAX);
        let faults = long.map(|function| {
            source.fault(function.line, &format!("`{}` has {} lines", function.name, function.lines))
        });
        long_file.into_iter().chain(faults.collect::<Vec<_>>())
    }));
}

/// A promise without its test is none: every test that the page names is there.
#[test]
fn every_test_that_the_guarantees_name_is_there() {
    let page = fs::read_to_string(root().join("docs/guarantees.md")).unwrap();
    let is_test = |name: &&str| {
        let parts: Vec<_> = name.split("::").collect();
        let plain = |part: &&str| part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        parts.len() > 1 && parts.iter().all(plain)
    };
    let named: Vec<&str> = page.split('`').skip(1).step_by(2).filter(is_test).collect();
    assert!(named.len() > 40, "{named:?}");
    report(named.iter().filter_map(|name| {
        let (path, test) = name.rsplit_once("::").unwrap();
        let path = path.replace("::", "/");
        let places = [format!("tests/{path}.rs"), format!("tests/{path}/main.rs"), format!("src/{path}.rs")];
        let has = |place: &String| {
            let code = fs::read_to_string(root().join(place)).unwrap_or_default();
            code.contains(&format!("fn {test}("))
        };
        (!places.iter().any(has))
            .then(|| format!("docs/guarantees.md names {name}, and there is no such test"))
    }));
}

#[test]
fn nothing_is_left_to_do_and_no_code_is_commented_out() {
    let leftover = |line: &str| {
        let comment = line.trim_start().strip_prefix("// ")?;
        let is_code =
            CODE_STARTS.iter().any(|start| comment.starts_with(start)) && comment.ends_with([';', '{']);
        let is_debt = ["TODO", "FIXME", "XXX"].iter().any(|word| names(comment, word));
        (is_code || is_debt).then_some("is left over")
    };
    report(texts().iter().filter(|(path, _)| has_end(path, "rs")).flat_map(|(path, text)| {
        let faults = text.lines().enumerate().filter_map(|(number, line)| {
            Some(format!("{}:{}: {}", path.display(), number + 1, leftover(line)?))
        });
        faults.collect::<Vec<_>>()
    }));
}

#[test]
fn every_file_of_sql_is_used() {
    let code: String = sources().into_iter().map(|source| source.text).collect();
    for file in fs::read_dir(root().join("sql")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(code.contains(&format!("sql/{name}\"")), "sql/{name} is used by nothing");
    }
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    // In two pieces, or this file would name them.
    let folders =
        [("/ho", "me/"), ("/ro", "ot/"), ("/Us", "ers/"), ("/tm", "p/wt")].map(|(a, b)| [a, b].concat());
    report(texts().iter().flat_map(|(path, text)| {
        let named = folders.iter().filter(|folder| text.contains(folder.as_str()));
        named.map(|folder| format!("{} names {folder}", path.display())).collect::<Vec<_>>()
    }));
}

#[test]
fn the_scanner_sees_what_it_should() {
    let code = code_of(
        "fn a() {\n    let brace = '{'; // } \"\n    let text = r#\"}\"#;\n}\n#[cfg(test)]\nmod tests {\n}\n",
    );
    let found: Vec<_> = functions(&code).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
    assert_eq!(found, [("a".to_owned(), 1, 4)]);
    assert!(!code.contains("tests"));
    let used = used_rooms("use crate::{spool::Op, clock::Clock};\ncrate::admin::serve(a);\n");
    let used: Vec<_> = used.iter().map(|(line, room)| (*line, room.as_str())).collect();
    assert_eq!(used, [(1, "spool"), (1, "clock"), (2, "admin")]);
    assert!(names("use tokio::net;", "tokio") && !names("use tokio_postgres::x;", "tokio"));
}

/// A file of the library, without its tests.
struct Source {
    /// Below `src`.
    path: String,
    /// `spool` for `spool.rs` and all in `spool/`.
    room: String,
    /// As it stands there.
    text: String,
    /// Without comments, texts and tests; line for line.
    code: String,
}

impl Source {
    fn fault(&self, line: usize, what: &str) -> String {
        format!("src/{}:{line}: {what}", self.path)
    }
}

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn report(faults: impl IntoIterator<Item = String>) {
    let told = faults.into_iter().fold(String::new(), |mut told, fault| {
        let _ = write!(told, "\n  {fault}");
        told
    });
    assert!(told.is_empty(), "{told}");
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut all = Vec::new();
    let mut tests = Vec::new();
    for path in files_in(&src).into_iter().filter(|path| has_end(path, "rs")) {
        let text = fs::read_to_string(&path).unwrap();
        tests.extend(test_modules(&path, &text));
        let below = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
        let room = below.split(['/', '.']).next().unwrap().to_owned();
        let code = code_of(&text);
        all.push((path, Source { path: below, room, text, code }));
    }
    all.retain(|(path, _)| {
        !tests.iter().any(|test| path.starts_with(test) || *path == test.with_extension("rs"))
    });
    all.into_iter().map(|(_, source)| source).collect()
}

/// Modules that are compiled for tests alone, as `src/room/name`.
fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_root = ["mod.rs", "lib.rs", "main.rs"].iter().any(|name| path.ends_with(name));
    let folder = if is_root { path.parent().unwrap().to_owned() } else { path.with_extension("") };
    let pairs = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
    let name = |pair: &[&str]| Some(pair[1].strip_suffix(';')?.rsplit_once("mod ")?.1.to_owned());
    pairs.filter_map(name).map(|name| folder.join(name)).collect()
}

/// Everything that the repository holds as text.
fn texts() -> Vec<(PathBuf, String)> {
    let here = files_in(root()).into_iter();
    here.filter_map(|path| {
        Some((path.strip_prefix(root()).ok()?.to_owned(), fs::read_to_string(&path).ok()?))
    })
    .collect()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let is_made = name == ".git" || name == ".local" || name.starts_with("target") || name == "corpus";
        if is_made {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_in(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files.sort();
    files
}

fn has_end(path: &Path, end: &str) -> bool {
    path.extension().is_some_and(|extension| extension == end)
}

/// The text with comments, strings and characters blanked, up to the tests at its bottom.
fn code_of(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = blank(rest);
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(rest[..length].chars().filter(|c| *c == '\n'));
            // What stood there still parts what stands around it.
            code.push(' ');
            rest = &rest[length..];
        }
    }
    code
}

/// How much of the beginning is a comment, a string or a character.
fn blank(text: &str) -> usize {
    let until =
        |start: usize, end: &str| text[start..].find(end).map_or(text.len(), |at| start + at + end.len());
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return until(2, "*/");
    }
    if let Some(raw) = text.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            return until(hashes + 2, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    if text.starts_with('"') {
        return quoted(text, '"');
    }
    // A lifetime has no quote two characters on.
    let mut characters = text.chars();
    let quote = characters.next() == Some('\'');
    let (one, two) = (characters.next(), characters.next());
    if quote && (one == Some('\\') || two == Some('\'')) { quoted(text, '\'') } else { 0 }
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The rooms that code names by `crate::room` or `crate::{room, …}`, with the line.
fn used_rooms(code: &str) -> Vec<(usize, String)> {
    let mut used = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let line = line_of(code, at);
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            used.push((line, word(rest)));
            continue;
        };
        let (mut depth, mut start) = (0, true);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && !c.is_whitespace() => {
                    used.push((line, word(&group[at..])));
                    start = false;
                }
                _ => {}
            }
        }
    }
    used
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Its code without the unit tests behind it.
fn shipped(source: &Source) -> &str {
    source.text.split("#[cfg(test)]").next().unwrap_or_default()
}

/// Whether `word` occurs there as a word of its own.
fn names(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part))
}

fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let name = word(&code[at + 3..]);
        if name.is_empty() || code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let Some(length) = body_end(&code[at..]) else { continue };
        let lines = code[at..at + length].matches('\n').count() + 1;
        found.push(Function { name, line: line_of(code, at), lines });
    }
    found
}

/// Where the body of the function that begins here ends. None where it has no body.
fn body_end(code: &str) -> Option<usize> {
    let (mut depth, mut brackets) = (0_usize, 0_usize);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if depth == 0 && brackets == 0 => return None,
            '{' => depth += 1,
            '}' if depth == 1 => return Some(at + 1),
            '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// How a line of code begins that a sentence does not.
const CODE_STARTS: &[&str] =
    &["let ", "use ", "fn ", "pub ", "if ", "for ", "while ", "match ", "return ", "self."];
