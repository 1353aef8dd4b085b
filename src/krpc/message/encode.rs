//! Messages to bytes: keys in ascending order, integers and lengths without superfluous digits, so that each message
//! has one spelling. Optional fields that say nothing (`seed` 0, an empty salt) are left out.

use super::{ErrorMessage, Method, Query, Response, Want};
use crate::base::error::NoRoom;
use crate::krpc::bencode::writer::Writer;
use crate::krpc::compact::{PEER4, PEER6, Values};
use crate::krpc::endpoint::{Endpoint, Family};
use crate::krpc::id::Id;

impl Query<'_> {
    /// Writes the datagram and returns its length.
    ///
    /// # Errors
    /// [`NoRoom`] when `out` is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, NoRoom> {
        let mut writer = Writer::new(out);
        writer.raw(b"d1:ad");
        self.arguments(&mut writer);
        writer.raw(b"e1:q");
        writer.bytes(self.method.name());
        if self.read_only {
            writer.raw(b"2:roi1e");
        }
        tail(&mut writer, self.tid, self.version, b"1:y1:qe");
        writer.finish()
    }

    fn arguments(&self, writer: &mut Writer<'_>) {
        if let Method::Put { cas: Some(cas), .. } = self.method {
            writer.raw(b"3:cas");
            writer.int(cas);
        }
        id(writer, b"2:id20:", &self.id);
        match &self.method {
            Method::Ping => {}
            Method::FindNode { target, want: families }
            | Method::SampleInfohashes { target, want: families }
            | Method::Unknown { target, want: families, .. } => {
                id(writer, b"6:target20:", target);
                want(writer, *families);
            }
            Method::GetPeers { info_hash, want: families, noseed, scrape } => {
                id(writer, b"9:info_hash20:", info_hash);
                if *noseed {
                    writer.raw(b"6:noseedi1e");
                }
                if *scrape {
                    writer.raw(b"6:scrapei1e");
                }
                want(writer, *families);
            }
            Method::AnnouncePeer { info_hash, port, implied_port, seed, token } => {
                if *implied_port {
                    writer.raw(b"12:implied_porti1e");
                }
                id(writer, b"9:info_hash20:", info_hash);
                writer.raw(b"4:port");
                writer.int(i64::from(*port));
                if *seed {
                    writer.raw(b"4:seedi1e");
                }
                writer.raw(b"5:token");
                writer.bytes(token);
            }
            Method::Get { target, seq, want: families } => {
                if let Some(seq) = seq {
                    writer.raw(b"3:seq");
                    writer.int(*seq);
                }
                id(writer, b"6:target20:", target);
                want(writer, *families);
            }
            Method::Put { token, item, target, cas: _ } => {
                if let Some(mutable) = &item.mutable {
                    writer.raw(b"1:k32:");
                    writer.raw(mutable.key);
                    if !mutable.salt.is_empty() {
                        writer.raw(b"4:salt");
                        writer.bytes(mutable.salt);
                    }
                    writer.raw(b"3:seq");
                    writer.int(mutable.seq);
                    writer.raw(b"3:sig64:");
                    writer.raw(mutable.signature);
                }
                if let Some(target) = target {
                    id(writer, b"6:target20:", target);
                }
                writer.raw(b"5:token");
                writer.bytes(token);
                writer.raw(b"1:v");
                writer.raw(item.value);
            }
        }
    }
}

impl Response<'_> {
    /// Writes the datagram and returns its length.
    ///
    /// # Errors
    /// [`NoRoom`] when `out` is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, NoRoom> {
        let mut writer = Writer::new(out);
        writer.raw(b"d");
        if let Some(endpoint) = &self.ip {
            ip(&mut writer, endpoint);
        }
        writer.raw(b"1:rd");
        if let Some(peers) = self.peers {
            writer.raw(b"4:BFpe256:");
            writer.raw(peers);
        }
        if let Some(seeds) = self.seeds {
            writer.raw(b"4:BFsd256:");
            writer.raw(seeds);
        }
        id(&mut writer, b"2:id20:", &self.id);
        if let Some(interval) = self.interval {
            writer.raw(b"8:interval");
            writer.int(interval);
        }
        if let Some(key) = self.key {
            writer.raw(b"1:k32:");
            writer.raw(key);
        }
        string(&mut writer, b"5:nodes", self.nodes);
        string(&mut writer, b"6:nodes6", self.nodes6);
        if let Some(num) = self.num {
            writer.raw(b"3:num");
            writer.int(num);
        }
        string(&mut writer, b"7:samples", self.samples);
        if let Some(seq) = self.seq {
            writer.raw(b"3:seq");
            writer.int(seq);
        }
        if let Some(signature) = self.signature {
            writer.raw(b"3:sig64:");
            writer.raw(signature);
        }
        string(&mut writer, b"5:token", self.token);
        if let Some(value) = self.value {
            writer.raw(b"1:v");
            writer.raw(value);
        }
        values(&mut writer, &self.values);
        writer.raw(b"e");
        tail(&mut writer, self.tid, self.version, b"1:y1:re");
        writer.finish()
    }

    /// How long the datagram is without what takes up most of it: nodes, values, filters, and an item. Adding up costs
    /// less than writing, and whoever has to leave something out asks before.
    pub(crate) fn bare_len(&self) -> usize {
        let string = |key: &[u8], string: Option<&[u8]>| {
            string.map_or(0, |string| key.len() + digits(string.len() as u64) + b":".len() + string.len())
        };
        let int = |key: &[u8], value: Option<i64>| {
            let digits = |value: i64| usize::from(value < 0) + digits(value.unsigned_abs());
            value.map_or(0, |value| key.len() + b"ie".len() + digits(value))
        };
        let ip = self.ip.map_or(0, |ip| match ip.family() {
            Family::V4 => b"2:ip6:".len() + PEER4,
            Family::V6 => b"2:ip18:".len() + PEER6,
        });
        let body = int(b"8:interval", self.interval)
            + int(b"3:num", self.num)
            + string(b"7:samples", self.samples)
            + int(b"3:seq", self.seq)
            + string(b"5:token", self.token);
        let tail = string(b"1:t", Some(self.tid)) + string(b"1:v", self.version);
        b"d1:rd2:id20:e1:y1:re".len() + Id::LEN + ip + body + tail
    }
}

/// Decimal digits of a number.
fn digits(mut value: u64) -> usize {
    let mut digits = 1;
    while value >= 10 {
        value /= 10;
        digits += 1;
    }
    digits
}

impl ErrorMessage<'_> {
    /// Writes the datagram and returns its length.
    ///
    /// # Errors
    /// [`NoRoom`] when `out` is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, NoRoom> {
        let mut writer = Writer::new(out);
        writer.raw(b"d1:el");
        writer.int(self.code);
        writer.bytes(self.text);
        writer.raw(b"e");
        if let Some(endpoint) = &self.ip {
            ip(&mut writer, endpoint);
        }
        tail(&mut writer, self.tid, self.version, b"1:y1:ee");
        writer.finish()
    }
}

#[inline]
fn tail(writer: &mut Writer<'_>, tid: &[u8], version: Option<&[u8]>, kind: &[u8; 7]) {
    writer.raw(b"1:t");
    writer.bytes(tid);
    string(writer, b"1:v", version);
    writer.raw(kind);
}

#[inline]
fn id(writer: &mut Writer<'_>, key: &[u8], id: &Id) {
    writer.raw(key);
    writer.raw(id.as_bytes());
}

#[inline]
fn string(writer: &mut Writer<'_>, key: &[u8], string: Option<&[u8]>) {
    if let Some(string) = string {
        writer.raw(key);
        writer.bytes(string);
    }
}

#[inline]
fn ip(writer: &mut Writer<'_>, endpoint: &Endpoint) {
    writer.raw(match endpoint.family() {
        Family::V4 => b"2:ip6:",
        Family::V6 => b"2:ip18:",
    });
    writer.raw(endpoint.ip_bytes());
    writer.raw(&endpoint.port().to_be_bytes());
}

fn want(writer: &mut Writer<'_>, want: Want) {
    if want.v4 || want.v6 {
        writer.raw(b"4:wantl");
        if want.v4 {
            writer.raw(b"2:n4");
        }
        if want.v6 {
            writer.raw(b"2:n6");
        }
        writer.raw(b"e");
    }
}

#[inline]
fn values(writer: &mut Writer<'_>, values: &Values<'_>) {
    match *values {
        Values::Absent => {}
        Values::List(items) => {
            writer.raw(b"6:valuesl");
            writer.raw(items);
            writer.raw(b"e");
        }
        Values::Packed { bytes, family } => {
            writer.raw(b"6:valuesl");
            match family {
                Family::V4 => peers::<2, PEER4>(writer, b"6:", bytes),
                Family::V6 => peers::<3, PEER6>(writer, b"18:", bytes),
            }
            writer.raw(b"e");
        }
    }
}

/// Peers of one size, each behind its length: room for all of them is claimed at once.
fn peers<const HEAD: usize, const PEER: usize>(writer: &mut Writer<'_>, head: &[u8; HEAD], bytes: &[u8]) {
    let Some(claimed) = writer.claim(bytes.len() / PEER * (HEAD + PEER)) else { return };
    for (out, peer) in claimed.chunks_exact_mut(HEAD + PEER).zip(bytes.chunks_exact(PEER)) {
        if let Some((length, rest)) = out.split_first_chunk_mut() {
            *length = *head;
            rest.copy_from_slice(peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_that_is_added_up_is_the_one_that_is_written() {
        let ip = [None, Some(Endpoint::v4([1, 2, 3, 4], 5)), Some(Endpoint::v6([0x20; 16], 5))];
        let numbers = [None, Some(0), Some(9), Some(10), Some(-10), Some(i64::MIN), Some(i64::MAX)];
        let strings = [None, Some(0), Some(9), Some(10), Some(99), Some(100), Some(200)];
        let mut out = [0; 1_500];
        for (i, number) in (0..).zip(numbers.iter().cycle().take(2_000)) {
            let pick = |by: usize| strings[i / by % strings.len()].map(|len| &[b'x'; 200][..len]);
            let mut response = Response::new(pick(7).unwrap_or(b"t"), Id([7; 20]));
            (response.ip, response.seq, response.num) = (ip[i % ip.len()], *number, numbers[i / 5 % numbers.len()]);
            (response.interval, response.version) = (numbers[i / 11 % numbers.len()], pick(3));
            (response.token, response.samples) = (pick(13), pick(29));
            assert_eq!(response.encode(&mut out), Ok(response.bare_len()));
        }
    }
}
