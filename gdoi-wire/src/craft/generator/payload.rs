//! What the generator puts into IP.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::{Generator, LIES};
use crate::craft::{AH, AhFields, ESP, Ipv4, Ipv6, KEEPALIVE, Message, UDP, Udp, chain, esp, marked};
use crate::exchange::Exchange;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const ICMP6: u8 = 58;

impl Generator {
    pub(super) fn transport(&mut self, source: IpAddr, destination: IpAddr) -> (u8, Vec<u8>) {
        match self.random.below(100) {
            0..=49 => (UDP, self.udp(source, destination)),
            50..=74 => (ESP, self.esp()),
            75..=86 => (AH, self.ah(source, destination)),
            87..=91 => (TCP, self.some_octets(20, 400)),
            92..=95 => {
                // An ICMP error that quotes an ISAKMP message is not a message.
                let mut icmp = Vec::from([3, 4, 0, 0, 0, 0, 5, 0]);
                let quoted = self.udp(source, destination);
                icmp.extend(packet_of(source, destination, &quoted));
                (if source.is_ipv4() { ICMP } else { ICMP6 }, icmp)
            }
            _ => (self.random.octet(), self.some_octets(0, 200)),
        }
    }

    fn udp(&mut self, source: IpAddr, destination: IpAddr) -> Vec<u8> {
        let payload = self.datagram();
        let (mut from, mut to) = match self.random.below(10) {
            0..=4 => (848, 848),
            5 | 6 => (self.random.half(), 848),
            7 | 8 => (4500, 4500),
            _ => (
                self.random.half(),
                self.random.pick(&[53, 500, 847, 849, 4499, 4500]),
            ),
        };
        if self.random.one_in(2) {
            (from, to) = (to, from);
        }
        let mut udp = Udp::new(from, to);
        if self.random.one_in(LIES) {
            udp.length = Some(self.lie(8 + payload.len()));
        }
        if self.random.one_in(LIES) {
            udp.checksum = Some(self.random.pick(&[0, 0xffff]));
        }
        udp.around(source, destination, &payload)
    }

    fn datagram(&mut self) -> Vec<u8> {
        match self.random.below(20) {
            0..=8 => self.isakmp(),
            9..=11 => marked(&self.isakmp()),
            12..=14 => self.esp(),
            15 => KEEPALIVE.to_vec(),
            16 => self.some_octets(0, 4),
            17 => self.some_octets(0, 36),
            18 => marked(&self.some_octets(0, 36)),
            _ => Vec::new(),
        }
    }

    fn isakmp(&mut self) -> Vec<u8> {
        let exchange = self.random.below(Exchange::NAMED.len() as u64 + 2) as usize;
        let exchange = Exchange::NAMED.get(exchange).copied();
        let mut message = Message::new(
            exchange.unwrap_or(Exchange::Unknown(self.random.octet())),
            self.random.array(),
            self.random.array(),
        );
        if self.random.one_in(4) {
            message.responder = [0; 8];
        }
        if self.random.one_in(LIES) {
            message.version = self.random.octet();
        }
        if self.random.one_in(LIES) {
            message.flags = self.random.octet();
        }
        if !self.random.one_in(3) {
            message.message_id = self.random.word();
        }
        let (first, body) = if message.flags == 0 {
            let bodies: Vec<(u8, Vec<u8>)> = (0..self.random.below(6))
                .map(|_| (self.random.octet() & 0x1f, self.some_octets(0, 120)))
                .collect();
            let bodies: Vec<(u8, &[u8])> = bodies
                .iter()
                .map(|(kind, body)| (*kind, body.as_slice()))
                .collect();
            chain(&bodies)
        } else {
            let most = if self.random.one_in(60) { 8_800 } else { 1_380 };
            (self.random.octet() & 0x3f, self.some_octets(0, most))
        };
        if self.random.one_in(LIES) {
            message.length = Some(self.random.pick(&[0, 27, 28, 0xffff, u32::MAX]));
        }
        message.octets(first, &body)
    }

    fn esp(&mut self) -> Vec<u8> {
        let spi = match self.random.below(16) {
            0 => u32::from(self.random.octet()),
            1 => self.random.pick(&[0, 1, 255, 256, 257, u32::MAX]),
            2..=5 => self.random.word(),
            _ => self.random.pick(&self.pool),
        };
        let sequence = self.random.word();
        let most = if self.random.one_in(4) { 8 } else { 1_400 };
        let mut packet = esp(spi, sequence, &self.some_octets(0, most));
        if self.random.one_in(LIES) {
            packet.truncate(self.random.below(9) as usize);
        }
        packet
    }

    fn ah(&mut self, source: IpAddr, destination: IpAddr) -> Vec<u8> {
        let (next, inner) = match self.random.below(8) {
            0..=2 => (UDP, self.udp(source, destination)),
            3 | 4 => (ESP, self.esp()),
            5 => (TCP, self.some_octets(20, 80)),
            6 => (
                self.random.pick(&[4, 41, 44, AH, 59, 60]),
                self.some_octets(0, 80),
            ),
            _ => (self.random.octet(), self.some_octets(0, 40)),
        };
        let mut ah = AhFields::new(self.random.word(), self.random.word());
        ah.icv = self.some_octets(0, 32);
        if self.random.one_in(LIES / 2) {
            ah.length = Some(self.random.pick(&[0, 1, 2, 255, 60]));
        }
        let mut packet = ah.around(next, &inner);
        if self.random.one_in(LIES) {
            packet.truncate(self.random.below(13) as usize);
        }
        packet
    }
}

fn packet_of(source: IpAddr, destination: IpAddr, datagram: &[u8]) -> Vec<u8> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => Ipv4::new(source, destination).around(UDP, datagram),
        (IpAddr::V6(source), IpAddr::V6(destination)) => Ipv6::new(source, destination).around(UDP, datagram),
        _ => Vec::new(),
    }
}
