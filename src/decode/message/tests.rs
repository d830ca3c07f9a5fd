use proptest::prelude::*;

use super::*;
use crate::decode::Cell;

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

fn tuple(out: &mut Vec<u8>, tuple: &Tuple<'_>) {
    out.extend_from_slice(&u16::try_from(tuple.0.len()).unwrap().to_be_bytes());
    for cell in &tuple.0 {
        match cell {
            Cell::Null => out.push(b'n'),
            Cell::Unchanged => out.push(b'u'),
            Cell::Text(bytes) => {
                out.push(b't');
                out.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_be_bytes());
                out.extend_from_slice(bytes);
            }
        }
    }
}

fn old(out: &mut Vec<u8>, old: &OldTuple<'_>) {
    match old {
        OldTuple::Key(values) => {
            out.push(b'K');
            tuple(out, values);
        }
        OldTuple::Full(values) => {
            out.push(b'O');
            tuple(out, values);
        }
    }
}

/// Writes a message as the server does.
fn written(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match message {
        Message::Begin { commit, committed_at, xid } => {
            out.push(b'B');
            out.extend_from_slice(&commit.0.to_be_bytes());
            out.extend_from_slice(&committed_at.to_postgres().to_be_bytes());
            out.extend_from_slice(&xid.to_be_bytes());
        }
        Message::Commit { commit, end, committed_at } => {
            out.extend_from_slice(b"C\0");
            out.extend_from_slice(&commit.0.to_be_bytes());
            out.extend_from_slice(&end.0.to_be_bytes());
            out.extend_from_slice(&committed_at.to_postgres().to_be_bytes());
        }
        Message::Delete { relation, old: values } => {
            out.push(b'D');
            out.extend_from_slice(&relation.to_be_bytes());
            old(&mut out, values);
        }
        Message::Insert { relation, new } => {
            out.push(b'I');
            out.extend_from_slice(&relation.to_be_bytes());
            out.push(b'N');
            tuple(&mut out, new);
        }
        Message::Logical => {
            out.extend_from_slice(b"M\x01\0\0\0\0\0\0\0\x07");
            text(&mut out, "prefix");
            out.extend_from_slice(b"\0\0\0\x02hi");
        }
        Message::Origin => {
            out.extend_from_slice(b"O\0\0\0\0\0\0\0\x07");
            text(&mut out, "elsewhere");
        }
        Message::Relation(relation) => {
            out.push(b'R');
            out.extend_from_slice(&relation.oid.to_be_bytes());
            text(&mut out, &relation.schema);
            text(&mut out, &relation.name);
            out.push(match relation.replica_identity {
                ReplicaIdentity::Default => b'd',
                ReplicaIdentity::Full => b'f',
                ReplicaIdentity::Index => b'i',
                ReplicaIdentity::Nothing => b'n',
            });
            out.extend_from_slice(&u16::try_from(relation.columns.len()).unwrap().to_be_bytes());
            for column in &relation.columns {
                out.push(u8::from(column.part_of_key));
                text(&mut out, &column.name);
                out.extend_from_slice(&column.type_oid.to_be_bytes());
                out.extend_from_slice(&(-1_i32).to_be_bytes());
            }
        }
        Message::Truncate { relations } => {
            out.push(b'T');
            out.extend_from_slice(&u32::try_from(relations.len()).unwrap().to_be_bytes());
            out.push(3);
            relations.iter().for_each(|oid| out.extend_from_slice(&oid.to_be_bytes()));
        }
        Message::Type => {
            out.extend_from_slice(b"Y\0\0\x40\0");
            text(&mut out, "public");
            text(&mut out, "mood");
        }
        Message::Update { relation, old: before, new } => {
            out.push(b'U');
            out.extend_from_slice(&relation.to_be_bytes());
            if let Some(before) = before {
                old(&mut out, before);
            }
            out.push(b'N');
            tuple(&mut out, new);
        }
    }
    out
}

/// One of each kind, with every kind of cell and old tuple.
fn specimens() -> Vec<Message<'static>> {
    let values = Tuple(vec![Cell::Text(b"7"), Cell::Null, Cell::Unchanged, Cell::Text(b"")]);
    let key = OldTuple::Key(Tuple(vec![Cell::Text(b"6"), Cell::Null]));
    let full = OldTuple::Full(values.clone());
    let column = |name: &str, part_of_key| Column { name: name.to_owned(), type_oid: 25, part_of_key };
    vec![
        Message::Begin { commit: Lsn(0x16B_3748), committed_at: Timestamp(1), xid: 9 },
        Message::Commit { commit: Lsn(1), end: Lsn(2), committed_at: Timestamp(-3) },
        Message::Delete { relation: 5, old: key.clone() },
        Message::Delete { relation: 5, old: full.clone() },
        Message::Insert { relation: 5, new: values.clone() },
        Message::Logical,
        Message::Origin,
        Message::Relation(Relation {
            oid: 5,
            schema: "public".into(),
            name: "documents".into(),
            replica_identity: ReplicaIdentity::Index,
            columns: vec![column("id", true), column("Überschrift", false)],
        }),
        Message::Truncate { relations: vec![5, 6] },
        Message::Type,
        Message::Update { relation: 5, old: None, new: values.clone() },
        Message::Update { relation: 5, old: Some(key), new: values.clone() },
        Message::Update { relation: 5, old: Some(full), new: values },
    ]
}

#[test]
fn every_message_is_read_as_it_was_written() {
    for message in specimens() {
        assert_eq!(Message::parse(&written(&message)), Ok(message));
    }
}

#[test]
fn every_truncation_of_every_message_is_malformed_and_none_panics() {
    for message in specimens() {
        let bytes = written(&message);
        for length in 0..bytes.len() {
            let parsed = Message::parse(&bytes[..length]);
            assert!(parsed.is_err(), "{length} of {} bytes of {message:?}: {parsed:?}", bytes.len());
        }
    }
}

#[test]
fn bytes_after_a_message_are_malformed() {
    for message in specimens() {
        let bytes = [written(&message), vec![0]].concat();
        assert_eq!(Message::parse(&bytes), Err(Malformed::Trailing(1)), "{message:?}");
    }
}

#[test]
fn null_unchanged_and_an_empty_text_are_three_things() {
    let cells = Tuple(vec![Cell::Null, Cell::Unchanged, Cell::Text(b"")]);
    let bytes = written(&Message::Insert { relation: 1, new: cells.clone() });
    assert_eq!(Message::parse(&bytes), Ok(Message::Insert { relation: 1, new: cells }));
}

#[test]
fn kinds_that_protocol_1_does_not_have_are_malformed() {
    for kind in [b'S', b'E', b'c', b'A', b'b', b'P', b'K', b'r', b'p', 0] {
        let found = char::from(kind);
        assert_eq!(Message::parse(&[kind]), Err(Malformed::Unknown { what: "message", found }));
    }
    let binary = b"I\0\0\0\x05N\0\x01b\0\0\0\0";
    assert_eq!(Message::parse(binary), Err(Malformed::Unknown { what: "column kind", found: 'b' }));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, at in 0..13_usize, flips: Vec<(u16, u8)>) {
        let _ = Message::parse(&bytes);
        let mut damaged = written(&specimens()[at]);
        for (place, with) in flips {
            let length = damaged.len();
            damaged[usize::from(place) % length] = with;
        }
        let _ = Message::parse(&damaged);
    }
}
