//! The logs of a key server and its members.

use std::collections::BTreeMap;

use gdoi_core::transition::RekeyKind;
use serde_json::Value;

/// Addresses of the members in every capture of the reference implementation.
const MEMBERS: [(&str, &str); 2] = [("gm1", "10.0.224.37"), ("gm2", "10.0.224.40")];

/// What the peers of a capture logged.
pub(crate) struct Truth {
    /// Completed registrations by member address.
    pub(crate) completed: BTreeMap<String, u64>,
    /// What each PUSH delivered, in order.
    pub(crate) rekeys: Vec<RekeyKind>,
    /// The KEK SPIs each member held, in order.
    held: Vec<Vec<String>>,
}

impl Truth {
    pub(crate) fn read(log: &Value) -> Self {
        let mut truth = Self {
            completed: BTreeMap::new(),
            rekeys: rekeys(&log["ks"]),
            held: Vec::new(),
        };
        for (member, address) in MEMBERS {
            let completed = lines(&log[member])
                .filter(|line| line[1] == "done" && line[2] == "PHASE 2")
                .count();
            if completed > 0 {
                truth.completed.insert(address.to_owned(), completed as u64);
            }
            truth.held.push(keks(log, member));
        }
        truth
    }

    /// The chain of each group: members of one group held the same KEKs, although one may have left earlier.
    pub(crate) fn chains(&self) -> Vec<Vec<String>> {
        let mut chains: Vec<Vec<String>> = Vec::new();
        for held in self.held.iter().filter(|held| !held.is_empty()) {
            match chains.iter_mut().find(|chain| chain[0] == held[0]) {
                Some(chain) if chain.len() < held.len() => chain.clone_from(held),
                Some(_) => {}
                None => chains.push(held.clone()),
            }
        }
        chains
    }
}

fn lines(log: &Value) -> impl Iterator<Item = &Value> {
    log.as_array().unwrap().iter()
}

fn rekeys(log: &Value) -> Vec<RekeyKind> {
    let mut due = RekeyKind::Unknown;
    let mut rekeys = Vec::new();
    for line in lines(log) {
        match line[1].as_str().unwrap() {
            "tek_rekey_due" => due = RekeyKind::Tek,
            "kek_rekey_due" => due = RekeyKind::Kek,
            "delete_push" => due = RekeyKind::Delete,
            "sent_seq" if line[3] == "PUSH" => rekeys.push(due),
            _ => {}
        }
    }
    rekeys
}

/// A member's log names its KEK with every PUSH; the KEK it registered with is the first of the key server's.
fn keks(log: &Value, member: &str) -> Vec<String> {
    let mut keks: Vec<String> = Vec::new();
    for line in lines(&log[member]).filter(|line| line[1] == "kek_spi") {
        let kek = line[2].as_str().unwrap().to_owned();
        if !kek.bytes().all(|digit| digit == b'0') && !keks.contains(&kek) {
            keks.push(kek);
        }
    }
    keks
}
