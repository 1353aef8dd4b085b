//! Decoding and encoding of three responses. Decoding ends with the fields in a structure, and for B with each peer
//! looked at. The work is not quite equal: the strict ones refuse unsorted keys, which deployed nodes send, and accept
//! what we refuse (repeated keys of our own, more than 500 tokens, deep nesting in bt_bencode and serde_bencode); ours
//! and the scanner by hand make the same checks. Encoders reuse a buffer where they can: bendy and serde_bencode own
//! theirs.

use std::hint::black_box;
use std::rc::Rc;

use bendy::decoding::{Decoder, Object};
use bendy::encoding::{AsString, Encoder};
use honeyguide::krpc;
use honeyguide::krpc::Decoded;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};

use crate::measure::{Contenders, Group};
use fixtures::{Message, NAMES, hand};

#[path = "../../fixtures/mod.rs"]
pub mod fixtures;

pub fn groups() -> Vec<Group> {
    NAMES.into_iter().map(decode).chain(NAMES.into_iter().map(encode)).collect()
}

fn decode(name: &'static str) -> Group {
    Group::new(format!("decode {name} ({} bytes)", Message::new(name).wire.len()), move || decoders(name))
}

fn decoders(name: &'static str) -> Contenders {
    let message = Message::new(name);
    let wire: Rc<[u8]> = message.wire.clone().into();
    let expected = ours(&wire);
    for (who, seen) in [
        ("hand", by_hand(&wire)),
        ("bendy", bendy(&wire)),
        ("bt_bencode borrowed", bt_borrowed(&wire)),
        ("bt_bencode owned", bt_owned(&wire)),
        ("serde_bencode", serde(&wire)),
    ] {
        assert_eq!(seen, expected, "{who} reads {name} otherwise");
    }
    let with = |read: fn(&[u8]) -> Option<Seen>| {
        let wire = wire.clone();
        move || read(black_box(&wire))
    };
    Contenders::first("honeyguide", with(ours))
        .and("by hand, same checks", with(by_hand))
        .and("bt_bencode 0.8, borrowed", with(bt_borrowed))
        .and("bt_bencode 0.8, owned", with(bt_owned))
        .and("bendy 0.6", with(bendy))
        .and("serde_bencode 0.2", with(serde))
}

/// Something of every field, so that nobody can leave one out: the same for all contenders.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Seen {
    /// Lengths of tid, version, id, nodes, token, value, key and signature.
    lengths: [u32; 8],
    seq: i64,
    ports: u64,
}

fn seen<'a>(texts: [Option<&'a [u8]>; 8], seq: Option<i64>, peers: impl Iterator<Item = &'a [u8]>) -> Seen {
    let ports = peers.map(port).sum();
    // What a dictionary says it holds is looked at, not only where it stands.
    let lengths = texts.map(|text| text.map_or(0, |text| text.len() as u32));
    Seen { lengths, seq: seq.unwrap_or(-1), ports }
}

fn port(peer: &[u8]) -> u64 {
    match peer {
        [.., high, low] => u64::from(*high) << 8 | u64::from(*low),
        _ => 0,
    }
}

fn ours(wire: &[u8]) -> Option<Seen> {
    let Ok(Decoded::Response(response)) = krpc::decode(wire) else { return None };
    let value = response.value.and_then(|value| value.split_at_checked(4)).map(|(_, string)| string);
    let texts = [
        Some(response.tid),
        response.version,
        Some(&response.id.as_bytes()[..]),
        response.nodes,
        response.token,
        value,
        response.key.map(|key| &key[..]),
        response.signature.map(|signature| &signature[..]),
    ];
    let ports = response.values.peers().map(|peer| u64::from(peer.port())).sum();
    Some(Seen { ports, ..seen(texts, response.seq, std::iter::empty()) })
}

fn by_hand(wire: &[u8]) -> Option<Seen> {
    let flat = hand::decode(wire)?;
    let value = flat.value.and_then(|value| value.split_at_checked(4)).map(|(_, string)| string);
    let texts = [flat.tid, flat.version, flat.id, flat.nodes, flat.token, value, flat.key, flat.signature];
    Some(seen(texts, flat.seq, hand::peers(flat.values.unwrap_or_default())))
}

fn bendy(wire: &[u8]) -> Option<Seen> {
    let mut decoder = Decoder::new(wire);
    let mut texts = [None; 8];
    let (mut kind, mut seq, mut ports) = (None, None, 0);
    {
        let mut top = decoder.next_object().ok()??.try_into_dictionary().ok()?;
        while let Some((key, object)) = top.next_pair().ok()? {
            match (key, object) {
                (b"t", Object::Bytes(bytes)) => texts[0] = Some(bytes),
                (b"v", Object::Bytes(bytes)) => texts[1] = Some(bytes),
                (b"y", Object::Bytes(bytes)) => kind = Some(bytes),
                (b"r", Object::Dict(mut body)) => {
                    while let Some((key, object)) = body.next_pair().ok()? {
                        match (key, object) {
                            (b"id", Object::Bytes(bytes)) => texts[2] = Some(bytes),
                            (b"nodes", Object::Bytes(bytes)) => texts[3] = Some(bytes),
                            (b"token", Object::Bytes(bytes)) => texts[4] = Some(bytes),
                            (b"v", Object::Bytes(bytes)) => texts[5] = Some(bytes),
                            (b"k", Object::Bytes(bytes)) => texts[6] = Some(bytes),
                            (b"sig", Object::Bytes(bytes)) => texts[7] = Some(bytes),
                            (b"seq", Object::Integer(text)) => seq = text.parse().ok(),
                            (b"values", Object::List(mut list)) => {
                                while let Some(entry) = list.next_object().ok()? {
                                    ports += port(entry.try_into_bytes().ok()?);
                                }
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
    }
    let whole = kind == Some(b"r") && decoder.next_object().ok()?.is_none();
    whole.then(|| Seen { ports, ..seen(texts, seq, std::iter::empty()) })
}

#[derive(Serialize, Deserialize)]
struct Borrowed<'a> {
    #[serde(borrow, with = "serde_bytes", skip_serializing_if = "Option::is_none", default)]
    ip: Option<&'a [u8]>,
    #[serde(borrow)]
    r: BorrowedBody<'a>,
    #[serde(borrow, with = "serde_bytes")]
    t: &'a [u8],
    #[serde(borrow, with = "serde_bytes", skip_serializing_if = "Option::is_none", default)]
    v: Option<&'a [u8]>,
    #[serde(borrow, with = "serde_bytes")]
    y: &'a [u8],
}

#[derive(Serialize, Deserialize)]
struct BorrowedBody<'a> {
    #[serde(borrow, with = "serde_bytes")]
    id: &'a [u8],
    #[serde(borrow, with = "serde_bytes", skip_serializing_if = "Option::is_none", default)]
    k: Option<&'a [u8]>,
    #[serde(borrow, with = "serde_bytes", skip_serializing_if = "Option::is_none", default)]
    nodes: Option<&'a [u8]>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    seq: Option<i64>,
    #[serde(borrow, with = "serde_bytes", skip_serializing_if = "Option::is_none", default)]
    sig: Option<&'a [u8]>,
    #[serde(borrow, with = "serde_bytes", skip_serializing_if = "Option::is_none", default)]
    token: Option<&'a [u8]>,
    #[serde(borrow, with = "serde_bytes", skip_serializing_if = "Option::is_none", default)]
    v: Option<&'a [u8]>,
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    values: Option<Vec<&'a Bytes>>,
}

#[derive(Deserialize)]
struct Owned {
    #[allow(dead_code, reason = "read like the other fields")]
    ip: Option<ByteBuf>,
    r: OwnedBody,
    t: ByteBuf,
    v: Option<ByteBuf>,
    y: ByteBuf,
}

#[derive(Deserialize)]
struct OwnedBody {
    id: ByteBuf,
    k: Option<ByteBuf>,
    nodes: Option<ByteBuf>,
    seq: Option<i64>,
    sig: Option<ByteBuf>,
    token: Option<ByteBuf>,
    v: Option<ByteBuf>,
    values: Option<Vec<ByteBuf>>,
}

impl Owned {
    fn seen(&self) -> Option<Seen> {
        fn text(buffer: &Option<ByteBuf>) -> Option<&[u8]> {
            buffer.as_ref().map(|buffer| &buffer[..])
        }
        let r = &self.r;
        let texts = [
            Some(&self.t[..]),
            text(&self.v),
            Some(&r.id[..]),
            text(&r.nodes),
            text(&r.token),
            text(&r.v),
            text(&r.k),
            text(&r.sig),
        ];
        (self.y == b"r").then(|| seen(texts, r.seq, r.values.iter().flatten().map(|peer| &peer[..])))
    }
}

fn bt_borrowed(wire: &[u8]) -> Option<Seen> {
    let read: Borrowed<'_> = bt_bencode::from_slice(wire).ok()?;
    let r = &read.r;
    let texts = [Some(read.t), read.v, Some(r.id), r.nodes, r.token, r.v, r.k, r.sig];
    (read.y == b"r").then(|| seen(texts, r.seq, r.values.iter().flatten().map(|peer| &peer[..])))
}

fn bt_owned(wire: &[u8]) -> Option<Seen> {
    bt_bencode::from_slice::<Owned>(wire).ok()?.seen()
}

fn serde(wire: &[u8]) -> Option<Seen> {
    serde_bencode::from_bytes::<Owned>(wire).ok()?.seen()
}

fn encode(name: &'static str) -> Group {
    Group::new(format!("encode {name} ({} bytes)", Message::new(name).wire.len()), move || encoders(name))
}

fn encoders(name: &'static str) -> Contenders {
    // The contenders outlive this function; there are three messages for the whole run.
    let message: &'static Message = Box::leak(Box::new(Message::new(name)));
    let (flat, peers) = message.flat();
    let value = flat.value.map(|value| &value[4..]);
    let list: Option<Vec<&[u8]>> = peers.map(|peers| peers.chunks_exact(6).collect());
    let borrowed = move || Borrowed {
        ip: flat.ip,
        r: BorrowedBody {
            id: flat.id.unwrap_or_default(),
            k: flat.key,
            nodes: flat.nodes,
            seq: flat.seq,
            sig: flat.signature,
            token: flat.token,
            v: value,
            values: list.as_ref().map(|list| list.iter().copied().map(Bytes::new).collect()),
        },
        t: flat.tid.unwrap_or_default(),
        v: flat.version,
        y: b"r",
    };
    assert_eq!(with_bendy(&flat, peers), message.wire);
    assert_eq!(bt_bencode::to_vec(&borrowed()).unwrap(), message.wire);
    assert_eq!(serde_bencode::to_bytes(&borrowed()).unwrap(), message.wire);

    let (to_bt, to_serde) = (Rc::new(borrowed()), Rc::new(borrowed()));
    let (mut buffer, mut vector, mut reused) = ([0; 1500], Vec::with_capacity(1500), Vec::with_capacity(1500));
    Contenders::first("honeyguide", move || black_box(message).response().encode(black_box(&mut buffer)))
        .and("by hand", move || {
            hand::encode(black_box(&flat), black_box(peers), &mut vector);
            vector.len()
        })
        .and("bt_bencode 0.8", move || {
            reused.clear();
            bt_bencode::to_writer(&mut reused, black_box(&*to_bt)).is_ok()
        })
        .and("bendy 0.6", move || with_bendy(black_box(&flat), black_box(peers)))
        .and("serde_bencode 0.2", move || serde_bencode::to_bytes(black_box(&*to_serde)).map(|bytes| bytes.len()).ok())
}

/// The fields as bendy writes them.
pub fn with_bendy(flat: &hand::Flat<'_>, peers: Option<&[u8]>) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder
        .emit_dict(|mut top| {
            pair(&mut top, b"ip", flat.ip)?;
            top.emit_pair_with(b"r", |encoder| {
                encoder.emit_dict(|mut body| {
                    pair(&mut body, b"id", flat.id)?;
                    pair(&mut body, b"k", flat.key)?;
                    pair(&mut body, b"nodes", flat.nodes)?;
                    if let Some(seq) = flat.seq {
                        body.emit_pair(b"seq", seq)?;
                    }
                    pair(&mut body, b"sig", flat.signature)?;
                    pair(&mut body, b"token", flat.token)?;
                    if let Some(value) = flat.value {
                        let (_, value) = value.split_at(4);
                        body.emit_pair(b"v", AsString(value))?;
                    }
                    if let Some(peers) = peers {
                        body.emit_pair_with(b"values", |encoder| {
                            encoder
                                .emit_list(|list| peers.chunks_exact(6).try_for_each(|peer| list.emit(AsString(peer))))
                        })?;
                    }
                    Ok(())
                })
            })?;
            pair(&mut top, b"t", flat.tid)?;
            pair(&mut top, b"v", flat.version)?;
            pair(&mut top, b"y", flat.kind)
        })
        .and_then(|()| encoder.get_output())
        .expect("sorted keys")
}

fn pair(
    dict: &mut bendy::encoding::SortedDictEncoder<'_>,
    key: &[u8],
    bytes: Option<&[u8]>,
) -> Result<(), bendy::encoding::Error> {
    bytes.map_or(Ok(()), |bytes| dict.emit_pair(key, AsString(bytes)))
}
