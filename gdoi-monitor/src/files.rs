//! Opens all files that the agent writes, and reads them back.
//!
//! Others may be able to write next to these files: a link would lead elsewhere, a pipe would block, and the owner of
//! a foreign file could read and change it. So only plain files are opened, of this user or of root, that no one else
//! may write to, and each by one agent.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, fs::Metadata};

use gdoi_core::Timestamp;
use nix::unistd::Uid;

const OWNER_ONLY: u32 = 0o600;
const GROUP_READS: u32 = 0o640;
const FOR_OTHERS: u32 = 0o022;
const ANYBODY_WRITES: u32 = 0o002;
const STICKY: u32 = 0o1000;
const TRIAL: &str = ".gdoi-monitor-trial";
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LAST_RETRY: Duration = Duration::from_mins(5);

/// Why a file is refused.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A system error.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is a link, a pipe, a folder, a device or a socket.
    #[error("it is {0}, not a plain file; name another, or remove it")]
    NotPlain(FileKind),
    /// It has several hard links.
    #[error("it has {0} hard links, which may be anywhere; copy it, and remove the links")]
    Linked(u64),
    /// It belongs to another user.
    #[error("it belongs to user {0}; give it to the user of the agent with `chown`")]
    Owner(u32),
    /// Others may write to it.
    #[error("others may write to it (mode {0:03o}); run `chmod go-w` on it")]
    Mode(u32),
    /// Others may replace it.
    #[error("anybody may replace files in its folder {0}; run `chmod o-w` on the folder")]
    Folder(PathBuf),
    /// Another agent uses it.
    #[error("another agent uses it{}; give each agent files of its own", LockHolder(*.0))]
    Locked(Option<u32>),
    /// It is larger than any file the agent writes.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
}

impl FileError {
    /// Whether it may resolve by itself, such as a full disk or a missing mount.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Io(_))
    }
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io(error) => error,
            other => Self::other(other),
        }
    }
}

/// Kinds of files that are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A device.
    Device,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Device => "a device",
            Self::Folder => "a folder",
            Self::Link => "a symbolic link",
            Self::Pipe => "a named pipe",
            Self::Socket => "a socket",
        })
    }
}

struct LockHolder(Option<u32>);

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |id| write!(f, " (process {id})"))
    }
}

/// A file to append to, which may exist, and which no other agent uses. Its group may read it too, for a log shipper.
pub(crate) fn append(path: &Path) -> Result<File, FileError> {
    let options = OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .mode(GROUP_READS)
        .clone();
    let file = open(path, options)?;
    lock(&file, None)?;
    Ok(file)
}

/// A new empty file that only its owner may access. Whatever was there before is removed.
pub(crate) fn create_new(path: &Path) -> Result<File, FileError> {
    check_folder(path)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        Ok(()) | Err(_) => {}
    }
    Ok(OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(OWNER_ONLY)
        .open(path)?)
}

/// Reads back a file of the agent; `None` if it does not exist.
pub(crate) fn read(path: &Path, at_most: u64) -> Result<Option<Vec<u8>>, FileError> {
    let file = match open(path, OpenOptions::new().read(true).clone()) {
        Ok(file) => file,
        Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut octets = Vec::new();
    file.take(at_most + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > at_most {
        return Err(FileError::TooLarge(at_most));
    }
    Ok(Some(octets))
}

/// Keeps other agents from the files next to it, as long as it is held.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "it is held, not used")] File);

impl Lock {
    /// Locks the file at `path`, which names the holder.
    pub(crate) fn take(path: &Path) -> Result<Self, FileError> {
        let options = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .mode(OWNER_ONLY)
            .clone();
        let mut file = open(path, options)?;
        lock(&file, Some(path))?;
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self(file))
    }
}

/// Tests whether files can be created in a folder, by creating and removing one.
pub(crate) fn try_folder(folder: &Path) -> Result<(), FileError> {
    let path = folder.join(TRIAL);
    create_new(&path)?;
    Ok(fs::remove_file(path)?)
}

/// Retry delays after a failure: short, then longer and longer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    next: Option<Timestamp>,
}

impl Backoff {
    /// Whether a retry is due at `now`.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.next.is_none_or(|next| next <= now)
    }

    /// Notes a failure at `now`.
    pub(crate) fn failed(&mut self, now: Timestamp) {
        let wait = FIRST_RETRY.saturating_mul(1 << self.failures.min(31));
        self.failures += 1;
        self.next = Some(now.after(wait.min(LAST_RETRY)));
    }

    /// Notes a success. Returns whether it had failed before.
    pub(crate) fn succeeded(&mut self) -> bool {
        std::mem::take(self).failures > 0
    }
}

/// Opens a plain file that no one else may write to. Never blocks, for example on a pipe without a reader.
fn open(path: &Path, mut options: OpenOptions) -> Result<File, FileError> {
    check_folder(path)?;
    match fs::symlink_metadata(path) {
        Ok(found) => check(&found)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let file = options
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    // It may have been replaced since.
    check(&file.metadata()?)?;
    Ok(file)
}

fn check(found: &Metadata) -> Result<(), FileError> {
    let kind = found.file_type();
    let not_plain = [
        (kind.is_symlink(), FileKind::Link),
        (kind.is_dir(), FileKind::Folder),
        (kind.is_fifo(), FileKind::Pipe),
        (kind.is_socket(), FileKind::Socket),
        (!kind.is_file(), FileKind::Device),
    ];
    if let Some((_, kind)) = not_plain.into_iter().find(|(is, _)| *is) {
        return Err(FileError::NotPlain(kind));
    }
    if found.nlink() > 1 {
        return Err(FileError::Linked(found.nlink()));
    }
    if !is_trusted(found.uid()) {
        return Err(FileError::Owner(found.uid()));
    }
    if found.mode() & FOR_OTHERS != 0 {
        return Err(FileError::Mode(found.mode() & 0o777));
    }
    Ok(())
}

/// A folder that everybody may write to must be like `/tmp`, where users may only remove their own files.
fn check_folder(path: &Path) -> Result<(), FileError> {
    let folder = folder(path);
    let found = fs::metadata(folder)?;
    if found.mode() & ANYBODY_WRITES != 0 && found.mode() & STICKY == 0 {
        return Err(FileError::Folder(folder.to_owned()));
    }
    Ok(())
}

fn is_trusted(owner: u32) -> bool {
    owner == Uid::effective().as_raw() || owner == 0
}

/// Locks an open file; `named` holds the process of the holder.
fn lock(file: &File, named: Option<&Path>) -> Result<(), FileError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(fs::TryLockError::WouldBlock) => {
            let holder = named.and_then(|path| fs::read_to_string(path).ok());
            Err(FileError::Locked(holder.and_then(|id| id.trim().parse().ok())))
        }
        Err(fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

/// The folder of a file.
pub(crate) fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// The path with `ending` appended to its name.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut beside = path.to_owned().into_os_string();
    beside.push(ending);
    beside.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
    use std::os::unix::net::UnixListener;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// All functions that open files return this for a file made by `prepare`, with another one beside it.
    #[track_caller]
    fn check_refused(prepare: impl FnOnce(&Path, &Path), expect: &str) {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("file"), folder.path().join("other"));
        fs::write(&other, "kept").unwrap();
        prepare(&path, &other);
        for error in [
            append(&path).unwrap_err(),
            read(&path, 1_000).unwrap_err(),
            Lock::take(&path).unwrap_err(),
        ] {
            assert!(error.to_string().starts_with(expect), "{error}");
            assert!(!error.is_passing());
        }
        assert_eq!(fs::read(&other).unwrap(), b"kept");
        set_mode(folder.path(), 0o700);
    }

    #[test]
    fn only_plain_files_of_this_user_are_opened() {
        check_refused(
            |path, other| symlink(other, path).unwrap(),
            "it is a symbolic link",
        );
        check_refused(
            |path, _| mkfifo(path, Mode::S_IRWXU).unwrap(),
            "it is a named pipe",
        );
        check_refused(
            |path, _| drop(UnixListener::bind(path).unwrap()),
            "it is a socket",
        );
        check_refused(|path, _| fs::create_dir(path).unwrap(), "it is a folder");
        check_refused(
            |path, other| fs::hard_link(other, path).unwrap(),
            "it has 2 hard links",
        );
        let with_mode = |mode| {
            move |path: &Path, _: &Path| {
                fs::write(path, "").unwrap();
                set_mode(path, mode);
            }
        };
        check_refused(with_mode(0o620), "others may write to it (mode 620)");
        check_refused(with_mode(0o602), "others may write to it (mode 602)");
        let open_folder = |path: &Path, _: &Path| set_mode(folder(path), 0o777);
        check_refused(open_folder, "anybody may replace files in its folder");
        if Uid::effective().is_root() {
            let foreign = |path: &Path, _: &Path| {
                fs::write(path, "").unwrap();
                chown(path, Some(4_711), None).unwrap();
            };
            check_refused(foreign, "it belongs to user 4711");
        } else {
            eprintln!("SKIP foreign files: only root can make them");
        }
    }

    #[test]
    fn nothing_that_was_there_is_written_to_when_a_file_is_made() {
        let check = |prepare: &dyn Fn(&Path, &Path)| {
            let folder = tempfile::tempdir().unwrap();
            let (path, other) = (folder.path().join("state.new"), folder.path().join("other"));
            fs::write(&other, "kept").unwrap();
            prepare(&path, &other);
            create_new(&path).unwrap().write_all(b"new").unwrap();
            let found = fs::symlink_metadata(&path).unwrap();
            assert!(found.is_file());
            assert_eq!(found.permissions().mode() & 0o777, OWNER_ONLY);
            assert_eq!(fs::read(&path).unwrap(), b"new");
            assert_eq!(fs::read(&other).unwrap(), b"kept");
        };
        check(&|_, _| {});
        check(&|path, other| symlink(other, path).unwrap());
        check(&|path, other| fs::hard_link(other, path).unwrap());
        check(&|path, _| {
            fs::write(path, "longer than what is new").unwrap();
            set_mode(path, 0o666);
        });
    }

    #[test]
    fn one_agent_has_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.lock");
        let lock = Lock::take(&path).unwrap();
        let refused = Lock::take(&path).unwrap_err().to_string();
        let expect = format!("another agent uses it (process {})", std::process::id());
        assert!(refused.starts_with(&expect), "{refused}");
        drop(lock);
        Lock::take(&path).unwrap();
        let events = folder.path().join("events");
        let file = append(&events).unwrap();
        let refused = append(&events).unwrap_err().to_string();
        assert!(refused.starts_with("another agent uses it;"), "{refused}");
        drop(file);
        append(&events).unwrap();
    }

    #[test]
    fn what_is_not_there_or_too_large_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        assert!(read(&path, 8).unwrap().is_none());
        fs::write(&path, "12345678").unwrap();
        assert_eq!(read(&path, 8).unwrap().unwrap(), b"12345678");
        fs::write(&path, "123456789").unwrap();
        let said = read(&path, 8).unwrap_err().to_string();
        assert_eq!(said, "it is larger than 8 bytes");
        try_folder(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let gone = try_folder(&folder.path().join("gone")).unwrap_err();
        assert!(gone.is_passing());
    }

    #[test]
    fn what_fails_is_tried_less_and_less_often() {
        let mut backoff = Backoff::default();
        let at = |seconds| Timestamp::ZERO.after(Duration::from_secs(seconds));
        assert!(backoff.is_over(at(0)) && !backoff.succeeded());
        let mut tried = Vec::new();
        for second in 0..2_000 {
            if backoff.is_over(at(second)) {
                tried.push(second);
                backoff.failed(at(second));
            }
        }
        assert_eq!(
            tried,
            [0, 2, 6, 14, 30, 62, 126, 254, 510, 810, 1_110, 1_410, 1_710]
        );
        assert!(backoff.succeeded() && backoff.is_over(at(2_000)));
    }
}
