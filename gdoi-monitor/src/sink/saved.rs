//! The tracker's state in a file, so that what it has learned survives a restart of the agent.
//!
//! Times in it are the kernel's since boot, so it is of use until the machine is started again and no longer.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use gdoi_core::{Config, Limits, Timestamp, Tracker};

/// Where the state is kept.
#[derive(Clone, Debug)]
pub struct Saved {
    path: PathBuf,
}

/// A tracker that goes on where another stopped.
#[derive(Debug)]
pub struct Restored {
    /// The tracker.
    pub tracker: Tracker,
    /// When the other stopped: from here on nothing was seen.
    pub at: Timestamp,
}

/// Why the state could not be taken up, or kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read or written.
    #[error("{0}")]
    File(#[from] io::Error),
    /// It is not the state of a tracker of this version.
    #[error("{0}")]
    State(#[from] gdoi_core::RestoreError),
    /// It cannot be written down.
    #[error("{0}")]
    Save(#[from] gdoi_core::SaveError),
    /// The machine was started again since.
    #[error("the machine was started again since it was saved")]
    OtherBoot,
}

impl Saved {
    /// In the file at `path`.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Where that is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tracker that was kept; `None` when none was.
    pub fn restore(&self, config: Config, limits: Limits) -> Result<Option<Restored>, Error> {
        let octets = match fs::read(&self.path) {
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let boot = boot()?;
        let behind = octets.strip_prefix(boot.as_bytes()).ok_or(Error::OtherBoot)?;
        let (at, state) = behind
            .split_first_chunk()
            .ok_or(gdoi_core::RestoreError::Damaged)?;
        Ok(Some(Restored {
            tracker: Tracker::restore(config, limits, state)?,
            at: Timestamp::from_nanos(u64::from_be_bytes(*at)),
        }))
    }

    /// Keeps the tracker as it is at `now`: the file is the old one or the new one, never a part.
    pub fn save(&self, tracker: &Tracker, now: Timestamp) -> Result<(), Error> {
        let mut next = self.path.clone().into_os_string();
        next.push(".new");
        // Who is a member of what is for its owner alone.
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(OWNER_ONLY)
            .open(&next)?;
        file.write_all(boot()?.as_bytes())?;
        file.write_all(&now.as_nanos().to_be_bytes())?;
        file.write_all(&tracker.save()?)?;
        file.sync_all()?;
        fs::rename(&next, &self.path)?;
        Ok(())
    }
}

const OWNER_ONLY: u32 = 0o600;

/// What names this run of the machine: 36 characters and a line end.
fn boot() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn check(octets: Option<&[u8]>, expect: &str) {
        let folder = tempfile::tempdir().unwrap();
        let saved = Saved::at(&folder.path().join("state"));
        if let Some(octets) = octets {
            fs::write(saved.path(), octets).unwrap();
        }
        let said = match saved.restore(Config::default(), Limits::default()) {
            Ok(None) => "nothing".to_owned(),
            Ok(Some(restored)) => format!("since {}", restored.at.as_nanos()),
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expect);
    }

    #[test]
    fn what_is_no_state_is_refused() {
        let boot = boot().unwrap();
        check(None, "nothing");
        check(Some(b""), "the machine was started again since it was saved");
        check(Some(boot.as_bytes()), "the saved state is damaged");
        let foreign = [boot.as_bytes(), &[0; 8], b"something"].concat();
        check(Some(&foreign), "this is not a saved state");
    }

    #[test]
    fn what_was_saved_is_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        let saved = Saved::at(&folder.path().join("state"));
        let tracker = Tracker::new(Config::default(), Limits::default());
        saved.save(&tracker, Timestamp::from_nanos(77)).unwrap();
        check(Some(&fs::read(saved.path()).unwrap()), "since 77");
        let mode = fs::metadata(saved.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, OWNER_ONLY);
    }
}
