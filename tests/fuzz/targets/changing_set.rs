#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| honeyguide_fuzz::changing_set(data));
