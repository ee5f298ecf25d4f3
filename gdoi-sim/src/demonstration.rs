//! The scenarios that show the purpose of the monitor, each with its expected report.

/// A scenario and its report with its own seed.
#[derive(Clone, Copy, Debug)]
pub struct Demonstration {
    /// Name of the scenario.
    pub name: &'static str,
    /// The output of [`crate::digest`].
    pub expected: &'static str,
}

/// Folder of the expected reports, from the root of the repository.
pub const FOLDER: &str = "gdoi-sim/expected";

/// All demonstrations.
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
