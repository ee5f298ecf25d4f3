//! Writes samples into the blocks of a Prometheus.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use gdoi_core::Timestamp;

use super::END;
use crate::prometheus::promtool;

/// Prometheus keeps two hours in a block, counted from the epoch.
const BLOCK_SECONDS: u64 = 7_200;

/// Samples by their future block: promtool reads a file once for each block of its span.
#[derive(Debug)]
pub struct Blocks {
    folder: PathBuf,
    files: BTreeMap<u64, BufWriter<File>>,
}

impl Blocks {
    /// Writes to `folder`, which must exist.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            files: BTreeMap::new(),
        }
    }

    /// Adds samples of one time, a line each.
    pub fn add(&mut self, at: Timestamp, lines: &str) -> Result<()> {
        let number = at.since(Timestamp::ZERO).as_secs() / BLOCK_SECONDS;
        let file = match self.files.entry(number) {
            std::collections::btree_map::Entry::Occupied(file) => file.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                let path = self.folder.join(format!("{number}.om"));
                let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
                place.insert(BufWriter::new(file))
            }
        };
        file.write_all(lines.as_bytes()).context("write samples")
    }

    /// Creates the blocks, in the folder `data` of Prometheus.
    pub fn import(self, data: &Path) -> Result<()> {
        let data = data.to_str().context("the path of the data is not text")?;
        for (number, mut file) in self.files {
            file.write_all(END.as_bytes())
                .and_then(|()| file.flush())
                .context("write samples")?;
            let name = format!("{number}.om");
            let arguments = [
                "tsdb",
                "create-blocks-from",
                "openmetrics",
                "--quiet",
                &name,
                data,
            ];
            promtool(&self.folder, &arguments)?;
            fs::remove_file(self.folder.join(&name)).context("remove samples")?;
        }
        Ok(())
    }
}
