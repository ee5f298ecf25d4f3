//! The devices' log messages.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::scenario::{Group, Scenario};
use crate::truth::{Happened, Kind, Reason, Truth};

impl Truth {
    /// The log messages of a scenario's devices, in time order, each with its device.
    pub fn syslog(&self, scenario: &Scenario) -> String {
        let mut log = String::new();
        for happened in self.happened() {
            let Some(device) = device(happened) else {
                continue;
            };
            let time = jiff::Timestamp::from_nanosecond(i128::from(happened.at.as_nanos())).map_or_else(
                |_| String::new(),
                |time| time.strftime("%b %e %H:%M:%S%.3f").to_string(),
            );
            for message in messages(scenario, happened) {
                // Writing to a string cannot fail.
                if writeln!(log, "{time} {device}: {message}").is_err() {
                    return log;
                }
            }
        }
        log
    }
}

/// The device that logs it: the member, if there is one.
fn device(happened: &Happened) -> Option<IpAddr> {
    happened.member.map(|member| member.ip()).or(happened.key_server)
}

/// The messages that the device logs, in order (TAC note 116737).
fn messages(scenario: &Scenario, happened: &Happened) -> Vec<String> {
    let Happened {
        group,
        key_server,
        member,
        kind,
        at: _,
    } = happened;
    let known = scenario.groups.iter().find(|known| known.name == *group);
    let (to, transport) = if known.is_some_and(Group::is_unicast) {
        ("UNI", "Unicast")
    } else {
        ("MULTI", "Multicast")
    };
    let server = key_server.map(|server| server.to_string()).unwrap_or_default();
    let member = member.map(|member| member.ip().to_string()).unwrap_or_default();
    match kind {
        Kind::RegistrationStarted { reason } => {
            let mut log = Vec::new();
            if *reason != Reason::Boot {
                log.push(format!(
                    "%GDOI-4-GM_RE_REGISTER: The IPSec SA created for group {group} may have expired/been cleared, \
                     or didn't go through. Re-register to KS."
                ));
            }
            log.push(format!(
                "%CRYPTO-5-GM_REGSTER: Start registration to KS {server} for group {group} using address {member}"
            ));
            log
        }
        Kind::RegistrationCompleted { .. } => Vec::from([
            format!("%GDOI-5-GM_REKEY_TRANS_2_{to}: Group {group} transitioned to {transport} Rekey."),
            format!("%GDOI-5-SA_KEK_UPDATED: SA KEK was updated for group {group} on {member}"),
            format!("%GDOI-5-SA_TEK_UPDATED: SA TEK was updated for group {group} on {member}"),
            format!(
                "%GDOI-5-GM_REGS_COMPL: Registration to KS {server} complete for group {group} using address {member}"
            ),
            format!(
                "%GDOI-5-GM_INSTALL_POLICIES_SUCCESS: SUCCESS: Installation of Reg/Rekey policies from KS {server} \
                 for group {group} & gm identity {member}"
            ),
        ]),
        Kind::RekeyReceived { sequence } => Vec::from([format!(
            "%GDOI-5-GM_RECV_REKEY: Received Rekey for group {group} from {server} to {member} with seq # {sequence}"
        )]),
        Kind::Rekey { sequence, .. } => Vec::from([format!(
            "%GDOI-5-KS_SEND_REKEY: Sending Rekey for group {group} from address {server} with seq # {sequence}"
        )]),
        Kind::KekDeleted => Vec::from([format!(
            "%GDOI-5-GM_DELETE_EXPIRED_KEK: KEK expired for group {group} and was deleted on {member}"
        )]),
        Kind::Failover { from } => Vec::from([format!(
            "%GDOI-5-COOP_KS_TRANS_TO_PRI: KS {server} in group {group} transitioned to Primary (Previous Primary = {from})"
        )]),
        _ => Vec::new(),
    }
}
