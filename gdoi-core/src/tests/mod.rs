//! Scripted scenarios: messages with times, and the tracker's reports.

mod acknowledgements;
mod bounds;
mod bursts;
mod claims;
mod data_plane;
mod diagnosis;
mod floods;
mod forgeries;
mod inband;
mod incident_floods;
mod kek;
mod key_servers;
mod overdue;
mod periodic;
mod records;
mod registration;
mod rekey;
mod restart;
mod script;
mod tables;
