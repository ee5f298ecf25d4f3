//! Programs and counters that stay in the kernel while no agent runs: pins in a BPF file system.
//!
//! ```text
//! FOLDER/eth0-ingress/link                      holds the program at its interface
//! FOLDER/eth0-ingress/v5-9f3c…/{RING,CPU_STATE}   the maps it writes
//! ```
//!
//! A new agent replaces the program at the link without a gap, and continues reading the maps. The name of their
//! folder identifies the record layout and all settings of a program. Maps under another name are read to their end,
//! but never given to a new program. aya does not check the size of pinned maps and would access memory past their
//! end, so each map is checked first ([`PinDir::maps`]).

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use aya::maps::{MapInfo, MapType};
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::loaded_programs;
use gdoi_wire::record::{Bucket, Counters, CpuState, MAP_CPU_STATE, MAP_RING, RECORD_VERSION};
use nix::sys::statfs::{FsType, statfs};

use super::attach::Direction;
use super::probe::ProbeSettings;
use crate::hex::Hex;

/// The maps that are pinned.
pub(super) const MAPS: [&str; 2] = [MAP_RING, MAP_CPU_STATE];
const OWNER_ONLY: u32 = 0o700;
/// The kernel releases a link after a grace period, milliseconds when idle.
const DETACH_TIMEOUT: Duration = Duration::from_secs(10);
const DETACH_POLL: Duration = Duration::from_millis(5);
/// `BPF_FS_MAGIC` from `include/uapi/linux/magic.h`.
const BPF_FS: FsType = FsType(0xcafe_4a11_u32 as libc::__fsword_t);

/// Why pins cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The folder cannot be created or read.
    #[error("cannot use {folder} for pins")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
    /// It cannot hold pins.
    #[error(
        "{folder} is not in a BPF file system: mount one with `mount -t bpf bpf {folder}`, or name a folder \
         below /sys/fs/bpf"
    )]
    NotBpf {
        /// The folder.
        folder: PathBuf,
    },
    /// Another agent uses it.
    #[error("another agent uses the pins in {folder}: stop it, or give this one another --pin-folder")]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
}

/// The folder of all pins of one agent, for as long as it runs.
#[derive(Debug)]
pub struct Pins {
    folder: PathBuf,
    /// Locked: two agents at the same pins would take packets from each other.
    _lock: File,
}

impl Pins {
    /// Creates the folder, or opens an existing one.
    pub fn open(folder: &Path) -> Result<Self, PinError> {
        let refused = |source| PinError::Folder {
            folder: folder.to_owned(),
            source,
        };
        make(folder)?;
        let is_bpf = statfs(folder)
            .map_err(|errno| refused(errno.into()))?
            .filesystem_type()
            == BPF_FS;
        if !is_bpf {
            return Err(PinError::NotBpf {
                folder: folder.to_owned(),
            });
        }
        let lock = File::open(folder).map_err(refused)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(PinError::InUse {
                    folder: folder.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(refused(error)),
        }
        Ok(Self {
            folder: folder.to_owned(),
            _lock: lock,
        })
    }

    /// The pins of an interface.
    pub(crate) fn pin_dir(&self, interface: &str, direction: Direction) -> PinDir {
        // The kernel allows no dot in the name of a pin, and no colon in the name of an interface.
        let name = interface.replace('.', ":");
        PinDir {
            folder: self.folder.join(format!("{name}-{}", direction.name())),
        }
    }

    /// All pin folders, of any interface.
    pub fn pin_dirs(&self) -> Result<Vec<PinDir>, PinError> {
        let folders = folders(&self.folder).map_err(|source| PinError::Folder {
            folder: self.folder.clone(),
            source,
        })?;
        Ok(folders.into_iter().map(|folder| PinDir { folder }).collect())
    }
}

/// The pins of one interface in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinDir {
    folder: PathBuf,
}

impl PinDir {
    /// The interface and the direction.
    pub fn name(&self) -> String {
        let name = self.folder.file_name().unwrap_or_default();
        name.to_string_lossy().replace(':', ".")
    }

    /// The pin of the link that holds the program.
    pub(super) fn link(&self) -> PathBuf {
        self.folder.join("link")
    }

    /// The folder for the maps of a program with these settings, created if necessary. Maps in it that do not fit a
    /// new program are removed.
    pub(super) fn maps(&self, settings: &ProbeSettings, entries: Entries) -> Result<PathBuf, PinError> {
        let folder = self.folder.join(key(settings));
        make(&folder)?;
        for (name, entries) in [(MAP_RING, entries.ring), (MAP_CPU_STATE, entries.parts)] {
            let pin = folder.join(name);
            if fs::exists(&pin).unwrap_or(true) && !is_map(&pin, name, Some(entries)) {
                tracing::warn!(pin = %pin.display(), "ignoring a pinned map of unexpected type or size");
                forget(&folder);
                make(&folder)?;
            }
        }
        Ok(folder)
    }

    /// Folders of maps that other programs write, or did; unreadable ones are removed.
    pub(super) fn others(&self, but: &Path) -> Vec<PathBuf> {
        let prefix = format!("v{RECORD_VERSION}-");
        let mut others = self.folders();
        others.retain(|folder| folder != but);
        others.retain(|folder| {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            let is_readable =
                name.starts_with(&prefix) && MAPS.iter().all(|map| is_map(&folder.join(map), map, None));
            if !is_readable {
                tracing::warn!(folder = %folder.display(), "discarding counters of another version");
                forget(folder);
            }
            is_readable
        });
        others
    }

    /// Folders of maps.
    fn folders(&self) -> Vec<PathBuf> {
        folders(&self.folder).unwrap_or_else(|error| {
            tracing::warn!(%error, folder = %self.folder.display(), "cannot read the pins");
            Vec::new()
        })
    }

    /// Removes everything, and waits until the kernel has detached the program, shortly after the last pin is gone.
    /// Returns whether it has.
    pub fn detach(&self) -> bool {
        let link = PinnedLink::from_pin(self.link()).ok();
        let info = link.and_then(|link| FdLink::from(link).info().ok());
        self.remove();
        info.is_none_or(|info| is_unloaded_soon(info.program_id()))
    }

    /// Removes everything: the link's program is detached.
    pub fn remove(&self) {
        unpin(&self.link());
        for maps in self.folders() {
            forget(&maps);
        }
        if let Err(error) = fs::remove_dir(&self.folder)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, folder = %self.folder.display(), "cannot remove the pins");
        }
    }
}

/// Waits until the kernel has released a program. It forgets a link's number before it detaches the link's program,
/// and the program's number after that.
pub(super) fn is_unloaded_soon(program: u32) -> bool {
    let is_loaded = || loaded_programs().flatten().any(|loaded| loaded.id() == program);
    let start = Instant::now();
    while is_loaded() {
        if start.elapsed() > DETACH_TIMEOUT {
            return false;
        }
        thread::sleep(DETACH_POLL);
    }
    true
}

/// Sizes of the maps without a fixed size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entries {
    /// Size of the ring in octets.
    pub(super) ring: u32,
    /// Number of parts, over all CPUs.
    pub(super) parts: u32,
}

/// Removes the pins of one program's maps, under any version's names.
pub(super) fn forget(maps: &Path) {
    for name in MAPS {
        unpin(&maps.join(name));
    }
    // Of another version, found at startup: later there is no permission to list a folder.
    for pin in fs::read_dir(maps).into_iter().flatten().flatten() {
        unpin(&pin.path());
    }
    if let Err(error) = fs::remove_dir(maps)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, folder = %maps.display(), "cannot remove the pins");
    }
}

/// Removes one pin; the object goes with it unless something else holds it.
pub(super) fn unpin(pin: &Path) {
    if let Err(error) = fs::remove_file(pin)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, pin = %pin.display(), "cannot remove the pin");
    }
}

/// The name for a record layout and the settings of a program.
fn key(settings: &ProbeSettings) -> String {
    let ProbeSettings {
        ports,
        sites,
        buckets,
        spi_idle: _,
        ring_octets,
        count_runs: _,
        kernel_log,
    } = settings;
    let cpus = aya::util::nr_cpus().unwrap_or_default();
    let layout = (size_of::<Counters>(), size_of::<Bucket>(), size_of::<CpuState>());
    let text = format!("{layout:?} {MAPS:?} {ports:?} {sites:?} {buckets} {cpus} {ring_octets} {kernel_log}");
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let start: [u8; 8] = *digest.as_ref().first_chunk().unwrap_or(&[0; 8]);
    format!("v{RECORD_VERSION}-{}", Hex(start))
}

/// Whether the pin is the map that this version expects under this name.
fn is_map(pin: &Path, name: &str, entries: Option<u32>) -> bool {
    let Ok(info) = MapInfo::from_pin(pin) else {
        return false;
    };
    let (kind, key, value) = match name {
        MAP_RING => (MapType::RingBuf, 0, 0),
        _ => (MapType::Array, size_of::<u32>(), size_of::<CpuState>()),
    };
    let is = |octets: u32, expected: usize| usize::try_from(octets).is_ok_and(|octets| octets == expected);
    info.map_type().is_ok_and(|found| found == kind)
        && is(info.key_size(), key)
        && is(info.value_size(), value)
        && entries.is_none_or(|entries| info.max_entries() == entries)
}

fn make(folder: &Path) -> Result<(), PinError> {
    // Anyone who can write here could give us other maps.
    let made = DirBuilder::new().mode(OWNER_ONLY).recursive(true).create(folder);
    made.map_err(|source| PinError::Folder {
        folder: folder.to_owned(),
        source,
    })
}

/// The folders in a folder; none if it does not exist.
fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}
