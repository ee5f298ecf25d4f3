//! The KEK and the TEKs.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::{Whole, line};
use crate::client::{Moment, SpiUse, counted, seconds};

/// More do not fit on a screen.
const MOST_SPIS: usize = 16;

impl Whole {
    pub(super) fn kek(&self, to: &mut String) -> fmt::Result {
        let kek = &self.group.kek;
        writeln!(to, "\nKEK POLICY\n")?;
        let Some(cookies) = &kek.cookies else {
            return line(to, "SPI", "unknown: no rekey seen yet");
        };
        line(to, "SPI", &format!("0x{}", cookies.to_uppercase()))?;
        let source = kek.lifetime_source.as_deref().unwrap_or("unknown");
        let lifetime = kek.lifetime_seconds.map_or_else(
            || "unknown: configure kek_lifetime, or wait for KEK renewals".to_owned(),
            |lifetime| format!("{} ({source})", seconds(lifetime)),
        );
        line(to, "Lifetime", &lifetime)?;
        let remaining = match (kek.expiry, kek.lifetime_seconds, kek.over_age) {
            (Some(expiry), _, false) => self.left(expiry),
            (Some(expiry), _, true) => format!("OVER AGE: it expired {}", self.ago(expiry)),
            (None, Some(_), _) => "unknown: its delivery was not seen".to_owned(),
            (None, None, _) => "unknown: its lifetime is not known".to_owned(),
        };
        line(to, "Remaining lifetime", &remaining)?;
        line(to, "Reregisters in", &self.reregisters())?;
        line(to, "Changed", &counted(kek.changes, "time"))?;
        if let Some(lead) = kek.lead_seconds {
            let side = if lead < 0.0 { "after" } else { "before" };
            let renewed = format!("{} {side} the last one expired", seconds(lead.abs()));
            line(to, "Renewed", &renewed)?;
        }
        let verdicts = self.group.key_servers.iter();
        for server in verdicts.filter(|server| server.pushes || server.behavior.is_some()) {
            let verdict = server.behavior.as_deref();
            line(
                to,
                "KEK rekey behaviour",
                &format!("{}: {}", server.address, behaviour(verdict)),
            )?;
        }
        Ok(())
    }

    fn reregisters(&self) -> String {
        let Some((earliest, latest)) = self.group.kek.re_registration_window else {
            return "unknown: lifetime or delivery of the KEK is not known".to_owned();
        };
        let (earliest, latest) = (earliest.since(self.now), latest.since(self.now));
        if latest < 0.0 {
            return format!(
                "0 sec: members that missed the renewal did {} ago",
                seconds(-latest)
            );
        }
        let earliest = earliest.max(0.0).round();
        format!("{earliest} to {}, members that miss the renewal", seconds(latest))
    }

    pub(super) fn teks(&self, to: &mut String) -> fmt::Result {
        let traffic = &self.group.esp;
        writeln!(to, "\nTEK POLICY, as ESP shows it\n")?;
        let lifetime = traffic.tek_lifetime_seconds.map_or_else(
            || "unknown: configure tek_lifetime".to_owned(),
            |lifetime| format!("{} (configured)", seconds(lifetime)),
        );
        line(to, "Lifetime", &lifetime)?;
        let packets = format!("{} packets, {} octets", traffic.packets, traffic.octets);
        line(to, "ESP", &packets)?;
        if let Some(mean) = traffic.rollover.mean_seconds {
            line(
                to,
                "Rollover on average",
                &format!("{mean:.1} sec after the rekey"),
            )?;
        }
        if traffic.stale_packets > 0 {
            let stale = format!(
                "{} so far, {} now",
                counted(traffic.stale_packets, "packet"),
                counted(traffic.lagging_sites, "site")
            );
            line(to, "With replaced SPIs", &stale)?;
        }
        let teks = self.by_spi();
        let more = teks.len().saturating_sub(MOST_SPIS);
        for (spi, uses) in teks.iter().rev().take(MOST_SPIS) {
            self.tek(to, spi, uses)?;
        }
        if more > 0 {
            writeln!(to, "    and {more} older SPIs; --json has them all")?;
        }
        Ok(())
    }

    /// The SPIs in the order they came into use, each with the sites that sent it.
    fn by_spi(&self) -> Vec<(&str, Vec<&SpiUse>)> {
        let mut uses: BTreeMap<&str, Vec<&SpiUse>> = BTreeMap::new();
        for used in &self.spis {
            uses.entry(&used.spi).or_default().push(used);
        }
        let mut teks: Vec<_> = uses.into_iter().collect();
        teks.sort_by_key(|(_, uses)| uses.iter().map(|used| used.first_seen).min());
        teks
    }

    fn tek(&self, to: &mut String, spi: &str, uses: &[&SpiUse]) -> fmt::Result {
        let first = uses.iter().map(|used| used.first_seen).min();
        let last = uses.iter().map(|used| used.last_seen).max();
        let packets: u64 = uses.iter().map(|used| used.packets).sum();
        let mut statuses: BTreeMap<&str, usize> = BTreeMap::new();
        for used in uses {
            *statuses.entry(&used.status).or_default() += 1;
        }
        let statuses: Vec<_> = statuses
            .iter()
            .map(|(status, sites)| match *sites {
                1 => (*status).to_owned(),
                sites => format!("{status} at {sites} sites"),
            })
            .collect();
        writeln!(to, "    spi: 0x{} ({})", spi.to_uppercase(), statuses.join(", "))?;
        if let (Some(first), Some(last)) = (first, last) {
            let (began, ended) = (self.ago(first), self.ago(last));
            writeln!(to, "      sent: {packets} packets, first {began}, last {ended}")?;
        }
        writeln!(
            to,
            "      sa timing: remaining key lifetime: {}",
            self.tek_left(first)
        )
    }

    /// A TEK lives from the rekey that delivered it; an older one was delivered before its first packet.
    fn tek_left(&self, first: Option<Moment>) -> String {
        let Some((lifetime, first)) = self.group.esp.tek_lifetime_seconds.zip(first) else {
            return "unknown: configure tek_lifetime".to_owned();
        };
        let age = |since: Moment| (lifetime - self.now.since(since)).max(0.0);
        match self.group.rekey.last.filter(|last| *last <= first) {
            Some(last) => seconds(age(last)),
            None => format!("at most {}", seconds(age(first))),
        }
    }
}

/// The meaning of a verdict.
fn behaviour(verdict: Option<&str>) -> String {
    match verdict {
        Some("new") => "new, the KEK is renewed before it expires".to_owned(),
        Some("legacy") => {
            "legacy, the KEK is renewed only when it expires; upgrade the key server".to_owned()
        }
        Some("overdue") => "overdue, the KEK is renewed after it expired".to_owned(),
        Some("indeterminate") => "indeterminate, the renewal fits no known behaviour".to_owned(),
        Some(other) => other.to_owned(),
        None => "unknown: no whole KEK lifetime seen yet".to_owned(),
    }
}
