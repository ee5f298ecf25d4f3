//! Frames through the programs in the kernel, compared with user space.

use std::cell::RefCell;

use anyhow::Result;
use gdoi_core::observation::Site;
use gdoi_monitor::source::xdp::{Hook, SiteRoute};
use gdoi_wire::record::site_key;
use nix::unistd::geteuid;

use crate::{Parity, cpu};

/// Buckets of the table: few, so that it fills up soon.
const BUCKETS: u32 = 64;
const ETHERNET_OCTETS: usize = 14;
/// Nor frames that do not fit a page together with the kernel's own data.
const MOST_OCTETS: usize = 3_000;

thread_local! {
    static HOOKS: RefCell<Option<Vec<Parity>>> = RefCell::new(hooks().ok());
}

/// A frame through the program at each hook. Without root this does nothing.
///
/// # Panics
///
/// If the kernel and user space disagree.
pub fn kernel(frame: &[u8]) {
    if !geteuid().is_root() || frame.len() < ETHERNET_OCTETS || frame.len() > MOST_OCTETS {
        return;
    }
    HOOKS.with_borrow_mut(|hooks| {
        let hooks = hooks.as_mut();
        assert!(hooks.is_some(), "the programs cannot be loaded");
        for parity in hooks.into_iter().flatten() {
            let ran = parity.check(frame, &"this");
            assert!(ran.is_ok(), "{ran:?}: {frame:02x?}");
        }
    });
}

/// The program at each hook, with sites, for a thread that stays on its CPU.
fn hooks() -> Result<Vec<Parity>> {
    let first = cpu::cpus()?.into_iter().take(1).collect::<Vec<_>>();
    cpu::stay_on(cpu::THIS_THREAD, &first)?;
    let route = |prefix: [u8; 4], length, site| SiteRoute {
        prefix: site_key(prefix.into(), length),
        site: Site(site),
    };
    let sites = vec![route([0, 0, 0, 0], 1, 1), route([10, 0, 0, 0], 8, 2)];
    [Hook::Xdp, Hook::Tc]
        .into_iter()
        .map(|hook| Parity::load(hook, sites.clone(), BUCKETS))
        .collect()
}
