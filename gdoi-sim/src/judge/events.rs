//! The table row that judges each type of event, or the reason why none does.

/// How a type of event is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// By the row of this name.
    By(&'static str),
    /// Not judged, for this reason.
    Not(&'static str),
}

const INCIDENT: &str =
    "it sums up other events, and each of these is judged; its cause is not compared with the scenario yet";

/// Every event type of the tracker.
pub const EVENTS: [(&str, Judged); 47] = [
    ("capture_loss", Judged::By("capture_loss")),
    ("clock_step", Judged::By("clock_step")),
    (
        "configuration_contradicted",
        Judged::By("configuration_contradicted"),
    ),
    ("coop_silent", Judged::By("coop_silent")),
    ("double_reregistration", Judged::By("double_reregistration")),
    ("forgery", Judged::By("forgery")),
    (
        "forgotten",
        Judged::Not("it is about the monitor's memory, not about a group"),
    ),
    ("group_ambiguous", Judged::By("group_ambiguous")),
    ("group_discovered", Judged::By("group_discovered")),
    ("group_merged", Judged::By("group_merged")),
    ("heartbeats", Judged::By("heartbeats")),
    ("incident_closed", Judged::Not(INCIDENT)),
    ("incident_opened", Judged::Not(INCIDENT)),
    ("incident_updated", Judged::Not(INCIDENT)),
    ("kek_behavior", Judged::By("KEK behaviour at the end")),
    ("kek_change_revoked", Judged::By("kek_change_revoked")),
    ("kek_changed", Judged::By("kek_changed")),
    ("kek_expired", Judged::By("kek_expired")),
    ("kek_over_age", Judged::By("kek_over_age")),
    // Also `kek_merged`, when it ends.
    ("kek_split", Judged::By("kek_split")),
    ("key_server_answers", Judged::By("key_server_answers")),
    ("key_server_changed", Judged::By("key_server_changed")),
    ("key_server_silent", Judged::By("key_server_silent")),
    ("malformed", Judged::By("malformed")),
    ("member_lost", Judged::By("member_lost")),
    ("member_readdressed", Judged::By("member_readdressed")),
    ("merged_taps", Judged::By("merged_taps")),
    ("pull_only", Judged::By("pull_only")),
    // Also `re_registration reason`.
    ("re_registration", Judged::By("re_registration")),
    ("registration_burst_ended", Judged::By("registration_burst_ended")),
    ("registration_burst_started", Judged::By("registration_burst")),
    ("registration_completed", Judged::By("registration_completed")),
    ("registration_failed", Judged::By("registration_failed")),
    ("registration_loop", Judged::By("registration_loop")),
    ("registration_started", Judged::By("registration_started")),
    ("registrations_attributed", Judged::By("group of a member")),
    ("rekey", Judged::By("rekey")),
    ("rekey_classified", Judged::By("rekey kind")),
    ("rekey_expectation", Judged::By("rekey_expectation")),
    ("rekey_interval_changed", Judged::By("rekey_interval_changed")),
    ("rekey_not_received", Judged::By("rekey_not_received")),
    ("rekey_overdue", Judged::By("rekey_overdue")),
    ("rekey_retransmitted", Judged::By("rekey_retransmitted")),
    ("rekey_unacknowledged", Judged::By("rekey_unacknowledged")),
    ("spi_changed", Judged::By("spi_changed")),
    ("spi_first_seen", Judged::By("spi_first_seen")),
    ("spi_stale", Judged::By("spi_stale")),
];
