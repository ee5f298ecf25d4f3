//! Sizes and clear fields of messages.

use gdoi_wire::isakmp::Header;

use super::library;
use crate::message;

/// Octets of a whole rekey, header included, for a TEK and for a KEK with a TEK.
#[track_caller]
fn check(signature_octets: u32, policy_entries: u32, tek: usize, kek: usize) {
    let mut group = library("demo").groups.remove(0);
    group.signature_octets = signature_octets;
    group.policy_entries = policy_entries;
    let octets = |delivers_kek| {
        message::push(
            &group,
            [7; 16],
            1,
            if delivers_kek {
                message::Content::KekAndTek
            } else {
                message::Content::Tek
            },
        )
        .len()
    };
    assert_eq!(
        (octets(false), octets(true)),
        (tek, kek),
        "{policy_entries} entries, {signature_octets} octets"
    );
}

#[test]
fn rekeys_have_the_sizes_that_their_payloads_add_up_to() {
    check(128, 1, 348, 652);
    check(128, 10, 892, 1_196);
    check(256, 1, 476, 908);
    check(256, 10, 1_020, 1_452);
    check(256, 20, 1_628, 2_076);
    check(512, 1, 732, 1_420);
    check(512, 5, 972, 1_660);
    check(512, 22, 2_012, 2_700);
}

#[test]
fn a_rekey_is_the_same_for_every_member_and_differs_by_sequence_number() {
    let group = library("demo").groups.remove(0);
    let push = |sequence| message::push(&group, [7; 16], sequence, message::Content::Tek);
    assert_eq!(push(1), push(1));
    assert_ne!(push(1)[28..44], push(2)[28..44]);
    let header = Header::from(*push(1).first_chunk().unwrap());
    assert_eq!(
        (header.message_id(), header.flags(), header.next_payload()),
        (0, 1, 18)
    );
}

#[test]
fn an_acknowledgement_has_the_offsets_of_rfc_8263() {
    let mut random = gdoi_wire::craft::Random::new(1);
    let v4 = message::acknowledgement([9; 16], 0x0102_0304, "10.1.13.2".parse().unwrap(), &mut random);
    assert_eq!(v4.len(), 84);
    assert_eq!(v4[68..72], [1, 2, 3, 4]);
    assert_eq!(v4[80..84], [10, 1, 13, 2]);
    let v6 = message::acknowledgement([9; 16], 1, "2001:db8::1".parse().unwrap(), &mut random);
    assert_eq!(v6.len(), 96);
}
