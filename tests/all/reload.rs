//! Reloads the configuration in traffic: nothing is missed, and an invalid file changes nothing.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use gdoi_lab::{Agent, Injector, Metrics, Network};
use gdoi_wire::craft::Generator;
use nix::sys::signal::Signal;

use crate::kernel::in_network;

#[test]
fn no_packet_is_missed_while_programs_are_replaced() {
    for mode in ["xdp", "tc"] {
        in_network("no_packet_is_missed_while_programs_are_replaced", move |_| {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("gdoi.toml");
            write(&file, mode, 0);
            let agent = started(&file);
            let (flowing, sent) = (AtomicBool::new(true), AtomicU64::new(0));
            thread::scope(|scope| {
                scope.spawn(|| {
                    let injector = Injector::open(Network::INJECT).unwrap();
                    let frames: Vec<_> = Generator::new(0x4e10)
                        .filter(|frame| is_countable(frame))
                        .take(500)
                        .collect();
                    for frame in frames.iter().cycle() {
                        if !flowing.load(Ordering::Relaxed) {
                            break;
                        }
                        injector.send_frame(frame).unwrap();
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                });
                let answers: Vec<_> = (1..=8)
                    .map(|site| {
                        write(&file, mode, site);
                        agent.reload()
                    })
                    .collect();
                // Before the checks: otherwise the sender would never stop.
                flowing.store(false, Ordering::Relaxed);
                for answer in answers {
                    assert!(answer.unwrap());
                }
            });
            let sent = sent.load(Ordering::Relaxed);
            assert!(sent > 10_000, "only {sent} packets");
            agent.until_counted(sent).unwrap();
            let metrics = agent.metrics().unwrap();
            let counted = metrics.sum("gdoi_packets_total", &[]);
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            let sent = sent as f64;
            assert!((counted - sent).abs() < f64::EPSILON, "{counted} of {sent}");
            // The tracker's counts equal the programs'.
            let esp = metrics.sum("gdoi_packets_total", &[("class", "esp")])
                + metrics.sum("gdoi_packets_total", &[("class", "esp_udp")]);
            let tracked = metrics.sum("gdoi_esp_packets_total", &[]);
            assert!(
                (esp - tracked).abs() < f64::EPSILON,
                "{esp} counted, {tracked} tracked"
            );
            assert!(agent.stop().unwrap().success());
        });
    }
}

#[test]
fn a_bad_file_keeps_the_old_configuration() {
    in_network("a_bad_file_keeps_the_old_configuration", |network| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gdoi.toml");
        write(&file, "auto", 0);
        let agent = started(&file);
        assert!(successful(&agent.metrics().unwrap()));
        fs::write(&file, "[capture]\ninterfaces = [\"watch\"]\nmoed = \"xdp\"\n").unwrap();
        let (status, said) = agent.post("/-/reload").unwrap();
        assert_eq!(status, 500);
        assert!(
            said.contains("gdoi.toml:3: unknown key \"moed\"; did you mean \"mode\"?"),
            "{said}"
        );
        assert!(!successful(&agent.metrics().unwrap()));
        assert!(network.has_program().unwrap());

        write(&file, "auto", 3);
        agent.signal(Signal::SIGHUP).unwrap();
        agent.until(successful).unwrap();
        assert!(network.has_program().unwrap());
    });
}

fn successful(metrics: &Metrics) -> bool {
    metrics.sum("gdoi_config_last_reload_successful", &[]) >= 1.0
}

fn started(file: &Path) -> Agent {
    let file = file.to_str().unwrap();
    Agent::start(&["--config", file, "--web.enable-lifecycle", "--log.level", "off"]).unwrap()
}

/// Another site means another table in the kernel.
fn write(file: &Path, mode: &str, site: u8) {
    let text = format!(
        "[capture]\ninterfaces = [\"watch\"]\nmode = \"{mode}\"\n\
         [[group]]\nname = \"G\"\n[[group.site]]\nname = \"s\"\nprefixes = [\"10.{site}.0.0/16\"]\n"
    );
    fs::write(file, text).unwrap();
}

/// The kernel drops a frame that ends in its first tag, before traffic control.
fn is_countable(frame: &[u8]) -> bool {
    frame.len() >= 20
}
