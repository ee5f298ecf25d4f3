//! From a catalogue entry and values to what the prometheus crate writes.

use gdoi_core::snapshot::Histogram;
use prometheus::proto::{Bucket, Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use super::catalogue::{Family, FamilyKind};

/// Families in the order they were written.
pub(super) struct Page {
    families: Vec<MetricFamily>,
    /// Samples that a family may have.
    most: usize,
    left_out: u64,
}

/// The samples of one family.
pub(super) struct Samples {
    family: &'static Family,
    metrics: Vec<Metric>,
    most: usize,
    left_out: u64,
}

impl Page {
    /// An empty page, whose families have `most` samples each, and no more.
    pub(super) const fn new(most: usize) -> Self {
        Self {
            families: Vec::new(),
            most,
            left_out: 0,
        }
    }

    /// Samples that had no room.
    pub(super) const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Adds one family with what `fill` puts in it; a family without samples is left out.
    pub(super) fn family(&mut self, family: &'static Family, fill: impl FnOnce(&mut Samples)) {
        let mut samples = Samples {
            family,
            metrics: Vec::new(),
            most: self.most,
            left_out: 0,
        };
        fill(&mut samples);
        self.left_out += samples.left_out;
        if samples.metrics.is_empty() {
            return;
        }
        let mut written = MetricFamily::default();
        written.set_name(family.name.to_owned());
        written.set_help(family.help.to_owned());
        written.set_field_type(match family.kind {
            FamilyKind::Counter => MetricType::COUNTER,
            FamilyKind::Gauge => MetricType::GAUGE,
            FamilyKind::Histogram => MetricType::HISTOGRAM,
        });
        written.set_metric(samples.metrics);
        self.families.push(written);
    }

    /// All families.
    pub(super) fn finish(self) -> Vec<MetricFamily> {
        self.families
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

    /// As [`Self::count`], for what is not a count.
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

    /// A histogram.
    pub(super) fn histogram(&mut self, labels: &[&str], histogram: &Histogram) {
        if !self.has_room() {
            return;
        }
        let mut cumulative = 0;
        let buckets = Histogram::BOUNDS
            .iter()
            .zip(histogram.counts)
            .map(|(bound, count)| {
                cumulative += count;
                let mut bucket = Bucket::default();
                bucket.set_upper_bound(bound.as_secs_f64());
                bucket.set_cumulative_count(cumulative);
                bucket
            });
        let mut written = prometheus::proto::Histogram::default();
        written.set_bucket(buckets.collect());
        written.set_sample_count(histogram.count());
        written.set_sample_sum(histogram.sum.as_secs_f64());
        let mut metric = self.labelled(labels);
        metric.set_histogram(written);
        self.metrics.push(metric);
    }

    /// Whether the family may have one more; counts the one that is not let in.
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
