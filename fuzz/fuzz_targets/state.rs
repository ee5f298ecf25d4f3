//! See `gdoi_lab::hostile::state`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| gdoi_lab::hostile::state(octets));
