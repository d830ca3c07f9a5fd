use std::sync::{Arc, mpsc};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;
use crate::position::Lsn;
use crate::record::{Callback, WaitsFor};
use crate::spool::{Group, GroupBuilder, Op, Options, Spool};

/// Three chunks or so.
const BYTES_MAX: usize = 3 * size_of::<Chunk>() + 300;

/// Commits a group of a few records. Returns them with their lanes.
fn commit(spool: &Spool, builder: &mut GroupBuilder, rng: &mut StdRng) -> Vec<(usize, (Seq, String))> {
    let mut records = Vec::new();
    for _ in 0..rng.random_range(0..8) {
        let lane = rng.random_range(0..3);
        let fragment = "x".repeat(rng.random_range(1..40));
        let no = LaneNo::new(ProjectNo(0), Callback::ALL[lane]);
        let position = Position { commit: Lsn(1), number: 1 };
        let seq = builder.push(no, position, Timestamp(0), WaitsFor::default(), 0, fragment.as_bytes());
        records.push((lane, (seq, fragment)));
    }
    let chunks = builder.finish(Timestamp(0), Uptime(0));
    spool.apply(Op::Commit(Arc::new(Group { chunks, ..Group::default() }))).unwrap();
    records
}

/// Lanes fill and are cut, settled and cut again, with room for a few chunks only, some of which
/// came without their bytes: what is read is always what was spooled and received, also where a replay
/// read more.
#[test]
fn what_is_read_is_what_was_spooled_whatever_was_forgotten() {
    for seed in 0..40 {
        println!("seed {seed}");
        let folder = tempfile::tempdir().unwrap();
        let options = Options { bytes_max: 1 << 30, retain: std::time::Duration::from_secs(1) };
        let spool = Spool::open(folder.path(), options).unwrap().spool;
        let mut rng = StdRng::seed_from_u64(seed);
        let mut builder = GroupBuilder::new(Seq(0));
        let mut pending: [Vec<(Seq, String)>; 3] = Default::default();
        // Pending at the start.
        for _ in 0..3 {
            let at_start = commit(&spool, &mut builder, &mut rng);
            at_start.into_iter().for_each(|(lane, record)| pending[lane].push(record));
        }
        let (sender, committed) = mpsc::channel();
        let subscription = spool.subscribe(300, move |appended| sender.send(appended).unwrap());
        let mut lane_reader = LaneReader::new(subscription.unwrap(), BYTES_MAX);
        let mut unreceived = Vec::new();
        let mut cursors = [Seq(0); 3];
        for _ in 0..60 {
            unreceived.extend(commit(&spool, &mut builder, &mut rng));
            if rng.random_bool(0.7) {
                let received = committed.try_iter().flat_map(|appended| lane_reader.receive(appended).1);
                for mut chunk in received.collect::<Vec<_>>() {
                    if rng.random_range(0..8) == 0 {
                        chunk.packed = bytes::Bytes::new();
                    }
                    lane_reader.offer(chunk);
                }
                unreceived.drain(..).for_each(|(lane, record)| pending[lane].push(record));
            }
            let lane = rng.random_range(0..3);
            let (no, left) = (LaneNo::new(ProjectNo(0), Callback::ALL[lane]), &mut pending[lane]);
            let Some(most) = left.len().checked_sub(1) else { continue };
            let (skipped, take) = (rng.random_range(0..=most), rng.random_range(1..6));
            let after = skipped.checked_sub(1).map_or(cursors[lane], |before| left[before].0);
            let expected: Vec<_> = left.iter().skip(skipped).take(take).collect();
            if rng.random_bool(0.5) {
                lane_reader.documents(no, after, Seq(u64::MAX), rng.random_range(0..9)).unwrap();
                lane_reader.read(ReadScope::Settled, no, after, 9, u64::MAX).unwrap();
            }
            let head = lane_reader
                .read(ReadScope::Pending, no, after, u32::try_from(take).unwrap(), u64::MAX)
                .unwrap();
            let fragments = expected.iter().map(|(_, fragment)| fragment.as_bytes());
            let encoded = head.encode(take).unwrap();
            assert_eq!(encoded.body, body(no.callback(), fragments));
            assert_eq!(encoded.ends, (expected[0].0, expected[expected.len() - 1].0));
            if rng.random_bool(0.5) {
                cursors[lane] = left[skipped].0;
                left.drain(..=skipped);
                lane_reader.settled(no, cursors[lane]);
            }
        }
        let held =
            |chunks: &mut dyn Iterator<Item = &Chunk>| chunks.map(Chunk::bytes_in_memory).sum::<usize>();
        let recent = held(&mut lane_reader.recent.values().flat_map(|recent| &recent.chunks));
        assert_eq!(
            (lane_reader.recent_bytes, lane_reader.read_bytes),
            (recent, held(&mut lane_reader.read.values().flatten()))
        );
        assert!(lane_reader.recent_bytes <= BYTES_MAX && lane_reader.read_bytes <= BYTES_MAX);
    }
}
