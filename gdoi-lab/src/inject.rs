//! Sends frames on an interface, exactly as they are.

mod batch;

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, bind, send, setsockopt, socket, sockopt,
};

use crate::capture::Frame;

const IN_FLIGHT_OCTETS: usize = 64 << 10;
const AGAIN: Duration = Duration::from_micros(50);

/// How fast frames are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As fast as the interface accepts them.
    Max,
    /// By their times in the capture, this many times faster.
    Times(f64),
}

/// A packet socket on one interface.
#[derive(Debug)]
pub struct Injector {
    socket: OwnedFd,
}

impl Injector {
    /// Opens the interface `name` of the calling thread's namespace.
    pub fn open(name: &str) -> Result<Self> {
        // Protocol zero: this socket only sends.
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)
            .context("open a packet socket")?;
        let address = link_address(name)?;
        bind(socket.as_raw_fd(), &address).with_context(|| format!("bind a packet socket to {name}"))?;
        // Frames in flight are charged to the socket. This few fit the queue of a veth (256): the sender waits,
        // instead of the queue dropping.
        setsockopt(&socket, sockopt::SndBuf, &IN_FLIGHT_OCTETS).context("set the size of the send buffer")?;
        Ok(Self { socket })
    }

    /// Sends the frames `times` times; returns how many were sent.
    pub fn send(&self, frames: &[Frame], pace: Pace, times: u32) -> Result<u64> {
        let mut sent = 0;
        for _ in 0..times {
            let start = Instant::now();
            for frame in frames {
                if let Pace::Times(factor) = pace {
                    let due = Duration::from_secs_f64(frame.at.as_secs_f64() / factor);
                    sleep(due.saturating_sub(start.elapsed()));
                }
                self.send_frame(&frame.octets)?;
                sent += 1;
            }
        }
        Ok(sent)
    }

    /// Sends one frame, waiting while the queue is full.
    pub fn send_frame(&self, octets: &[u8]) -> Result<()> {
        loop {
            match send(self.socket.as_raw_fd(), octets, MsgFlags::empty()) {
                Ok(_) => return Ok(()),
                Err(Errno::ENOBUFS | Errno::EAGAIN | Errno::EINTR) => sleep(AGAIN),
                Err(error) => {
                    return Err(error).with_context(|| format!("send a frame of {} octets", octets.len()));
                }
            }
        }
    }
}

fn link_address(name: &str) -> Result<LinkAddr> {
    getifaddrs()
        .context("list the interfaces")?
        .filter(|interface| interface.interface_name == name)
        .find_map(|interface| interface.address?.as_link_addr().copied())
        .with_context(|| format!("no interface {name}"))
}
