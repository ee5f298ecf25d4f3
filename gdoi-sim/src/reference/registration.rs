//! Registrations: ten messages, or fewer followed by silence (gdoi: MM1 to MM6, PULL1 to PULL4).

use gdoi_core::Timestamp;

use super::script::{Act, LAST, Script};
use super::{ANSWER, Facts, PATIENCE, STALL, note};

pub(super) fn facts(script: &Script, facts: &mut Facts) {
    let all = registrations(script);
    for one in &all {
        let Some(begun) = one.begun else {
            continue;
        };
        let member = one.member;
        note(facts, begun, &format!("member {member} begins"));
        let (last, number) = one.latest();
        if number == LAST {
            note(facts, last, &format!("member {member} is registered"));
        } else if let Some(at) = one.given_up(&all, script.end) {
            note(facts, at, &format!("member {member} failed at {}", stage(number)));
        }
    }
}

/// A registration.
struct Registration {
    member: usize,
    /// Its messages: time and number.
    messages: Vec<(Timestamp, u8)>,
    /// When it was clear that it is a registration.
    begun: Option<Timestamp>,
}

fn registrations(script: &Script) -> Vec<Registration> {
    let mut all = Vec::new();
    loop {
        let messages = script.of_registration(all.len() + 1);
        let [(_, _, member), ..] = messages[..] else {
            return all;
        };
        let mut one = Registration {
            member,
            messages: messages.iter().map(|&(at, number, _)| (at, number)).collect(),
            begun: None,
        };
        one.begun = one.begun(script);
        all.push(one);
    }
}

impl Registration {
    fn latest(&self) -> (Timestamp, u8) {
        self.messages.last().copied().unwrap_or_default()
    }

    /// Whether a message was a repeat.
    fn is_repeat(&self, index: usize) -> bool {
        let before = self.messages.get(..index).unwrap_or_default();
        let number = self.messages.get(index).map(|(_, number)| *number);
        before.iter().any(|(_, known)| Some(*known) == number)
    }

    /// A member's first two messages prove it; from somebody else only a PULL does, or a repeat of it. An unproved
    /// attempt is proved by its failure, unless it is a single unanswered message.
    fn begun(&self, script: &Script) -> Option<Timestamp> {
        let clear = self.messages.iter().enumerate().find(|(index, (at, number))| {
            let is_repeat = self.is_repeat(*index);
            let is_clear_of_member = *number <= 2 && is_member(script, self.member, *at);
            // Odd messages are the member's.
            *number == 7 || (is_repeat && number % 2 == 1) || (!is_repeat && is_clear_of_member)
        });
        let at_failure = || {
            let at = self.silent();
            let is_scan = self.messages.len() == 1 && !is_member(script, self.member, at);
            (at <= script.end && !is_scan).then_some(at)
        };
        clear.map(|(_, (at, _))| *at).or_else(at_failure)
    }

    /// When its last step began.
    fn progress(&self) -> Timestamp {
        let (last, number) = self.latest();
        let step = self.messages.iter().find(|(_, known)| *known == number);
        step.map_or(last, |(at, _)| *at)
    }

    /// When it was silent or repeated for too long.
    fn silent(&self) -> Timestamp {
        self.latest().0.after(STALL).min(self.progress().after(PATIENCE))
    }

    /// How often the member repeated its pending request.
    fn repeats(&self, until: Timestamp) -> usize {
        let progress = self.progress();
        let again = self
            .messages
            .iter()
            .filter(|(at, _)| *at > progress && *at <= until);
        if self.latest().1 % 2 == 1 {
            again.count()
        } else {
            0
        }
    }

    /// How often any message was sent again.
    fn repeats_of_both(&self, until: Timestamp) -> usize {
        let is_repeat = |(index, (at, _)): (usize, &(Timestamp, u8))| *at <= until && self.is_repeat(index);
        self.messages
            .iter()
            .enumerate()
            .filter(|message| is_repeat(*message))
            .count()
    }

    /// When it has failed, if that is determined.
    fn given_up(&self, all: &[Self], end: Timestamp) -> Option<Timestamp> {
        let silence = self.silent();
        // The next attempt of the member, which it makes because this one gets no answer.
        let others = all.iter().filter(|other| other.member == self.member);
        let next = others
            .filter_map(|other| other.begun)
            .filter(|at| Some(*at) > self.begun);
        let next = next
            .min()
            .filter(|at| self.repeats(*at) > 0 || at.since(self.progress()) > ANSWER);
        if let Some(next) = next.filter(|next| *next < silence && *next <= end) {
            Some(next)
        } else if silence <= end {
            // A message that nobody repeated was answered, if not here.
            let is_shown = self.repeats(silence) > 0 || self.repeats_of_both(silence) >= 2;
            is_shown.then_some(silence)
        } else {
            // The end of the script: the request was repeated without an answer.
            (self.repeats(end) >= 2).then_some(end)
        }
    }
}

/// Whether a peer is known as a member: it completed a registration, was sent a rekey, or acknowledged one.
fn is_member(script: &Script, member: usize, until: Timestamp) -> bool {
    let mut acts = script.acts.iter().take_while(|(at, _)| *at < until);
    acts.any(|(_, act)| match *act {
        Act::Registration {
            member: whose,
            number: LAST,
            ..
        } => whose == member,
        Act::Push { member: to, .. } => to == member && !script.multicast,
        Act::Acknowledgement { member: from, kek } => from == member && kek > 0,
        Act::Registration { .. } | Act::Esp { .. } => false,
    })
}

/// The missing answer or step.
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
