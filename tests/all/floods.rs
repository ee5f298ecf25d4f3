//! Floods at the highest rate of a veth pair, while a gateway forwards and a group is rekeyed.

use std::thread;
use std::time::Duration;

use gdoi_lab::flood::{Kind, Trial};

use crate::{kernel, program};

#[test]
fn in_a_flood_of_everything_nothing_is_disturbed_or_silently_absent() {
    let name = "in_a_flood_of_everything";
    if !kernel::is_usable(name) || program::path(name).is_none() {
        return;
    }
    let trial = Trial {
        kinds: Kind::ALL.to_vec(),
        time: Duration::from_secs(3),
    };
    let run = thread::spawn(move || trial.run());
    let outcome = run.join().unwrap().unwrap();
    eprintln!("{outcome}");
    outcome.check().unwrap();
}
