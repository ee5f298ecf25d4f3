//! What crosses crates: capture oracles, kernel parity, network namespaces, replay, the command line.
#![cfg(test)]

mod agent_life;
mod analyze_command;
mod budget;
mod captures;
mod check_config_command;
mod company;
mod decode_command;
mod doctor_command;
mod faults;
mod flight;
mod floods;
mod fuzz_corpus;
mod gateway;
mod house;
mod http;
mod kernel;
mod live;
mod live_events;
mod live_page;
mod lockdown;
mod oracle;
mod parity;
mod pins;
mod program;
mod progress;
mod prometheus;
mod reload;
mod replay;
mod report_page;
mod service;
mod show;
mod simulation;
mod skim;
mod top;
mod truth;
