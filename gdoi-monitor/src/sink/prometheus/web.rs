//! What the server of the pages says of itself.

use super::catalogue as c;
use super::family::Page;
use crate::http::Status;
use crate::lockdown::Measure;

pub(super) fn write(page: &mut Page, server: &Status) {
    let Status {
        reload,
        config_reload,
        measures,
        connections,
        refused,
    } = server;
    page.family(&c::HTTP_CONNECTIONS, |samples| samples.count(&[], *connections));
    page.family(&c::HTTP_REFUSED, |samples| {
        for (why, count) in refused {
            samples.count(&[why.name()], *count);
        }
    });
    if !measures.is_empty() {
        page.family(&c::LOCK_DOWN, |samples| {
            for Measure { kind, lacks } in measures {
                samples.count(&[kind.name()], u64::from(lacks.is_none()));
            }
        });
    }
    if let Some(reload) = config_reload {
        page.family(&c::CONFIG_RELOAD, |samples| {
            samples.count(&[], u64::from(reload.is_good));
        });
        page.family(&c::CONFIG_RELOAD_AT, |samples| {
            samples.value(&[], reload.good_at.as_secs_f64());
        });
    }
    if let Some(reload) = reload {
        page.family(&c::WEB_RELOAD, |samples| {
            samples.count(&[], u64::from(reload.is_good));
        });
        page.family(&c::WEB_RELOAD_AT, |samples| {
            samples.value(&[], reload.good_at.as_secs_f64());
        });
    }
}
