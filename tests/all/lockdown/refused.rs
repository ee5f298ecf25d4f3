//! The same lock-down in a thread of the test, which then tries what it must not.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::Command;
use std::{fs, io, thread};

use aya::maps::loaded_maps;
use aya::programs::loaded_programs;
use gdoi_monitor::lockdown::{Locked, Needs, Restriction, Rights, lock_down};
use gdoi_monitor::source::xdp::{Direction, Probe, ProbeSettings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kernel;

/// Runs `test` on a thread that has locked itself down, and can attach programs.
fn locked(needs: Needs, test: impl FnOnce() + Send + 'static) {
    locked_with(needs, Rights::to_attach(), test);
}

fn locked_with(needs: Needs, rights: Rights, test: impl FnOnce() + Send + 'static) {
    let run = thread::spawn(move || {
        let Locked { measures, .. } = &lock_down(&needs, &rights);
        for measure in measures {
            // Other tests are other threads.
            let is_alone = measure.kind != Restriction::Capabilities;
            assert!(!is_alone || measure.lacks.is_none(), "{measure}");
        }
        test();
    });
    if let Err(panic) = run.join() {
        std::panic::resume_unwind(panic);
    }
}

#[track_caller]
fn check_refused<T>(outcome: io::Result<T>) {
    let refused = outcome.err().map(|error| error.kind());
    assert_eq!(refused, Some(ErrorKind::PermissionDenied));
}

#[test]
fn files_that_are_not_named_are_refused_by_the_kernel() {
    if !kernel::is_usable("files_that_are_not_named_are_refused_by_the_kernel") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    for name in ["state", "elsewhere", "etc", "real"] {
        fs::create_dir(place(name)).unwrap();
    }
    fs::write(place("elsewhere/kept"), "kept").unwrap();
    fs::write(place("real/gdoi.toml"), "real").unwrap();
    symlink(place("real/gdoi.toml"), place("etc/gdoi.toml")).unwrap();
    let (state, elsewhere) = (place("state"), place("elsewhere"));
    let config = place("etc/gdoi.toml");
    let needs = Needs::kernel().writing(&state.join("state")).reading(&config);
    locked(needs, move || {
        // What the agent does with its files.
        fs::write(state.join("state.new"), "1").unwrap();
        fs::rename(state.join("state.new"), state.join("state")).unwrap();
        fs::write(state.join("state"), "2").unwrap();
        fs::remove_file(state.join("state")).unwrap();
        assert_eq!(fs::read_to_string(&config).unwrap(), "real");
        assert!(fs::read_to_string("/proc/self/stat").is_ok());
        // And what it must not do, even as root.
        let kept = elsewhere.join("kept");
        check_refused(fs::write(elsewhere.join("new"), ""));
        check_refused(fs::write(&kept, ""));
        check_refused(fs::read(&kept));
        check_refused(fs::read_dir(&elsewhere));
        check_refused(fs::remove_file(&kept));
        check_refused(fs::rename(&kept, elsewhere.join("moved")));
        check_refused(fs::write(config.with_file_name("new"), ""));
        check_refused(fs::write(&config, ""));
        check_refused(fs::read("/etc/passwd"));
        check_refused(fs::read("/proc/1/environ"));
        check_refused(fs::create_dir(state.join("folder")));
        check_refused(symlink(&kept, state.join("link")));
        check_refused(fs::hard_link(&kept, state.join("link")));
        check_refused(fs::set_permissions(&state, fs::Permissions::from_mode(0o777)));
    });
    let found = |name| fs::read_to_string(place(name));
    assert_eq!(found("elsewhere/kept").unwrap(), "kept");
    assert_eq!(found("real/gdoi.toml").unwrap(), "real");
    assert_eq!(fs::read_dir(place("elsewhere")).unwrap().count(), 1);
}

#[test]
fn other_machines_and_other_processes_are_out_of_reach() {
    if !kernel::is_usable("other_machines_and_other_processes_are_out_of_reach") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = TcpStream::connect(address).unwrap();
    locked(Needs::kernel(), move || {
        // A client that is connected gets an answer.
        let (mut stream, _) = listener.accept().unwrap();
        io::Write::write_all(&mut stream, b"answer").unwrap();
        check_refused(TcpStream::connect(address));
        check_refused(TcpListener::bind("127.0.0.1:0"));
        check_refused(UdpSocket::bind("127.0.0.1:0"));
        check_refused(Command::new("/bin/true").status());
        check_refused(kill(Pid::from_raw(1), Signal::SIGCONT).map_err(io::Error::from));
    });
    drop(client);
}

/// Without hot plug, only programs that were loaded before are read; with it, programs can be loaded, but maps of other
/// processes stay inaccessible.
#[test]
fn bpf_does_what_the_agent_still_needs() {
    if !kernel::is_usable("bpf_does_what_the_agent_still_needs") {
        return;
    }
    let probe = || Probe::load(&ProbeSettings::default(), Direction::Ingress);
    let mut attached = probe().unwrap();
    locked_with(Needs::kernel(), Rights::to_read(false), move || {
        attached.read_clock().unwrap();
        assert!(is_refused(&probe().err().unwrap()), "loads a program");
        let programs = loaded_programs().next().unwrap();
        assert!(is_refused(&programs.unwrap_err()), "lists programs");
    });
    locked(Needs::kernel(), move || {
        let _loaded = probe().unwrap();
        assert!(loaded_programs().next().unwrap().is_ok());
        // As an intruder would to find the maps of other processes.
        let map = loaded_maps().next().unwrap();
        assert!(is_refused(&map.unwrap_err()), "lists maps");
    });
}

/// Whether the root cause is `EPERM` from the kernel.
fn is_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == ErrorKind::PermissionDenied)
}

/// A thread cannot be killed alone: the process that tries this ends.
#[test]
fn who_executes_something_is_ended() {
    if !kernel::is_usable("who_executes_something_is_ended") {
        return;
    }
    let us = std::env::current_exe().unwrap();
    let ended = Command::new(&us)
        .args(["--exact", "lockdown::refused::executes_something", "--ignored"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.status.signal(), Some(Signal::SIGSYS as i32), "{said}");
}

#[test]
#[ignore = "it ends its process: another test starts it"]
fn executes_something() {
    locked(Needs::kernel(), || {
        let error = Command::new(Path::new("/bin/true")).exec();
        panic!("{error}");
    });
}
