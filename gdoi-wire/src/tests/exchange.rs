//! Exchange types, which mean nothing without a version.

use std::collections::BTreeSet;

use crate::Exchange;

#[test]
fn named_exchanges_come_back() {
    for (index, exchange) in Exchange::NAMED.into_iter().enumerate() {
        let (major, number) = exchange.to_wire();
        assert_eq!(Exchange::from_wire(major, number), exchange);
        assert_eq!(exchange.position(), index);
    }
    assert_eq!(Exchange::Unknown(99).position(), Exchange::NAMED.len());
    let names: BTreeSet<&str> = Exchange::NAMED.iter().map(|exchange| exchange.name()).collect();
    assert_eq!(names.len(), Exchange::NAMED.len());
}

#[test]
fn every_number_of_every_version_has_a_meaning_of_its_own() {
    let mut named = 0;
    for major in 0..16 {
        for number in 0..=255 {
            let exchange = Exchange::from_wire(major, number);
            if exchange == Exchange::Unknown(number) {
                assert_eq!(exchange.name(), "unknown");
            } else {
                assert_eq!(exchange.to_wire(), (major, number));
                named += 1;
            }
        }
    }
    assert_eq!(named, Exchange::NAMED.len());
}

#[test]
fn thirty_four_and_thirty_five_depend_on_the_version() {
    let rows = [
        ((1, 34), "unregistered_34"),
        ((1, 35), "groupkey_push_ack"),
        ((2, 34), "ike_sa_init"),
        ((2, 35), "ike_auth"),
        ((2, 33), "unknown"),
        ((1, 41), "unknown"),
        ((0, 33), "unknown"),
        ((3, 33), "unknown"),
    ];
    for ((major, number), name) in rows {
        assert_eq!(
            Exchange::from_wire(major, number).name(),
            name,
            "{major}.0 {number}"
        );
    }
}
