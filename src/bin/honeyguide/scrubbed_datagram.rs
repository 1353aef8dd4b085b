//! A datagram with other addresses in it, byte for byte in the same places.

use honeyguide::krpc::decode;

use crate::addresses::Addresses;

/// Deeper messages are none.
const DEEPEST: usize = 16;

/// What is put in the place of each thing. Every one has the length of what it replaces.
pub struct Rewriter<'a> {
    pub addresses: &'a Addresses,
    /// The write token that the other node would have got.
    pub token: &'a dyn Fn(&[u8]) -> Option<Vec<u8>>,
}

impl Rewriter<'_> {
    /// Rewrites the datagram; false when it was no message, and nothing is left of it but its length.
    pub fn rewrite(&self, datagram: &mut [u8]) -> bool {
        let mut found = Vec::new();
        let end = decode(datagram).ok().and_then(|_| walk(datagram, 0, &mut Vec::new(), &mut found));
        let Some(end) = end else {
            datagram.fill(0);
            return false;
        };
        // What follows a message is not looked at, and could be anything.
        datagram[end..].fill(0);
        for Place { keys, from, to } in found {
            self.replace(&keys, &mut datagram[from..to]);
        }
        true
    }

    fn replace(&self, keys: &[&'static str], bytes: &mut [u8]) {
        match keys {
            ["ip"] => self.address(bytes),
            ["r" | "a", "ip"] => self.address(bytes),
            ["r", "nodes"] => bytes.chunks_exact_mut(26).for_each(|node| self.address(&mut node[20..])),
            ["r", "nodes6"] => bytes.chunks_exact_mut(38).for_each(|node| self.address(&mut node[20..])),
            ["r", "values", ""] => self.address(bytes),
            ["r", "p"] | ["a", "port"] => {
                let port = std::str::from_utf8(bytes).ok().and_then(|digits| digits.parse().ok());
                if let Some(port) = port {
                    let digits = self.addresses.port(port).to_string();
                    if digits.len() == bytes.len() {
                        bytes.copy_from_slice(digits.as_bytes());
                    }
                }
            }
            ["a", "token"] => {
                if let Some(token) = (self.token)(bytes).filter(|token| token.len() == bytes.len()) {
                    bytes.copy_from_slice(&token);
                }
            }
            _ => {}
        }
    }

    /// An address with or without a port.
    fn address(&self, bytes: &mut [u8]) {
        let (ip, port) = match bytes.len() {
            4 | 16 => (bytes, None),
            6 | 18 => {
                let (ip, port) = bytes.split_at_mut(bytes.len() - 2);
                (ip, <&mut [u8; 2]>::try_from(port).ok())
            }
            _ => return,
        };
        // An IPv4 address can have the longer form.
        match ip {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, v4 @ ..] => self.addresses.turn(v4),
            ip => self.addresses.turn(ip),
        }
        if let Some(port) = port {
            *port = self.addresses.port(u16::from_be_bytes(*port)).to_be_bytes();
        }
    }
}

/// A string, or the digits of a number, and the keys that lead to it: "" for an element of a list, "?" for others.
struct Place {
    keys: Vec<&'static str>,
    from: usize,
    to: usize,
}

/// Keys that lead to something.
const KEYS: [&str; 9] = ["a", "r", "ip", "nodes", "nodes6", "values", "p", "port", "token"];

/// Walks over one value; where it ends.
fn walk(bytes: &[u8], at: usize, keys: &mut Vec<&'static str>, found: &mut Vec<Place>) -> Option<usize> {
    if keys.len() > DEEPEST {
        return None;
    }
    match *bytes.get(at)? {
        b'd' | b'l' => {
            let is_map = bytes[at] == b'd';
            let mut at = at + 1;
            while *bytes.get(at)? != b'e' {
                let mut key = "";
                if is_map {
                    let (from, to) = string(bytes, at)?;
                    key = KEYS.into_iter().find(|known| known.as_bytes() == &bytes[from..to]).unwrap_or("?");
                    at = to;
                }
                keys.push(key);
                at = walk(bytes, at, keys, found)?;
                keys.pop();
            }
            Some(at + 1)
        }
        b'i' => {
            let to = at + 1 + bytes[at + 1..].iter().position(|byte| *byte == b'e')?;
            found.push(Place { keys: keys.clone(), from: at + 1, to });
            Some(to + 1)
        }
        _ => {
            let (from, to) = string(bytes, at)?;
            found.push(Place { keys: keys.clone(), from, to });
            Some(to)
        }
    }
}

/// The string that begins here with its length.
fn string(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let digits = bytes.get(at..)?.iter().position(|byte| *byte == b':')?;
    let len: usize = std::str::from_utf8(&bytes[at..at + digits]).ok()?.parse().ok()?;
    let from = at + digits + 1;
    let to = from.checked_add(len).filter(|to| *to <= bytes.len())?;
    Some((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_ports_and_tokens_change_and_nothing_else() {
        let addresses = Addresses::new([3; 16], false);
        let token = |token: &[u8]| (token == b"original").then(|| b"replaced".to_vec());
        let rewriter = Rewriter { addresses: &addresses, token: &token };
        let turned = |ip: [u8; 4]| {
            let mut ip = ip;
            addresses.turn(&mut ip);
            ip.to_vec()
        };
        let port = |port: u16| addresses.port(port).to_be_bytes().to_vec();
        let build = |own: &[u8], peer: &[u8], contact: &[u8]| {
            let id: &[u8] = b"abcdefghij0123456789";
            let parts =
                [b"d2:ip6:", own, b"1:rd2:id20:", id, b"5:nodes26:", id, contact, b"5:token8:original6:valuesl6:"];
            [&parts.concat(), peer, b"ee1:t2:aa1:v4:LT121:y1:re"].concat()
        };
        let mut datagram = build(b"\x7f\x00\x00\x01\x1a\xe1", b"\x08\x08\x08\x08\x00\x50", b"\x01\x02\x03\x04\x1a\xe1");
        let own = [turned([127, 0, 0, 1]), port(6881)].concat();
        let contact = [turned([1, 2, 3, 4]), port(6881)].concat();
        let after = build(&own, &[turned([8, 8, 8, 8]), port(80)].concat(), &contact);
        assert!(rewriter.rewrite(&mut datagram));
        assert_eq!(datagram.escape_ascii().to_string(), after.escape_ascii().to_string());

        let announce = |port: u16, token: &str| {
            format!(
                "d1:ad2:id20:abcdefghij01234567899:info_hash20:abcdefghij01234567894:porti{port}e5:token8:{token}e\
                 1:q13:announce_peer1:t2:aa1:y1:qe"
            )
        };
        let mut datagram = announce(6881, "original").into_bytes();
        assert!(rewriter.rewrite(&mut datagram));
        assert_eq!(String::from_utf8(datagram).unwrap(), announce(addresses.port(6881), "replaced"));
    }

    #[test]
    fn of_what_is_no_message_only_its_length_stays() {
        let addresses = Addresses::new([3; 16], false);
        let rewriter = Rewriter { addresses: &addresses, token: &|_| None };
        for text in ["127.0.0.1:6881", "", "d1:y1:qe", "l99999999999999999999:e"] {
            let mut datagram = text.as_bytes().to_vec();
            assert!(!rewriter.rewrite(&mut datagram));
            assert_eq!(datagram, vec![0; text.len()]);
        }
    }
}
