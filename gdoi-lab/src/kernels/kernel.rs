//! Kernels as distributions built them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::archive::{Archive, unpack};
use super::machine::{Machine, copy};
use xtask::process;
use xtask::workspace::Workspace;

/// Where a kernel comes from.
pub(crate) struct Source {
    /// The distribution, for people.
    pub(crate) name: &'static str,
    /// The suites of Debian that have it; the first one names it.
    pub(crate) suites: &'static [&'static str],
    /// Whether the agent must refuse it.
    pub(crate) is_too_old: bool,
}

/// A bootable kernel.
pub(crate) struct Kernel {
    pub(crate) release: String,
    /// The folder of its files, inside the machine.
    pub(crate) folder: String,
    /// The path inside the machine.
    pub(crate) image: String,
    /// The modules that tests need, packed.
    pub(crate) modules: PathBuf,
}

impl Kernel {
    /// Downloads the latest kernel at `source`, unless one is there already.
    pub(crate) fn fetch(workspace: &Workspace, machine: &Machine, source: &Source) -> Result<Self> {
        let suite = source.suites.first().context("a kernel comes from a suite")?;
        let at = format!("/kernels/{suite}");
        let release = machine.path(&format!("{at}/release"));
        if !release.is_file() {
            let archive = workspace
                .target
                .join("kernels")
                .join(format!("archive-of-{suite}"));
            let archive = Archive::open(&archive, source.suites)?;
            let found = bring(&archive, machine, &at)?;
            fs::write(&release, found).context("note the kernel's release")?;
        }
        Ok(Self {
            release: fs::read_to_string(&release).context("read the kernel's release")?,
            image: format!("{at}/vmlinuz"),
            modules: machine.path(&format!("{at}/modules.cpio")),
            folder: at,
        })
    }
}

/// Puts image and packed modules into the folder `at` of the machine, and returns the release.
fn bring(archive: &Archive, machine: &Machine, at: &str) -> Result<String> {
    let whole = machine.path(&format!("{at}/whole"));
    let parts = ["linux-image-", "linux-binary-", "linux-modules-"];
    let is_part = |name: &String| parts.iter().any(|part| name.starts_with(part));
    let mut wanted = vec!["linux-image-cloud-amd64".to_owned()];
    let mut packages = Vec::new();
    // One package became three in v7: follow the names, and skip what only booting from a disk needs.
    while let Some(package) = wanted.pop() {
        wanted.extend(archive.depends(&package)?.into_iter().filter(is_part));
        // A metapackage has no files.
        if parts
            .iter()
            .all(|part| package.strip_prefix(part) != Some("cloud-amd64"))
        {
            packages.push(archive.download(&package)?);
        }
    }
    unpack(&packages, &whole)?;
    let folder = ["lib/modules", "usr/lib/modules"]
        .into_iter()
        .find_map(|place| fs::read_dir(whole.join(place)).ok()?.next()?.ok())
        .context("the package has no modules")?
        .path();
    let release = folder
        .file_name()
        .context("a release")?
        .to_string_lossy()
        .into_owned();
    let images = [
        whole.join(format!("boot/vmlinuz-{release}")),
        folder.join("vmlinuz"),
    ];
    let image = images
        .iter()
        .find(|image| image.is_file())
        .context("the package has no kernel")?;
    copy(image, &machine.path(&format!("{at}/vmlinuz")))?;
    modules(machine, at, &folder, &release)?;
    fs::remove_dir_all(&whole).context("remove what was unpacked")?;
    Ok(release)
}

/// Selects modules with their dependencies, and packs them uncompressed.
fn modules(machine: &Machine, at: &str, folder: &Path, release: &str) -> Result<()> {
    let list = format!("{at}/list");
    let place = format!("lib/modules/{release}");
    let all = machine.path(&format!("{list}/{place}"));
    fs::create_dir_all(all.parent().context("a folder")?).context("make the folder of modules")?;
    fs::rename(folder, &all).context("move the modules")?;
    process::output(machine.command("depmod").args(["-b", &list, release]))?;
    let text = fs::read_to_string(all.join("modules.dep")).context("read the modules")?;
    let mut wanted = BTreeSet::new();
    for name in MODULES {
        let of_name = |line: &&str| {
            line.split_once(".ko")
                .is_some_and(|(path, _)| path.ends_with(name))
        };
        let Some(line) = text.lines().find(of_name) else {
            bail!("the kernel {release} has no module {name}");
        };
        wanted.extend(line.replace(':', "").split_whitespace().map(str::to_owned));
    }
    let picked = format!("{at}/picked");
    for path in &wanted {
        let to = machine.path(&format!("{picked}/{place}/{path}"));
        copy(&all.join(path), &to)?;
        if to.extension().is_some_and(|extension| extension == "xz") {
            let module = format!("{picked}/{place}/{path}");
            process::output(machine.command("xz").args(["-d", &module]))?;
        }
    }
    process::output(machine.command("depmod").args(["-b", &picked, release]))?;
    machine.pack(&picked, &format!("{at}/modules.cpio"))?;
    for done in [list, picked] {
        fs::remove_dir_all(machine.path(&done)).context("remove what was packed")?;
    }
    Ok(())
}

/// Interfaces of all kinds, and the classic hook of traffic control.
const MODULES: [&str; 7] = [
    "/veth",
    "/8021q",
    "/bridge",
    "/bonding",
    "/dummy",
    "/sch_ingress",
    "/cls_bpf",
];
