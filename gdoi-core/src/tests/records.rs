//! Messages from kernel records.

use gdoi_wire::record::{FLAG_FIRST_FRAGMENT, FLAG_MARKED, KIND_MESSAGE, KIND_SPI_SEEN, Record};

use crate::observation::Message;

#[test]
fn a_record_tells_of_a_marker_and_of_a_fragment() {
    for (flags, marked, fragmented) in [
        (0, false, false),
        (FLAG_MARKED, true, false),
        (FLAG_FIRST_FRAGMENT, false, true),
        (FLAG_MARKED | FLAG_FIRST_FRAGMENT, true, true),
    ] {
        let record = Record {
            flags,
            ..Record::empty(KIND_MESSAGE)
        };
        let message = Message::from_record(&record, &[]).unwrap();
        assert_eq!((message.marked, message.fragmented), (marked, fragmented));
    }
    assert!(Message::from_record(&Record::empty(KIND_SPI_SEEN), &[]).is_none());
}
