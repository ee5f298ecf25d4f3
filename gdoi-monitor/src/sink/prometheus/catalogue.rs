//! Every metric there is: its name, kind, labels and help. Names are a promise: add to them, do not rename.

/// One metric family.
#[derive(Debug)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// What its samples are.
    pub kind: FamilyKind,
    /// Its labels, in the order of the values.
    pub labels: &'static [&'static str],
    /// What it says, in one line.
    pub help: &'static str,
}

const GROUP: &[&str] = &["group"];
const SERVER: &[&str] = &["group", "key_server"];

/// What the samples of a family are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyKind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

impl FamilyKind {
    /// The word for it in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family {
        name,
        kind: FamilyKind::Counter,
        labels,
        help,
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family {
        kind: FamilyKind::Gauge,
        ..counter(name, labels, help)
    }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family {
        kind: FamilyKind::Histogram,
        ..counter(name, labels, help)
    }
}

/// Every family, in the order of the page. The families of the process itself come after them.
pub static ALL: &[&Family] = &[
    &BUILD,
    &EVENTS,
    &EVENTS_LOST,
    &TABLE_ENTRIES,
    &TABLE_CAPACITY,
    &TABLE_EVICTIONS,
    &CLOCK_STEPS,
    &LOSS_LAST,
    &HTTP_CONNECTIONS,
    &HTTP_REFUSED,
    &CONFIG_RELOAD,
    &CONFIG_RELOAD_AT,
    &LOCK_DOWN,
    &WEB_RELOAD,
    &WEB_RELOAD_AT,
    &CAPTURE_UP,
    &CAPTURE_INFO,
    &BLIND_SPOT,
    &PACKETS,
    &BYTES,
    &MISSES,
    &FRAGMENTS,
    &RING_PENDING,
    &PROGRAM_SECONDS,
    &PROGRAM_RUNS,
    &SPI_SLOTS_USED,
    &SPI_SLOTS,
    &GROUPS,
    &MESSAGES,
    &RETRANSMISSIONS,
    &ANOMALIES,
    &GROUP_EVENTS,
    &MEMBERS,
    &KS_UP,
    &KS_SEEN,
    &REGISTRATIONS,
    &REGISTRATION_FAILURES,
    &REGISTRATION_DURATION,
    &REGISTRATIONS_IN_PROGRESS,
    &BURST_ACTIVE,
    &BURSTS,
    &BURST_MEMBERS,
    &DOUBLE,
    &REKEYS,
    &REKEY_MESSAGES,
    &REKEY_RETRANSMISSIONS,
    &REKEY_ACKS,
    &REKEY_UNACKED,
    &REKEY_RECIPIENTS,
    &REKEY_DURATION,
    &REKEY_LAST,
    &REKEY_NEXT,
    &REKEY_OVERDUE,
    &REKEY_EXPECTATION,
    &KEK_CHANGES,
    &KEK_START,
    &KEK_EXPIRY,
    &KEK_LIFETIME,
    &KEK_LEAD,
    &KEK_OVER_AGE,
    &KEK_EXPIRED,
    &KEK_SPLIT,
    &KEK_BEHAVIOR,
    &ESP_PACKETS,
    &ESP_BYTES,
    &SPI_ACTIVE,
    &SPI_CHANGES,
    &SPI_ROLLOVER,
    &SPI_STALE,
    &SPI_LAGGING,
    &LABEL_OVERFLOW,
];

pub(super) static BUILD: Family = gauge(
    "gdoi_build_info",
    &["version", "target"],
    "Always 1; the labels say what this agent was built from.",
);
pub(super) static EVENTS: Family = counter(
    "gdoi_events_total",
    &[],
    "Events reported, including those that could not be written.",
);
pub(super) static EVENTS_LOST: Family = counter(
    "gdoi_events_lost_total",
    &["kind", "reason"],
    "Items lost, by kind and reason.",
);
pub(super) static TABLE_ENTRIES: Family = gauge("gdoi_table_entries", &["kind"], "Entries in use, by table.");
pub(super) static TABLE_CAPACITY: Family = gauge("gdoi_table_capacity", &["kind"], "Capacity, by table.");
pub(super) static TABLE_EVICTIONS: Family = counter(
    "gdoi_table_evictions_total",
    &["kind"],
    "Entries evicted to make space for new ones, by table.",
);
pub(super) static LABEL_OVERFLOW: Family = counter(
    "gdoi_label_overflow_total",
    &["kind"],
    "Counts merged into a catch-all series because of too many label values, and samples left out of the page.",
);
pub(super) static CLOCK_STEPS: Family = counter(
    "gdoi_clock_steps_total",
    &[],
    "Times the wall clock was set, or the source's clock went backwards.",
);
pub(super) static LOSS_LAST: Family = gauge(
    "gdoi_capture_loss_last_timestamp_seconds",
    &["kind"],
    "Unix time of the last capture loss or gap, by kind; 0 if none.",
);
pub(super) static HTTP_CONNECTIONS: Family = gauge("gdoi_http_connections", &[], "Open HTTP connections.");
pub(super) static HTTP_REFUSED: Family = counter(
    "gdoi_http_refused_total",
    &["reason"],
    "HTTP connections and requests refused, by reason.",
);
pub(super) static CONFIG_RELOAD: Family = gauge(
    "gdoi_config_last_reload_successful",
    &[],
    "Whether the last reload of the configuration file succeeded.",
);
pub(super) static CONFIG_RELOAD_AT: Family = gauge(
    "gdoi_config_last_reload_success_timestamp_seconds",
    &[],
    "Unix time of the last successful reload of the configuration file.",
);
pub(super) static LOCK_DOWN: Family = gauge(
    "gdoi_lock_down",
    &["kind"],
    "Whether the agent dropped this kind of privilege; /-/ready gives the reason if not.",
);
pub(super) static WEB_RELOAD: Family = gauge(
    "gdoi_web_config_last_reload_successful",
    &[],
    "Whether the last reload of the web configuration file succeeded; absent without --web.config.file.",
);
pub(super) static WEB_RELOAD_AT: Family = gauge(
    "gdoi_web_config_last_reload_success_timestamp_seconds",
    &[],
    "Unix time of the last successful reload of the web configuration file.",
);
pub(super) static CAPTURE_UP: Family = gauge(
    "gdoi_capture_up",
    &["interface"],
    "Whether the interface is monitored.",
);
pub(super) static CAPTURE_INFO: Family = gauge(
    "gdoi_capture_info",
    &["interface", "mode", "direction"],
    "Always 1; the labels give attach mode and direction of the interface.",
);
pub(super) static BLIND_SPOT: Family = gauge(
    "gdoi_capture_blind_spot",
    &["interface", "reason"],
    "Always 1; the reason why some packets on the interface are not seen, or not as they were on the wire.",
);
pub(super) static PACKETS: Family = counter(
    "gdoi_packets_total",
    &["interface", "direction", "class"],
    "Packets, by class.",
);
pub(super) static BYTES: Family = counter(
    "gdoi_bytes_total",
    &["interface", "direction", "class"],
    "Bytes of these packets as frames on the wire, by class.",
);
pub(super) static MISSES: Family = counter(
    "gdoi_misses_total",
    &["interface", "reason"],
    "Packets of a monitored protocol that could not be parsed, by reason.",
);
pub(super) static FRAGMENTS: Family = counter(
    "gdoi_fragments_total",
    &["interface", "kind"],
    "Fragments of packets of a monitored protocol: first fragments are read, later ones are not.",
);
pub(super) static RING_PENDING: Family = gauge(
    "gdoi_ring_pending_bytes",
    &["interface"],
    "Bytes in the ring buffer when the counters were last read.",
);
pub(super) static PROGRAM_SECONDS: Family = counter(
    "gdoi_program_run_seconds_total",
    &["interface", "direction"],
    "Run time of the programs in the kernel; with --program-stats.",
);
pub(super) static PROGRAM_RUNS: Family = counter(
    "gdoi_program_runs_total",
    &["interface", "direction"],
    "Runs of the programs in the kernel; with --program-stats.",
);
pub(super) static SPI_SLOTS_USED: Family = gauge(
    "gdoi_spi_table_entries",
    &["interface"],
    "Slots in use of the kernel's SPI table.",
);
pub(super) static SPI_SLOTS: Family = gauge(
    "gdoi_spi_table_capacity",
    &["interface"],
    "Capacity of the kernel's SPI table in slots.",
);
pub(super) static GROUPS: Family = gauge("gdoi_groups", &[], "Known groups, configured or learned.");
pub(super) static MESSAGES: Family = counter(
    "gdoi_messages_total",
    &["group", "key_server", "exchange"],
    "ISAKMP messages.",
);
pub(super) static RETRANSMISSIONS: Family = counter(
    "gdoi_retransmissions_total",
    &["group", "exchange"],
    "Retransmitted ISAKMP messages.",
);
pub(super) static ANOMALIES: Family = counter(
    "gdoi_anomalies_total",
    &["group", "kind", "severity"],
    "Messages that violate the protocol.",
);
pub(super) static GROUP_EVENTS: Family = counter(
    "gdoi_group_events_total",
    &["group", "kind", "severity"],
    "Events by type; warnings and critical events start at 0.",
);
pub(super) static MEMBERS: Family = gauge("gdoi_members", GROUP, "Known members of the group.");
pub(super) static KS_UP: Family = gauge(
    "gdoi_key_server_up",
    SERVER,
    "Whether the key server answers, as far as seen; absent while unknown.",
);
pub(super) static KS_SEEN: Family = gauge(
    "gdoi_key_server_last_seen_timestamp_seconds",
    SERVER,
    "Unix time of the last message from the key server.",
);
pub(super) static REGISTRATIONS: Family = counter(
    "gdoi_registrations_total",
    &["group", "key_server", "kind", "result"],
    "Registrations that completed or failed.",
);
pub(super) static REGISTRATION_FAILURES: Family = counter(
    "gdoi_registration_failures_total",
    &["group", "key_server", "stage"],
    "Failed registrations, by the stage they reached.",
);
pub(super) static REGISTRATION_DURATION: Family = histogram(
    "gdoi_registration_duration_seconds",
    GROUP,
    "Duration of completed registrations.",
);
pub(super) static REGISTRATIONS_IN_PROGRESS: Family = gauge(
    "gdoi_registrations_in_progress",
    GROUP,
    "Registrations in progress.",
);
pub(super) static BURST_ACTIVE: Family = gauge(
    "gdoi_registration_burst_active",
    GROUP,
    "Whether a registration burst is active: many members register at once.",
);
pub(super) static BURSTS: Family = counter("gdoi_registration_bursts_total", GROUP, "Registration bursts.");
pub(super) static BURST_MEMBERS: Family = gauge(
    "gdoi_registration_burst_members",
    GROUP,
    "Members in the current registration burst, or in the last one.",
);
pub(super) static DOUBLE: Family = counter(
    "gdoi_double_reregistrations_total",
    GROUP,
    "Members that registered both shortly before and shortly after the KEK expired.",
);
pub(super) static REKEYS: Family = counter(
    "gdoi_rekeys_total",
    &["group", "key_server", "kind", "transport"],
    "Rekeys; each counts once, regardless of recipients and retransmissions.",
);
pub(super) static REKEY_MESSAGES: Family = counter(
    "gdoi_rekey_messages_total",
    SERVER,
    "Rekey messages, retransmissions included.",
);
pub(super) static REKEY_RETRANSMISSIONS: Family = counter(
    "gdoi_rekey_retransmissions_total",
    GROUP,
    "Retransmitted rekey messages.",
);
pub(super) static REKEY_ACKS: Family = counter("gdoi_rekey_acks_total", GROUP, "Rekey acknowledgements.");
pub(super) static REKEY_UNACKED: Family = gauge(
    "gdoi_rekey_unacknowledged_members",
    GROUP,
    "Recipients of the latest rekey that have not acknowledged it; absent if the group does not use acknowledgements.",
);
pub(super) static REKEY_RECIPIENTS: Family =
    gauge("gdoi_rekey_recipients", GROUP, "Recipients of the latest rekey.");
pub(super) static REKEY_DURATION: Family = histogram(
    "gdoi_rekey_duration_seconds",
    GROUP,
    "Duration of rekeys, from first to last message.",
);
pub(super) static REKEY_LAST: Family = gauge(
    "gdoi_rekey_last_timestamp_seconds",
    GROUP,
    "Unix time at which the latest rekey began.",
);
pub(super) static REKEY_NEXT: Family = gauge(
    "gdoi_rekey_next_expected_timestamp_seconds",
    GROUP,
    "Unix time at which the next rekey is expected; absent if it cannot be predicted.",
);
pub(super) static REKEY_OVERDUE: Family = gauge(
    "gdoi_rekey_overdue",
    GROUP,
    "Whether an expected rekey is overdue.",
);
pub(super) static REKEY_EXPECTATION: Family = gauge(
    "gdoi_rekey_expectation_known",
    GROUP,
    "Whether the time of the next rekey can be predicted.",
);
pub(super) static KEK_CHANGES: Family = counter("gdoi_kek_changes_total", GROUP, "KEK changes.");
pub(super) static KEK_START: Family = gauge(
    "gdoi_kek_start_timestamp_seconds",
    GROUP,
    "Unix time at which the current KEK was delivered.",
);
pub(super) static KEK_EXPIRY: Family = gauge(
    "gdoi_kek_expiry_timestamp_seconds",
    GROUP,
    "Unix time at which the current KEK expires.",
);
pub(super) static KEK_LIFETIME: Family = gauge(
    "gdoi_kek_lifetime_seconds",
    GROUP,
    "Lifetime of the KEK, configured or learned.",
);
pub(super) static KEK_LEAD: Family = gauge(
    "gdoi_kek_rekey_lead_seconds",
    GROUP,
    "How long before its expiry the last KEK was renewed; negative if it was renewed after expiry.",
);
pub(super) static KEK_OVER_AGE: Family = gauge(
    "gdoi_kek_over_age",
    GROUP,
    "Whether the KEK is in use beyond its lifetime.",
);
pub(super) static KEK_EXPIRED: Family = gauge(
    "gdoi_kek_expired",
    GROUP,
    "Whether the KEK expired before a rekey replaced it.",
);
pub(super) static KEK_SPLIT: Family = gauge(
    "gdoi_kek_split",
    GROUP,
    "Whether key servers use different KEKs for the group (split brain).",
);
pub(super) static KEK_BEHAVIOR: Family = gauge(
    "gdoi_kek_behavior",
    &["group", "key_server", "verdict"],
    "1 for the KEK renewal behavior attributed to the key server, 0 for the others.",
);
pub(super) static ESP_PACKETS: Family = counter(
    "gdoi_esp_packets_total",
    GROUP,
    "ESP packets; those whose group was found later count for it and stay in unattributed.",
);
pub(super) static ESP_BYTES: Family = counter(
    "gdoi_esp_bytes_total",
    GROUP,
    "Bytes of these packets, from the IP header on.",
);
pub(super) static SPI_ACTIVE: Family = gauge("gdoi_spi_active", GROUP, "ESP SPIs in use.");
pub(super) static SPI_CHANGES: Family = counter(
    "gdoi_spi_changes_total",
    GROUP,
    "Times one ESP SPI replaced another.",
);
pub(super) static SPI_ROLLOVER: Family = histogram(
    "gdoi_spi_rollover_seconds",
    GROUP,
    "Time from a rekey to the first packet with the new SPI.",
);
pub(super) static SPI_STALE: Family = counter(
    "gdoi_spi_stale_packets_total",
    GROUP,
    "ESP packets with a replaced SPI after the rollover window.",
);
pub(super) static SPI_LAGGING: Family = gauge(
    "gdoi_spi_lagging_sites",
    GROUP,
    "Sites that still send with a replaced SPI.",
);
