//! The scenarios that show what the monitor is for, each with what it is expected to say.

/// A scenario and the story of it with its own seed.
#[derive(Clone, Copy, Debug)]
pub struct Demonstration {
    /// Name of the scenario.
    pub name: &'static str,
    /// What [`crate::digest`] says of it.
    pub expected: &'static str,
}

/// Where the expected stories are kept, from the root of the repository.
pub const FOLDER: &str = "gdoi-sim/expected";

/// Every demonstration.
pub const DEMONSTRATIONS: [Demonstration; 5] = [
    Demonstration {
        name: "healthy_day",
        expected: include_str!("../expected/healthy_day.txt"),
    },
    Demonstration {
        name: "lost_rekey",
        expected: include_str!("../expected/lost_rekey.txt"),
    },
    Demonstration {
        name: "power_cut",
        expected: include_str!("../expected/power_cut.txt"),
    },
    Demonstration {
        name: "coop_split",
        expected: include_str!("../expected/coop_split.txt"),
    },
    Demonstration {
        name: "mixed_upgrade",
        expected: include_str!("../expected/mixed_upgrade.txt"),
    },
];
