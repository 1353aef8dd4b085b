#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| honeyguide_fuzz::differential(data));
