//! A decoder's output for a frame, in the same terms for both.

use std::collections::BTreeMap;

use serde_json::Value;

/// The output by frame.
pub(crate) type Facts = BTreeMap<u64, Vec<Fact>>;

/// One fact of a decoder. `None`: it does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    Ah {
        spi: u64,
        sequence: Option<u64>,
    },
    Esp {
        spi: u64,
        sequence: Option<u64>,
    },
    Isakmp {
        initiator_cookie: String,
        responder_cookie: String,
        exchange: Option<u64>,
        flags: Option<u64>,
        message_id: Option<u64>,
        length: Option<u64>,
    },
    NatKeepalive,
}

impl Fact {
    /// Takes over what is missing here and present there. `false` if there is no such thing.
    pub(crate) fn complete(&mut self, other: &Self) -> bool {
        let (
            Self::Isakmp { exchange, length, .. },
            Self::Isakmp {
                exchange: other_exchange,
                length: other_length,
                ..
            },
        ) = (self, other)
        else {
            return false;
        };
        let unsaid = exchange.is_none() || length.is_none();
        *exchange = exchange.or(*other_exchange);
        *length = length.or(*other_length);
        unsaid
    }
}

/// The output of `decode`.
pub(crate) fn of_lines(lines: &[Value]) -> Facts {
    let mut facts = Facts::new();
    for line in lines {
        let text = |field: &str| line[field].as_str().unwrap().to_owned();
        let spi = || u64::from_str_radix(&text("spi"), 16).unwrap();
        let fact = match line["kind"].as_str().unwrap() {
            "ah" => Fact::Ah {
                spi: spi(),
                sequence: line["sequence"].as_u64(),
            },
            "esp" => Fact::Esp {
                spi: spi(),
                sequence: line["sequence"].as_u64(),
            },
            "isakmp" => Fact::Isakmp {
                initiator_cookie: text("initiator_cookie"),
                responder_cookie: text("responder_cookie"),
                exchange: line["exchange"].as_u64(),
                flags: line["flags"].as_u64(),
                message_id: line["message_id"].as_u64(),
                length: line["length"].as_u64(),
            },
            "nat_keepalive" => Fact::NatKeepalive,
            _ => continue,
        };
        facts
            .entry(line["frame"].as_u64().unwrap())
            .or_default()
            .push(fact);
    }
    facts
}

/// The output of tshark. Fields that occur more than once are separated by commas, the outer first.
pub(crate) fn of_frames(frames: &[Value]) -> Facts {
    let mut facts = Facts::new();
    for frame in frames {
        let fields = |field: &str| -> Vec<String> {
            let all = frame[field].as_str().unwrap_or_default();
            all.split(',')
                .filter(|one| !one.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let number = |field: &str, index: usize| fields(field).get(index).map(|text| parse(text));
        let mut said = Vec::new();
        for (index, spi) in fields("ah.spi").iter().enumerate() {
            let sequence = number("ah.sequence", index);
            said.push(Fact::Ah {
                spi: parse(spi),
                sequence,
            });
        }
        for (index, spi) in fields("esp.spi").iter().enumerate() {
            let sequence = number("esp.sequence", index);
            said.push(Fact::Esp {
                spi: parse(spi),
                sequence,
            });
        }
        for (index, cookie) in fields("isakmp.ispi").iter().enumerate() {
            said.push(Fact::Isakmp {
                initiator_cookie: cookie.clone(),
                responder_cookie: fields("isakmp.rspi")[index].clone(),
                exchange: number("isakmp.exchangetype", index),
                flags: number("isakmp.flags", index),
                message_id: number("isakmp.messageid", index),
                length: number("isakmp.length", index),
            });
        }
        // One octet 0xff is all that is left of the encapsulation.
        if frame["frame.protocols"].as_str().unwrap().ends_with("udpencap") {
            said.push(Fact::NatKeepalive);
        }
        if !said.is_empty() {
            facts.insert(frame["frame.number"].as_str().unwrap().parse().unwrap(), said);
        }
    }
    facts
}

fn parse(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).unwrap(),
        None => text.parse().unwrap(),
    }
}
