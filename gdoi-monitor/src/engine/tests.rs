//! Clock changes against a whole engine without interfaces.

use std::path::Path;

use bytes::Bytes;
use gdoi_wire::craft::{self, Ethernet, Message};
use gdoi_wire::record::Record;
use gdoi_wire::{Capture, Dissected, Exchange, Ports};
use serde_json::Value;
use zerocopy::IntoBytes as _;

use super::drain::Drained;
use super::*;
use crate::config::Config;
use crate::source::xdp::{AttachMode, ProbeSettings};

const HOUR: Duration = Duration::from_hours(1);
/// The next is due after 3 s, and overdue after 4.55 s more.
const GROUP: &str = "\
[[group]]
name = \"G1\"
key_servers = [\"10.1.11.2\"]
tek_lifetime = \"3s\"
retransmit = { interval = \"100ms\", count = 1 }
";

fn engine() -> Engine {
    let plan = Plan {
        interfaces: Vec::new(),
        mode: AttachMode::Auto,
        directions: Vec::new(),
        hot_plug: false,
        settings: ProbeSettings::default(),
    };
    let watching = AttachedInterfaces {
        interfaces: Interfaces::attach(plan, None, Vec::new()).unwrap(),
        changes: None,
    };
    let Config { groups, limits, .. } = Config::parse(Path::new("x"), GROUP).unwrap();
    let (past, _) = Resume::of(None, || Tracker::new(groups, limits));
    Engine::start(watching, past, EventSink::nowhere(calendar()))
}

/// A rekey of the group, as a kernel record.
fn rekey(at: Timestamp) -> Drained {
    let push = Message::new(Exchange::GroupkeyPush, [1; 8], [2; 8]).octets(18, &[0; 400]);
    let (server, member) = (([10, 1, 11, 2], 848).into(), ([10, 1, 13, 2], 848).into());
    let frame = craft::frame(&Ethernet::default(), server, member, &push);
    let capture = Capture::whole(&frame);
    let Dissected::Packet(packet) = gdoi_wire::dissect(&capture, &Ports::DEFAULT) else {
        panic!("not a packet");
    };
    let (record, _) = Record::message(&packet, &capture).unwrap();
    let record = Record {
        at_ns: at.as_nanos(),
        snapshot_octets: 0,
        ..record
    };
    Drained::new(Bytes::copy_from_slice(record.as_bytes()))
}

/// The events of a type.
fn told(engine: &Engine, kind: &str) -> Vec<Value> {
    let events = engine.events.recent();
    let events = events.iter().map(|event| serde_json::from_str(event).unwrap());
    events.filter(|event: &Value| event["type"] == kind).collect()
}

/// The clock since boot advances by hours while the other, which shows suspends, does not.
#[test]
fn what_was_due_while_the_machine_was_suspended_is_uncertain() {
    let mut engine = engine();
    let before = boot_time();
    engine.process_records(&[rekey(before)]);
    engine.drain_until(before.after(HOUR));
    let slept = told(&engine, "capture_loss");
    assert_eq!(slept.len(), 1, "{slept:?}");
    assert_eq!(slept[0]["kind"], "blind");
    assert!((slept[0]["duration_seconds"].as_f64().unwrap() - 3_600.0).abs() < 10.0);
    let overdue = told(&engine, "rekey_overdue");
    assert_eq!(overdue.len(), 1, "{overdue:?}");
    assert_eq!(overdue[0]["certainty"], "uncertain");
}

/// The opposite: the machine was awake, and the rekey did not come.
#[test]
fn what_was_due_while_somebody_watched_is_likely() {
    let mut engine = engine();
    let before = engine.now;
    engine.process_records(&[rekey(before)]);
    engine.tracker.advance(before.after(HOUR), &mut engine.out);
    engine.publish();
    assert_eq!(told(&engine, "rekey_overdue")[0]["certainty"], "likely");
}

#[test]
fn a_wall_clock_that_was_set_by_hours_is_told_once_and_changes_no_age() {
    let mut engine = engine();
    let right = calendar();
    engine.process_records(&[rekey(boot_time())]);
    let zero = right.date(Timestamp::ZERO).0;
    for (wrong, hours) in [(zero.before(3 * HOUR), 3), (zero.after(5 * HOUR), 5)] {
        // As if read before it was corrected.
        engine.events.set_calendar(Calendar::from_zero(wrong));
        let count = told(&engine, "clock_step").len();
        engine.tick();
        engine.tick();
        let steps = told(&engine, "clock_step");
        assert_eq!(steps.len(), count + 1, "{steps:?}");
        let step = steps[count]["step_seconds"].as_f64().unwrap();
        assert!((step - f64::from(hours) * 3_600.0).abs() < 5.0, "{step}");
    }
    assert_eq!(engine.events.tally().clock_settings, 2);
    // The rekey is not missed, and nothing was lost.
    assert!(told(&engine, "rekey_overdue").is_empty() && told(&engine, "capture_loss").is_empty());
}

/// Losses and ESP are learned from the counters: they are diagnosed like messages.
#[test]
fn what_the_counters_say_is_diagnosed() {
    let mut engine = engine();
    let now = engine.now;
    engine.blind(Loss {
        from: now,
        until: now.after(HOUR),
        kind: LossKind::Messages,
        count: Some(7),
    });
    engine.poll_counters();
    let opened = told(&engine, "incident_opened");
    assert_eq!(opened.len(), 1, "{opened:?}");
    assert_eq!(opened[0]["cause"], "capture_incomplete");
}
