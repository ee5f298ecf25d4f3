//! A full SPI table in the kernel.

use gdoi_lab::flood::{Flood, Kind};
use gdoi_lab::{Agent, Injector, Network};
use gdoi_wire::craft::{self, ESP, Ethernet};

use crate::kernel::{Pinned, in_network};

#[test]
fn in_a_full_spi_table_who_was_there_is_exact_and_the_rest_is_counted_in_total() {
    in_network("in_a_full_spi_table", |_| {
        let agent = Agent::start(&[
            "--interface",
            Network::WATCH,
            "--log.level",
            "error",
            "--spi-slots",
            "64",
        ])
        .unwrap();
        // Each CPU has a table: an SPI has its slot on the CPU that saw it.
        let _pinned = Pinned::new();
        let injector = Injector::open(Network::INJECT).unwrap();
        let ours = esp(0x00c0_ffee);
        injector.send_frame(&ours).unwrap();
        agent.until_counted(1).unwrap();
        let mut flood = Flood::new(Kind::Spis, 3, [10, 1, 11, 2].into(), [10, 1, 13, 2].into());
        let mut sent = 1;
        for _ in 0..200 {
            let batch = flood.batch();
            injector.send_batch(batch).unwrap();
            injector.send_frame(&ours).unwrap();
            sent += batch.len() as u64 + 1;
        }
        agent.until_counted(sent).unwrap();
        let metrics = agent.metrics().unwrap();
        let total = metrics.sum("gdoi_esp_packets_total", &[]);
        assert!((total - sent as f64).abs() < f64::EPSILON, "{total} of {sent}");
        let lost = metrics.sum("gdoi_events_lost_total", &[("reason", "table_full")]);
        assert!(lost > sent as f64 / 2.0, "{lost}");
        let spis: serde_json::Value = serde_json::from_str(&agent.page("/api/v1/spis").unwrap()).unwrap();
        let spi = spis
            .as_array()
            .unwrap()
            .iter()
            .find(|spi| spi["spi"] == "00c0ffee")
            .unwrap();
        assert_eq!(spi["packets"], 201, "{spi}");
        assert!(
            agent
                .page("/api/v1/events")
                .unwrap()
                .contains("\"kind\":\"spis\"")
        );
    });
}

fn esp(spi: u32) -> Vec<u8> {
    craft::packet(
        &Ethernet::default(),
        [10, 1, 13, 2].into(),
        [10, 1, 14, 2].into(),
        ESP,
        &craft::esp(spi, 1, &[0; 40]),
    )
}
