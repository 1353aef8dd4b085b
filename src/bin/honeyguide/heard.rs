//! What other nodes said in their own words: read from the journal of our own node, which is kept in memory.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use honeyguide::adapters::{Answer, Handle};
use honeyguide::dht::journal::{Call, Record};
use honeyguide::dht::{TraceEvent, TraceSink};
use honeyguide::krpc::{Decoded, Item, Mutable, Response, SignedItem, decode};
use honeyguide::{Config, Endpoint, Id, Input, Instant, Outcome};

use crate::print::outcome_text;
use crate::unsent::Unsent;

/// Bytes of the journal at most: a question takes a few hundred, and strangers may send what they like.
const MOST: usize = 1 << 20;
/// Datagrams that were dropped, of which so many fill the journal.
const MOST_DROPPED: usize = MOST / 32;
/// Characters of an error's text that are repeated.
const MOST_TEXT: usize = 200;

/// The journal, as far as it is written: whole when the node has ended, but for what came after there was no room.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<HeardState>>);

#[derive(Default)]
struct HeardState {
    journal: Vec<u8>,
    /// There was no room for all.
    is_cut: bool,
    /// When something came that the node dropped, as what answers no query of its own: anybody can send that in the
    /// name of another.
    dropped: Vec<Instant>,
}

/// What counts of what a node said.
#[derive(Default)]
pub struct Said {
    /// Code and text of its newest error.
    pub refusal: Option<(i64, String)>,
    /// Its newest answer with a token; where none has one, its first.
    pub answer: Option<Spoken>,
}

/// What an answer has besides what was asked for.
#[derive(Default)]
pub struct Spoken {
    pub nodes: Vec<(Id, SocketAddr)>,
    pub token: Option<Vec<u8>>,
    pub ip: Option<SocketAddr>,
    pub version: Vec<u8>,
}

impl From<&Answer> for Spoken {
    fn from(answer: &Answer) -> Self {
        let Answer { nodes, token, ip, version, .. } = answer;
        let token = token.as_ref().map(|token| token.to_vec());
        Spoken { nodes: nodes.clone(), token, ip: *ip, version: version.to_vec() }
    }
}

impl Heard {
    /// Hears what this node hears: it has this as its journal.
    pub fn listen(&self, node: &Handle) {
        let state = self.0.clone();
        node.set_sink(TraceSink::Boxed(Box::new(move |now, event| {
            let mut state = lock(&state);
            if matches!(event, TraceEvent::Dropped(_)) && state.dropped.len() < MOST_DROPPED {
                state.dropped.push(now);
            }
        })));
    }

    /// What a node said to a question that went like this. Words are repeated only if the node that asked has counted
    /// an answer, or an error.
    pub fn of(&self, node: SocketAddr, outcome: &Outcome) -> Said {
        let mut said = Said::default();
        self.any(|from, payload| {
            if from == node {
                said.hear(payload);
            }
            false
        });
        said.refusal = said.refusal.filter(|_| outcome.errored > 0 || outcome.refused.total() > 0);
        said.answer = said.answer.filter(|_| outcome.answered > 0);
        said
    }

    /// Whether some node returned another value than this one, signed for the same key, salt and sequence number;
    /// `None` where that is not known, since more came than there is room for.
    pub fn has_other_value(&self, item: &Item<'_>) -> Option<bool> {
        let Some(mutable) = item.mutable else { return Some(false) };
        let is_other = |payload: &[u8]| {
            let Ok(Decoded::Response(Response { value: Some(value), seq, signature: Some(signature), .. })) =
                decode(payload)
            else {
                return false;
            };
            let other = Item { value, mutable: Some(Mutable { signature, ..mutable }) };
            value != item.value && seq == Some(mutable.seq) && SignedItem::try_from(other).is_ok()
        };
        let has_one = self.any(|_, payload| is_other(payload));
        (has_one || !lock(&self.0).is_cut).then_some(has_one)
    }

    /// Whether a datagram that the node took is like this, the oldest first.
    fn any(&self, mut is_it: impl FnMut(SocketAddr, &[u8]) -> bool) -> bool {
        let state = lock(&self.0);
        let mut came = Vec::new();
        state.each(|now, _, _| {
            came.push(now);
            false
        });
        // Where several came at one moment and not all were dropped, it is not known which.
        let is_dropped = |now| count_of(&state.dropped, now) >= count_of(&came, now);
        state.each(|now, from, payload| !is_dropped(now) && is_it(from, payload))
    }
}

/// How often it stands in a list that is in order.
fn count_of(list: &[Instant], now: Instant) -> usize {
    list.partition_point(|at| *at <= now) - list.partition_point(|at| *at < now)
}

impl HeardState {
    /// Whether a datagram is like this, the oldest first.
    fn each(&self, mut is_it: impl FnMut(Instant, SocketAddr, &[u8]) -> bool) -> bool {
        let mut records = self.journal.as_slice();
        loop {
            let mut nodes = [Endpoint::UNSPECIFIED; Config::MAX_BOOTSTRAP_NODES];
            let Ok((record, after)) = Record::decode(records, &mut nodes) else { return false };
            if let Call::Input(Input::Datagram { from, payload, .. }) = record.call
                && is_it(record.now, from.into(), payload)
            {
                return true;
            }
            let left = after.len();
            records = &records[records.len() - left..];
        }
    }
}

fn lock(state: &Mutex<HeardState>) -> MutexGuard<'_, HeardState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl io::Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = lock(&self.0);
        if bytes.len() > MOST - state.journal.len() {
            state.is_cut = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.journal.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Said {
    /// Why a question to it, which ended like this, found or stored nothing.
    pub fn why(&self, node: SocketAddr, outcome: &Outcome, unsent: &Unsent) -> String {
        let how = outcome_text(outcome);
        if let Some(unsent) = unsent.to(node) {
            return format!("{unsent} ({how})");
        }
        match &self.refusal {
            Some((code, text)) => format!("{node} refused, with error {code}, \"{text}\" ({how})"),
            // Its words may be lost among those of strangers, and that it answered is not.
            None if outcome.errored > 0 || outcome.refused.total() > 0 => format!("{node} refused ({how})"),
            None if outcome.answered > 0 => format!("{node} answered, and no more was had of it ({how})"),
            None if outcome.invalid > 0 => format!("{node} gave no usable answer ({how})"),
            None => format!("{node} did not answer ({how})"),
        }
    }

    pub fn is_something(&self) -> bool {
        self.refusal.is_some() || self.answer.is_some()
    }

    fn hear(&mut self, payload: &[u8]) {
        match decode(payload) {
            Ok(Decoded::Error(error)) => {
                let text = String::from_utf8_lossy(error.text).chars().take(MOST_TEXT).collect();
                self.refusal = Some((error.code, text));
            }
            // That a store is confirmed tells nothing else.
            Ok(Decoded::Response(response)) if response.token.is_some() || self.answer.is_none() => {
                self.answer = Some(Spoken {
                    nodes: nodes(response.nodes, response.nodes6),
                    token: response.token.map(<[u8]>::to_vec),
                    ip: response.ip.map(SocketAddr::from),
                    version: response.version.unwrap_or_default().to_vec(),
                });
            }
            _ => {}
        }
    }
}

/// Id, address and port of each, back to back.
fn nodes(v4: Option<&[u8]>, v6: Option<&[u8]>) -> Vec<(Id, SocketAddr)> {
    let of_v4 = v4.unwrap_or_default().as_chunks::<26>().0.iter().filter_map(|node| {
        let (id, ip) = node.split_first_chunk()?;
        let (ip, port) = ip.split_first_chunk()?;
        Some((Id(*id), Endpoint::v4(*ip, u16::from_be_bytes(port.try_into().ok()?))))
    });
    let of_v6 = v6.unwrap_or_default().as_chunks::<38>().0.iter().filter_map(|node| {
        let (id, ip) = node.split_first_chunk()?;
        let (ip, port) = ip.split_first_chunk()?;
        Some((Id(*id), Endpoint::v6(*ip, u16::from_be_bytes(port.try_into().ok()?))))
    });
    of_v4.chain(of_v6).map(|(id, addr)| (id, addr.into())).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use honeyguide::Instant;
    use honeyguide::dht::LinkId;

    use super::*;

    fn record(from: Endpoint, payload: &[u8]) -> Vec<u8> {
        let (call, mut bytes) = (Call::Input(Input::Datagram { link: LinkId(0), from, payload }), [0; Record::MAX_LEN]);
        let len = Record { polls: 0, now: Instant::ZERO, call }.encode(&mut bytes).unwrap();
        bytes[..len].to_vec()
    }

    /// Rule U15.
    #[test]
    fn of_what_a_node_said_the_newest_token_and_error_count_and_others_are_not_heard() {
        let (node, other) = (Endpoint::v4([127, 0, 0, 1], 5), Endpoint::v4([127, 0, 0, 1], 6));
        let (mut heard, id) = (Heard::default(), "2:id20:abcdefghij0123456789");
        let nodes = "5:nodes26:abcdefghij0123456789ABCDEF6:nodes638:abcdefghij0123456789ABCDEFGHIJKLMNOPQR";
        let refusal = |code: i64, text: &str| format!("d1:eli{code}e{}:{text}e1:t2:aa1:y1:ee", text.len());
        for (from, payload) in [
            (node, format!("d1:rd{id}{nodes}5:token2:xxe1:t2:aa1:v4:LT121:y1:re")),
            (node, format!("d1:rd{id}e1:t2:aa1:y1:re")),
            (node, refusal(203, "first")),
            (node, refusal(302, &"s".repeat(300))),
            (node, "no message".into()),
            (other, refusal(205, "other")),
            (other, format!("d1:rd{id}5:token2:yye1:t2:aa1:y1:re")),
        ] {
            heard.write_all(&record(from, payload.as_bytes())).unwrap();
        }
        let outcome = |answered, errored| {
            let mut outcome = Outcome::default();
            (outcome.answered, outcome.errored) = (answered, errored);
            outcome
        };
        assert!(!heard.of(node.into(), &outcome(0, 0)).is_something(), "nothing of it came to a query of ours");
        let said = heard.of(node.into(), &outcome(1, 1));
        assert_eq!(said.refusal, Some((302, "s".repeat(200))));
        let answer = said.answer.unwrap();
        assert_eq!(
            (answer.token.as_deref(), answer.version.as_slice(), answer.ip),
            (Some(&b"xx"[..]), &b"LT12"[..], None)
        );
        let addrs: Vec<_> = answer.nodes.iter().map(|(_, addr)| addr.to_string()).collect();
        assert_eq!(addrs, ["65.66.67.68:17734", "[4142:4344:4546:4748:494a:4b4c:4d4e:4f50]:20818"]);
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let mut heard = Heard::default();
        let value =
            Item { value: b"1:a", mutable: Some(Mutable { key: &[1; 32], salt: b"", seq: 1, signature: &[2; 64] }) };
        heard.write_all(&vec![0; MOST]).unwrap();
        assert_eq!(heard.has_other_value(&value), Some(false));
        assert!(heard.write_all(b"x").is_err() && heard.write_all(b"").is_ok());
        assert_eq!(heard.has_other_value(&value), None, "it may have come with what there was no room for");
    }
}
