use std::collections::BTreeSet;

use tokio_postgres::error::SqlState;

use super::*;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    NeedsFix,
    Passes,
    Unclear,
    Unreadable,
}
use Kind::{NeedsFix, Passes, Unclear, Unreadable};

fn kind(sqlstate: &str) -> Kind {
    match outlook(sqlstate) {
        Outlook::NeedsFix(cure) | Outlook::Unreadable(cure) if cure.is_empty() => {
            panic!("{sqlstate} has no cure")
        }
        Outlook::NeedsFix(_) => NeedsFix,
        Outlook::Passes => Passes,
        Outlook::Unclear => Unclear,
        Outlook::Unreadable(_) => Unreadable,
    }
}

/// Every class of the manual's appendix.
const CLASSES: &[(&str, Kind)] = &[
    ("00", Unclear),
    ("01", Unclear),
    ("02", Unclear),
    ("03", Unclear),
    ("08", Passes),
    ("09", Unclear),
    ("0A", NeedsFix),
    ("0B", Unclear),
    ("0F", Unclear),
    ("0L", NeedsFix),
    ("0P", NeedsFix),
    ("0Z", Unclear),
    ("20", Unclear),
    ("21", Unclear),
    ("22", Unreadable),
    ("23", Unclear),
    ("24", Unclear),
    ("25", NeedsFix),
    ("26", Passes),
    ("27", Unclear),
    ("28", NeedsFix),
    ("2B", Unclear),
    ("2D", Unclear),
    ("2F", Unclear),
    ("34", Passes),
    ("38", Unclear),
    ("39", Unclear),
    ("3B", Unclear),
    ("3D", NeedsFix),
    ("3F", NeedsFix),
    ("40", Passes),
    ("42", NeedsFix),
    ("44", NeedsFix),
    ("53", Passes),
    ("54", Unreadable),
    ("55", NeedsFix),
    ("57", Passes),
    ("58", Unclear),
    ("72", Passes),
    ("F0", NeedsFix),
    ("HV", Unclear),
    ("P0", Unclear),
    ("XX", Unclear),
];

const EXCEPTIONS: &[(&str, Kind)] = &[
    ("08P01", NeedsFix),
    ("25P02", Passes),
    ("25P03", Passes),
    ("25P04", Passes),
    ("55000", Unclear),
    ("55006", Passes),
    ("55P03", Passes),
    ("XX001", Unreadable),
    ("XX002", Unreadable),
];

#[test]
fn every_code_is_classified_by_its_class_or_by_itself() {
    for code in CODES {
        assert_eq!(SqlState::from_code(code).code(), *code);
        let of_class = CLASSES.iter().find(|(class, _)| code.starts_with(class));
        let by_itself = EXCEPTIONS.iter().find(|(exception, _)| exception == code);
        let (_, expected) = by_itself.or(of_class).unwrap_or_else(|| panic!("{code} is of no class"));
        assert_eq!(kind(code), *expected, "{code}");
    }
    let seen: BTreeSet<&str> = CODES.iter().map(|code| &code[..2]).collect();
    assert_eq!(seen.len(), CLASSES.len(), "a class without a code, or twice");
}

#[test]
fn what_is_no_code_is_unclear_and_of_an_unknown_code_the_class_decides() {
    for odd in ["", "4", "é", "é1234", "ZZ999"] {
        assert_eq!(outlook(odd), Outlook::Unclear, "{odd}");
    }
    assert_eq!(kind("53999"), Passes);
    assert_eq!(kind("42999"), NeedsFix);
}

/// The codes that `tokio_postgres` names.
const CODES: &[&str] = &[
    "00000", "01000", "01003", "01004", "01006", "01007", "01008", "0100C", "01P01", "02000", "02001",
    "03000", "08000", "08001", "08003", "08004", "08006", "08007", "08P01", "09000", "0A000", "0B000",
    "0F000", "0F001", "0L000", "0LP01", "0P000", "0Z000", "0Z002", "20000", "21000", "22000", "22001",
    "22002", "22003", "22004", "22005", "22007", "22008", "22009", "2200B", "2200C", "2200D", "2200F",
    "2200G", "2200H", "2200L", "2200M", "2200N", "2200S", "2200T", "22010", "22011", "22012", "22013",
    "22014", "22015", "22016", "22018", "22019", "2201B", "2201E", "2201F", "2201G", "2201W", "2201X",
    "22021", "22022", "22023", "22024", "22025", "22026", "22027", "2202E", "2202G", "2202H", "22030",
    "22031", "22032", "22033", "22034", "22035", "22036", "22037", "22038", "22039", "2203A", "2203B",
    "2203C", "2203D", "2203E", "2203F", "2203G", "22P01", "22P02", "22P03", "22P04", "22P05", "22P06",
    "23000", "23001", "23502", "23503", "23505", "23514", "23P01", "24000", "25000", "25001", "25002",
    "25003", "25004", "25005", "25006", "25007", "25008", "25P01", "25P02", "25P03", "26000", "27000",
    "28000", "28P01", "2B000", "2BP01", "2D000", "2F000", "2F002", "2F003", "2F004", "2F005", "34000",
    "38000", "38001", "38002", "38003", "38004", "39000", "39001", "39004", "39P01", "39P02", "39P03",
    "3B000", "3B001", "3D000", "3F000", "40000", "40001", "40002", "40003", "40P01", "42000", "42501",
    "42601", "42602", "42611", "42622", "42701", "42702", "42703", "42704", "42710", "42712", "42723",
    "42725", "42803", "42804", "42809", "42830", "42846", "42883", "428C9", "42939", "42P01", "42P02",
    "42P03", "42P04", "42P05", "42P06", "42P07", "42P08", "42P09", "42P10", "42P11", "42P12", "42P13",
    "42P14", "42P15", "42P16", "42P17", "42P18", "42P19", "42P20", "42P21", "42P22", "44000", "53000",
    "53100", "53200", "53300", "53400", "54000", "54001", "54011", "54023", "55000", "55006", "55P02",
    "55P03", "55P04", "57000", "57014", "57P01", "57P02", "57P03", "57P04", "57P05", "58000", "58030",
    "58P01", "58P02", "72000", "F0000", "F0001", "HV000", "HV001", "HV002", "HV004", "HV005", "HV006",
    "HV007", "HV008", "HV009", "HV00A", "HV00B", "HV00C", "HV00D", "HV00J", "HV00K", "HV00L", "HV00M",
    "HV00N", "HV00P", "HV00Q", "HV00R", "HV010", "HV014", "HV021", "HV024", "HV090", "HV091", "P0000",
    "P0001", "P0002", "P0003", "P0004", "XX000", "XX001", "XX002",
];
