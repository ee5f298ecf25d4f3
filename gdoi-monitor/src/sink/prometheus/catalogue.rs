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
    "Always 1: what this agent was built from.",
);
pub(super) static EVENTS: Family = counter("gdoi_events_total", &[], "Events, whatever became of them.");
pub(super) static EVENTS_LOST: Family = counter(
    "gdoi_events_lost_total",
    &["kind", "reason"],
    "What was seen and could not be kept, by what it was and why.",
);
pub(super) static TABLE_ENTRIES: Family = gauge(
    "gdoi_table_entries",
    &["kind"],
    "Entries in use of each bounded table.",
);
pub(super) static TABLE_CAPACITY: Family = gauge(
    "gdoi_table_capacity",
    &["kind"],
    "Entries that each bounded table can have.",
);
pub(super) static TABLE_EVICTIONS: Family = counter(
    "gdoi_table_evictions_total",
    &["kind"],
    "Entries that had to make room for others.",
);
pub(super) static LABEL_OVERFLOW: Family = counter(
    "gdoi_label_overflow_total",
    &["kind"],
    "Counts that went to a common series because there were too many of their kind, and samples left out of the page.",
);
pub(super) static CLOCK_STEPS: Family = counter(
    "gdoi_clock_steps_total",
    &[],
    "Times the wall clock was set, or the clock of the source went backwards.",
);
pub(super) static LOSS_LAST: Family = gauge(
    "gdoi_capture_loss_last_timestamp_seconds",
    &["kind"],
    "When something was last lost or not watched, by what; 0 when never. Absences before it prove nothing.",
);
pub(super) static HTTP_CONNECTIONS: Family = gauge(
    "gdoi_http_connections",
    &[],
    "Connections to the agent that are open.",
);
pub(super) static HTTP_REFUSED: Family = counter(
    "gdoi_http_refused_total",
    &["reason"],
    "Connections and requests that were not served, by why.",
);
pub(super) static CONFIG_RELOAD: Family = gauge(
    "gdoi_config_last_reload_successful",
    &[],
    "Whether the configuration file, when it was last read, could be taken up.",
);
pub(super) static CONFIG_RELOAD_AT: Family = gauge(
    "gdoi_config_last_reload_success_timestamp_seconds",
    &[],
    "When the configuration in force was taken up.",
);
pub(super) static LOCK_DOWN: Family = gauge(
    "gdoi_lock_down",
    &["kind"],
    "Whether the agent has given up what it does not need; /-/ready says why not.",
);
pub(super) static WEB_RELOAD: Family = gauge(
    "gdoi_web_config_last_reload_successful",
    &[],
    "Whether the web configuration file, as it is now, is in force; absent without --web.config.file.",
);
pub(super) static WEB_RELOAD_AT: Family = gauge(
    "gdoi_web_config_last_reload_success_timestamp_seconds",
    &[],
    "When the web configuration that is in force was taken up.",
);
pub(super) static CAPTURE_UP: Family = gauge(
    "gdoi_capture_up",
    &["interface"],
    "Whether the interface is watched.",
);
pub(super) static CAPTURE_INFO: Family = gauge(
    "gdoi_capture_info",
    &["interface", "mode", "direction"],
    "Always 1: where in the kernel the interface is watched, and which way packets go.",
);
pub(super) static BLIND_SPOT: Family = gauge(
    "gdoi_capture_blind_spot",
    &["interface", "reason"],
    "Always 1: why something on the interface is not seen, or not as it was on the wire.",
);
pub(super) static PACKETS: Family = counter(
    "gdoi_packets_total",
    &["interface", "direction", "class"],
    "Packets by what they are.",
);
pub(super) static BYTES: Family = counter(
    "gdoi_bytes_total",
    &["interface", "direction", "class"],
    "Octets of those packets' frames on the wire.",
);
pub(super) static MISSES: Family = counter(
    "gdoi_misses_total",
    &["interface", "reason"],
    "Packets that were ours to read and could not be, by why.",
);
pub(super) static FRAGMENTS: Family = counter(
    "gdoi_fragments_total",
    &["interface", "kind"],
    "Fragments of packets of ours: first ones are read, later ones are not.",
);
pub(super) static RING_PENDING: Family = gauge(
    "gdoi_ring_pending_bytes",
    &["interface"],
    "Octets that waited in the ring buffer when the counters were read.",
);
pub(super) static PROGRAM_SECONDS: Family = counter(
    "gdoi_program_run_seconds_total",
    &["interface", "direction"],
    "How long the programs in the kernel ran; with --program-stats.",
);
pub(super) static PROGRAM_RUNS: Family = counter(
    "gdoi_program_runs_total",
    &["interface", "direction"],
    "How often the programs in the kernel ran; with --program-stats.",
);
pub(super) static SPI_SLOTS_USED: Family = gauge(
    "gdoi_spi_table_entries",
    &["interface"],
    "Slots of the kernel's SPI table in use.",
);
pub(super) static SPI_SLOTS: Family = gauge(
    "gdoi_spi_table_capacity",
    &["interface"],
    "Slots of the kernel's SPI table.",
);
pub(super) static GROUPS: Family = gauge(
    "gdoi_groups",
    &[],
    "Groups that are known, configured or learned.",
);
pub(super) static MESSAGES: Family = counter(
    "gdoi_messages_total",
    &["group", "key_server", "exchange"],
    "ISAKMP messages.",
);
pub(super) static RETRANSMISSIONS: Family = counter(
    "gdoi_retransmissions_total",
    &["group", "exchange"],
    "ISAKMP messages that were seen before.",
);
pub(super) static ANOMALIES: Family = counter(
    "gdoi_anomalies_total",
    &["group", "kind", "severity"],
    "Messages that contradict the protocol.",
);
pub(super) static GROUP_EVENTS: Family = counter(
    "gdoi_group_events_total",
    &["group", "kind", "severity"],
    "Events by type; those that ask for attention begin at 0.",
);
pub(super) static MEMBERS: Family = gauge("gdoi_members", GROUP, "Members known to belong to the group.");
pub(super) static KS_UP: Family = gauge(
    "gdoi_key_server_up",
    SERVER,
    "Whether the key server answers, as far as can be seen.",
);
pub(super) static KS_SEEN: Family = gauge(
    "gdoi_key_server_last_seen_timestamp_seconds",
    SERVER,
    "When the key server last sent something.",
);
pub(super) static REGISTRATIONS: Family = counter(
    "gdoi_registrations_total",
    &["group", "key_server", "kind", "result"],
    "Registrations that ended.",
);
pub(super) static REGISTRATION_FAILURES: Family = counter(
    "gdoi_registration_failures_total",
    &["group", "key_server", "stage"],
    "Registrations that ended badly, by the stage they reached.",
);
pub(super) static REGISTRATION_DURATION: Family = histogram(
    "gdoi_registration_duration_seconds",
    GROUP,
    "How long completed registrations took.",
);
pub(super) static REGISTRATIONS_IN_PROGRESS: Family = gauge(
    "gdoi_registrations_in_progress",
    GROUP,
    "Registrations begun and not ended.",
);
pub(super) static BURST_ACTIVE: Family = gauge(
    "gdoi_registration_burst_active",
    GROUP,
    "Whether many members register at once.",
);
pub(super) static BURSTS: Family = counter(
    "gdoi_registration_bursts_total",
    GROUP,
    "Times many members registered at once.",
);
pub(super) static BURST_MEMBERS: Family = gauge(
    "gdoi_registration_burst_members",
    GROUP,
    "Members in the present burst of registrations, or in the last one.",
);
pub(super) static DOUBLE: Family = counter(
    "gdoi_double_reregistrations_total",
    GROUP,
    "Members that registered shortly before and shortly after the KEK expired.",
);
pub(super) static REKEYS: Family = counter(
    "gdoi_rekeys_total",
    &["group", "key_server", "kind", "transport"],
    "Rekeys, each once, however many members it went to and however often.",
);
pub(super) static REKEY_MESSAGES: Family = counter(
    "gdoi_rekey_messages_total",
    SERVER,
    "Rekey messages, repeats included.",
);
pub(super) static REKEY_RETRANSMISSIONS: Family = counter(
    "gdoi_rekey_retransmissions_total",
    GROUP,
    "Rekey messages that were sent before.",
);
pub(super) static REKEY_ACKS: Family = counter("gdoi_rekey_acks_total", GROUP, "Acknowledgements of rekeys.");
pub(super) static REKEY_UNACKED: Family = gauge(
    "gdoi_rekey_unacknowledged_members",
    GROUP,
    "Recipients of the latest rekey that have not acknowledged it; absent where nobody ever does.",
);
pub(super) static REKEY_RECIPIENTS: Family =
    gauge("gdoi_rekey_recipients", GROUP, "Recipients of the latest rekey.");
pub(super) static REKEY_DURATION: Family = histogram(
    "gdoi_rekey_duration_seconds",
    GROUP,
    "How long rekeys took, from the first message to the last.",
);
pub(super) static REKEY_LAST: Family = gauge(
    "gdoi_rekey_last_timestamp_seconds",
    GROUP,
    "When the latest rekey began.",
);
pub(super) static REKEY_NEXT: Family = gauge(
    "gdoi_rekey_next_expected_timestamp_seconds",
    GROUP,
    "When the next rekey should begin, where that can be foretold.",
);
pub(super) static REKEY_OVERDUE: Family = gauge(
    "gdoi_rekey_overdue",
    GROUP,
    "Whether a rekey is due and has not come.",
);
pub(super) static KEK_CHANGES: Family = counter("gdoi_kek_changes_total", GROUP, "Times the KEK changed.");
pub(super) static KEK_START: Family = gauge(
    "gdoi_kek_start_timestamp_seconds",
    GROUP,
    "When the present KEK was delivered.",
);
pub(super) static KEK_EXPIRY: Family = gauge(
    "gdoi_kek_expiry_timestamp_seconds",
    GROUP,
    "When the present KEK expires.",
);
pub(super) static KEK_LIFETIME: Family = gauge(
    "gdoi_kek_lifetime_seconds",
    GROUP,
    "Lifetime of the KEK, configured or learned.",
);
pub(super) static KEK_LEAD: Family = gauge(
    "gdoi_kek_rekey_lead_seconds",
    GROUP,
    "How long before its expiry the last KEK was renewed; negative when after.",
);
pub(super) static KEK_OVER_AGE: Family = gauge(
    "gdoi_kek_over_age",
    GROUP,
    "Whether the KEK is used beyond its lifetime.",
);
pub(super) static KEK_EXPIRED: Family = gauge(
    "gdoi_kek_expired",
    GROUP,
    "Whether the lifetime of the KEK ended and no rekey had replaced it.",
);
pub(super) static KEK_SPLIT: Family = gauge(
    "gdoi_kek_split",
    GROUP,
    "Whether two key servers use different KEKs for the group: they lost each other.",
);
pub(super) static KEK_BEHAVIOR: Family = gauge(
    "gdoi_kek_behavior",
    &["group", "key_server", "verdict"],
    "1 for how the key server is believed to renew its KEK, 0 for the other ways.",
);
pub(super) static ESP_PACKETS: Family = counter("gdoi_esp_packets_total", GROUP, "ESP packets.");
pub(super) static ESP_BYTES: Family = counter("gdoi_esp_bytes_total", GROUP, "IP octets of those packets.");
pub(super) static SPI_ACTIVE: Family = gauge("gdoi_spi_active", GROUP, "ESP SPIs that were sent lately.");
pub(super) static SPI_CHANGES: Family = counter(
    "gdoi_spi_changes_total",
    GROUP,
    "Times an ESP SPI took the place of another.",
);
pub(super) static SPI_ROLLOVER: Family = histogram(
    "gdoi_spi_rollover_seconds",
    GROUP,
    "From a rekey to the first packet with the new SPI.",
);
pub(super) static SPI_STALE: Family = counter(
    "gdoi_spi_stale_packets_total",
    GROUP,
    "ESP packets with a replaced SPI, after the time for the change had passed.",
);
pub(super) static SPI_LAGGING: Family = gauge(
    "gdoi_spi_lagging_sites",
    GROUP,
    "Sites that still send a replaced SPI.",
);
