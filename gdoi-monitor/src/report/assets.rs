//! The timeline's script and the style, embedded, for every page that shows groups.

/// The style, for a `<style>` element.
pub(crate) const STYLE: &str = include_str!("assets/style.css");

/// The script, for a `<script>` element: defines `GdoiTimeline` and nothing else.
pub(crate) const SCRIPT: [&str; 5] = [
    "(() => {\n",
    include_str!("assets/lanes.js"),
    include_str!("assets/draw.js"),
    include_str!("assets/timeline.js"),
    "})();\n",
];
