//! A datagram with other addresses and tokens in it, and without what means nothing to a node: byte for byte in the
//! same places.

use std::hash::Hasher;

use honeyguide::krpc::decode;
use siphasher::sip::SipHasher13;

use crate::addresses::Addresses;

/// Deeper messages are none.
const DEEPEST: usize = 16;

/// What is put in the place of each thing. Every one has the length of what it replaces.
pub struct Rewriter<'a> {
    pub addresses: &'a Addresses,
    /// Decides what stands in the place of strangers' tokens and transaction ids.
    pub key: [u8; 16],
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
        let is_query = found.iter().any(|place| place.keys == ["y"] && datagram[place.from..place.to] == *b"q");
        for Place { keys, from, to, is_number } in found {
            let bytes = &mut datagram[from..to];
            match is_number {
                true => self.replace_number(&keys, bytes),
                false => self.replace(&keys, bytes, is_query),
            }
        }
        true
    }

    fn replace(&self, keys: &[&'static str], bytes: &mut [u8], is_query: bool) {
        match (keys, bytes.len()) {
            (["ip"], _) => self.address(bytes),
            (["r", "nodes"], _) => self.nodes(bytes, 26),
            (["r", "nodes6"], _) => self.nodes(bytes, 38),
            (["r", "values", ""], 6 | 18) => self.address(bytes),
            // That of an answer is our own, and the answer belongs to nothing without it.
            (["t"], _) if !is_query => {}
            (["t"] | ["r", "token"], _) => self.turn(bytes),
            (["a", "token"], len) => match (self.token)(bytes).filter(|token| token.len() == len) {
                Some(token) => bytes.copy_from_slice(&token),
                None => self.turn(bytes),
            },
            // What a node's work follows from, or is signed.
            (["y" | "v"], _) | (["a" | "r", "v", ..] | ["a" | "r", "salt"] | ["r", "samples"], _) => {}
            (["a" | "r", "id"] | ["a", "target" | "info_hash"], 20) => {}
            (["a" | "r", "k"], 32) | (["a" | "r", "sig"], 64) | (["r", "BFsd" | "BFpe"], 256) => {}
            (["a", "want", ""], 2) if bytes == b"n4" || bytes == b"n6" => {}
            (["q"], _) if METHODS.contains(&&*bytes) => {}
            _ => bytes.fill(b'x'),
        }
    }

    fn replace_number(&self, keys: &[&'static str], digits: &mut [u8]) {
        match keys {
            ["a", "port"] => {
                let port = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
                let other = port.map(|port| self.addresses.port(port).to_string());
                if let Some(other) = other.filter(|other| other.len() == digits.len()) {
                    digits.copy_from_slice(other.as_bytes());
                }
            }
            ["ro"] | ["e", ""] | ["a" | "r", "v", ..] => {}
            ["a", "implied_port" | "seed" | "noseed" | "scrape" | "cas" | "seq"] => {}
            ["r", "seq" | "interval" | "num"] => {}
            _ => digits.iter_mut().filter(|digit| digit.is_ascii_digit()).for_each(|digit| *digit = b'1'),
        }
    }

    /// Other bytes, the same for the same.
    fn turn(&self, bytes: &mut [u8]) {
        let real = bytes.to_vec();
        for (i, part) in (0u64..).zip(bytes.chunks_mut(8)) {
            let mut hash = SipHasher13::new_with_key(&self.key);
            hash.write(&i.to_be_bytes());
            hash.write(&real);
            part.copy_from_slice(&hash.finish().to_be_bytes()[..part.len()]);
        }
    }

    /// Ids and addresses; what is left over is none.
    fn nodes(&self, bytes: &mut [u8], len: usize) {
        let mut nodes = bytes.chunks_exact_mut(len);
        nodes.by_ref().for_each(|node| self.address(&mut node[20..]));
        nodes.into_remainder().fill(b'x');
    }

    /// An address with or without a port.
    fn address(&self, bytes: &mut [u8]) {
        let (ip, port) = match bytes.len() {
            4 | 16 => (bytes, None),
            6 | 18 => {
                let (ip, port) = bytes.split_at_mut(bytes.len() - 2);
                (ip, <&mut [u8; 2]>::try_from(port).ok())
            }
            _ => return bytes.fill(b'x'),
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

/// A string, or the digits of a number, and the keys that lead to it: "" for an element of a list, "?" for what means
/// nothing to a node.
struct Place {
    keys: Vec<&'static str>,
    from: usize,
    to: usize,
    is_number: bool,
}

/// Keys that mean something.
const KEYS: &str = "t y q v a r e ip ro id target info_hash token k sig salt seq cas port implied_port seed noseed \
                    scrape want nodes nodes6 samples BFsd BFpe interval num values";
const METHODS: [&[u8]; 7] =
    [b"ping", b"find_node", b"get_peers", b"announce_peer", b"get", b"put", b"sample_infohashes"];

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
                    key = KEYS.split(' ').find(|known| known.as_bytes() == &bytes[from..to]).unwrap_or("?");
                    if key == "?" && !is_value(keys) {
                        found.push(Place { keys: vec![key], from, to, is_number: false });
                    }
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
            found.push(Place { keys: keys.clone(), from: at + 1, to, is_number: true });
            Some(to + 1)
        }
        _ => {
            let (from, to) = string(bytes, at)?;
            found.push(Place { keys: keys.clone(), from, to, is_number: false });
            Some(to)
        }
    }
}

/// Whether these keys lead into an item's value, which stays as it is.
fn is_value(keys: &[&str]) -> bool {
    matches!(keys, ["a" | "r", "v", ..])
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
        let rewriter = Rewriter { addresses: &addresses, key: [4; 16], token: &token };
        let turned = |ip: [u8; 4]| {
            let mut ip = ip;
            addresses.turn(&mut ip);
            ip.to_vec()
        };
        let port = |port: u16| addresses.port(port).to_be_bytes().to_vec();
        let turned_bytes = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            rewriter.turn(&mut bytes);
            bytes
        };
        let build = |own: &[u8], peer: &[u8], contact: &[u8], token: &[u8]| {
            let id: &[u8] = b"abcdefghij0123456789";
            let parts =
                [b"d2:ip6:", own, b"1:rd2:id20:", id, b"5:nodes26:", id, contact, b"5:token8:", token, b"6:valuesl6:"];
            [&parts.concat(), peer, b"ee1:t2:aa1:v4:LT121:y1:re"].concat()
        };
        let mut datagram =
            build(b"\x7f\x00\x00\x01\x1a\xe1", b"\x08\x08\x08\x08\x00\x50", b"\x01\x02\x03\x04\x1a\xe1", b"original");
        let own = [turned([127, 0, 0, 1]), port(6881)].concat();
        let contact = [turned([1, 2, 3, 4]), port(6881)].concat();
        let after = build(&own, &[turned([8, 8, 8, 8]), port(80)].concat(), &contact, &turned_bytes(b"original"));
        assert!(rewriter.rewrite(&mut datagram));
        assert_eq!(datagram.escape_ascii().to_string(), after.escape_ascii().to_string());

        let announce = |port: u16, token: &[u8], tid: &[u8]| {
            let begin: &[u8] = b"d1:ad2:id20:abcdefghij01234567899:info_hash20:abcdefghij01234567894:porti";
            let end = [b"e5:token8:", token, b"e1:q13:announce_peer1:t2:", tid, b"1:y1:qe"].concat();
            [begin, port.to_string().as_bytes(), &end].concat()
        };
        let other = addresses.port(6881);
        for (token, after) in [(b"original", b"replaced".to_vec()), (b"unheard.", turned_bytes(b"unheard."))] {
            let mut datagram = announce(6881, token, b"aa");
            assert!(rewriter.rewrite(&mut datagram));
            assert_eq!(datagram, announce(other, &after, &turned_bytes(b"aa")));
        }
    }

    #[test]
    fn of_what_is_no_message_only_its_length_stays() {
        let addresses = Addresses::new([3; 16], false);
        let rewriter = Rewriter { addresses: &addresses, key: [4; 16], token: &|_| None };
        for text in ["127.0.0.1:6881", "", "d1:y1:qe", "l99999999999999999999:e"] {
            let mut datagram = text.as_bytes().to_vec();
            assert!(!rewriter.rewrite(&mut datagram));
            assert_eq!(datagram, vec![0; text.len()]);
        }
    }

    /// Rule J11. Whatever strangers may write where a node reads nothing of it.
    #[test]
    fn what_means_nothing_to_a_node_goes() {
        let addresses = Addresses::new([3; 16], false);
        let rewriter = Rewriter { addresses: &addresses, key: [4; 16], token: &|_| None };
        let id = "2:id20:abcdefghij0123456789";
        for (before, kept) in [
            (
                format!(
                    "d1:ad{id}6:SECRETi7777e4:name6:SECRETe1:q4:ping6:SECRETd6:SECRETl6:SECRETi-7777eee\
                     1:t6:SECRET1:y1:qe"
                ),
                "ping",
            ),
            (format!("d1:ad{id}6:target20:aaaaaaaaaaaaaaaaaaaae1:q6:SECRET1:t2:aa1:y1:qe"), "aaaaaaaaaaaaaaaaaaaa"),
            (format!("d1:ad{id}4:wantl6:SECRET2:n4e4:port6:SECRETe1:q4:ping1:t2:aa1:y1:qe"), "n4"),
            ("d1:ad2:id6:SECRETe1:q4:ping1:t2:aa1:y1:qe".into(), "ping"),
            (format!("d1:eli201e6:SECRET6:SECRETe1:rd{id}e1:t4:ABCD1:y1:ee"), "ABCD"),
            (
                format!("d2:ip6:SECRET1:rd{id}2:ip6:SECRET1:pi7777e5:nodes6:SECRET5:token6:SECRETe1:t4:ABCD1:y1:re"),
                "ABCD",
            ),
            (
                format!("d1:rd{id}1:k6:SECRET3:sig6:SECRET4:BFsd6:SECRET6:valuesl7:SECRET7ee1:t4:ABCD1:v4:LT121:y1:re"),
                "LT12",
            ),
            (format!("d1:rd{id}1:vd4:keptl4:kepti7eee6:SECRETi7777ee1:t4:ABCD1:y1:re"), "4:keptl4:kepti7e"),
        ] {
            let mut after = before.clone().into_bytes();
            assert!(rewriter.rewrite(&mut after), "{before}");
            let text = after.escape_ascii().to_string();
            let secrets = ["SECRET", "SECR", "7777", "name"];
            assert!(
                !secrets.into_iter().any(|secret| text.contains(secret)) && text.contains(kept),
                "{before}: {text}"
            );
            // A node makes the same of it.
            let (was, is) = (decode(before.as_bytes()).unwrap(), decode(&after).unwrap());
            assert_eq!(std::mem::discriminant(&was), std::mem::discriminant(&is), "{before}: {text}");
        }
    }
}
