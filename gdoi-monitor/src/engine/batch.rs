//! The records of one drain, in the order they happened.

use bytes::{Bytes, BytesMut};
use gdoi_wire::record::Record;

/// Room for five hundred records.
const PIECE_OCTETS: usize = 64 << 10;

/// Records that were drained together.
///
/// In one ring they stand in order, whatever their times say: a CPU may have read its clock for several messages at
/// once. Between rings the time decides.
#[derive(Debug, Default)]
pub(super) struct Batch {
    octets: BytesMut,
    records: Vec<(u64, Bytes)>,
    /// The latest time in this ring so far.
    reached: u64,
}

impl Batch {
    /// What is taken from here on is from another ring.
    pub(super) fn next_ring(&mut self) {
        self.reached = 0;
    }

    /// Takes one record.
    pub(super) fn push(&mut self, record: &[u8]) {
        // What cannot be read is counted when it is parsed.
        let at = Record::parse(record).map_or(0, |(record, _)| record.at_ns);
        self.reached = self.reached.max(at);
        // Of a piece for many: left to itself it asks for the room of one record, each time.
        if self.octets.capacity() < record.len() {
            self.octets.reserve(PIECE_OCTETS.max(record.len()));
        }
        self.octets.extend_from_slice(record);
        self.records.push((self.reached, self.octets.split().freeze()));
    }

    /// Gives the records back by time; those of one moment as they came.
    pub(super) fn in_order(&mut self) -> Vec<Bytes> {
        self.records.sort_by_key(|(at, _)| *at);
        self.records.drain(..).map(|(_, octets)| octets).collect()
    }
}

#[cfg(test)]
mod tests {
    use gdoi_wire::record::KIND_MESSAGE;
    use zerocopy::IntoBytes as _;

    use super::*;

    #[test]
    fn records_come_back_by_time_and_those_of_a_ring_in_their_order() {
        let record = |at_ns, interface| Record {
            at_ns,
            interface,
            ..Record::empty(KIND_MESSAGE)
        };
        let mut batch = Batch::default();
        // The third of the first ring has the time of a reading before the second's.
        for ring in [
            [record(5, 1), record(7, 2), record(5, 3)],
            [record(4, 4), record(6, 5), record(8, 6)],
        ] {
            batch.next_ring();
            for record in ring {
                batch.push(record.as_bytes());
            }
        }
        let order: Vec<_> = batch
            .in_order()
            .iter()
            .map(|octets| Record::parse(octets).unwrap().0.interface)
            .collect();
        assert_eq!(order, [4, 1, 5, 2, 3, 6]);
        assert!(batch.in_order().is_empty());
    }
}
