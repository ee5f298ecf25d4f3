//! A metric family: its declaration, and the function that fills it.

use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_core::snapshot::{GroupState, Histogram, UNATTRIBUTED};
use prometheus::proto::{Bucket, Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use super::Facts;

/// One metric family.
#[derive(Debug)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// The type of its samples.
    pub kind: FamilyKind,
    /// Its labels, in the order of the values.
    pub labels: &'static [&'static str],
    /// Its help text, in one line.
    pub help: &'static str,
    /// Whether a configured group has a series from the beginning, at 0. All other series of a group appear with the
    /// first count: most groups never have any trouble, and a series for each kind of it would be half of the page.
    pub is_from_zero: bool,
    fill: Fill,
}

/// Writes the samples of a family.
pub(super) type Fill = fn(&Facts<'_>, &mut Samples);

/// The type of a family's samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyKind {
    /// It only increases.
    Counter,
    /// It increases and decreases.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

impl FamilyKind {
    /// Its name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

pub(super) const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    fill: Fill,
) -> Family {
    Family {
        name,
        kind: FamilyKind::Counter,
        labels,
        help,
        is_from_zero: false,
        fill,
    }
}

pub(super) const fn gauge(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    fill: Fill,
) -> Family {
    Family {
        kind: FamilyKind::Gauge,
        ..counter(name, labels, help, fill)
    }
}

pub(super) const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    fill: Fill,
) -> Family {
    Family {
        kind: FamilyKind::Histogram,
        ..counter(name, labels, help, fill)
    }
}

/// The samples of one family.
pub(super) struct Samples {
    family: &'static Family,
    metrics: Vec<Metric>,
    most: usize,
    left_out: u64,
}

impl Family {
    /// The same, with a series at 0 for each configured group from the beginning.
    pub(super) const fn starting_at_zero(self) -> Self {
        Self {
            is_from_zero: true,
            ..self
        }
    }

    /// The family with its samples, at most `most`; `None` without any.
    pub(super) fn filled(&'static self, facts: &Facts<'_>, most: usize) -> Option<MetricFamily> {
        let mut samples = Samples {
            family: self,
            metrics: Vec::new(),
            most,
            left_out: 0,
        };
        (self.fill)(facts, &mut samples);
        facts.left_out.set(facts.left_out.get() + samples.left_out);
        if samples.metrics.is_empty() {
            return None;
        }
        let mut written = MetricFamily::default();
        written.set_name(self.name.to_owned());
        written.set_help(self.help.to_owned());
        written.set_field_type(match self.kind {
            FamilyKind::Counter => MetricType::COUNTER,
            FamilyKind::Gauge => MetricType::GAUGE,
            FamilyKind::Histogram => MetricType::HISTOGRAM,
        });
        written.set_metric(samples.metrics);
        Some(written)
    }
}

impl Samples {
    /// A sample with a value for each label of the family, in their order.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a sample is a double; counts stay exact up to 2^53"
    )]
    pub(super) fn count(&mut self, labels: &[&str], value: u64) {
        self.value(labels, value as f64);
    }

    /// Like [`Self::count`], for fractional values.
    pub(super) fn value(&mut self, labels: &[&str], value: f64) {
        if !self.has_room() {
            return;
        }
        let mut metric = self.labelled(labels);
        match self.family.kind {
            FamilyKind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
            FamilyKind::Gauge | FamilyKind::Histogram => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
        }
        self.metrics.push(metric);
    }

    /// A histogram for each group, with some of its bounds.
    pub(super) fn each_histogram(
        &mut self,
        facts: &Facts<'_>,
        bounds: &[Duration],
        histogram: impl Fn(&GroupState) -> &Histogram,
    ) {
        for (name, group) in facts.groups.iter() {
            let histogram = histogram(group);
            if histogram.count() > 0 || name != UNATTRIBUTED {
                self.histogram(&[name], histogram, bounds);
            }
        }
    }

    fn histogram(&mut self, labels: &[&str], histogram: &Histogram, bounds: &[Duration]) {
        if !self.has_room() {
            return;
        }
        let mut cumulative = 0;
        let mut buckets = Vec::with_capacity(bounds.len());
        for (bound, count) in Histogram::BOUNDS.iter().zip(histogram.counts) {
            cumulative += count;
            if bounds.contains(bound) {
                let mut bucket = Bucket::default();
                bucket.set_upper_bound(bound.as_secs_f64());
                bucket.set_cumulative_count(cumulative);
                buckets.push(bucket);
            }
        }
        let mut written = prometheus::proto::Histogram::default();
        written.set_bucket(buckets);
        written.set_sample_count(histogram.count());
        written.set_sample_sum(histogram.sum.as_secs_f64());
        let mut metric = self.labelled(labels);
        metric.set_histogram(written);
        self.metrics.push(metric);
    }

    /// A count for each group; for unattributed traffic only if there is some.
    pub(super) fn each_group(&mut self, facts: &Facts<'_>, count: impl Fn(&GroupState) -> u64) {
        for (name, group) in facts.groups.iter() {
            let count = count(group);
            if count > 0 || name != UNATTRIBUTED {
                self.count(&[name], count);
            }
        }
    }

    /// A count for each group that has one: for trouble that most groups never have.
    pub(super) fn each_trouble(&mut self, facts: &Facts<'_>, count: impl Fn(&GroupState) -> u64) {
        for (name, group) in facts.groups.iter() {
            let count = count(group);
            if count > 0 {
                self.count(&[name], count);
            }
        }
    }

    /// Yes or no for each group, as 1 or 0.
    pub(super) fn each_flag(&mut self, facts: &Facts<'_>, flag: impl Fn(&GroupState) -> bool) {
        self.each_group(facts, |group| u64::from(flag(group)));
    }

    /// A value for each group that has one.
    pub(super) fn each_value(&mut self, facts: &Facts<'_>, value: impl Fn(&GroupState) -> Option<f64>) {
        for (name, group) in facts.groups.iter() {
            if let Some(value) = value(group) {
                self.value(&[name], value);
            }
        }
    }

    /// A time for each group that has one, as seconds since the epoch.
    pub(super) fn each_moment(
        &mut self,
        facts: &Facts<'_>,
        moment: impl Fn(&GroupState) -> Option<Timestamp>,
    ) {
        self.each_value(facts, |group| moment(group).map(|at| facts.seconds(at)));
    }

    /// Whether the family may have one more sample; counts the sample otherwise.
    fn has_room(&mut self) -> bool {
        let has = self.metrics.len() < self.most;
        self.left_out += u64::from(!has);
        has
    }

    fn labelled(&self, labels: &[&str]) -> Metric {
        debug_assert_eq!(labels.len(), self.family.labels.len(), "{}", self.family.name);
        let pairs = self.family.labels.iter().zip(labels).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        });
        Metric::from_label(pairs.collect())
    }
}

impl Facts<'_> {
    /// A time as seconds since the epoch.
    pub(super) fn seconds(&self, at: Timestamp) -> f64 {
        self.state.calendar.seconds(at)
    }
}
