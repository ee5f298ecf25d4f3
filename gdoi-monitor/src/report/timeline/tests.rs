//! Every event has a mark, and the number of marks is bounded.

use gdoi_core::observation::Message;
use gdoi_core::transition::{
    BurstCharacter, Certainty, RegistrationBurst, RegistrationEnd, RegistrationKind, RegistrationStage,
};
use gdoi_wire::Exchange;
use gdoi_wire::isakmp::Header;

use super::*;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_nanos((1_000_000 + seconds) * 1_000_000_000)
}

fn socket(member: u32) -> SocketAddr {
    (std::net::Ipv4Addr::from(0x0a00_0000 + member), 848).into()
}

fn seen_message(
    seconds: u64,
    exchange: Exchange,
    source: u32,
    destination: u32,
    fingerprint: u8,
) -> SeenMessage {
    let (version, kind) = exchange.to_wire();
    let mut header = [7; 28];
    header[17] = version << 4;
    header[18] = kind;
    let message = Message {
        source: socket(source),
        destination: socket(destination),
        header: Header::from(header),
        datagram_octets: 28,
        marked: false,
        fragmented: false,
        fingerprint: Some([fingerprint; 16]),
        payloads: &[],
    };
    let frame = FrameId {
        file: 0,
        number: seconds,
    };
    SeenMessage::new(at(seconds), frame, &message)
}

fn event(seconds: u64, group: Option<&str>, member: Option<u32>, what: What) -> Transition {
    Transition {
        at: at(seconds),
        group: group.map(str::to_owned),
        key_server: Some(socket(1).ip()),
        member: member.map(|member| SocketAddr::new(socket(member).ip(), 0)),
        what,
    }
}

fn failed(stage: RegistrationStage) -> What {
    What::RegistrationFailed(RegistrationEnd {
        stage,
        duration: std::time::Duration::from_secs(30),
        attempts: 1,
        retransmissions: 4,
        kind: RegistrationKind::Initial,
        grounds: Certainty::Certain.into(),
    })
}

fn kinds(marks: &[TimelineMark]) -> Vec<(MarkKind, u64)> {
    marks
        .iter()
        .map(|mark| (mark.kind, mark.at.since(at(0)).as_secs()))
        .collect()
}

#[test]
fn a_member_has_its_rekeys_repeats_and_answers() {
    let mut timeline = Timeline::default();
    let (push, ack) = (Exchange::GroupkeyPush, Exchange::GroupkeyPushAck);
    for seen_message in [
        // An answer to nothing.
        seen_message(1, ack, 2, 1, 0),
        seen_message(10, push, 1, 2, 1),
        seen_message(11, ack, 2, 1, 0),
        seen_message(20, push, 1, 2, 2),
        seen_message(30, push, 1, 2, 2),
        // To another member.
        seen_message(31, ack, 2, 3, 0),
        seen_message(32, Exchange::Unregistered34, 2, 1, 0),
    ] {
        timeline.see(&seen_message);
    }
    timeline.take(
        &event(100, Some("G"), Some(2), failed(RegistrationStage::Mm3)),
        None,
    );
    let member = timeline.members.values().next().unwrap();
    let expect = [
        (MarkKind::Rekey, 10),
        (MarkKind::Acknowledgement, 11),
        (MarkKind::Rekey, 20),
        (MarkKind::Repeat, 30),
        (MarkKind::Acknowledgement, 32),
        (MarkKind::RegistrationFailed, 70),
    ];
    assert_eq!(kinds(&member.marks), expect);
    assert_eq!(member.group.as_deref(), Some("G"));
    assert_eq!(timeline.members.len(), 1);
}

#[test]
fn a_burst_that_ended_is_one_burst() {
    let mut timeline = Timeline::default();
    let burst = |members, seconds| RegistrationBurst {
        members,
        peak_rate: 2.0,
        character: BurstCharacter::Storm,
        started: members,
        completed: 0,
        failed: 0,
        duration: std::time::Duration::from_secs(seconds),
    };
    timeline.take(
        &event(15, None, None, What::RegistrationBurstStarted(burst(5, 10))),
        None,
    );
    timeline.take(
        &event(45, None, None, What::RegistrationBurstEnded(burst(9, 40))),
        None,
    );
    let bursts = &timeline.groups[UNATTRIBUTED].bursts;
    assert_eq!(bursts.len(), 1);
    assert_eq!((bursts[0].count, bursts[0].lasted.as_secs()), (9, 40));
}

#[test]
fn marks_are_bounded_and_all_counted() {
    let mut timeline = Timeline::default();
    let members = 500_u32;
    let rounds = 1_000_u32;
    for round in 0..rounds {
        for member in 0..members {
            let fingerprint = u8::try_from(round % 251).unwrap();
            let seconds = u64::from(round) * 600;
            timeline.see(&seen_message(
                seconds,
                Exchange::GroupkeyPush,
                1,
                100 + member,
                fingerprint,
            ));
        }
        assert!(timeline.count <= MOST_MARKS);
    }
    let marks = || timeline.members.values().flat_map(|member| &member.marks);
    assert_eq!(marks().count(), timeline.count);
    let total: u32 = marks().map(|mark| mark.count).sum();
    assert_eq!(total, members * rounds);
    assert!(timeline.merged[&MarkKind::Rekey] > 0);
}

/// Unicast rekeys to this many members, each acknowledged, and the key server's reports.
fn rekeyed(members: u32, rounds: u32) -> Timeline {
    let mut timeline = Timeline::default();
    for round in 0..rounds {
        let seconds = u64::from(round) * 3_000;
        for member in 0..members {
            let fingerprint = u8::try_from(round).unwrap();
            let seconds = seconds + u64::from(member) / 10;
            for (exchange, source, destination) in [
                (Exchange::GroupkeyPush, 1, 100 + member),
                (Exchange::GroupkeyPushAck, 100 + member, 1),
            ] {
                timeline.see(&seen_message(seconds, exchange, source, destination, fingerprint));
            }
        }
        // A key server's own mark, a finding of a member, and one of the group.
        for (member, what) in [
            (None, failed(RegistrationStage::Mm1)),
            (Some(100), failed(RegistrationStage::Mm3)),
        ] {
            timeline.take(&event(seconds + 2_000, Some("G"), member, what), None);
        }
        let mut of_group = event(seconds + 2_000, Some("G"), None, failed(RegistrationStage::Mm1));
        of_group.key_server = None;
        timeline.take(&of_group, None);
    }
    timeline
}

#[test]
fn what_findings_count_and_key_servers_did_is_never_merged() {
    for (members, rounds, is_merged) in [(5_000, 12, false), (5_000, 13, true), (1_000, 70, true)] {
        let timeline = rekeyed(members, rounds);
        let of_member = |kind| {
            let marks = timeline.members.values().flat_map(|member| &member.marks);
            let marks = marks.filter(move |mark| mark.kind == kind);
            marks.fold((0, 0), |(marks, events), mark| (marks + 1, events + mark.count))
        };
        let rekeys = members * rounds;
        assert_eq!(of_member(MarkKind::Rekey), (rekeys, rekeys));
        let (marks, events) = of_member(MarkKind::Acknowledgement);
        assert_eq!((marks < rekeys, events), (is_merged, rekeys));
        assert_eq!(of_member(MarkKind::RegistrationFailed), (rounds, rounds));
        let lasting = |marks: &Vec<TimelineMark>| u32::try_from(marks.len()).unwrap();
        assert_eq!(timeline.key_servers.values().map(lasting).sum::<u32>(), rounds);
        assert_eq!(
            timeline
                .groups
                .values()
                .map(|group| lasting(&group.notices))
                .sum::<u32>(),
            rounds
        );
        assert_eq!(
            (timeline.merged.len(), timeline.undrawn),
            (usize::from(is_merged), 0)
        );
    }
}

#[test]
fn more_members_than_lanes_are_counted_together() {
    let mut timeline = Timeline::default();
    let more = 10;
    for member in 0..u32::try_from(MOST_LANES).unwrap() + more {
        timeline.see(&seen_message(1, Exchange::GroupkeyPush, 1, 100 + member, 1));
    }
    assert_eq!(timeline.members.len(), MOST_LANES);
    assert_eq!(timeline.beyond.len(), 10);
    let snapshot = Snapshot::default();
    let model = timeline.model(&snapshot, &[], Some((at(0), at(10))));
    let json = serde_json::to_value(model).unwrap();
    assert_eq!(json["beyond"].as_array().unwrap().len(), 10);
    assert_eq!(json["beyond"][0][0], 1000.0);
}
