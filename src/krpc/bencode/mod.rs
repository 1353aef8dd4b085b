//! Bencode (BEP 3), read and written in place.

pub mod reader;
pub mod writer;
