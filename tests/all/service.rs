//! The agent as a service: the unit's privileges are sufficient, and systemd is notified.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kernel::in_network;
use crate::program;

#[test]
fn as_nobody_with_what_the_unit_grants_it_watches_and_tells_systemd() {
    in_network("as_nobody_with_what_the_unit_grants", |network| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        // The user nobody must reach the socket, and the program wherever it was built.
        for open in [folder.path(), &path] {
            fs::set_permissions(open, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        }
        let copy = folder.path().join("gdoi-monitor");
        fs::copy(program::path("service").unwrap(), &copy).unwrap();
        let config = folder.path().join("gdoi.toml");
        fs::write(&config, "[capture]\ninterfaces = [\"watch\"]\n").unwrap();
        fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();

        let mut agent = Service(granted(&copy, &config, &path));
        assert_eq!(told(&socket), "READY=1");
        assert!(network.has_program().unwrap());
        let id = Pid::from_raw(i32::try_from(agent.0.id()).unwrap());
        kill(id, Signal::SIGHUP).unwrap();
        let mut all = vec![until(&socket, "RELOADING=1")];
        all.push(until(&socket, "READY=1"));
        until(&socket, "WATCHDOG=1");
        assert!(all[0].contains("MONOTONIC_USEC="), "{all:?}");
        kill(id, Signal::SIGTERM).unwrap();
        until(&socket, "STOPPING=1");
        assert!(agent.0.wait().unwrap().success());
    });
}

#[test]
fn the_unit_is_as_closed_as_systemd_can_judge() {
    let unit = unit();
    let Ok(output) = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=25"])
        .arg(&unit)
        .output()
    else {
        eprintln!("SKIP the_unit_is_as_closed: there is no systemd-analyze");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    eprintln!("{}", said.lines().last().unwrap_or_default());
}

/// Started without root, with the capabilities of the unit and nothing else.
fn granted(program: &Path, config: &Path, socket: &Path) -> Child {
    let text = fs::read_to_string(unit()).unwrap();
    let line = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    let granted = line("AmbientCapabilities=");
    assert_eq!(granted, line("CapabilityBoundingSet="));
    let set = granted.split(' ').fold("-all".to_owned(), |set, one| {
        format!("{set},+{}", one.trim_start_matches("CAP_").to_lowercase())
    });
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--reuid", "65534", "--regid", "65534"])
        .args(["--clear-groups", "--no-new-privs"])
        .args(["--inh-caps", &set, "--ambient-caps", &set, "--bounding-set", &set])
        .arg(program)
        .args(["run", "--log.level", "error", "--config"])
        .arg(config)
        .env("NOTIFY_SOCKET", socket)
        .env("WATCHDOG_USEC", "200000")
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

/// A running service; it is killed when this is dropped.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already, which is fine.
        drop(self.0.kill());
    }
}

fn told(socket: &UnixDatagram) -> String {
    let mut octets = [0; 256];
    let length = socket.recv(&mut octets).unwrap();
    String::from_utf8_lossy(&octets[..length]).trim().to_owned()
}

/// Everything that systemd is sent up to and including `expect`.
fn until(socket: &UnixDatagram, expect: &str) -> String {
    loop {
        let said = told(socket);
        if said.starts_with(expect) {
            return said;
        }
    }
}

fn unit() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd/gdoi-monitor.service")
}
