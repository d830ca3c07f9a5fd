//! Files of one module that use each other in a circle cannot be understood, tested or moved one by one.
//! The graph has a file for each node, and an edge where the code of one names something of another;
//! re-exports are followed to the file that defines the name and are no edges themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, names, report, sources, word};

type Path = Vec<String>;

#[test]
fn files_use_each_other_in_no_circle() {
    report(circles(&sources()).iter().map(|circle| format!("{circle:?}")));
}

#[test]
fn a_circle_is_seen_through_a_re_export() {
    let source = |path: &str, code: &str| Source {
        path: path.to_owned(),
        room: "r".to_owned(),
        text: String::new(),
        code: code.to_owned(),
    };
    let root = source("r/mod.rs", "mod a;\nmod b;\npub use b::{Other, Thing};\n");
    let a = source("r/a.rs", "use super::Thing;\nfn of(thing: Thing) {}\n");
    let b = source("r/b.rs", "use crate::r::a::{self, of};\n");
    assert_eq!(circles(&[root, a, b]), [["r/a.rs".to_owned(), "r/b.rs".to_owned()]]);
    let root = source("r/mod.rs", "mod a;\npub struct Thing;\nfn run() { a::go() }\n");
    let a = source("r/a.rs", "use super::Thing;\n");
    assert_eq!(circles(&[root, a]), [["r/a.rs".to_owned(), "r/mod.rs".to_owned()]]);
}

/// The strongly connected components of more than one file.
fn circles(all: &[Source]) -> Vec<Vec<String>> {
    let modules: BTreeMap<Path, &Source> = all.iter().map(|source| (module(&source.path), source)).collect();
    let uses: BTreeMap<&Path, Vec<(bool, Path)>> =
        modules.iter().map(|(module, source)| (module, paths(module, &source.code, &modules))).collect();
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (module, source) in &modules {
        for (_, path) in uses[module].iter().filter(|(is_re_export, _)| !is_re_export) {
            let Some(used) = file_of(path, &modules, &uses, 0) else { continue };
            if used.path != source.path && used.room == source.room {
                edges.entry(&source.path).or_default().insert(&used.path);
            }
        }
    }
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        edges.keys().map(|file| (*file, reached(file, &edges))).collect();
    let mut found = BTreeSet::new();
    for (file, reached) in reach.iter().filter(|(file, reached)| reached.contains(**file)) {
        let back = |other: &&&str| reach.get(**other).is_some_and(|files| files.contains(file));
        found.insert(reached.iter().filter(back).map(|file| (*file).to_owned()).collect::<Vec<_>>());
    }
    found.into_iter().collect()
}

fn reached<'a>(from: &str, edges: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = edges[from].iter().copied().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(edges.get(file).into_iter().flatten());
        }
    }
    reached
}

/// `a/b.rs` and `a/b/mod.rs` are `a::b`.
pub(super) fn module(path: &str) -> Path {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

/// The file that defines what `path` names.
fn file_of<'a>(
    path: &[String],
    modules: &BTreeMap<Path, &'a Source>,
    uses: &BTreeMap<&Path, Vec<(bool, Path)>>,
    depth: usize,
) -> Option<&'a Source> {
    let length = (1..=path.len()).rev().find(|length| modules.contains_key(&path[..*length]))?;
    let (module, rest) = path.split_at(length);
    let source = modules[module];
    let Some(name) = rest.first().filter(|_| depth < 8) else { return Some(source) };
    let alias = uses[&module.to_vec()].iter().find(|(_, used)| used.last() == Some(name) && used.len() > 1);
    let defined = ["struct", "enum", "trait", "type", "fn", "const", "static"];
    let is_defined = defined.iter().any(|kind| names(&source.code, &format!("{kind} {name}")));
    match alias.filter(|_| !is_defined) {
        Some((_, used)) if used != path => file_of(used, modules, uses, depth + 1),
        _ => Some(source),
    }
}

/// The paths of the crate that the code of `module` names, absolute; and whether each is only re-exported.
fn paths(module: &[String], code: &str, modules: &BTreeMap<Path, &Source>) -> Vec<(bool, Path)> {
    let is_child = |name: &str| modules.contains_key(&[module, &[name.to_owned()]].concat());
    let mut found = Vec::new();
    for (at, _) in code.match_indices("::") {
        let start = code[..at].rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
        let first = &code[start..at];
        let is_first = !code[..start].ends_with("::");
        let is_visibility = code[..start].ends_with("(in ");
        if !is_first || is_visibility || !(["crate", "self", "super"].contains(&first) || is_child(first)) {
            continue;
        }
        let line = code[..start].rfind([';', '}']).map_or(0, |at| at + 1);
        let head = code[line..start].trim();
        let is_re_export = head.starts_with("pub") && head.ends_with("use");
        for path in expand(&code[start..]) {
            found.extend(absolute(module, &path).map(|path| (is_re_export, path)));
        }
    }
    found
}

/// `a::{b, c::{self, D}}` → `a::b`, `a::c`, `a::c::D`.
pub(super) fn expand(code: &str) -> Vec<Path> {
    let name = word(code);
    let Some(rest) = code[name.len()..].strip_prefix("::") else { return vec![vec![name]] };
    let Some(group) = rest.trim_start().strip_prefix('{') else {
        return expand(rest).into_iter().map(|path| [vec![name.clone()], path].concat()).collect();
    };
    let (mut depth, mut start, mut found) = (0_i32, true, vec![]);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && depth == 0 && !c.is_whitespace() => {
                found
                    .extend(expand(&group[at..]).into_iter().map(|path| [vec![name.clone()], path].concat()));
                start = false;
            }
            _ => {}
        }
    }
    found
}

/// From the crate's root on.
pub(super) fn absolute(module: &[String], path: &[String]) -> Option<Path> {
    let mut base = module.to_vec();
    let mut rest = path;
    if path.first().is_some_and(|first| first == "crate") {
        base.clear();
        rest = &path[1..];
    }
    while let Some((first, more)) =
        rest.split_first().filter(|(first, _)| *first == "self" || *first == "super")
    {
        if first == "super" {
            base.pop()?;
        }
        rest = more;
    }
    let names = rest.iter().filter(|name| !name.is_empty() && *name != "self");
    Some(base.into_iter().chain(names.cloned()).collect())
}
