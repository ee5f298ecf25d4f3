//! An output file that appears under its name only when it is complete.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Why a report cannot be written to a file.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// It is an input of the report.
    #[error("{} is also an input: the report would overwrite it", path.display())]
    IsInput {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be created.
    #[error("create {}: {error}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// A file being written. If it is dropped unfinished, nothing remains.
#[derive(Debug)]
pub struct OutputFile {
    file: File,
    /// Temporary and final name; `None` for a pipe or a device, which is written directly.
    names: Option<(PathBuf, PathBuf)>,
}

impl OutputFile {
    /// Starts to write. Refuses a file that is one of `inputs`.
    pub fn create(path: &Path, inputs: &[&PathBuf]) -> Result<Self, OutputError> {
        let failed = |error| OutputError::Create {
            path: path.to_owned(),
            error,
        };
        let existing = fs::metadata(path).ok();
        if let Some(existing) = &existing {
            let same = |input: &Path| metadata(input).is_ok_and(|input| is_same(&input, existing));
            let is_kept = existing.is_file() || existing.file_type().is_fifo();
            if is_kept && inputs.iter().any(|input| same(input)) {
                return Err(OutputError::IsInput {
                    path: path.to_owned(),
                });
            }
            if !existing.is_file() {
                let file = OpenOptions::new().write(true).open(path).map_err(failed)?;
                return Ok(Self { file, names: None });
            }
        }
        // The target of a link is replaced, not the link.
        let target = match &existing {
            Some(_) => fs::canonicalize(path).map_err(failed)?,
            None => path.to_owned(),
        };
        let meanwhile = target.with_file_name(format!(".gdoi-monitor-report-{}", std::process::id()));
        let file = File::create_new(&meanwhile).map_err(failed)?;
        if let Some(existing) = existing {
            file.set_permissions(existing.permissions()).map_err(failed)?;
        }
        Ok(Self {
            file,
            names: Some((meanwhile, target)),
        })
    }

    /// Renames the file to its final name.
    pub fn finish(mut self) -> io::Result<()> {
        match self.names.take() {
            Some((meanwhile, target)) => fs::rename(meanwhile, target),
            None => Ok(()),
        }
    }
}

impl Write for OutputFile {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.file.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if let Some((meanwhile, _)) = &self.names {
            // A failure is not reported: the name of the file shows what it is.
            drop(fs::remove_file(meanwhile));
        }
    }
}

/// Of an input; `-` is standard input.
fn metadata(input: &Path) -> io::Result<Metadata> {
    if input == Path::new("-") {
        File::from(io::stdin().as_fd().try_clone_to_owned()?).metadata()
    } else {
        fs::metadata(input)
    }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_was_there_stays_until_the_new_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("report"), folder.path().join("link"));
        fs::write(&path, "old").unwrap();
        symlink(&path, &link).unwrap();
        let mut output = OutputFile::create(&link, &[]).unwrap();
        output.write_all(b"half").unwrap();
        drop(output);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        let mut output = OutputFile::create(&link, &[]).unwrap();
        output.write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        output.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(folder.path().read_dir().unwrap().count(), 2);
    }

    #[test]
    fn an_input_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("capture"), folder.path().join("link"));
        fs::write(&path, "frames").unwrap();
        fs::hard_link(&path, &link).unwrap();
        for output in [&path, &link] {
            let refused = OutputFile::create(output, &[&path]).unwrap_err();
            assert!(matches!(refused, OutputError::IsInput { .. }));
        }
        assert_eq!(fs::read(&path).unwrap(), b"frames");
    }

    #[test]
    fn a_device_is_written_to_as_it_is() {
        let mut output = OutputFile::create(Path::new("/dev/null"), &[]).unwrap();
        output.write_all(b"nothing").unwrap();
        output.finish().unwrap();
    }
}
