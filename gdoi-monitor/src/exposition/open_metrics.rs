//! The page in version 1.0 of `OpenMetrics`, which the client library does not write.

use std::fmt::{self, Display, Write as _};
use std::io::{self, Write};

use prometheus::proto::{LabelPair, MetricFamily, MetricType};

/// Writes families and the end of the page.
pub(super) fn encode(families: &[MetricFamily], out: &mut impl Write) -> io::Result<()> {
    for family in families {
        let name = family.name();
        let kind = family.get_field_type();
        // The suffix belongs to the sample of a counter, not to its family.
        let (of_family, word) = match kind {
            MetricType::COUNTER => (name.strip_suffix("_total").unwrap_or(name), "counter"),
            MetricType::GAUGE => (name, "gauge"),
            MetricType::HISTOGRAM => (name, "histogram"),
            MetricType::SUMMARY | MetricType::UNTYPED => (name, "unknown"),
        };
        writeln!(out, "# HELP {of_family} {}", EscapedText(family.help()))?;
        writeln!(out, "# TYPE {of_family} {word}")?;
        for metric in family.get_metric() {
            let labels = metric.get_label();
            match kind {
                MetricType::COUNTER => {
                    let value = metric.get_counter().get_value();
                    sample(out, of_family, "_total", labels, None, value)?;
                }
                MetricType::GAUGE | MetricType::SUMMARY | MetricType::UNTYPED => {
                    sample(out, name, "", labels, None, metric.get_gauge().get_value())?;
                }
                MetricType::HISTOGRAM => {
                    let histogram = metric.get_histogram();
                    for bucket in histogram.get_bucket() {
                        let bound = Some(bucket.upper_bound());
                        sample(
                            out,
                            name,
                            "_bucket",
                            labels,
                            bound,
                            count(bucket.cumulative_count()),
                        )?;
                    }
                    let all = count(histogram.get_sample_count());
                    sample(out, name, "_bucket", labels, Some(f64::INFINITY), all)?;
                    sample(out, name, "_sum", labels, None, histogram.get_sample_sum())?;
                    sample(out, name, "_count", labels, None, all)?;
                }
            }
        }
    }
    out.write_all(b"# EOF\n")
}

fn sample(
    out: &mut impl Write,
    name: &str,
    suffix: &str,
    labels: &[LabelPair],
    bound: Option<f64>,
    value: f64,
) -> io::Result<()> {
    write!(out, "{name}{suffix}")?;
    let mut before = '{';
    for label in labels {
        write!(out, "{before}{}=\"{}\"", label.name(), EscapedText(label.value()))?;
        before = ',';
    }
    if let Some(bound) = bound {
        write!(out, "{before}le=\"{}\"", Number(bound))?;
        before = ',';
    }
    let end = if before == ',' { "}" } else { "" };
    writeln!(out, "{end} {}", Number(value))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a sample is a double; counts stay exact up to 2^53"
)]
const fn count(count: u64) -> f64 {
    count as f64
}

/// A number in its canonical form: `1.0`, `0.25`, `+Inf`.
struct Number(f64);

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            number => write!(f, "{number:?}"),
        }
    }
}

/// Text in a line: a label's value or a help text.
struct EscapedText<'a>(&'a str);

impl Display for EscapedText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            other => f.write_char(other),
        })
    }
}
