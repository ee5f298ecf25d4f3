//! What each type of event means to whoever runs the network, in one sentence.

use gdoi_core::transition::What;

/// What an event means.
pub(crate) const fn meaning(what: &What) -> &'static str {
    match what {
        What::CaptureLoss(_) => "Something was not seen: what is said of silences there is uncertain.",
        What::ClockStep(_) => "The clock of the capture went backwards.",
        What::ConfigurationContradicted(_) => {
            "The configuration differs from what is seen; what is seen counts."
        }
        What::CoopSilent(_) => "A key server no longer hears from its peer: a failover may follow.",
        What::DoubleReregistration(_) => {
            "A member registered before and after the KEK expired: a key server that renews its KEK only at expiry."
        }
        What::Forgery(_) => "Messages that no key server and no member sent: they change nothing.",
        What::Forgotten(_) => "Something that was learned had no sign of life for long and was forgotten.",
        What::GroupAmbiguous(_) => "What was seen fits several groups: configure them to tell them apart.",
        What::GroupDiscovered(_) => "A group was seen for the first time.",
        What::GroupMerged(_) => "Two groups turned out to be one.",
        What::Heartbeats(_) => "The key server sends heartbeats: they look like rekeys and deliver nothing.",
        What::KekBehavior(_) => {
            "How the key server renews its KEK; \"legacy\" makes newer members register twice."
        }
        What::KekChangeRevoked(_) => "The old KEK is still used: it was not replaced after all.",
        What::KekChanged(_) => "Rekeys are sent under a new KEK.",
        What::KekExpired(_) => "The KEK expired and no rekey had replaced it: members must register again.",
        What::KekOverAge(_) => "The KEK is used beyond its lifetime.",
        What::KekSplit(_) => "Two KEKs are used at once: the key servers lost each other.",
        What::KeyServerAnswers(_) => "The key server answers again.",
        What::KeyServerChanged(_) => "Rekeys come from another key server: a failover.",
        What::KeyServerSilent(_) => "The key server answers no member: nobody can register.",
        What::Malformed(_) => "A message contradicts the protocol: a fault, a scanner or a forgery.",
        What::MemberLost(_) => "A key server stopped sending rekeys to a member: it must register again.",
        What::MemberReaddressed(_) => {
            "A member has another address or port: address translation, or it moved."
        }
        What::MergedTaps(_) => "Every message is seen twice: two captures with different clocks were merged.",
        What::PullOnly(_) => {
            "Members fetch keys regularly and the key server sends no rekeys: as IEC 62351-9 has it."
        }
        What::ReRegistration(_) => "A member registered again.",
        What::RegistrationBurstEnded(_) => "Many members had registered at once.",
        What::RegistrationBurstStarted(_) => "Many members register at once: the key server is under load.",
        What::RegistrationCompleted(_) => "A member registered.",
        What::RegistrationFailed(_) => "A member could not register; the stage says where it ended.",
        What::RegistrationLoop(_) => {
            "A member registers again and again although rekeys reach it: look for anti-replay or invalid SPI errors there."
        }
        What::RegistrationStarted(_) => "A member began to register.",
        What::RegistrationsAttributed(_) => "The group of earlier registrations is known now.",
        What::Rekey(_) => "The key server sent new keys.",
        What::RekeyClassified(_) => "An earlier rekey turned out to have delivered something else.",
        What::RekeyExpectation(_) => "Whether it is known when the next rekey is due has changed.",
        What::RekeyIntervalChanged(_) => "The key server rekeys at another interval than before.",
        What::RekeyNotReceived(_) => "Members register after every rekey: the rekeys do not reach them.",
        What::RekeyOverdue(_) => "No rekey came when one was due: keys will expire.",
        What::RekeyRetransmitted(_) => "A rekey had to be sent again.",
        What::RekeyUnacknowledged(_) => "A member did not acknowledge a rekey: it may have no keys soon.",
        What::SpiChanged(_) => "Traffic uses new keys.",
        What::SpiFirstSeen(_) => "Traffic with an unknown SPI began.",
        What::SpiStale(_) => "Traffic still uses keys that were replaced.",
        // The set grows in the core first.
        _ => "",
    }
}
