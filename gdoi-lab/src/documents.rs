//! Documents that are made from the code, so that they cannot say anything else.

use gdoi_monitor::exposition;

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
    text
}
