//! A locked-down agent.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use gdoi_lab::{Agent, Injector, Metrics, Network};
use gdoi_wire::craft::Generator;
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::strace::Trace;
use super::{TO_ATTACH, check_threads};
use crate::kernel::in_network;

/// An agent with all its possible files, and their paths.
struct Place {
    folder: TempDir,
    log: File,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
            log: tempfile::tempfile().unwrap(),
        };
        for folder in ["etc", "var", "flight", "elsewhere"] {
            fs::create_dir(place.folder.path().join(folder)).unwrap();
        }
        place.configure("[\"wat*\"]", "one");
        place
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn configure(&self, interfaces: &str, group: &str) {
        let text = format!("[capture]\ninterfaces = {interfaces}\n[[group]]\nname = \"{group}\"\n");
        fs::write(self.path("etc/gdoi.toml"), text).unwrap();
    }

    fn start(&self, more: &[&str]) -> Agent {
        let config = self.path("etc/gdoi.toml");
        let (state, events, flight) = (
            self.path("var/state"),
            self.path("var/events"),
            self.path("flight"),
        );
        let mut arguments = vec![
            "--config",
            &config,
            "--state-file",
            &state,
            "--event-file",
            &events,
        ];
        arguments.extend(["--event-file-size", "2K", "--flight-folder", &flight]);
        arguments.push("--web.enable-lifecycle");
        arguments.extend(more);
        Agent::start_logging_to(&arguments, self.log.try_clone().unwrap()).unwrap()
    }

    fn log(&mut self) -> String {
        let mut text = String::new();
        self.log.rewind().unwrap();
        self.log.read_to_string(&mut text).unwrap();
        text
    }

    /// Waits until the log contains it.
    #[track_caller]
    fn until_logged(&mut self, expect: &str) {
        let start = Instant::now();
        loop {
            let said = self.log();
            if said.contains(expect) {
                return;
            }
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "not {expect:?}: {said}"
            );
            sleep(Duration::from_millis(20));
        }
    }
}

fn send(seed: u64, count: usize) {
    let injector = Injector::open(Network::INJECT).unwrap();
    for frame in Generator::new(seed).take(count) {
        injector.send_frame(&frame).unwrap();
    }
}

fn is_watched(metrics: &Metrics) -> bool {
    metrics.sum("gdoi_capture_up", &[]) >= 1.0
}

#[test]
fn with_three_capabilities_and_its_own_files_it_does_everything() {
    let name = "with_three_capabilities_and_its_own_files_it_does_everything";
    in_network(name, move |network| {
        let mut place = Place::new();
        let agent = place.start(&["--lock-down", "require"]);
        check_threads(agent.id(), TO_ATTACH);
        let trace = Trace::of(name, agent.id());
        let locked = agent.metrics().unwrap().sum("gdoi_lock_down", &[]);
        assert!((locked - 5.0).abs() < f64::EPSILON, "{locked}");
        let ready = agent.page("/-/ready").unwrap();
        assert!(ready.contains("{\"name\":\"lock_down\",\"ok\":true"), "{ready}");

        send(1, 1_000);
        agent.until_counted(1_000).unwrap();
        place.configure("[\"wat*\"]", "two");
        assert_eq!(agent.post("/-/reload").unwrap().0, 200);
        agent.signal(Signal::SIGHUP).unwrap();
        network.remove_pair().unwrap();
        agent.until(|metrics| !is_watched(metrics)).unwrap();
        network.add_pair().unwrap();
        agent.until(is_watched).unwrap();
        send(2, 1_000);
        agent.until_counted(2_000).unwrap();
        agent.signal(Signal::SIGUSR1).unwrap();
        place.until_logged("wrote the flight recorder");
        check_threads(agent.id(), TO_ATTACH);
        let page = agent.page("/metrics").unwrap();
        assert!(page.contains("process_open_fds"), "{page}");

        assert!(agent.stop().unwrap().success());
        assert!(!network.has_program().unwrap());
        for file in [
            "var/state",
            "var/events",
            "var/events.1",
            "flight/gdoi-flight-0.pcapng",
        ] {
            assert!(Path::new(&place.path(file)).is_file(), "{file}");
        }
        assert_eq!(trace.map_or_else(Vec::new, Trace::refused), Vec::<String>::new());
        let said = place.log();
        assert!(!said.contains("denied") && !said.contains("permitted"), "{said}");
    });
}

/// Somebody who may write where the agent does replaces its folder with a link. Without the lock-down, an agent that
/// runs as root follows it.
#[test]
fn outside_its_folders_the_kernel_refuses_it() {
    in_network("outside_its_folders_the_kernel_refuses_it", |_| {
        let written = |policy: &str, said: &str| {
            let mut place = Place::new();
            let agent = place.start(&["--lock-down", policy]);
            fs::rename(place.path("flight"), place.path("before")).unwrap();
            symlink(place.path("elsewhere"), place.path("flight")).unwrap();
            agent.signal(Signal::SIGUSR1).unwrap();
            place.until_logged(said);
            // It continues.
            send(3, 100);
            agent.until_counted(100).unwrap();
            assert!(agent.stop().unwrap().success());
            fs::read_dir(place.path("elsewhere")).unwrap().count()
        };
        assert_eq!(written("off", "wrote the flight recorder"), 1);
        let said = "cannot write the flight recorder error=Permission denied (os error 13)";
        assert_eq!(written("auto", said), 0);
    });
}

#[test]
fn without_hot_plug_it_counts_without_any_capability() {
    for mode in ["xdp", "tc"] {
        in_network(
            "without_hot_plug_it_counts_without_any_capability",
            move |network| {
                let place = Place::new();
                place.configure("[\"watch\"]", "one");
                let agent = place.start(&["--lock-down", "require", "--no-hot-plug", "--mode", mode]);
                check_threads(agent.id(), 0);
                send(4, 1_000);
                // The kernel drops a frame that ends in its first tag, before traffic control.
                agent.until_counted(990).unwrap();
                let tracked = agent.metrics().unwrap().sum("gdoi_esp_packets_total", &[]);
                assert!(tracked > 0.0, "{tracked}");
                // Changes that need no capability are applied; others are refused, and the old configuration stays.
                place.configure("[\"watch\"]", "two");
                assert_eq!(agent.post("/-/reload").unwrap().0, 200);
                assert!(agent.page("/metrics").unwrap().contains("group=\"two\""));
                place.configure("[\"lo\"]", "three");
                let (status, said) = agent.post("/-/reload").unwrap();
                assert!(
                    status == 500 && said.contains("hot plug is off"),
                    "{status} {said}"
                );
                assert!(!agent.page("/metrics").unwrap().contains("group=\"three\""));
                network.remove_pair().unwrap();
                agent.until(|metrics| !is_watched(metrics)).unwrap();
                network.add_pair().unwrap();
                let page = agent.page("/").unwrap();
                assert!(page.contains("hot plug is off"), "{page}");
                assert!(agent.stop().unwrap().success());
            },
        );
    }
}
