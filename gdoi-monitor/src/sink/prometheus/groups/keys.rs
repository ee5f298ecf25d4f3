//! Rekeys, the KEK and the TEKs of each group.

use std::time::Duration;

use gdoi_core::transition::{RekeyKind, Transport, Verdict};

use super::{GroupFamilies, c};
use crate::sink::prometheus::family::Page;

pub(super) fn write(page: &mut Page, groups: &GroupFamilies<'_>) {
    rekeys(page, groups);
    kek(page, groups);
    teks(page, groups);
}

fn rekeys(page: &mut Page, groups: &GroupFamilies<'_>) {
    page.family(&c::REKEYS, |samples| {
        groups.each_server(|group, address, server| {
            for ((kind, transport), count) in &server.rekeys {
                samples.count(&[group, address, kind.name(), transport.name()], *count);
            }
        });
        // A series that begins at 1 has not increased.
        groups.each(|name, group| {
            let transport = group.transport.unwrap_or(Transport::Unicast);
            for (address, server) in &group.key_servers {
                for kind in RekeyKind::ALL {
                    if !server.rekeys.contains_key(&(kind, transport)) {
                        samples.count(&[name, &address.to_string(), kind.name(), transport.name()], 0);
                    }
                }
            }
        });
    });
    page.family(&c::REKEY_MESSAGES, |samples| {
        groups.each_server(|group, address, server| {
            samples.count(&[group, address], server.rekey_messages);
        });
    });
    groups.count(page, &c::REKEY_RETRANSMISSIONS, |group| {
        group.rekey.retransmissions
    });
    groups.count(page, &c::REKEY_ACKS, |group| group.rekey.acknowledgements);
    page.family(&c::REKEY_UNACKED, |samples| {
        groups.each(|name, group| {
            if let Some(members) = group.rekey.unacknowledged_members {
                samples.count(&[name], members);
            }
        });
    });
    groups.count(page, &c::REKEY_RECIPIENTS, |group| group.rekey.recipients);
    page.family(&c::REKEY_DURATION, |samples| {
        groups.each(|name, group| samples.histogram(&[name], &group.rekey.duration));
    });
    groups.moment(page, &c::REKEY_LAST, |group| group.rekey.last);
    groups.moment(page, &c::REKEY_NEXT, |group| group.rekey.next_expected);
    groups.count(page, &c::REKEY_OVERDUE, |group| u64::from(group.rekey.overdue));
    groups.count(page, &c::REKEY_EXPECTATION, |group| {
        u64::from(group.rekey.expectation.unknown.is_none())
    });
}

fn kek(page: &mut Page, groups: &GroupFamilies<'_>) {
    groups.count(page, &c::KEK_CHANGES, |group| group.kek.changes);
    groups.moment(page, &c::KEK_START, |group| group.kek.start);
    groups.moment(page, &c::KEK_EXPIRY, |group| group.kek.expiry);
    groups.value(page, &c::KEK_LIFETIME, |group| {
        group.kek.lifetime.as_ref().map(Duration::as_secs_f64)
    });
    groups.value(page, &c::KEK_LEAD, |group| group.kek.lead_seconds);
    groups.count(page, &c::KEK_OVER_AGE, |group| u64::from(group.kek.over_age));
    groups.count(page, &c::KEK_EXPIRED, |group| u64::from(group.kek.expired));
    groups.count(page, &c::KEK_SPLIT, |group| u64::from(group.kek.split));
    page.family(&c::KEK_BEHAVIOR, |samples| {
        groups.each_server(|group, address, server| {
            let Some(holds) = server.behavior else { return };
            for verdict in Verdict::ALL {
                samples.count(&[group, address, verdict.name()], u64::from(verdict == holds));
            }
        });
    });
}

fn teks(page: &mut Page, groups: &GroupFamilies<'_>) {
    groups.count(page, &c::SPI_ACTIVE, |group| group.esp.active);
    groups.count(page, &c::SPI_CHANGES, |group| group.esp.changes);
    page.family(&c::SPI_ROLLOVER, |samples| {
        groups.each(|name, group| samples.histogram(&[name], &group.esp.rollover));
    });
    groups.count(page, &c::SPI_STALE, |group| group.esp.stale_packets);
    groups.count(page, &c::SPI_LAGGING, |group| group.esp.lagging_sites);
}
