//! Registrations of each group.

use gdoi_core::transition::RegistrationStage;

use super::{GroupFamilies, c};
use crate::sink::prometheus::family::Page;

pub(super) fn write(page: &mut Page, groups: &GroupFamilies<'_>) {
    page.family(&c::REGISTRATIONS, |samples| {
        groups.each_server(|group, address, server| {
            for (kind, count) in &server.completed {
                samples.count(&[group, address, kind.name(), "completed"], *count);
            }
            for (kind, count) in &server.failed {
                samples.count(&[group, address, kind.name(), "failed"], *count);
            }
        });
    });
    page.family(&c::REGISTRATION_FAILURES, |samples| {
        groups.each_server(|group, address, server| {
            for stage in RegistrationStage::ALL {
                let count = server.failed_at.get(&stage).copied();
                samples.count(&[group, address, stage.name()], count.unwrap_or_default());
            }
        });
    });
    page.family(&c::REGISTRATION_DURATION, |samples| {
        groups.each(|name, group| samples.histogram(&[name], &group.registration.duration));
    });
    groups.count(page, &c::REGISTRATIONS_IN_PROGRESS, |group| {
        group.registration.in_progress
    });
    groups.count(page, &c::BURST_ACTIVE, |group| {
        u64::from(group.registration.burst_active)
    });
    groups.count(page, &c::BURSTS, |group| group.registration.bursts);
    groups.count(page, &c::BURST_MEMBERS, |group| group.registration.burst_members);
    groups.count(page, &c::DOUBLE, |group| group.registration.double);
}
