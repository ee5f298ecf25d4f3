//! See `gdoi_lab::hostile::client`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| gdoi_lab::hostile::client(octets));
