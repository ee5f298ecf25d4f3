//! The tracker agrees with the slow and obvious model on random scripts.

use gdoi_wire::craft::Random;

use crate::reference;

const SCRIPTS: usize = 3_000;

#[test]
fn the_tracker_agrees_with_the_model() {
    let mut random = Random::new(0x6d0d);
    for number in 0..SCRIPTS {
        let octets = random.octets(1 + 2 * (number % 60));
        let agreed = std::panic::catch_unwind(|| reference::check(&octets));
        assert!(agreed.is_ok(), "script {number}: {octets:02x?}");
    }
}
