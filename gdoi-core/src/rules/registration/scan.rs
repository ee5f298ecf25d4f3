//! Single unanswered messages of strangers: neither registrations nor evidence about the key server.

use core::time::Duration;

use crate::rules::{Context, Subject};
use crate::state::id::{GroupId, KeyServerId, Peer};
use crate::transition::{Alternative, Certainty, Forgery, ForgeryKind, Grounds, What};

/// Strangers within this time are one scan.
const SCAN_WINDOW: Duration = Duration::from_secs(10);
/// Number of strangers that make a scan.
const MIN_STRANGERS: u32 = 3;

/// A stranger sent one message that was not answered.
pub(crate) fn on_scan(cx: &mut Context<'_>, server: KeyServerId, stranger: Peer) {
    cx.state.unreported_registrations += 1;
    let scan = &mut cx.state.scan;
    if cx.now.since(scan.since) > SCAN_WINDOW {
        (scan.since, scan.strangers) = (cx.now, 0);
    }
    scan.strangers = scan.strangers.saturating_add(1);
    scan.messages = scan.messages.saturating_add(1);
    if scan.strangers < MIN_STRANGERS || scan.messages < scan.report_at {
        return;
    }
    scan.report_at = scan.messages.saturating_mul(10);
    let what = What::Forgery(Forgery {
        kind: ForgeryKind::Scan,
        source: stranger.ip(),
        destination: Some(cx.state.servers[server].address),
        cookies: None,
        messages: scan.messages,
        grounds: Grounds::new(Certainty::Likely).open(Alternative::OtherPath),
    });
    cx.emit(Subject::group(GroupId::NONE), what);
}
