//! See `gdoi_lab::hostile::payloads`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| gdoi_lab::hostile::payloads(octets));
