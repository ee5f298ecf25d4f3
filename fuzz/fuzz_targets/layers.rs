//! See `gdoi_lab::hostile::layers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| gdoi_lab::hostile::layers(octets));
