use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tokio::time::Instant;

use super::draw;
use crate::client::Event;
use crate::client::samples::{EVENTS, GROUPS, MEMBERS, NOW};
use crate::top::fetch::{FetchResult, Snapshot};
use crate::top::input::Input;
use crate::top::model::{TopModel, View};
use crate::top::palette::Palette;

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (200, 50);

fn model() -> TopModel {
    let mut model = TopModel::new("http://127.0.0.1:11848".to_owned());
    let mut events: Vec<Event> = serde_json::from_str(EVENTS).unwrap();
    events.reverse();
    let seen = Snapshot {
        now: NOW.parse().unwrap(),
        groups: serde_json::from_str(GROUPS).unwrap(),
        members: serde_json::from_str(MEMBERS).unwrap(),
        events,
        at: Instant::now(),
    };
    let mut later = seen.clone();
    later.at += std::time::Duration::from_secs(2);
    later.groups[0].esp.packets += 500;
    model.take(FetchResult::Answer(Box::new(seen)));
    model.take(FetchResult::Answer(Box::new(later)));
    model
}

/// The screen after some keys, without spaces at the ends of lines.
fn screen(model: &mut TopModel, (width, height): (u16, u16), keys: &[Input]) -> Vec<String> {
    for key in keys {
        model.react(*key);
    }
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| draw(frame, model, Palette::new(true)))
        .unwrap();
    let buffer = terminal.backend().buffer();
    let rows = buffer.content.chunks(usize::from(width));
    rows.map(|row| {
        let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        assert!(!line.contains(char::is_control), "{line:?}");
        line.trim_end().to_owned()
    })
    .collect()
}

/// Each group of words is in a line of its own.
fn check(size: (u16, u16), keys: &[Input], wanted: &[&[&str]]) {
    let lines = screen(&mut model(), size, keys);
    for words in wanted {
        assert!(
            lines
                .iter()
                .any(|line| words.iter().all(|word| line.contains(word))),
            "{words:?} in\n{}",
            lines.join("\n")
        );
    }
}

#[test]
fn groups_with_rates() {
    for size in [SMALL, LARGE] {
        check(
            size,
            &[],
            &[
                &["gdoi-monitor", "http://127.0.0.1:11848", "2026-03-01T12:00:00Z"],
                &["1 groups", "2 members", "3 events", "4 timeline", "group G1"],
                &[
                    "GROUP", "MEMBERS", "REKEYS", "NEXT IN", "KEK LEFT", "MSG/S", "ESP/S",
                ],
                &["G1", " 2 ", " 5 ", "35s", "8m40s", "18m29s", "250", "10.1.12.2"],
                &["<b>␛[2J\u{fffd}X"],
                &["ESP packets a second: 250"],
                &["q quit"],
            ],
        );
    }
}

#[test]
fn members_and_those_of_one_group() {
    let members: &[&[&str]] = &[
        &["MEMBER", "GROUP", "KEY SERVER", "REG", "FAIL", "UNACK", "SEEN"],
        &["10.1.13.2 ", "G1", "10.1.11.2", "1h00m", "35s"],
        &["[2001:db8::14]:1848", "G1", " 3 "],
    ];
    check(SMALL, &[Input::Show(View::Members)], members);
    check(LARGE, &[Input::Next], members);
    let others = [Input::Move(1), Input::Filter, Input::Next];
    check(SMALL, &others, &[&["none yet"], &["only group <b>"]]);
}

#[test]
fn events_and_what_the_selected_one_tells() {
    check(
        SMALL,
        &[Input::Show(View::Events), Input::Move(2)],
        &[
            &["11:59:40", "critical", "kek_expired", "G1"],
            &["11:55:00", "warning", "registration_failed", "10.1.13.2"],
            &["registration_failed 2026-03-01T11:55:00.000Z"],
            &[
                "key_server 10.1.11.2",
                "member 10.1.13.2",
                "duration_seconds 30.5",
            ],
        ],
    );
    check(LARGE, &[Input::Show(View::Events)], &[&["note ␛]0;evil␇"]]);
}

#[test]
fn the_timeline_of_a_group() {
    for size in [SMALL, LARGE] {
        check(
            size,
            &[Input::Open, Input::Zoom(1)],
            &[
                &["G1", "multicast, 2 members, 5 rekeys, the last 1 h"],
                &["rekey in 8m40s, KEK expires in 18m29s, reregisters in 16m53s"],
                &["rekeys", "K", "T"],
                &["members", "x"],
                &["due", "n"],
                &["03-01 11:00:00", "now 12:00:00"],
            ],
        );
    }
}

#[test]
fn no_answer_is_told_and_what_was_known_stays() {
    let mut model = model();
    model.take(FetchResult::Nothing("no agent answers".to_owned()));
    model.tick();
    let lines = screen(&mut model, SMALL, &[]);
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("no response since 2") && line.contains("(1s): no agent answers"))
    );
    assert!(lines.iter().any(|line| line.contains("G1")));
}

#[test]
fn a_terminal_that_is_too_small_is_told_so() {
    let text = screen(&mut model(), (30, 8), &[]).join(" ");
    assert!(text.contains("terminal too small: 30x8"), "{text}");
    for (width, height) in [(1, 1), (40, 10), (41, 11), (300, 10), (40, 100)] {
        for view in View::ALL {
            screen(&mut model(), (width, height), &[Input::Show(view), Input::Help]);
        }
    }
}

#[test]
fn two_thousand_members_scroll_and_the_selection_stays_in_sight() {
    let mut model = model();
    let one: Vec<crate::client::Member> = serde_json::from_str(MEMBERS).unwrap();
    let members = (0..2_000)
        .map(|at| {
            let mut member = one[0].clone();
            member.address = format!("10.2.{}.{}:0", at / 250, at % 250).parse().unwrap();
            member
        })
        .collect();
    let seen = Snapshot {
        now: NOW.parse().unwrap(),
        groups: serde_json::from_str(GROUPS).unwrap(),
        members,
        events: Vec::new(),
        at: Instant::now(),
    };
    model.take(FetchResult::Answer(Box::new(seen)));
    let last = screen(&mut model, SMALL, &[Input::Show(View::Members), Input::Last]);
    assert!(last[22].starts_with("10.2.7.249 "), "{}", last.join("\n"));
    let up = screen(&mut model, SMALL, &[Input::Move(-30)]);
    assert!(up[3].starts_with("10.2.7.219 "), "{}", up.join("\n"));
    let first = screen(&mut model, SMALL, &[Input::First]);
    assert!(first[3].starts_with("10.2.0.0 "), "{}", first.join("\n"));
}

#[test]
fn without_colours_the_severities_still_differ() {
    use ratatui::style::{Color, Modifier};

    let looks = |coloured| {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        let mut model = model();
        model.react(Input::Show(View::Events));
        model.react(Input::Last);
        terminal
            .draw(|frame| draw(frame, &mut model, Palette::new(coloured)))
            .unwrap();
        let buffer = terminal.backend().buffer().clone();
        let plain = buffer
            .content
            .iter()
            .all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset);
        // The severities of a critical event, an ordinary one and a warning.
        let severities = [3, 4, 5].map(|row| buffer[(9, row)].modifier - Modifier::DIM);
        (plain, severities)
    };
    let (plain, [critical, info, warning]) = looks(false);
    assert!(plain);
    assert_eq!(critical, Modifier::REVERSED | Modifier::BOLD);
    assert_eq!((info, warning), (Modifier::empty(), Modifier::UNDERLINED));
    assert!(!looks(true).0);
}
