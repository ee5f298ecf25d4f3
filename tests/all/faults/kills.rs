//! Killed at random moments; two hundred times by `cargo xtask faults`.

use std::thread;

use gdoi_lab::kill9::Kill9;

use crate::{kernel, program};

#[test]
fn killed_at_any_moment_it_loses_no_state_and_no_total_falls() {
    let name = "killed_at_any_moment";
    if !kernel::is_usable(name) || program::path(name).is_none() {
        return;
    }
    let kills = Kill9 { times: 10, seed: 9 };
    eprintln!("{kills:?}");
    let outcome = thread::spawn(move || kills.run()).join().unwrap().unwrap();
    eprintln!("{outcome:?}");
    assert_eq!((outcome.kills, outcome.while_keeping), (10, 5));
    assert!(outcome.messages > 0 && outcome.frames > 100);
}
