//! What a caller can do wrong. Strangers' mistakes are never errors: they are counted in
//! [`Stats`](crate::dht::stats::Stats).

use core::fmt;

/// There is no room for what was to be kept or written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no room")
    }
}

impl core::error::Error for NoRoom {}

/// Why a command was not accepted. Nothing was changed and no operation was started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CallError {
    /// All places for operations are taken: wait for a `Finished`.
    Full,
    /// The handle's operation has ended.
    Stale,
    /// The value is longer than 1000 bytes, bencoded.
    ValueTooLarge,
    /// The value is not canonical bencode.
    NotCanonical,
    /// The salt is longer than 64 bytes.
    SaltTooLong,
    /// The signature does not fit key, salt, seq and value.
    BadSignature,
    /// The sequence number is negative.
    BadSeq,
    /// The port is 0.
    BadPort,
    /// No link of that number, or none of that address family.
    NoLink,
    /// The address is not one that a datagram can be sent to.
    BadAddress,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CallError::Full => "too many operations at the same time: wait until one has finished",
            CallError::Stale => "the operation has already ended",
            CallError::ValueTooLarge => "the value is longer than 1000 bytes when bencoded",
            CallError::NotCanonical => "the value is not canonical bencode",
            CallError::SaltTooLong => "the salt is longer than 64 bytes",
            CallError::BadSignature => "the signature does not fit key, salt, sequence number and value",
            CallError::BadSeq => "the sequence number is negative",
            CallError::BadPort => "the port is 0",
            CallError::NoLink => "no local socket has that number or that address family",
            CallError::BadAddress => "not an address that a datagram can be sent to",
        })
    }
}

impl core::error::Error for CallError {}

/// Why a node could not be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// No link is configured.
    NoLinks,
    /// A table has no room at all, or more than its index type can name (65,534).
    Capacity(&'static str),
    /// A rule has a value that makes no sense; the text names it.
    Rule(&'static str),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::NoLinks => f.write_str("a node needs at least one link"),
            ConfigError::Capacity(what) => write!(f, "capacity of {what} is zero or too large"),
            ConfigError::Rule(what) => write!(f, "configuration of {what} makes no sense"),
        }
    }
}

impl core::error::Error for ConfigError {}
