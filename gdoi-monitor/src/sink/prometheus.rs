//! The metrics page, made anew for each scrape from what the engine knows.
//!
//! No value is kept between scrapes, so none can be stale. Names and labels are fixed in the catalogue.

mod capture;
pub mod catalogue;
mod family;
mod groups;
mod own;
mod stale_groups;
#[cfg(test)]
mod tests;
mod web;

use std::sync::{Mutex, PoisonError};

use prometheus::core::Collector as _;
use prometheus::process_collector::ProcessCollector;
use prometheus::{Encoder as _, TextEncoder};

use crate::engine::State;
use crate::http::Status;
use family::Page;
use groups::GroupFamilies;
use stale_groups::Lives;

/// The one content type that every Prometheus accepts.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Enough for a thousand groups with as many series each as a family has for one; Prometheus takes it in seconds.
pub const MOST: usize = 50_000;

/// Makes the metrics page.
#[derive(Debug)]
pub struct Exposition {
    process: ProcessCollector,
    /// Samples that one family may have.
    most: usize,
    kept: Mutex<ScrapeMemory>,
}

/// What is kept from one scrape to the next.
#[derive(Debug, Default)]
struct ScrapeMemory {
    lives: Lives,
    /// Samples that were left out.
    left_out: u64,
}

impl Exposition {
    /// Pages whose families have `most` samples each, and no more.
    pub fn new(most: usize) -> Self {
        Self {
            process: ProcessCollector::for_self(),
            most,
            kept: Mutex::new(ScrapeMemory::default()),
        }
    }

    /// The page for `state` and for the `server` that shows it.
    pub fn page(&self, state: &State, server: &Status) -> Result<Vec<u8>, prometheus::Error> {
        let mut page = Page::new(self.most);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let groups = GroupFamilies::new(state, &kept.lives.over(state));
        own::write(&mut page, state);
        web::write(&mut page, server);
        capture::write(&mut page, state);
        groups::write(&mut page, &groups);
        kept.left_out += page.left_out();
        own::write_overflow(&mut page, state, kept.left_out);
        drop(kept);
        let mut families = page.finish();
        families.extend(self.process.collect());
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(text)
    }
}

impl Default for Exposition {
    fn default() -> Self {
        Self::new(MOST)
    }
}
