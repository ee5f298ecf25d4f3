//! Writes captures for the reader's tests, invalid ones included.

/// Which octet of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Big,
    Little,
}

impl Order {
    fn two(self, number: u16) -> [u8; 2] {
        match self {
            Self::Big => number.to_be_bytes(),
            Self::Little => number.to_le_bytes(),
        }
    }

    fn four(self, number: u32) -> [u8; 4] {
        match self {
            Self::Big => number.to_be_bytes(),
            Self::Little => number.to_le_bytes(),
        }
    }

    pub(super) fn eight(self, number: u64) -> [u8; 8] {
        match self {
            Self::Big => number.to_be_bytes(),
            Self::Little => number.to_le_bytes(),
        }
    }
}

/// A pcap capture of records: seconds, fraction, octets, octets on the wire.
pub(super) fn pcap(magic: u32, order: Order, link: u32, records: &[(u32, u32, &[u8], u32)]) -> Vec<u8> {
    let mut capture = Vec::new();
    capture.extend(order.four(magic));
    capture.extend(order.two(2));
    capture.extend(order.two(4));
    for field in [0, 0, 262_144, link] {
        capture.extend(order.four(field));
    }
    for (seconds, fraction, octets, wire) in records {
        for field in [*seconds, *fraction, length(octets), *wire] {
            capture.extend(order.four(field));
        }
        if magic == 0xa1b2_cd34 {
            capture.extend([0; 8]);
        }
        capture.extend(*octets);
    }
    capture
}

/// Types of blocks.
pub(super) struct Block;

impl Block {
    const SECTION: u32 = 0x0a0d_0d0a;
    const INTERFACE: u32 = 1;
    const OBSOLETE: u32 = 2;
    const SIMPLE: u32 = 3;
    pub(super) const STATISTICS: u32 = 5;
    const ENHANCED: u32 = 6;
    pub(super) const CUSTOM: u32 = 0x4000_0bad;
}

/// One section of a pcapng capture.
pub(super) struct Pcapng {
    order: Order,
    pub(super) octets: Vec<u8>,
}

impl Pcapng {
    pub(super) fn new(order: Order) -> Self {
        let mut capture = Self {
            order,
            octets: Vec::new(),
        };
        let mut body = order.four(0x1a2b_3c4d).to_vec();
        body.extend(order.two(1));
        body.extend(order.two(0));
        body.extend([0xff; 8]);
        capture.block(Block::SECTION, &body);
        capture
    }

    pub(super) fn block(&mut self, kind: u32, body: &[u8]) {
        let whole = self.order.four(length(body) + 12);
        self.octets.extend(self.order.four(kind));
        self.octets.extend(whole);
        self.octets.extend(body);
        self.octets.extend(whole);
    }

    pub(super) fn interface(&mut self, link: u16, snap: u32, options: &[(u16, &[u8])]) {
        let mut body = self.order.two(link).to_vec();
        body.extend([0; 2]);
        body.extend(self.order.four(snap));
        for (code, value) in options {
            body.extend(self.order.two(*code));
            body.extend(self.order.two(u16::try_from(value.len()).unwrap()));
            body.extend(padded(value));
        }
        self.block(Block::INTERFACE, &body);
    }

    pub(super) fn enhanced(&mut self, interface: u32, stamp: u64, octets: &[u8], wire: u32) {
        let mut body = self.order.four(interface).to_vec();
        body.extend(self.stamp(stamp));
        body.extend(self.order.four(length(octets)));
        body.extend(self.order.four(wire));
        body.extend(padded(octets));
        self.block(Block::ENHANCED, &body);
    }

    pub(super) fn obsolete(&mut self, interface: u16, stamp: u64, octets: &[u8], wire: u32) {
        let mut body = self.order.two(interface).to_vec();
        body.extend([0; 2]);
        body.extend(self.stamp(stamp));
        body.extend(self.order.four(length(octets)));
        body.extend(self.order.four(wire));
        body.extend(padded(octets));
        self.block(Block::OBSOLETE, &body);
    }

    pub(super) fn simple(&mut self, octets: &[u8], wire: u32) {
        let mut body = self.order.four(wire).to_vec();
        body.extend(padded(octets));
        self.block(Block::SIMPLE, &body);
    }

    fn stamp(&self, stamp: u64) -> Vec<u8> {
        let halves = [stamp >> 32, stamp & 0xffff_ffff].map(|half| u32::try_from(half).unwrap());
        halves.map(|half| self.order.four(half)).concat()
    }
}

fn padded(octets: &[u8]) -> Vec<u8> {
    let mut padded = octets.to_vec();
    padded.resize(octets.len().next_multiple_of(4), 0);
    padded
}

fn length(octets: &[u8]) -> u32 {
    u32::try_from(octets.len()).unwrap()
}
