//! Debian's archive, read with separate settings: the packages of this machine are neither used nor changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use xtask::process;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The mirror from which this machine gets Debian packages with this label.
pub(crate) fn mirror(label: &str) -> Result<String> {
    let mut apt = Command::new("apt-get");
    apt.args(["indextargets", "--format", "$(REPO_URI)", "Origin: Debian"]);
    let said = process::output(apt.arg(format!("Label: {label}")))?;
    let mirror = said.lines().next().map(str::to_owned);
    mirror.with_context(|| format!("apt has no lists of {label}: run `apt-get update`"))
}

/// The packages of some suites.
pub(crate) struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// Reads the lists of `suites`, and keeps them and all downloads below `folder`.
    pub(crate) fn open(folder: &Path, suites: &[&str]) -> Result<Self> {
        if process::on_path("apt-get").is_none() || !Path::new(KEYRING).is_file() {
            bail!("this machine has no apt with Debian's keys ({KEYRING})");
        }
        let archive = Self {
            folder: folder.to_owned(),
        };
        if archive.settings().is_file() {
            return Ok(archive);
        }
        for part in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part)).with_context(|| format!("make {}", folder.display()))?;
        }
        let (packages, security) = (mirror("Debian")?, mirror("Debian-Security")?);
        let line = |suite: &&str| {
            let from = if suite.ends_with("-security") {
                &security
            } else {
                &packages
            };
            format!("deb [signed-by={KEYRING}] {from} {suite} main\n")
        };
        let sources = suites.iter().map(line).collect::<Vec<_>>().concat();
        archive.write("sources.list", &sources)?;
        archive.write("status", "")?;
        let at = folder.display();
        let settings = format!(
            "Dir::State \"{at}\";\nDir::State::status \"{at}/status\";\nDir::State::Lists \"{at}/lists\";\n\
             Dir::Cache \"{at}/cache\";\nDir::Etc::sourcelist \"{at}/sources.list\";\nDir::Etc::sourceparts \"-\";\n\
             Acquire::Languages \"none\";\nAPT::Sandbox::User \"root\";\nAPT::Architecture \"amd64\";\n"
        );
        archive.write("new.conf", &settings)?;
        let new = folder.join("new.conf");
        process::output(
            Command::new("apt-get")
                .arg("-qq")
                .arg("-c")
                .arg(&new)
                .arg("update"),
        )?;
        // Only once the lists are there: an interrupted run starts over.
        fs::rename(&new, archive.settings()).context("keep apt's settings")?;
        Ok(archive)
    }

    /// The direct dependencies of `package`.
    pub(crate) fn depends(&self, package: &str) -> Result<Vec<String>> {
        let said = process::output(self.apt("apt-cache").args(["depends", package]))?;
        let name = |line: &str| line.trim().strip_prefix("Depends: ").map(str::to_owned);
        Ok(said.lines().filter_map(name).collect())
    }

    /// Downloads `package` alone, and returns its path.
    pub(crate) fn download(&self, package: &str) -> Result<PathBuf> {
        let folder = self.folder.join("alone").join(package);
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        process::output(
            self.apt("apt-get")
                .args(["download", package])
                .current_dir(&folder),
        )?;
        debs(&folder)?
            .pop()
            .with_context(|| format!("{package} was not downloaded"))
    }

    /// Downloads packages with all dependencies, and returns their paths.
    pub(crate) fn download_all(&self, packages: &[&str]) -> Result<Vec<PathBuf>> {
        let install = [
            "install",
            "--yes",
            "--quiet",
            "--download-only",
            "--no-install-recommends",
        ];
        process::output(self.apt("apt-get").args(install).args(packages))?;
        debs(&self.folder.join("cache/archives"))
    }

    fn apt(&self, program: &str) -> Command {
        let mut apt = Command::new(program);
        apt.arg("-c").arg(self.settings());
        apt
    }

    fn settings(&self) -> PathBuf {
        self.folder.join("apt.conf")
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }
}

/// Unpacks packages below `folder`, without running their scripts.
pub(crate) fn unpack(packages: &[PathBuf], folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    for package in packages {
        process::output(Command::new("dpkg-deb").arg("-x").arg(package).arg(folder))?;
    }
    Ok(())
}

fn debs(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .collect())
}
