//! Temporary space.

use super::{EngineFactory, Fixture};
use crate::spool::scratch::ScratchTable;

const ONE: ScratchTable = ScratchTable("one");
const OTHER: ScratchTable = ScratchTable("other");

pub(in crate::spool) fn a_value_is_replaced_or_kept(factory: impl EngineFactory) {
    let mut fixture = Fixture::new(factory);
    let scratch = (fixture.opened().open_scratch)(&[ONE, OTHER]).unwrap();
    assert_eq!(scratch.get(ONE, b"a").unwrap(), None);
    scratch.put(ONE, b"a", b"1").unwrap();
    scratch.put(ONE, b"a", b"2").unwrap();
    scratch.put_if_absent(ONE, b"a", b"3").unwrap();
    scratch.put_if_absent(ONE, b"b", b"").unwrap();
    assert_eq!(scratch.get(ONE, b"a").unwrap(), Some(b"2".to_vec()));
    assert!(scratch.contains(ONE, b"b").unwrap() && !scratch.contains(OTHER, b"a").unwrap());
    assert_eq!((scratch.count(ONE).unwrap(), scratch.count(OTHER).unwrap()), (2, 0));
    let another = (fixture.opened().open_scratch)(&[ONE]).unwrap();
    assert_eq!(another.count(ONE).unwrap(), 0, "each is of its own");
}
