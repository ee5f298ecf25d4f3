//! Registrations: ten messages, or fewer and then silence (gdoi: MM1 to MM6, PULL1 to PULL4).

use gdoi_core::Timestamp;

use super::script::{Act, LAST, Script};
use super::{ANSWER, Facts, PATIENCE, STALL, note};

pub(super) fn facts(script: &Script, facts: &mut Facts) {
    let mut registration = 1;
    loop {
        let messages = script.of_registration(registration);
        let [(begun, _, member), ..] = messages[..] else {
            return;
        };
        note(facts, begun, &format!("member {member} begins"));
        let (last, number, _) = messages.last().copied().unwrap_or_default();
        if number == LAST {
            note(facts, last, &format!("member {member} is registered"));
        } else if let Some(at) = given_up(script, registration, &messages) {
            note(facts, at, &format!("member {member} failed at {}", stage(number)));
        }
        registration += 1;
    }
}

/// When a registration that has come so far has failed, if that can be said.
fn given_up(script: &Script, registration: usize, messages: &[(Timestamp, u8, usize)]) -> Option<Timestamp> {
    let &(last, number, member) = messages.last()?;
    let (progress, ..) = *messages.iter().find(|(_, known, _)| *known == number)?;
    let repeats = |until: Timestamp| {
        let again = messages
            .iter()
            .filter(|(at, ..)| *at > progress && *at <= until)
            .count();
        // Odd messages are the member's.
        if number % 2 == 1 { again } else { 0 }
    };
    let silence = last.after(STALL).min(progress.after(PATIENCE));
    // The next attempt of the member, which it makes because this one gets no answer.
    let next = script.acts.iter().find_map(|(at, act)| match *act {
        Act::Registration {
            registration: other,
            member: whose,
            number: 1,
        } if other > registration && whose == member => Some(*at),
        _ => None,
    });
    let next = next.filter(|at| repeats(*at) > 0 || at.since(progress) > ANSWER);
    let at = next.map_or(silence, |next| next.min(silence));
    if at <= script.end {
        Some(at)
    } else {
        // The end of watching: it was asked for again in vain.
        (repeats(script.end) >= 2).then_some(script.end)
    }
}

/// The answer that did not come, or the step that was not taken.
fn stage(number: u8) -> &'static str {
    match number {
        1 => "mm1",
        2 | 3 => "mm3",
        4 | 5 => "auth",
        6 => "pull1",
        7 => "pull2",
        8 => "policy",
        _ => "pull4",
    }
}
