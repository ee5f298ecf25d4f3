//! Files that are written anew each time.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

const OWNER_ONLY: u32 = 0o600;

/// An empty file for its owner alone. What was left there before is gone, whatever it was and whoever could read it: a
/// link that somebody put there is not followed.
pub(super) fn file(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(OWNER_ONLY)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn check(prepare: impl FnOnce(&Path, &Path)) {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("state.new"), folder.path().join("other"));
        fs::write(&other, "kept").unwrap();
        prepare(&path, &other);
        file(&path).unwrap().write_all(b"new").unwrap();
        let found = fs::symlink_metadata(&path).unwrap();
        assert!(found.is_file());
        assert_eq!(found.permissions().mode() & 0o777, OWNER_ONLY);
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read(&other).unwrap(), b"kept");
    }

    #[test]
    fn nothing_that_was_there_is_written_to() {
        check(|_, _| {});
        check(|path, other| symlink(other, path).unwrap());
        check(|path, other| fs::hard_link(other, path).unwrap());
        check(|path, _| {
            fs::write(path, "longer than what is new").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
        });
    }
}
