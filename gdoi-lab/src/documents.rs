//! Documents that are made from the code, so that they cannot say anything else.

use gdoi_monitor::exposition;

const FROM_ZERO: &str = "
## What is there before anything happens

A configured group has these series from the beginning, at 0 (of `gdoi_registrations_total` the initial ones that complete,
for each configured key server). Every other series of a group appears with the first thing that it counts or tells: a group
without trouble has none for trouble. Such a counter begins at 1 and has not increased by then: to count the first too, ask
`(x unless x offset 1h and on (job, instance) gdoi_build_info offset 1h) or increase(x[1h])`, as the rules do. The share of
ESP that belongs to no group is always there too, as `group=\"unattributed\"`.

";

/// The list of metrics, `docs/metrics.md`.
pub fn metrics() -> String {
    let mut text = String::from(
        "# Metrics\n\nMade by `cargo xtask docs` from the catalogue in the code; a test compares the two.\n\
         `process_*` of the Prometheus client library come with them.\n\n\
         | name | type | labels | what |\n|---|---|---|---|\n",
    );
    for family in exposition::families() {
        let labels = family.labels.join(", ");
        let line = format!(
            "| `{}` | {} | {labels} | {} |\n",
            family.name,
            family.kind.name(),
            family.help
        );
        text += &line;
    }
    text += FROM_ZERO;
    for family in exposition::families().filter(|family| family.is_from_zero) {
        text.push_str("- `");
        text.push_str(family.name);
        text.push_str("`\n");
    }
    text
}
