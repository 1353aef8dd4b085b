//! Signed packets of pkarr: items of BEP 44 without a salt, whose value is a DNS message as one byte string and whose
//! sequence number is the packet's time (rules U19 to U21).
//!
//! ```text
//! public key (32 bytes), signature (64), microseconds since 1970 (8, big-endian), DNS message (0 to 1,000)
//! ```

use crate::count::count;

/// The alphabet of z-base-32.
const ALPHABET: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";
/// A key's characters: 256 bits, five each.
const KEY_LEN: usize = 52;

/// A packet in its parts; nothing is verified yet.
#[derive(PartialEq, Debug)]
pub struct Packet {
    pub key: [u8; 32],
    pub signature: [u8; 64],
    pub seq: i64,
    /// The DNS message, bencoded.
    pub value: Vec<u8>,
}

impl Packet {
    const HEAD: usize = 32 + 64 + 8;
    pub const MAX_LEN: usize = Self::HEAD + 1000;

    pub fn decode(bytes: &[u8]) -> Result<Packet, String> {
        let parts = bytes.split_first_chunk().and_then(|(key, rest)| {
            let (signature, rest) = rest.split_first_chunk()?;
            let (time, message) = rest.split_first_chunk()?;
            Some((*key, *signature, u64::from_be_bytes(*time), message))
        });
        let is_short_enough = bytes.len() <= Self::MAX_LEN;
        let Some((key, signature, time, message)) = parts.filter(|_| is_short_enough) else {
            let (len, head, most) = (bytes.len(), Self::HEAD, Self::MAX_LEN);
            return Err(format!("has {}, and a signed packet has from {head} to {most}", count(len, "byte")));
        };
        let seq = i64::try_from(time)
            .map_err(|_| format!("has the time {time}, and the highest sequence number is {}", i64::MAX))?;
        let value = [format!("{}:", message.len()).as_bytes(), message].concat();
        Ok(Packet { key, signature, seq, value })
    }
}

/// A key as pkarr writes it, with `pk:` in front or without. The last character carries one bit; its other four are not
/// looked at, as in pkarr's own programs.
pub fn key(text: &str) -> Result<[u8; 32], String> {
    let digits = text.strip_prefix("pk:").unwrap_or(text).as_bytes();
    let fault = || format!("not {KEY_LEN} characters of z-base-32, which are {}", ALPHABET.escape_ascii());
    if digits.len() != KEY_LEN {
        return Err(fault());
    }
    let (mut key, mut bit) = ([0; 32], 0);
    for digit in digits {
        let value = ALPHABET.iter().position(|of| of == digit).ok_or_else(fault)?;
        for i in (0..5).rev() {
            if let Some(byte) = key.get_mut(bit / 8) {
                *byte |= ((value >> i & 1) as u8) << (7 - bit % 8);
            }
            bit += 1;
        }
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule U19.
    #[test]
    fn a_packet_is_taken_at_its_limits_and_not_one_byte_past_them() {
        let bytes: Vec<u8> = [[1; 32].as_slice(), &[2; 64], &7u64.to_be_bytes(), &[9; 1000]].concat();
        let packet = Packet::decode(&bytes).unwrap();
        assert_eq!((packet.key, packet.signature, packet.seq), ([1; 32], [2; 64], 7));
        assert_eq!(packet.value, [&b"1000:"[..], &[9; 1000]].concat());
        assert_eq!(Packet::decode(&bytes[..104]).unwrap().value, b"0:");
        assert!(Packet::decode(&bytes[..103]).unwrap_err().contains("103 bytes"));
        assert!(Packet::decode(&[&bytes[..], b"x"].concat()).unwrap_err().contains("1105 bytes"));
    }

    /// Rule U20.
    #[test]
    fn a_time_past_the_highest_sequence_number_is_refused() {
        let at = |time: u64| Packet::decode(&[[0; 96].as_slice(), &time.to_be_bytes()].concat());
        assert_eq!(at(i64::MAX as u64).unwrap().seq, i64::MAX);
        assert!(at(1 << 63).unwrap_err().contains("9223372036854775808"));
    }

    /// Rule U21.
    #[test]
    fn a_key_is_52_characters_of_z_base_32() {
        assert_eq!(key(&"y".repeat(52)), Ok([0; 32]));
        assert_eq!(key(&format!("pk:{}o", "9".repeat(51))), Ok([255; 32]));
        // The spare bits of the last character.
        assert_eq!(key(&format!("{}9", "9".repeat(51))), Ok([255; 32]));
        for wrong in ["", &"y".repeat(51), &"y".repeat(53), &"Y".repeat(52), &"l".repeat(52), &"\u{fc}".repeat(26)] {
            assert!(key(wrong).unwrap_err().contains("52 characters"), "{wrong}");
        }
    }
}
