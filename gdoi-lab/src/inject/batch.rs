//! Sends many frames with one system call.

use std::io::IoSlice;
use std::os::fd::AsRawFd as _;
use std::thread::sleep;

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, sendmmsg};

use super::{AGAIN, Injector};

impl Injector {
    /// Sends all frames of a batch, waiting while the queue is full.
    pub fn send_batch<F: AsRef<[u8]>>(&self, frames: &[F]) -> Result<()> {
        let slices: Vec<[IoSlice<'_>; 1]> = frames
            .iter()
            .map(|frame| [IoSlice::new(frame.as_ref())])
            .collect();
        // The socket is bound: no frame has an address of its own.
        let nowhere: Vec<Option<()>> = vec![None; frames.len()];
        let mut sent = 0;
        while let (Some(slices), Some(nowhere)) = (slices.get(sent..), nowhere.get(sent..))
            && !slices.is_empty()
        {
            let mut headers = MultiHeaders::preallocate(slices.len(), None);
            let took = sendmmsg(
                self.socket.as_raw_fd(),
                &mut headers,
                slices,
                nowhere,
                [],
                MsgFlags::empty(),
            )
            .map(Iterator::count);
            match took {
                Ok(count) => sent += count,
                Err(Errno::ENOBUFS | Errno::EAGAIN | Errno::EINTR) => sleep(AGAIN),
                Err(error) => return Err(error).context("send a batch of frames"),
            }
        }
        Ok(())
    }
}
