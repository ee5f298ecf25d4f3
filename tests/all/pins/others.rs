//! Other objects, or other processes, where the pins are.

use std::fs;

use gdoi_lab::{ForeignProgram, Injector, Network};
use gdoi_monitor::source::xdp::netlink;
use gdoi_monitor::source::xdp::{AttachMode, Direction, Probe, ProbeSettings};
use gdoi_wire::craft::Generator;

use super::{House, detach};
use crate::kernel::{in_network, traffic_control};

#[test]
fn somebody_who_takes_its_place_is_noticed() {
    in_network("somebody_who_takes_its_place_is_noticed", |_| {
        let house = House::new();
        let agent = house.start_with("auto", &["--log.level", "off"]);
        let stranger = ForeignProgram::take(&house.pins().join("watch-ingress/link")).unwrap();
        // It monitors where there is room, and reports the gap.
        agent
            .until(|metrics| metrics.sum("gdoi_capture_info", &[("mode", traffic_control())]) >= 1.0)
            .unwrap();
        assert!(agent.page("/api/v1/events").unwrap().contains("capture_loss"));
        let injector = Injector::open(Network::INJECT).unwrap();
        let frames: Vec<_> = Generator::new(4)
            .filter(|frame| frame.len() >= 20)
            .take(200)
            .collect();
        for frame in &frames {
            injector.send_frame(frame).unwrap();
        }
        agent.until_counted(200).unwrap();
        drop(stranger);
    });
}

#[test]
fn detach_removes_what_is_ours_and_nothing_else() {
    in_network("detach_removes_what_is_ours_and_nothing_else", |network| {
        let house = House::new();
        let links = netlink::links().unwrap();
        let other = links
            .iter()
            .find(|link| link.name == Network::INJECT)
            .unwrap()
            .interface();
        let mut stranger = Probe::load(&ProbeSettings::default(), Direction::Ingress).unwrap();
        stranger.attach(&other, AttachMode::Native).unwrap();
        let agent = house.start("xdp");
        let (status, said) = detach(&house.pins());
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains("another agent uses the pins in"), "{said}");
        assert!(agent.stop().unwrap().success());
        assert!(network.has_program().unwrap());
        assert_eq!(
            detach(&house.pins()),
            (Some(0), "detached watch-ingress\n".to_owned())
        );
        assert!(!network.has_program().unwrap());
        let shown = gdoi_lab::ip(&["-details", "link", "show", Network::INJECT]).unwrap();
        assert!(shown.contains("prog/xdp"), "{shown}");
        assert_eq!(fs::read_dir(house.pins()).unwrap().count(), 0);
        let (status, said) = detach(&house.pins());
        assert!(
            status == Some(0) && said.starts_with("nothing is pinned in "),
            "{said}"
        );
    });
}

#[test]
fn a_folder_that_cannot_hold_pins_is_refused_with_the_way_out() {
    in_network(
        "a_folder_that_cannot_hold_pins_is_refused_with_the_way_out",
        |_| {
            let folder = tempfile::tempdir().unwrap();
            let (status, said) = detach(folder.path());
            assert_eq!(status, Some(1));
            assert!(
                said.contains("is not in a BPF file system: mount one with `mount -t bpf bpf "),
                "{said}"
            );
        },
    );
}

#[test]
fn a_strange_map_in_the_place_of_ours_is_not_used() {
    in_network("a_strange_map_in_the_place_of_ours_is_not_used", |_| {
        let house = House::new();
        let agent = house.start("xdp");
        assert!(agent.stop().unwrap().success());
        let spot = house.pins().join("watch-ingress");
        let maps = fs::read_dir(spot)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.is_dir())
            .unwrap();
        // A map of another shape under the name: aya would read and write past its end.
        fs::remove_file(maps.join("CPU_STATE")).unwrap();
        fs::rename(maps.join("RING"), maps.join("CPU_STATE")).unwrap();
        let agent = house.start_with("xdp", &["--log.level", "error"]);
        let injector = Injector::open(Network::INJECT).unwrap();
        for frame in Generator::new(3).take(100) {
            injector.send_frame(&frame).unwrap();
        }
        agent.until_counted(100).unwrap();
        assert!(agent.stop().unwrap().success());
    });
}
