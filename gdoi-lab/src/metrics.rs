//! Parses a metrics page.

use std::collections::BTreeMap;

/// The samples of a metrics page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Family and labels as text, with the value.
    samples: Vec<(String, BTreeMap<String, String>, f64)>,
}

impl Metrics {
    /// Parses a page. Lines that are no samples, such as comments, are skipped.
    pub fn parse(page: &str) -> Self {
        Self {
            samples: page.lines().filter_map(sample).collect(),
        }
    }

    /// The sum of the samples of `name` whose labels include all of `labels`.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.samples
            .iter()
            .filter(|(family, have, _)| {
                let has = |(label, value): &(&str, &str)| have.get(*label).is_some_and(|have| have == value);
                family == name && labels.iter().all(has)
            })
            .map(|(_, _, value)| value)
            .sum()
    }

    /// The sums of the samples of `name` by the value of `label`, without those that are zero.
    pub fn by(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for (family, labels, value) in &self.samples {
            if family == name
                && *value != 0.0
                && let Some(by) = labels.get(label)
            {
                *sums.entry(by.clone()).or_insert(0.0) += value;
            }
        }
        sums
    }
}

fn sample(line: &str) -> Option<(String, BTreeMap<String, String>, f64)> {
    if line.starts_with('#') {
        return None;
    }
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, self::labels(labels.strip_suffix('}')?)),
        None => (series, BTreeMap::new()),
    };
    Some((name.to_owned(), labels, value.parse().ok()?))
}

/// Label values of the agent have no quotes and no commas.
fn labels(text: &str) -> BTreeMap<String, String> {
    text.split(',')
        .filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((name.to_owned(), value.trim_matches('"').to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_by_labels() {
        let page = "# HELP a b\na{x=\"1\",y=\"p\"} 2\na{x=\"1\",y=\"q\"} 3\na{x=\"2\",y=\"p\"} 4\nb 7\n";
        let metrics = Metrics::parse(page);
        assert!((metrics.sum("a", &[("x", "1")]) - 5.0).abs() < f64::EPSILON);
        assert!((metrics.sum("b", &[]) - 7.0).abs() < f64::EPSILON);
        assert_eq!(
            metrics.by("a", "y"),
            BTreeMap::from([("p".into(), 6.0), ("q".into(), 3.0)])
        );
    }
}
