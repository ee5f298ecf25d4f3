//! The agent and its commands: sources, engine, and sinks.
#![deny(unsafe_code)]

pub mod analyze;
pub mod cli;
pub mod client;
pub mod config;
pub mod decode;
pub mod detach;
pub mod doctor;
pub mod engine;
pub mod event;
pub mod exit;
pub mod exposition;
mod files;
mod hex;
pub mod http;
pub mod lockdown;
pub mod manual;
mod notify;
pub mod output_file;
mod progress;
mod reload;
pub mod report;
pub mod run;
pub mod show;
pub mod sink;
pub mod sites;
pub mod source;
pub mod state;
pub mod status;
pub mod text;
pub mod time;
pub mod top;
