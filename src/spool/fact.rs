//! Facts: small values that the spool stores by name.

/// The name of a value that the spool stores.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fact {
    /// [`super::Epochs`], as bytes.
    Epoch,
    /// The identity's columns, JSON list of names.
    Identity,
    /// The mapping the shadow was made under, JSON.
    Mapping,
    /// The pauses that stand, JSON.
    Pauses,
    /// The layouts that shadow entries were written under, JSON.
    Layouts,
    /// The resync that is running, JSON: while it is set, a new start continues this resync.
    Resync,
    /// System identifier, timeline, slot name and database of the source, JSON.
    Source,
}

impl Fact {
    /// All facts.
    pub const ALL: [Self; 7] =
        [Self::Epoch, Self::Identity, Self::Mapping, Self::Layouts, Self::Pauses, Self::Resync, Self::Source];

    /// The key under which the spool keeps it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Epoch => "epoch",
            Self::Identity => "identity",
            Self::Layouts => "layouts",
            Self::Mapping => "mapping",
            Self::Pauses => "pauses",
            Self::Resync => "resync",
            Self::Source => "source",
        }
    }
}
