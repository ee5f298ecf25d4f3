//! Files and ports, by Landlock (`Documentation/userspace-api/landlock.rst`): the kernel denies everything not named
//! here, regardless of the owner.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, Scope,
};
use nix::unistd::{AccessFlags, access};

/// The newest tested version (Linux 6.12): signals and abstract sockets.
const KNOWN: ABI = ABI::V6;
const TRUNCATES: (ABI, &str) = (ABI::V3, "(Linux 6.2) to keep files from being truncated");
const CONNECTS: (ABI, &str) = (
    ABI::V4,
    "(Linux 6.7) to restrict ports; new sockets are refused all the same",
);

/// The files needed after startup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Folders with their content, and files.
    reads: Vec<PathBuf>,
    writes: Vec<PathBuf>,
    /// Folders in a BPF file system.
    pins: Vec<PathBuf>,
    /// Whether an abstract socket is needed.
    has_abstract_socket: bool,
}

impl Needs {
    /// For an agent without files of its user: the kernel's information files.
    pub fn kernel() -> Self {
        Self {
            reads: KERNEL.map(PathBuf::from).to_vec(),
            ..Self::default()
        }
    }

    /// A file that is read again, and may be replaced by then: its folder, and the folder of a link's target.
    #[must_use]
    pub fn reading(mut self, file: &Path) -> Self {
        self.reads.push(folder(file).to_owned());
        if let Ok(real) = file.canonicalize() {
            self.reads.push(folder(&real).to_owned());
        }
        self
    }

    /// A file that is written and renamed: its folder. A device or a pipe is written directly.
    #[must_use]
    pub fn writing(mut self, file: &Path) -> Self {
        let is_special = file
            .metadata()
            .is_ok_and(|found| !found.is_file() && !found.is_dir());
        self.writes
            .push(if is_special { file } else { folder(file) }.to_owned());
        self
    }

    /// A folder in which files are made.
    #[must_use]
    pub fn writing_in(mut self, folder: &Path) -> Self {
        self.writes.push(folder.to_owned());
        self
    }

    /// A folder in a BPF file system, for folders and pins.
    #[must_use]
    pub fn pinning_in(mut self, folder: &Path) -> Self {
        self.pins.push(folder.to_owned());
        self
    }

    /// The socket of systemd, named by `NOTIFY_SOCKET`: it may be an abstract socket.
    #[must_use]
    pub fn telling(mut self, socket: &str) -> Self {
        self.has_abstract_socket |= socket.starts_with('@');
        self
    }

    /// Files that this user may not access, by owner and mode.
    pub(super) fn unreachable(&self) -> impl Iterator<Item = &PathBuf> {
        let refuses = |path: &&PathBuf, how| path.exists() && access(path.as_path(), how).is_err();
        let to_write = AccessFlags::R_OK | AccessFlags::W_OK;
        let unwritable = self.writes.iter().filter(move |path| refuses(path, to_write));
        let unreadable = self
            .reads
            .iter()
            .filter(move |path| refuses(path, AccessFlags::R_OK));
        unwritable.chain(unreadable)
    }
}

/// The result for files and network.
pub(super) struct FilesOutcome {
    /// Why files or the network are not restricted.
    pub(super) files: Option<String>,
    pub(super) network: Option<String>,
    pub(super) held: Vec<PathFd>,
}

/// Allows the needed files, and denies the rest.
pub(super) fn restrict(needs: &Needs) -> FilesOutcome {
    let mut held = Vec::new();
    let (files, network) = match try_restrict(needs, &mut held) {
        Ok(status) => (lacks(status, TRUNCATES), lacks(status, CONNECTS)),
        Err(error) => (Some(error.to_string()), Some(error.to_string())),
    };
    FilesOutcome { files, network, held }
}

fn try_restrict(needs: &Needs, held: &mut Vec<PathFd>) -> Result<LandlockStatus, RulesetError> {
    let scopes = if needs.has_abstract_socket {
        Scope::Signal.into()
    } else {
        Scope::from_all(KNOWN)
    };
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        // No port is bound any more, nor connected to: there is no rule that allows one.
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(scopes)?
        .create()?;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = AccessFs::ReadFile
        | AccessFs::WriteFile
        | AccessFs::MakeReg
        | AccessFs::RemoveFile
        | AccessFs::Truncate;
    let reads = needs.reads.iter().map(|path| (path, read));
    let writes = needs.writes.iter().map(|path| (path, write));
    let pin = write | AccessFs::ReadDir | AccessFs::MakeDir | AccessFs::RemoveDir;
    let pins = needs.pins.iter().map(|path| (path, pin));
    for (path, allowed) in reads.chain(writes).chain(pins) {
        let Ok(opened) = PathFd::new(path) else {
            // A path that does not exist may be missing on this kernel; a missing output folder is reported when it
            // is used.
            tracing::debug!(path = %path.display(), "does not exist, and will not be accessible if it is created later");
            continue;
        };
        let allowed = if path.is_dir() {
            allowed
        } else {
            allowed & of_file()
        };
        rules = rules.add_rule(PathBeneath::new(&opened, allowed))?;
        held.push(opened);
    }
    Ok(rules.restrict_self()?.landlock)
}

/// The access rights of a plain file.
fn of_file() -> BitFlags<AccessFs> {
    AccessFs::from_file(KNOWN)
}

/// Why a kernel of this `status` does not deny everything, if that needs version `wanted` of Landlock.
fn lacks(status: LandlockStatus, wanted: (ABI, &str)) -> Option<String> {
    let (abi, meaning) = wanted;
    match status {
        LandlockStatus::NotEnabled => {
            Some("Landlock is not enabled: boot with `lsm=landlock,...`".to_owned())
        }
        LandlockStatus::NotImplemented => Some("the kernel is built without Landlock".to_owned()),
        LandlockStatus::Available { effective_abi, .. } if effective_abi < abi => Some(format!(
            "Landlock has version {effective_abi} on this kernel; version {abi} is needed {meaning}"
        )),
        LandlockStatus::Available { .. } => None,
    }
}

fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// The kernel's information files: of this process, for its metrics; of the machine, to load a program.
const KERNEL: [&str; 6] = [
    "/proc/self",
    "/proc/stat",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/kernel/random/boot_id",
    "/proc/version_signature",
    "/sys/devices/system/cpu",
];
