//! Serves the pages of all gateways, each under its own path.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context as _, Result};

use super::Sharing;
use super::pages::World;

/// A server that runs until the process ends.
#[derive(Debug)]
pub struct PageServer {
    address: SocketAddr,
}

impl PageServer {
    /// Serves `/gateway/N/metrics` on a free loopback port, once the simulated gateway has run for hours.
    pub fn start(sharing: Sharing) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen for Prometheus")?;
        let address = listener.local_addr().context("listen for Prometheus")?;
        let (ready, is_ready) = mpsc::channel();
        // A simulation cannot be moved to another thread.
        thread::spawn(move || {
            let world = World::now().and_then(|mut world| {
                world.page_of(0, sharing)?;
                Ok(world)
            });
            match world {
                Ok(world) => {
                    drop(ready.send(Ok(())));
                    serve(&listener, world, sharing);
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        });
        is_ready.recv().context("the simulated gateway ended")??;
        Ok(Self { address })
    }

    /// Its address.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

fn serve(listener: &TcpListener, mut world: World, sharing: Sharing) {
    for stream in listener.incoming().flatten() {
        // Prometheus then marks the target as down, and the run fails with the number of such targets.
        drop(answer(stream, &mut world, sharing));
    }
}

fn answer(mut stream: TcpStream, world: &mut World, sharing: Sharing) -> Result<()> {
    let mut request = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    reader.read_line(&mut request)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let number = request.split('/').nth(2).and_then(|number| number.parse().ok());
    let page = world.page_of(number.context("not the path of a gateway")?, sharing)?;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{page}",
        page.len()
    )?;
    Ok(())
}
