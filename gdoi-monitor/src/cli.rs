//! The command line.

mod values;

use std::path::PathBuf;

use clap::builder::TypedValueParser as _;
use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand, ValueEnum, value_parser};
use gdoi_core::transition::Severity;
use gdoi_wire::Ports;
use hyper::Uri;

use crate::config::{ModeName, PortSlots};
use crate::lockdown::Policy;
use crate::report::ReportFormat;
use crate::show::Show;
use crate::top::Top;

pub use values::{ListenAddress, LogFilter};

const WEB: &str = "Web";
const KERNEL: &str = "Kernel";
const FILES: &str = "Files";
const LOG: &str = "Log";
const RUN_EXAMPLES: &str = "\
Examples:
  gdoi-monitor run -i eth0
  gdoi-monitor run -i 'eth*,ppp*' --egress -c config.toml --web.listen-address :11848";

/// Monitors GDOI group key management (Cisco GETVPN) from packet headers, without keys
#[derive(Debug, Parser)]
#[command(
    name = "gdoi-monitor",
    version,
    max_term_width = 100,
    disable_help_flag = true
)]
pub struct Cli {
    /// Print help
    // One form of help, which fits a screen; the manual page has the long one.
    #[arg(short, long, global = true, action = ArgAction::HelpShort, help_heading = "Help")]
    help: Option<bool>,
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Report what happened in packet captures: registrations, rekeys, keys and faults
    Analyze(Analyze),
    /// Check a configuration file
    CheckConfig(CheckConfig),
    /// Print shell completions
    Completions(Completions),
    /// Print one JSON line for each GDOI, ESP and AH packet of a capture
    Decode(Decode),
    /// Detach the programs that an agent with --pin-folder left in the kernel
    Detach(Detach),
    /// Check whether this host meets the requirements, and how to fix what is missing
    Doctor(Doctor),
    /// Print the manual page
    Man,
    /// Monitor interfaces, and serve metrics, API and pages
    Run(Run),
    /// Query a running agent
    Show(Show),
    /// Show a running agent's state full-screen
    Top(Top),
}

/// The arguments of `analyze`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gdoi-monitor analyze gateway.pcapng\n  gdoi-monitor analyze --config groups.toml --format html --output report.html monday.pcap tuesday.pcap.gz\n  tcpdump -i eth0 -w - udp port 848 or udp port 4500 or esp | gdoi-monitor analyze -"
)]
pub struct Analyze {
    /// Captures in pcap or pcapng, plain, gzip or Zstandard; several are merged by time; - reads standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Report format
    #[arg(long, value_enum, default_value_t)]
    pub format: ReportFormat,
    /// Write the report to this file
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Exit with status 3 if there is a finding of this severity or worse
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub fail_on: Option<FailOn>,
    /// Ports.
    #[command(flatten)]
    pub ports: PortArgs,
}

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Any finding.
    Info,
    /// Something that needs attention.
    Warning,
    /// Something that affects traffic, or soon will.
    Critical,
}

impl From<FailOn> for Severity {
    fn from(severity: FailOn) -> Self {
        match severity {
            FailOn::Info => Self::Info,
            FailOn::Warning => Self::Warning,
            FailOn::Critical => Self::Critical,
        }
    }
}

/// The arguments of `check-config`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gdoi-monitor check-config /etc/gdoi-monitor/config.toml")]
pub struct CheckConfig {
    /// The configuration file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// The arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gdoi-monitor completions bash > /etc/bash_completion.d/gdoi-monitor")]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// The arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gdoi-monitor doctor --interface eth0")]
pub struct Doctor {
    /// Interface to check, or a pattern with * and ?; default: all
    #[arg(short, long, value_name = "IF", value_delimiter = ',')]
    pub interface: Vec<String>,
}

/// The arguments of `decode`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  gdoi-monitor decode gateway.pcapng | jq -c 'select(.exchange_name == \"groupkey_push\")'"
)]
pub struct Decode {
    /// Captures in pcap or pcapng; - reads standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Ports.
    #[command(flatten)]
    pub ports: PortArgs,
}

/// The arguments of `detach`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gdoi-monitor detach --pin-folder /sys/fs/bpf/gdoi-monitor")]
pub struct Detach {
    /// The --pin-folder that was given to `run`
    #[arg(long, value_name = "DIR")]
    pub pin_folder: PathBuf,
}

/// The arguments of `run`. Of a repeated option the last counts: wrappers put theirs first.
#[derive(Clone, Debug, Args)]
#[command(args_override_self = true, after_help = RUN_EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct Run {
    /// Interface to monitor, or a pattern with * and ?; repeat the option or separate with commas
    #[arg(short, long, value_name = "IF", value_delimiter = ',')]
    pub interface: Vec<String>,
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address to serve metrics, API and pages on, such as localhost:11848, or :11848 for all; repeatable
    #[arg(long = "web.listen-address", value_name = "ADDR", help_heading = WEB)]
    pub listen: Vec<ListenAddress>,
    /// File with TLS, passwords and headers in the format of Prometheus' exporter-toolkit; reloaded when it changes
    #[arg(long = "web.config.file", value_name = "FILE", help_heading = WEB)]
    pub web_config: Option<PathBuf>,
    /// Allow /-/reload, which changes what the agent does; without it, SIGHUP reloads the configuration
    #[arg(long = "web.enable-lifecycle", help_heading = WEB)]
    pub enable_lifecycle: bool,
    /// URL by which clients reach the agent under another name than that of this host or localhost; repeatable
    #[arg(long = "web.external-url", value_name = "URL", value_parser = external_url, help_heading = WEB)]
    pub external_url: Vec<Uri>,
    /// Where to attach in the kernel
    #[arg(long, value_name = "MODE", help_heading = KERNEL)]
    pub mode: Option<ModeName>,
    /// Monitor only interfaces that exist at startup and are named exactly; then drop every capability
    #[arg(long, help_heading = KERNEL)]
    pub no_hot_plug: bool,
    /// Drop capabilities, file access, ports and system calls that are not needed after startup
    #[arg(long, value_name = "POLICY", default_value = "auto")]
    pub lock_down: Policy,
    /// Also monitor what this host itself sends; forwarded packets are counted at ingress only
    #[arg(long)]
    pub egress: bool,
    /// Append events to this file, one JSON object per line; - writes to standard output
    #[arg(long, value_name = "FILE", help_heading = FILES)]
    pub event_file: Option<PathBuf>,
    /// Rename the event file to FILE.1 at this size in bytes; K, M and G are powers of 1024
    #[arg(long, value_name = "SIZE", default_value = "100M", value_parser = values::bytes, help_heading = FILES)]
    pub event_file_size: u64,
    /// Number of renamed event files to keep
    #[arg(long, value_name = "N", default_value_t = 3, help_heading = FILES)]
    pub event_file_keep: u32,
    /// Also send events to the systemd journal
    #[arg(long, help_heading = FILES)]
    pub event_journal: bool,
    /// Keep the state in this file, so that it survives a restart of the agent
    #[arg(long, value_name = "FILE", help_heading = FILES)]
    pub state_file: Option<PathBuf>,
    /// Folder in a BPF file system, such as /sys/fs/bpf/gdoi-monitor. Programs and counters pinned there stay in the
    /// kernel while no agent runs, so a restart or an upgrade misses nothing. `detach` removes them
    #[arg(long, value_name = "DIR", help_heading = KERNEL)]
    pub pin_folder: Option<PathBuf>,
    /// Flight recorder: write the latest GDOI messages to this folder as captures, around critical events and on SIGUSR1
    #[arg(long, value_name = "DIR", help_heading = FILES)]
    pub flight_folder: Option<PathBuf>,
    /// Memory of the flight recorder in MiB
    #[arg(long, value_name = "MIB", default_value_t = 4, value_parser = value_parser!(u16).range(1..=1024).map(usize::from), help_heading = FILES)]
    pub flight_size: usize,
    /// Ports.
    #[command(flatten)]
    pub ports: PortArgs,
    /// Size of the kernel's SPI table: slots per CPU and interface, rounded up to a power of two
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = value_parser!(u32).range(2..=32_768), help_heading = KERNEL)]
    pub spi_slots: u32,
    /// Measure run count and run time of the programs in the kernel; costs some nanoseconds per packet, needs `CAP_SYS_ADMIN`
    #[arg(long, help_heading = KERNEL)]
    pub program_stats: bool,
    /// Log level of the XDP program itself; fixed while it is loaded, and costs time for every packet
    #[arg(long, value_name = "LEVEL", default_value = "off", help_heading = LOG)]
    pub kernel_log: KernelLog,
    /// Log level: off, error, warn, info, debug or trace; for modules: `warn,gdoi_monitor::http=debug`
    #[arg(long = "log.level", value_name = "LEVEL", default_value = "info", help_heading = LOG)]
    pub log_level: LogFilter,
    /// Log format
    #[arg(long = "log.format", value_name = "FORMAT", default_value = "text", help_heading = LOG)]
    pub log_format: LogFormat,
}

/// The log level of the XDP program.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum KernelLog {
    /// Nothing: the verifier deletes the log from the program.
    Off,
    /// Messages, and unreadable packets.
    Debug,
}

/// Log format.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The UDP ports to read.
#[derive(Clone, Debug, Args)]
pub struct PortArgs {
    /// UDP port of GDOI or IKE; up to four, repeat the option or separate with commas [default: 848]
    #[arg(long = "isakmp-port", value_name = "PORT", value_delimiter = ',', value_parser = value_parser!(u16).range(1..))]
    isakmp: Vec<u16>,
    /// UDP port of NAT traversal; up to four, repeat the option or separate with commas [default: 4500]
    #[arg(long = "nat-t-port", value_name = "PORT", value_delimiter = ',', value_parser = value_parser!(u16).range(1..))]
    nat_t: Vec<u16>,
}

impl PortArgs {
    /// The ports given on the command line, or those of `base`. Refuses too many, and one with two meanings.
    pub fn over(&self, base: &Ports) -> Result<Ports, clap::Error> {
        let ports = Ports {
            isakmp: slots(&self.isakmp, base.isakmp, "--isakmp-port")?,
            nat_t: slots(&self.nat_t, base.nat_t, "--nat-t-port")?,
        };
        let mut isakmp = ports.isakmp.iter().filter(|port| **port != 0);
        match isakmp.find(|port| ports.nat_t.contains(port)) {
            Some(port) => Err(refuse(format!(
                "port {port} cannot be both --isakmp-port and --nat-t-port"
            ))),
            None => Ok(ports),
        }
    }
}

/// A URL with a host.
fn external_url(text: &str) -> Result<Uri, String> {
    let url = text.parse::<Uri>().ok().filter(|url| url.host().is_some());
    url.ok_or_else(|| "a URL with a host, like http://gw1.example.net:11848".to_owned())
}

fn slots(typed: &[u16], base: PortSlots, option: &str) -> Result<PortSlots, clap::Error> {
    if typed.is_empty() {
        return Ok(base);
    }
    let mut slots = PortSlots::default();
    let Some(taken) = slots.get_mut(..typed.len()) else {
        return Err(refuse(format!("{option} takes at most {} ports", Ports::SLOTS)));
    };
    taken.copy_from_slice(typed);
    Ok(slots)
}

fn refuse(message: String) -> clap::Error {
    Cli::command().error(ErrorKind::ValueValidation, message)
}
