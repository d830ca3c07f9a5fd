//! The messages of pgoutput, protocol version 1.

use super::reader::{Malformed, Reader};
use super::tuple::Tuple;
use crate::position::Lsn;
use crate::relation::ReplicaIdentity;
use crate::time::Timestamp;

/// One message of the stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message<'a> {
    /// A transaction begins. Its messages follow without others between them, up to Commit.
    Begin {
        /// The LSN of its commit record.
        commit: Lsn,
        /// When it was committed.
        committed_at: Timestamp,
        /// Its transaction id.
        xid: u32,
    },
    /// The transaction ends.
    Commit {
        /// The LSN of its commit record, the same as in its Begin.
        commit: Lsn,
        /// The LSN after the commit record.
        end: Lsn,
        /// When it was committed.
        committed_at: Timestamp,
    },
    /// A row was deleted.
    Delete {
        /// The relation's OID.
        relation: u32,
        /// The old row, as far as the stream carries it.
        old: OldTuple<'a>,
    },
    /// A row was inserted.
    Insert {
        /// The relation's OID.
        relation: u32,
        /// The new row.
        new: Tuple<'a>,
    },
    /// Written by `pg_logical_emit_message`; ignored.
    Logical,
    /// The transaction was replicated from another server; ignored.
    Origin,
    /// Describes the columns of the tuples that follow.
    Relation(Relation),
    /// Tables were truncated.
    Truncate {
        /// Their OIDs.
        relations: Vec<u32>,
    },
    /// The name of a type; ignored.
    Type,
    /// A row was updated.
    Update {
        /// The relation's OID.
        relation: u32,
        /// The old row, as far as the stream carries it: under the default replica identity, the key if it
        /// changed.
        old: Option<OldTuple<'a>>,
        /// The new row.
        new: Tuple<'a>,
    },
}

/// A row before a change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OldTuple<'a> {
    /// All values: REPLICA IDENTITY FULL.
    Full(Tuple<'a>),
    /// The values of the replica identity; all others are NULL.
    Key(Tuple<'a>),
}

/// A table as the stream describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Relation {
    /// Its OID, which row messages refer to.
    pub oid: u32,
    /// Its schema; empty for `pg_catalog`.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Determines what old tuples contain.
    pub replica_identity: ReplicaIdentity,
    /// In the order of the cells of a tuple.
    pub columns: Vec<Column>,
}

/// A column as the stream describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The OID of its type.
    pub type_oid: u32,
    /// Whether it belongs to the replica identity.
    pub part_of_key: bool,
}

impl<'a> Message<'a> {
    /// Parses one complete message. An unknown kind is malformed: a message that cannot be parsed is never
    /// skipped.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let message = Self::read(&mut reader)?;
        reader.end()?;
        Ok(message)
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(match reader.u8("kind")? {
            b'B' => Self::Begin {
                commit: reader.lsn("commit LSN")?,
                committed_at: Timestamp::from_postgres(reader.i64("commit time")?),
                xid: reader.u32("transaction id")?,
            },
            b'C' => {
                reader.u8("flags")?;
                Self::Commit {
                    commit: reader.lsn("commit LSN")?,
                    end: reader.lsn("end LSN")?,
                    committed_at: Timestamp::from_postgres(reader.i64("commit time")?),
                }
            }
            b'D' => Self::Delete { relation: reader.u32("relation")?, old: read_old(reader)? },
            b'I' => Self::Insert { relation: reader.u32("relation")?, new: read_new(reader)? },
            b'M' => read_logical(reader)?,
            b'O' => {
                reader.lsn("origin LSN")?;
                reader.text("origin")?;
                Self::Origin
            }
            b'R' => Self::Relation(Relation::read(reader)?),
            b'T' => read_truncate(reader)?,
            b'U' => read_update(reader)?,
            b'Y' => {
                reader.u32("type")?;
                reader.text("type's schema")?;
                reader.text("type's name")?;
                Self::Type
            }
            found => return Err(Malformed::Unknown { what: "message", found: found.into() }),
        })
    }
}

impl Relation {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let oid = reader.u32("relation")?;
        let schema = reader.text("schema")?.to_owned();
        let name = reader.text("relation's name")?.to_owned();
        let replica_identity = match reader.u8("replica identity")? {
            b'd' => ReplicaIdentity::Default,
            b'f' => ReplicaIdentity::Full,
            b'i' => ReplicaIdentity::Index,
            b'n' => ReplicaIdentity::Nothing,
            found => return Err(Malformed::Unknown { what: "replica identity", found: found.into() }),
        };
        let columns = reader.u16("number of columns")?;
        let columns = (0..columns).map(|_| Column::read(reader)).collect::<Result<_, _>>()?;
        Ok(Self { oid, schema, name, replica_identity, columns })
    }
}

impl Column {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let flags = reader.u8("column's flags")?;
        let name = reader.text("column's name")?.to_owned();
        let type_oid = reader.u32("column's type")?;
        reader.i32("column's type modifier")?;
        Ok(Self { name, type_oid, part_of_key: flags & 1 != 0 })
    }
}

fn read_new<'a>(reader: &mut Reader<'a>) -> Result<Tuple<'a>, Malformed> {
    match reader.u8("tuple")? {
        b'N' => Tuple::read(reader),
        found => Err(Malformed::Unknown { what: "new tuple", found: found.into() }),
    }
}

fn read_old<'a>(reader: &mut Reader<'a>) -> Result<OldTuple<'a>, Malformed> {
    Ok(match reader.u8("tuple")? {
        b'K' => OldTuple::Key(Tuple::read(reader)?),
        b'O' => OldTuple::Full(Tuple::read(reader)?),
        found => return Err(Malformed::Unknown { what: "old tuple", found: found.into() }),
    })
}

fn read_update<'a>(reader: &mut Reader<'a>) -> Result<Message<'a>, Malformed> {
    let relation = reader.u32("relation")?;
    let (old, new) = match reader.u8("tuple")? {
        b'K' => (Some(OldTuple::Key(Tuple::read(reader)?)), read_new(reader)?),
        b'O' => (Some(OldTuple::Full(Tuple::read(reader)?)), read_new(reader)?),
        b'N' => (None, Tuple::read(reader)?),
        found => return Err(Malformed::Unknown { what: "tuple", found: found.into() }),
    };
    Ok(Message::Update { relation, old, new })
}

fn read_truncate<'a>(reader: &mut Reader<'a>) -> Result<Message<'a>, Malformed> {
    let relations = reader.u32("number of relations")?;
    // Flags for CASCADE and RESTART IDENTITY. Every truncated table is listed, so CASCADE needs no
    // handling.
    reader.u8("options")?;
    let mut oids = Vec::new();
    for _ in 0..relations {
        oids.push(reader.u32("relation")?);
    }
    Ok(Message::Truncate { relations: oids })
}

fn read_logical<'a>(reader: &mut Reader<'a>) -> Result<Message<'a>, Malformed> {
    reader.u8("flags")?;
    reader.lsn("LSN")?;
    reader.text("prefix")?;
    let length = usize::try_from(reader.u32("content's length")?);
    reader.take(length.map_err(|_| Malformed::Truncated("content"))?, "content")?;
    Ok(Message::Logical)
}

#[cfg(test)]
mod tests;
