//! Keys that end without a renewal.

use super::{Simulation, WorldEvent};
use crate::truth::Kind;

/// A key of a key server.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key {
    Kek([u8; 16]),
    Tek(u32),
}

impl Simulation {
    /// When the new keys of a side end, checks whether there are newer ones.
    pub(super) fn watch_keys(&mut self, side: usize, new_kek: bool) {
        let plan = &self.sides[side].plan;
        let (kek, tek) = (plan.kek, plan.newest());
        if new_kek {
            let key = Key::Kek(kek.cookies);
            self.agenda.plan(kek.expiry, WorldEvent::KeyEnds { side, key });
        }
        if let Some(tek) = tek {
            let key = Key::Tek(tek.spi);
            self.agenda.plan(tek.expiry, WorldEvent::KeyEnds { side, key });
        }
    }

    pub(super) fn key_ends(&mut self, side: usize, key: Key) {
        let row = &self.sides[side];
        let (group, primary) = (row.group, row.primary);
        let silent = self.servers[primary].down_since.is_some();
        let kind = match key {
            Key::Kek(cookies) if row.plan.kek.cookies == cookies && silent => Kind::KekExpired,
            Key::Tek(spi) if row.plan.newest().is_some_and(|tek| tek.spi == spi) => Kind::RekeyOverdue,
            Key::Kek(_) | Key::Tek(_) => return,
        };
        if !row.merged {
            self.note_group(group, Some(primary), kind);
        }
    }
}
