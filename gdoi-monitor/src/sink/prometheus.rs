//! The metrics page, made anew for each scrape from what the engine knows.
//!
//! Nothing is kept between scrapes, so no series can be stale. Names and labels are fixed in the catalogue.

mod capture;
pub mod catalogue;
mod family;
mod groups;
mod own;
mod web;

use prometheus::core::Collector as _;
use prometheus::process_collector::ProcessCollector;
use prometheus::{Encoder as _, TextEncoder};

use crate::engine::State;
use crate::http::Status;
use family::Page;

/// The one content type that every Prometheus accepts.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Makes the metrics page.
#[derive(Debug)]
pub struct Exposition {
    process: ProcessCollector,
}

impl Default for Exposition {
    fn default() -> Self {
        Self {
            process: ProcessCollector::for_self(),
        }
    }
}

impl Exposition {
    /// The page for `state` and for the `server` that shows it.
    pub fn page(&self, state: &State, server: &Status) -> Result<Vec<u8>, prometheus::Error> {
        let mut page = Page::default();
        own::write(&mut page, state);
        web::write(&mut page, server);
        capture::write(&mut page, state);
        groups::write(&mut page, state);
        let mut families = page.finish();
        families.extend(self.process.collect());
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(text)
    }
}
