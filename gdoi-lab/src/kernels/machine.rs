//! An emulated machine, and the programs that create and run it: unpacked below `target`, installed nowhere.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use nix::unistd::geteuid;

use super::archive::{Archive, unpack};
use xtask::process;
use xtask::workspace::Workspace;

const TOOLS: [&str; 5] = [
    "qemu-system-x86",
    "busybox-static",
    "kmod",
    "xz-utils",
    "debootstrap",
];

/// The folder of the emulator and its programs, which is their root.
pub(crate) struct Machine {
    root: PathBuf,
}

impl Machine {
    /// Downloads the emulator, unless it is there.
    pub(crate) fn prepare(workspace: &Workspace) -> Result<Self> {
        if !geteuid().is_root() {
            bail!("booting kernels needs root");
        }
        let folder = workspace.target.join("kernels");
        let root = folder.join("machine");
        if !root.join("complete").is_file() {
            println!("unpacking the emulator");
            let archive = Archive::open(&folder.join("archive-of-tools"), &["bookworm"])?;
            unpack(&archive.download_all(&TOOLS)?, &root)?;
            File::create(root.join("complete")).context("note that the emulator is there")?;
        }
        Ok(Self { root })
    }

    /// The path on this machine of `path` inside it.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// One of its programs.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("chroot");
        command.arg(&self.root).arg(program);
        command
    }

    /// Packs a folder of the machine as an archive that a kernel unpacks into memory.
    pub(crate) fn pack(&self, folder: &str, archive: &str) -> Result<()> {
        let script = format!("cd {folder} && find . | busybox cpio -o -H newc > {archive}");
        process::run_quietly(self.command("busybox").args(["sh", "-c", &script]))?;
        Ok(())
    }

    /// Boots a kernel, and returns the output of its serial line when it has powered off.
    pub(crate) fn boot(&self, boot: &Boot<'_>) -> Result<String> {
        let initrd = format!("/{}.cpio", boot.name);
        let mut file = File::create(self.path(&initrd)).context("make the initial file system")?;
        for archive in boot.archives {
            let mut archive = File::open(archive).with_context(|| format!("open {}", archive.display()))?;
            std::io::copy(&mut archive, &mut file).context("write the initial file system")?;
        }
        drop(file);
        let log = self.path(&format!("/{}.log", boot.name));
        let append = format!("console=ttyS0 panic=-1 quiet {}", boot.words);
        let mut emulator = Command::new("timeout");
        emulator
            .arg(boot.seconds.to_string())
            .arg("chroot")
            .arg(&self.root)
            .args([
                "qemu-system-x86_64",
                "-accel",
                "tcg,thread=multi",
                "-smp",
                "2",
                "-cpu",
                "max",
            ])
            .args(["-m", boot.memory_mib, "-nographic", "-no-reboot", "-nic", "none"])
            .args([OsStr::new("-kernel"), boot.kernel.as_ref()])
            .args(["-initrd", &initrd, "-append", &append])
            .stdin(std::process::Stdio::null())
            .stdout(File::create(&log).context("make the serial log")?);
        let status = emulator.status().context("start the emulator")?;
        let said = fs::read(&log).context("read the serial log")?;
        let said = String::from_utf8_lossy(&said).replace('\r', "");
        if !status.success() {
            let lines: Vec<&str> = said.lines().collect();
            let end = lines.get(lines.len().saturating_sub(15)..).unwrap_or_default();
            bail!(
                "the emulator ended with {status}; its last lines:\n{}",
                end.join("\n")
            );
        }
        Ok(said)
    }
}

/// What to boot.
pub(crate) struct Boot<'a> {
    /// Base name of its files.
    pub(crate) name: &'a str,
    /// Path of the kernel, inside the machine.
    pub(crate) kernel: &'a str,
    /// Archives, unpacked into memory in this order.
    pub(crate) archives: &'a [PathBuf],
    /// Additional kernel parameters.
    pub(crate) words: &'a str,
    pub(crate) memory_mib: &'a str,
    /// Time limit in seconds.
    pub(crate) seconds: u32,
}

/// Copies a file, and creates the folders above it.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().context("a file is in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("copy {} to {}", from.display(), to.display()))
}
