//! LLVM libraries: bpf-linker needs one that is not older than the compiler's.

use std::path::{Path, PathBuf};

/// A shared LLVM library and the major version in its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Library {
    pub(crate) major: u32,
    pub(crate) path: PathBuf,
}

impl Library {
    /// The library at a path, if its name has a version: `libLLVM.so.22.1`, `libLLVM.so.22.1-rust-1.95.0-stable`.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        let version = path.file_name()?.to_str()?.strip_prefix("libLLVM.so.")?;
        let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
        let major = digits.parse().ok()?;
        Some(Self {
            major,
            path: path.to_path_buf(),
        })
    }

    /// The library nearest to the wanted major version, and not older: the compiler's own, the system's, the host's.
    pub(crate) fn find(major: u32, compiler: &Path, host: Option<&Path>) -> Option<Self> {
        let mut folders = vec![compiler.join("lib")];
        folders.extend(system_folders());
        folders.extend(host.map(|host| host.join("lib")));
        let mut newer = Vec::new();
        for folder in folders {
            for library in libraries_in(&folder) {
                if library.major == major {
                    return Some(library);
                }
                if library.major > major {
                    newer.push(library);
                }
            }
        }
        newer.into_iter().min_by_key(|library| library.major)
    }
}

fn libraries_in(folder: &Path) -> Vec<Library> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<Library> = entries
        .flatten()
        .filter_map(|entry| Library::at(&entry.path()))
        .collect();
    found.sort();
    found
}

fn system_folders() -> Vec<PathBuf> {
    let arch = std::env::consts::ARCH;
    [
        format!("/usr/lib/{arch}-linux-gnu"),
        "/usr/lib64".to_owned(),
        "/usr/lib".to_owned(),
        "/usr/local/lib".to_owned(),
    ]
    .into_iter()
    .map(PathBuf::from)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, major: Option<u32>) {
        let found = Library::at(&Path::new("/lib").join(name));
        assert_eq!(found.map(|library| library.major), major, "{name}");
    }

    #[test]
    fn major_version_is_read_from_the_name() {
        check("libLLVM.so.22.1", Some(22));
        check("libLLVM.so.22.1-rust-1.95.0-stable", Some(22));
        check("libLLVM.so.23", Some(23));
        check("libLLVM-22-rust-1.95.0-stable.so", None);
        check("libLLVM.so", None);
        check("libLLVM.so.x", None);
    }
}
