//! The meaning of each type of event for a network operator, in one sentence.

use gdoi_core::transition::What;

/// The meaning of an event.
pub(crate) const fn meaning(what: &What) -> &'static str {
    match what {
        What::CaptureLoss(_) => "Some traffic was not seen: absences in that time are uncertain.",
        What::ClockStep(_) => "The clock of the capture went backwards.",
        What::ConfigurationContradicted(_) => {
            "The configuration contradicts the traffic; the traffic is believed."
        }
        What::CoopSilent(_) => "A key server no longer hears from its peer: a failover may follow.",
        What::DoubleReregistration(_) => {
            "A member registered both before and after the KEK expired: the key server renews its KEK only at expiry."
        }
        What::Forgery(_) => "Messages from neither a key server nor a member: they are ignored.",
        What::Forgotten(_) => "A learned item showed no activity for long and was forgotten.",
        What::GroupAmbiguous(_) => "Traffic fits several groups: configure what distinguishes them.",
        What::GroupDiscovered(_) => "A group was seen for the first time.",
        What::GroupMerged(_) => "Two groups turned out to be one.",
        What::Heartbeats(_) => "The key server sends heartbeats: they look like rekeys but carry no keys.",
        What::KekBehavior(_) => {
            "How the key server renews its KEK; \"legacy\" makes newer members register twice."
        }
        What::KekChangeRevoked(_) => "The old KEK is used again: it had not been replaced.",
        What::KekChanged(_) => "Rekeys are sent under a new KEK.",
        What::KekExpired(_) => "The KEK expired before a rekey replaced it: members must register again.",
        What::KekOverAge(_) => "The KEK is used beyond its lifetime.",
        What::KekSplit(_) => "Key servers use different KEKs for one group (split brain).",
        What::KeyServerAnswers(_) => "The key server answers again.",
        What::KeyServerChanged(_) => "Rekeys come from another key server: a failover.",
        What::KeyServerSilent(_) => "The key server answers no member: members cannot register.",
        What::Malformed(_) => "A message violates the protocol: a fault, a scanner or a forgery.",
        What::MemberLost(_) => "A key server stopped sending rekeys to a member: it must register again.",
        What::MemberReaddressed(_) => {
            "A member has another address or port: address translation, or it moved."
        }
        What::MergedTaps(_) => "Every message is seen twice: two captures with different clocks were merged.",
        What::PullOnly(_) => {
            "Members fetch keys at intervals and the key server sends no rekeys, as in IEC 62351-9."
        }
        What::ReRegistration(_) => "A member registered again.",
        What::RegistrationBurstEnded(_) => "A registration burst ended.",
        What::RegistrationBurstStarted(_) => "Many members register at once: the key server is under load.",
        What::RegistrationCompleted(_) => "A member registered.",
        What::RegistrationFailed(_) => "A member failed to register; the stage shows how far it got.",
        What::RegistrationLoop(_) => {
            "A member registers again and again although rekeys reach it: look for anti-replay or invalid SPI errors there."
        }
        What::RegistrationStarted(_) => "A member started to register.",
        What::RegistrationsAttributed(_) => "Earlier registrations were attributed to a group.",
        What::Rekey(_) => "The key server sent new keys.",
        What::RekeyClassified(_) => "An earlier rekey was reclassified.",
        What::RekeyExpectation(_) => "The rekey interval became known or unknown.",
        What::RekeyIntervalChanged(_) => "The rekey interval changed.",
        What::RekeyNotReceived(_) => "Members register after every rekey: the rekeys do not reach them.",
        What::RekeyOverdue(_) => "An expected rekey did not arrive: keys will expire.",
        What::RekeyRetransmitted(_) => "A rekey was retransmitted.",
        What::RekeyUnacknowledged(_) => "A member did not acknowledge a rekey: it may lose its keys soon.",
        What::SpiChanged(_) => "Traffic uses new keys.",
        What::SpiFirstSeen(_) => "Traffic with a new SPI started.",
        What::SpiStale(_) => "Traffic still uses replaced keys.",
        // New events appear in the core first.
        _ => "",
    }
}
