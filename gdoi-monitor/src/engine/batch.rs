//! The records of one drain, in the order they happened.

use bytes::{Bytes, BytesMut};
use gdoi_wire::record::Record;

/// Records that were drained together.
///
/// Each CPU and each interface writes in its own time, so a drain finds them nearly in order, not in order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    octets: BytesMut,
    records: Vec<(u64, Bytes)>,
}

impl Batch {
    /// Takes one record.
    pub(super) fn push(&mut self, record: &[u8]) {
        // What cannot be read sorts first, and is counted when it is parsed.
        let at = Record::parse(record).map_or(0, |(record, _)| record.at_ns);
        self.octets.extend_from_slice(record);
        self.records.push((at, self.octets.split().freeze()));
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
    fn records_come_back_by_time() {
        let record = |at_ns, interface| Record {
            at_ns,
            interface,
            ..Record::empty(KIND_MESSAGE)
        };
        let mut batch = Batch::default();
        for record in [record(7, 1), record(5, 2), record(7, 3), record(6, 4)] {
            batch.push(record.as_bytes());
        }
        let order: Vec<_> = batch
            .in_order()
            .iter()
            .map(|octets| Record::parse(octets).unwrap().0.interface)
            .collect();
        assert_eq!(order, [2, 4, 1, 3]);
        assert!(batch.in_order().is_empty());
    }
}
