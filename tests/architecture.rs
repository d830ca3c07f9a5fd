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
#[path = "architecture/scanner.rs"]
mod scanner;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use scanner::{
    Source, code_of, functions, has_end, impure_names, names, report, root, shipped, sources, texts,
    used_rooms, without_columns, word,
};

/// The rooms in the order in which a change meets them. A room may use only those before it.
const FLOW: &[&str] = &[
    "time",
    "secret",
    "amount",
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
    "alert",
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
    "secret.rs",
    "amount.rs",
    "position.rs",
    "record.rs",
    "outcome/",
    "relation/",
    "source/wire/frame.rs",
    "source/wire/handshake.rs",
    "source/wire/error.rs",
    "source/wire/pace.rs",
    "source/wire/progress.rs",
    "source/wire/sqlstate.rs",
    "decode/",
    "classify/",
    "capture/linger.rs",
    "capture/replica_identity.rs",
    "capture/stream_cursor.rs",
    "alert/",
    "deliver/scheduler/",
    "deliver/driver/outage",
    "deliver/shown_url.rs",
    "deliver/signing",
    "spool/sealing.rs",
    "service/control/tail_line",
    "service/control/why",
    "service/slot_history",
    "service/supervisor/continuity",
    "service/supervisor/decide",
    "service/supervisor/failure_log",
    "service/supervisor/resync_job",
];

/// What pure code does not name.
const IMPURE: &[&str] = &[
    "tokio",
    "hyper",
    "rusqlite",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "Instant",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "now_v7",
    "fastrand",
    "crate::clock",
];

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
        let used = used_rooms(&source.path, &source.code).into_iter();
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
        let named = impure_names(&source.code).into_iter();
        named.map(|(line, word)| source.fault(line, &format!("names `{word}`"))).collect::<Vec<_>>()
    }));
}

/// What is not listed answers nobody, and what is listed is walked by the tests with the token of one project.
#[test]
fn every_route_of_the_admin_port_is_listed_with_what_it_takes() {
    let list = fs::read_to_string(root().join("src/admin/access/endpoints.rs")).unwrap();
    report(sources().iter().filter(|source| source.path.starts_with("admin/")).flat_map(|source| {
        let routes = shipped(source).split(".route(").skip(1);
        let paths = routes.filter_map(|route| route.trim_start().strip_prefix('"')?.split('"').next());
        let missing = paths.filter(|path| !list.contains(&format!("\"{path}\"")));
        missing.map(|path| format!("{}: endpoints.rs does not list {path}", source.path)).collect::<Vec<_>>()
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
        let lines = without_columns(shipped(source)).into_iter();
        lines.map(|line| source.fault(line, "does not name its columns")).collect::<Vec<_>>()
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

/// A test waits for a condition by `until`. What sleeps is the pace of a workload, a fault or a receiver, and its
/// comment says so.
#[test]
fn no_test_waits_by_sleeping() {
    let is_test = |path: &Path| {
        (path.starts_with("tests") || path.starts_with("benches")) && !path.ends_with("support/mod.rs")
    };
    report(texts().iter().filter(|(path, _)| has_end(path, "rs") && is_test(path)).flat_map(
        |(path, text)| {
            let lines: Vec<&str> = text.lines().collect();
            let sleeps =
                (1..lines.len()).filter(|at| lines[*at].contains(SLEEP) && !lines[at - 1].contains("pace"));
            sleeps
                .map(|at| format!("{}:{}: sleeps, and is no pace", path.display(), at + 1))
                .collect::<Vec<_>>()
        },
    ));
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
    let code = "use crate::{spool::Op, clock::Clock};\ncrate::admin::serve(super::super::cli::run);\n";
    let used = used_rooms("decode/reader.rs", code);
    let used: Vec<_> = used.iter().map(|(line, room)| (*line, room.as_str())).collect();
    assert_eq!(used, [(1, "spool"), (1, "clock"), (2, "admin"), (2, "cli")]);
    assert!(names("use tokio::net;", "tokio") && !names("use tokio_postgres::x;", "tokio"));
    let impure =
        impure_names("use std::{fmt, fs};\nstd::env::var(a);\nuse crate::{\n    clock::Clock,\n};\n");
    assert_eq!(impure, [(1, "std::fs"), (2, "std::env"), (3, "crate::clock")]);
    let named = "SELECT count(*) FROM a; VACUUM INTO ?1; INSERT INTO a (b) VALUES (1); INSERT INTO a(b) SELECT b FROM c";
    assert!(without_columns(named).is_empty());
    for nameless in
        ["SELECT *", "SELECT a.*, b", "RETURNING *", "INTO a VALUES", "INTO a\n VALUES", "INTO a SELECT"]
    {
        assert_eq!(without_columns(nameless), [1], "{nameless}");
    }
}

// In two pieces, or this file would contain it.
const SLEEP: &str = concat!("::sl", "eep(");
/// How a line of code begins that a sentence does not.
const CODE_STARTS: &[&str] =
    &["let ", "use ", "fn ", "pub ", "if ", "for ", "while ", "match ", "return ", "self."];
