//! What was typed.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand, value_parser};
use gdoi_wire::Ports;

/// Tells what every GDOI group does, from headers alone.
#[derive(Debug, Parser)]
#[command(name = "gdoi-monitor", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say whether a configuration file can be used
    CheckConfig(CheckConfig),
    /// Print one JSON line per GDOI, ESP and AH packet of captures
    Decode(Decode),
}

/// The arguments of `check-config`.
#[derive(Debug, Args)]
pub struct CheckConfig {
    /// The configuration file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// The arguments of `decode`.
#[derive(Debug, Args)]
pub struct Decode {
    /// Captures, pcap or pcapng; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Ports.
    #[command(flatten)]
    pub ports: PortArgs,
}

/// The UDP ports to read.
#[derive(Clone, Debug, Args)]
pub struct PortArgs {
    /// UDP port of GDOI, or of IKE; at most four, repeated or separated by commas
    #[arg(long = "isakmp-port", value_name = "PORT", default_value = "848", value_delimiter = ',',
          value_parser = value_parser!(u16).range(1..))]
    isakmp: Vec<u16>,
    /// UDP port of NAT traversal; at most four, repeated or separated by commas
    #[arg(long = "nat-t-port", value_name = "PORT", default_value = "4500", value_delimiter = ',',
          value_parser = value_parser!(u16).range(1..))]
    nat_t: Vec<u16>,
}

impl PortArgs {
    /// The ports, if there are not too many and none has two meanings.
    pub fn ports(&self) -> Result<Ports, clap::Error> {
        let refuse = |message: String| Cli::command().error(ErrorKind::ValueValidation, message);
        if let Some(port) = self.isakmp.iter().find(|port| self.nat_t.contains(port)) {
            return Err(refuse(format!(
                "port {port} cannot be both --isakmp-port and --nat-t-port"
            )));
        }
        let slots = |ports: &[u16], option| {
            let mut slots = [0; Ports::SLOTS];
            let Some(taken) = slots.get_mut(..ports.len()) else {
                return Err(refuse(format!("{option} takes at most {} ports", Ports::SLOTS)));
            };
            taken.copy_from_slice(ports);
            Ok(slots)
        };
        Ok(Ports {
            isakmp: slots(&self.isakmp, "--isakmp-port")?,
            nat_t: slots(&self.nat_t, "--nat-t-port")?,
        })
    }
}
