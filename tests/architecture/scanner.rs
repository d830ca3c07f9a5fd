//! The source as text: its files, modules, functions and paths, and what they name.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::{IMPURE, circles};

/// A file of the library, without its tests.
pub(crate) struct Source {
    /// Below `src`.
    pub(crate) path: String,
    /// `spool` for `spool.rs` and all in `spool/`.
    pub(crate) room: String,
    /// As it is in the file.
    pub(crate) text: String,
    /// Without comments, texts and tests; line for line.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn fault(&self, line: usize, what: &str) -> String {
        format!("src/{}:{line}: {what}", self.path)
    }
}

pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn report(faults: impl IntoIterator<Item = String>) {
    let lines = faults.into_iter().fold(String::new(), |mut lines, fault| {
        let _ = write!(lines, "\n  {fault}");
        lines
    });
    assert!(lines.is_empty(), "{lines}");
}

pub(crate) fn sources() -> Vec<Source> {
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
pub(crate) fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_root = ["mod.rs", "lib.rs", "main.rs"].iter().any(|name| path.ends_with(name));
    let folder = if is_root { path.parent().unwrap().to_owned() } else { path.with_extension("") };
    let pairs = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
    let name = |pair: &[&str]| Some(pair[1].strip_suffix(';')?.rsplit_once("mod ")?.1.to_owned());
    pairs.filter_map(name).map(|name| folder.join(name)).collect()
}

/// Everything that the repository holds as text.
pub(crate) fn texts() -> Vec<(PathBuf, String)> {
    let here = files_in(root()).into_iter();
    here.filter_map(|path| {
        Some((path.strip_prefix(root()).ok()?.to_owned(), fs::read_to_string(&path).ok()?))
    })
    .collect()
}

pub(crate) fn files_in(folder: &Path) -> Vec<PathBuf> {
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

pub(crate) fn has_end(path: &Path, end: &str) -> bool {
    path.extension().is_some_and(|extension| extension == end)
}

/// The text with comments, strings and characters blanked, up to the tests at its bottom.
pub(crate) fn code_of(text: &str) -> String {
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
            // What was there still separates its neighbours.
            code.push(' ');
            rest = &rest[length..];
        }
    }
    code
}

/// How much of the beginning is a comment, a string or a character.
pub(crate) fn blank(text: &str) -> usize {
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

pub(crate) fn quoted(text: &str, quote: char) -> usize {
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

/// The rooms that the code of a file names, from the crate's root or by `super`, with the line.
pub(crate) fn used_rooms(path: &str, code: &str) -> Vec<(usize, String)> {
    let module = circles::module(path);
    let paths = ["crate::", "super::"].iter().flat_map(|root| paths_from(root, code));
    let rooms =
        paths.filter_map(|(line, path)| Some((line, circles::absolute(&module, &path)?.first()?.clone())));
    rooms.collect()
}

/// What pure code does not name, where this code does.
pub(crate) fn impure_names(code: &str) -> Vec<(usize, &'static str)> {
    let whole = code.lines().enumerate().map(|(number, line)| (number + 1, line.to_owned()));
    let grouped = ["std::{", "crate::{"].iter().flat_map(|root| paths_from(root, code));
    let grouped = grouped.map(|(line, path)| (line, path.join("::")));
    let named = whole.chain(grouped).filter_map(|(line, text)| {
        let word = IMPURE.iter().find(|word| names(&text, word))?;
        Some((line, *word))
    });
    named.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The paths in `code` that begin with `root`, one for each name in a group, with the line.
pub(crate) fn paths_from(root: &str, code: &str) -> Vec<(usize, Vec<String>)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let starts = code.match_indices(root).filter(|(at, _)| !code[..*at].ends_with(is_part));
    let paths = starts.flat_map(|(at, _)| {
        circles::expand(&code[at..]).into_iter().map(move |path| (line_of(code, at), path))
    });
    paths.collect()
}

/// The lines on which a statement of SQL begins to read or write all columns of a table.
pub(crate) fn without_columns(text: &str) -> Vec<usize> {
    let numbered = text.lines().enumerate();
    let words: Vec<(usize, &str)> = numbered
        .flat_map(|(number, line)| line.split_whitespace().map(move |word| (number + 1, word)))
        .collect();
    let word = |at: usize| words.get(at).map_or("", |(_, word)| word);
    let nameless = (0..words.len()).filter(|at| {
        let (first, second, third) = (word(*at), word(at + 1), word(at + 2));
        let reads_all =
            ["SELECT", "RETURNING"].iter().any(|verb| first.ends_with(verb)) && second.starts_with('*');
        let of_table = first.trim_end_matches(',').strip_suffix(".*").is_some_and(|table| !table.is_empty());
        // `VACUUM INTO ?1` writes a file.
        let writes_all = first == "INTO" && !second.contains(['(', '?']) && !third.starts_with('(');
        reads_all || of_table || writes_all
    });
    nameless.map(|at| words[at].0).collect()
}

pub(crate) fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

pub(crate) fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Its code without the unit tests behind it.
pub(crate) fn shipped(source: &Source) -> &str {
    source.text.split("#[cfg(test)]").next().unwrap_or_default()
}

/// Whether `word` occurs there as a word of its own.
pub(crate) fn names(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part))
}

pub(crate) fn functions(code: &str) -> Vec<Function> {
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
pub(crate) fn body_end(code: &str) -> Option<usize> {
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
