//! The scenario library; each scenario is a small file.

use super::{Scenario, ScenarioError};

/// The names of the scenarios.
pub fn names() -> impl Iterator<Item = &'static str> {
    LIBRARY.iter().map(|(name, _)| *name)
}

/// A scenario by name.
pub fn named(name: &str) -> Result<Scenario, ScenarioError> {
    let (_, text) = LIBRARY
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| ScenarioError::Unknown(name.to_owned()))?;
    Scenario::parse(text)
}

const LIBRARY: [(&str, &str); 25] = [
    ("demo", include_str!("../../scenarios/demo.toml")),
    ("blind", include_str!("../../scenarios/blind.toml")),
    ("blocked", include_str!("../../scenarios/blocked.toml")),
    (
        "cisco_acknowledgement",
        include_str!("../../scenarios/cisco_acknowledgement.toml"),
    ),
    (
        "coop_failover",
        include_str!("../../scenarios/coop_failover.toml"),
    ),
    ("coop_split", include_str!("../../scenarios/coop_split.toml")),
    ("dead_server", include_str!("../../scenarios/dead_server.toml")),
    ("evicted", include_str!("../../scenarios/evicted.toml")),
    ("forced_rekey", include_str!("../../scenarios/forced_rekey.toml")),
    ("g_ikev2", include_str!("../../scenarios/g_ikev2.toml")),
    ("healthy_day", include_str!("../../scenarios/healthy_day.toml")),
    ("ipv6", include_str!("../../scenarios/ipv6.toml")),
    ("juniper", include_str!("../../scenarios/juniper.toml")),
    ("large_policy", include_str!("../../scenarios/large_policy.toml")),
    ("late_joiner", include_str!("../../scenarios/late_joiner.toml")),
    ("lossy", include_str!("../../scenarios/lossy.toml")),
    (
        "lossy_multicast",
        include_str!("../../scenarios/lossy_multicast.toml"),
    ),
    ("lost_rekey", include_str!("../../scenarios/lost_rekey.toml")),
    (
        "mixed_upgrade",
        include_str!("../../scenarios/mixed_upgrade.toml"),
    ),
    ("multicast", include_str!("../../scenarios/multicast.toml")),
    ("nat", include_str!("../../scenarios/nat.toml")),
    ("over_age", include_str!("../../scenarios/over_age.toml")),
    ("power_cut", include_str!("../../scenarios/power_cut.toml")),
    ("stale_spi", include_str!("../../scenarios/stale_spi.toml")),
    ("two_groups", include_str!("../../scenarios/two_groups.toml")),
];
