//! Bytes to messages, in one pass.
//!
//! Keys stand in any order, so what a field means is often known only after it was read: `a` comes before `q`. The pass
//! therefore puts each value into the place of its key ([`Fields`]), whichever message it belongs to, and the message
//! is judged at the end. A known key of which two stand in one dictionary has two meanings, and the datagram is
//! dropped.

use super::{
    Broken, Decoded, ErrorCode, ErrorMessage, MAX_TID, MAX_TOKEN, Malformed, Method, Query, Refusal, Response, Want,
};
use crate::krpc::bencode::reader::{MAX_BYTES, MAX_TOKENS, RawValue, ReadError, Reader};
use crate::krpc::compact::Values;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item::{Item, MAX_ENCODED, MAX_SALT, Mutable, is_readable};

/// Entries of `want` that are read.
const WANT_ENTRIES: u32 = 4;
/// The longest time between two samplings of one node, in seconds (BEP 51).
const MAX_INTERVAL: i64 = 21_600;

/// Reads one datagram.
///
/// # Errors
///
/// When it is no message, or no whole one: stay silent, and change nothing.
pub fn decode(datagram: &[u8]) -> Result<Decoded<'_>, Malformed> {
    if datagram.is_empty() {
        return Err(Malformed::Empty);
    }
    if datagram.len() > MAX_BYTES {
        return Err(Malformed::Oversize);
    }
    let mut reader = Reader::new(datagram);
    if !reader.open_dict()? {
        return Err(Malformed::NotADictionary);
    }
    let mut envelope = Envelope::default();
    while let Some(key) = reader.key()? {
        envelope.read(key, &mut reader)?;
    }
    if !reader.rest().is_empty() {
        return Err(Malformed::Trailing);
    }
    if reader.tokens() > MAX_TOKENS {
        return Err(Malformed::TooManyTokens);
    }
    envelope.judge()
}

impl From<ReadError> for Malformed {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Syntax => Malformed::Syntax,
            ReadError::TooDeep => Malformed::TooDeep,
        }
    }
}

/// The values of one dictionary by the places of their keys: first those of `T` strings, then those of `N` numbers,
/// then those of keys that are read in ways of their own. A place that was seen and is empty held another type.
struct Fields<'a, const T: usize, const N: usize> {
    seen: u32,
    texts: [Option<&'a [u8]>; T],
    numbers: [Option<i64>; N],
}

/// The place of keys that mean nothing to us.
const UNKNOWN: usize = 31;

impl<const T: usize, const N: usize> Default for Fields<'_, T, N> {
    fn default() -> Self {
        Fields { seen: 0, texts: [None; T], numbers: [None; N] }
    }
}

impl<'a, const T: usize, const N: usize> Fields<'a, T, N> {
    /// Marks a known place as seen; the second time is an error.
    #[inline]
    fn once(&mut self, place: usize) -> Result<(), Malformed> {
        let bit = 1u32 << place;
        if self.seen & bit != 0 {
            return Err(Malformed::RepeatedKey);
        }
        self.seen |= bit & !(1 << UNKNOWN);
        Ok(())
    }

    /// Reads the value for a place of a string or a number; steps over any other.
    #[inline(always)]
    fn read(&mut self, place: usize, reader: &mut Reader<'a>) -> Result<(), Malformed> {
        if let Some(text) = self.texts.get_mut(place) {
            *text = reader.string_or_skip()?;
        } else if let Some(number) = self.numbers.get_mut(place - T) {
            *number = reader.int_or_skip()?;
        } else {
            reader.skip()?;
        }
        Ok(())
    }

    fn has(&self, place: usize) -> bool {
        self.seen & 1 << place != 0
    }

    #[inline]
    fn text(&self, place: usize) -> Option<&'a [u8]> {
        self.texts.get(place).copied().flatten()
    }

    #[inline]
    fn number(&self, place: usize) -> Option<i64> {
        self.numbers.get(place - T).copied().flatten()
    }

    /// A string of exactly `L` bytes.
    #[inline]
    fn array<const L: usize>(&self, place: usize) -> Option<&'a [u8; L]> {
        self.text(place)?.try_into().ok()
    }

    #[inline]
    fn id(&self, place: usize) -> Option<Id> {
        self.array(place).copied().map(Id)
    }

    /// Whether a number is there that is not 0.
    fn flag(&self, place: usize) -> bool {
        self.number(place).is_some_and(|number| number != 0)
    }

    /// A number that may be left out, but may not be something else.
    fn optional_number(&self, place: usize, wrong: Fault) -> Result<Option<i64>, Fault> {
        let number = self.number(place);
        if number.is_none() && self.has(place) { Err(wrong) } else { Ok(number) }
    }
}

/// Places of the outermost dictionary.
mod top {
    pub const TID: usize = 0;
    pub const KIND: usize = 1;
    pub const NAME: usize = 2;
    pub const VERSION: usize = 3;
    pub const IP: usize = 4;
    pub const READ_ONLY: usize = 5;
    pub const ARGUMENTS: usize = 6;
    pub const BODY: usize = 7;
    pub const ERROR: usize = 8;

    #[inline]
    pub fn place(key: &[u8]) -> usize {
        match key {
            [b't'] => TID,
            [b'y'] => KIND,
            [b'q'] => NAME,
            [b'v'] => VERSION,
            [b'a'] => ARGUMENTS,
            [b'r'] => BODY,
            [b'e'] => ERROR,
            [b'i', b'p'] => IP,
            [b'r', b'o'] => READ_ONLY,
            _ => super::UNKNOWN,
        }
    }
}

/// What stands in the outermost dictionary.
#[derive(Default)]
struct Envelope<'a> {
    fields: Fields<'a, 5, 1>,
    arguments: Option<Arguments<'a>>,
    body: Option<MessageBody<'a>>,
    error: Option<CodeAndText<'a>>,
}

impl<'a> Envelope<'a> {
    #[inline(always)]
    fn read(&mut self, key: &[u8], reader: &mut Reader<'a>) -> Result<(), Malformed> {
        let place = top::place(key);
        self.fields.once(place)?;
        match place {
            top::ARGUMENTS if reader.open_dict()? => {
                *reader = self.arguments.insert(Arguments::default()).read(reader.clone())?;
            }
            top::BODY if reader.open_dict()? => {
                *reader = self.body.insert(MessageBody::default()).read(reader.clone())?
            }
            top::ERROR if reader.open_list()? => (self.error, *reader) = error(reader.clone())?,
            _ => self.fields.read(place, reader)?,
        }
        Ok(())
    }

    /// Always inlined, with [`MessageBody::response`], so that a response is built in the place where it is returned:
    /// it is a few hundred bytes, and copying it once more takes a fifth of the time of decoding it.
    #[inline(always)]
    fn judge(&self) -> Result<Decoded<'a>, Malformed> {
        let tid = self.fields.text(top::TID).filter(|tid| tid.len() <= MAX_TID).ok_or(Malformed::NoTid)?;
        match self.fields.text(top::KIND) {
            Some([b'r']) => {
                self.require_readable_value()?;
                let Some(body) = &self.body else {
                    return Ok(Decoded::Broken { tid, reason: Broken::NoBody });
                };
                let Some(id) = body.fields.id(body::ID) else {
                    return Ok(Decoded::Broken { tid, reason: Broken::BadId });
                };
                Ok(Decoded::Response(body.response(tid, self.version(), self.ip(), id)))
            }
            Some([b'q']) => self.judge_query(tid),
            Some([b'e']) => {
                self.require_readable_value()?;
                Ok(match self.error {
                    None => Decoded::Broken { tid, reason: Broken::BadError },
                    Some((code, text)) => {
                        Decoded::Error(ErrorMessage { tid, version: self.version(), ip: self.ip(), code, text })
                    }
                })
            }
            _ => Err(Malformed::NoKind),
        }
    }

    fn judge_query(&self, tid: &'a [u8]) -> Result<Decoded<'a>, Malformed> {
        if !self.fields.has(top::NAME) {
            return Err(Malformed::NoMethod);
        }
        let name = self.fields.text(top::NAME);
        if name != Some(b"put") {
            self.require_readable_value()?;
        }
        let judged = name.ok_or(Fault::METHOD_TYPE).and_then(|name| {
            let arguments = self.arguments.as_ref().ok_or(Fault::ARGUMENTS)?;
            let id = arguments.fields.id(arguments::ID).ok_or(Fault::ID)?;
            Ok((id, arguments.method(name)?))
        });
        Ok(match judged {
            Ok((id, method)) => {
                let read_only = self.fields.number(top::READ_ONLY) == Some(1);
                Decoded::Query(Query { tid, version: self.version(), read_only, id, method })
            }
            Err(Fault(error, text)) => Decoded::Refuse(Refusal { tid, error, text }),
        })
    }

    /// Only the `v` of a put may hold integers that are no numbers: it is refused for them with an error.
    #[inline]
    fn require_readable_value(&self) -> Result<(), Malformed> {
        match &self.arguments {
            Some(Arguments { value: Some(RawValue { readable: false, .. }), .. }) => Err(Malformed::Syntax),
            _ => Ok(()),
        }
    }

    #[inline]
    fn version(&self) -> Option<&'a [u8]> {
        self.fields.text(top::VERSION)
    }

    /// An address as BEP 42 writes it: 6 or 18 bytes.
    #[inline]
    fn ip(&self) -> Option<Endpoint> {
        let (ip, port) = self.fields.text(top::IP)?.split_last_chunk::<2>()?;
        let port = u16::from_be_bytes(*port);
        match ip.len() {
            4 => ip.try_into().ok().map(|ip| Endpoint::v4(ip, port)),
            16 => ip.try_into().ok().map(|ip| Endpoint::v6(ip, port)),
            _ => None,
        }
    }
}

/// Code and text of an error.
type CodeAndText<'a> = (i64, &'a [u8]);

/// The first two entries of the list that was entered, if they are code and text.
fn error<'a>(mut reader: Reader<'a>) -> Result<(Option<CodeAndText<'a>>, Reader<'a>), ReadError> {
    let (mut code, mut text) = (None, None);
    let mut entry = 0u32;
    while !reader.close() {
        match entry {
            0 => code = reader.int_or_skip()?,
            1 => text = reader.string_or_skip()?,
            _ => reader.skip()?,
        }
        entry += 1;
    }
    Ok((code.zip(text), reader))
}

/// What is wrong with a query: code and text of the error that it is answered with.
struct Fault(ErrorCode, &'static str);

impl Fault {
    const METHOD_TYPE: Fault = Fault(ErrorCode::Protocol, "bad q");
    const ARGUMENTS: Fault = Fault(ErrorCode::Protocol, "bad a");
    const ID: Fault = Fault(ErrorCode::Protocol, "bad id");
    const TARGET: Fault = Fault(ErrorCode::Protocol, "bad target");
    const INFO_HASH: Fault = Fault(ErrorCode::Protocol, "bad info_hash");
    const TOKEN: Fault = Fault(ErrorCode::Protocol, "bad token");
    const PORT: Fault = Fault(ErrorCode::Protocol, "bad port");
    const VALUE: Fault = Fault(ErrorCode::Protocol, "no v");
    const MUTABLE: Fault = Fault(ErrorCode::Protocol, "bad k, seq, sig");
    const SALT: Fault = Fault(ErrorCode::Protocol, "bad salt");
    const CAS: Fault = Fault(ErrorCode::Protocol, "bad cas");
    const SEQ: Fault = Fault(ErrorCode::Protocol, "bad seq");
    const NOT_CANONICAL: Fault = Fault(ErrorCode::Protocol, "v not canonical");
    const TOO_LARGE: Fault = Fault(ErrorCode::TooLarge, ErrorCode::TooLarge.text());
    const SALT_TOO_LONG: Fault = Fault(ErrorCode::SaltTooLong, ErrorCode::SaltTooLong.text());
    const METHOD_UNKNOWN: Fault = Fault(ErrorCode::MethodUnknown, ErrorCode::MethodUnknown.text());
}

/// Places of `a`.
mod arguments {
    pub const ID: usize = 0;
    pub const TARGET: usize = 1;
    pub const INFO_HASH: usize = 2;
    pub const TOKEN: usize = 3;
    pub const KEY: usize = 4;
    pub const SIGNATURE: usize = 5;
    pub const SALT: usize = 6;
    pub const SEQ: usize = 7;
    pub const CAS: usize = 8;
    pub const PORT: usize = 9;
    pub const IMPLIED_PORT: usize = 10;
    pub const SEED: usize = 11;
    pub const NOSEED: usize = 12;
    pub const SCRAPE: usize = 13;
    pub const WANT: usize = 14;
    pub const VALUE: usize = 15;

    #[inline]
    pub fn place(key: &[u8]) -> usize {
        match (key.len(), key) {
            (1, b"k") => KEY,
            (1, b"v") => VALUE,
            (2, b"id") => ID,
            (3, b"sig") => SIGNATURE,
            (3, b"seq") => SEQ,
            (3, b"cas") => CAS,
            (4, b"want") => WANT,
            (4, b"port") => PORT,
            (4, b"salt") => SALT,
            (4, b"seed") => SEED,
            (5, b"token") => TOKEN,
            (6, b"target") => TARGET,
            (6, b"noseed") => NOSEED,
            (6, b"scrape") => SCRAPE,
            (9, b"info_hash") => INFO_HASH,
            (12, b"implied_port") => IMPLIED_PORT,
            _ => super::UNKNOWN,
        }
    }
}

/// What stands in `a`: the arguments of all methods.
#[derive(Default)]
struct Arguments<'a> {
    fields: Fields<'a, 7, 7>,
    want: Want,
    value: Option<RawValue<'a>>,
}

impl<'a> Arguments<'a> {
    /// Reads to the end of the dictionary that was entered.
    fn read(&mut self, mut reader: Reader<'a>) -> Result<Reader<'a>, Malformed> {
        while let Some(key) = reader.key()? {
            let place = arguments::place(key);
            self.fields.once(place)?;
            match place {
                arguments::VALUE => self.value = Some(reader.value()?),
                arguments::WANT if reader.open_list()? => self.want = want(&mut reader)?,
                _ => self.fields.read(place, &mut reader)?,
            }
        }
        Ok(reader)
    }

    fn method(&self, name: &'a [u8]) -> Result<Method<'a>, Fault> {
        let want = self.want;
        Ok(match name {
            b"ping" => Method::Ping,
            b"find_node" => Method::FindNode { target: self.target()?, want },
            b"get_peers" => Method::GetPeers {
                info_hash: self.info_hash()?,
                want,
                noseed: self.fields.flag(arguments::NOSEED),
                scrape: self.fields.flag(arguments::SCRAPE),
            },
            b"announce_peer" => {
                let implied_port = self.fields.flag(arguments::IMPLIED_PORT);
                Method::AnnouncePeer {
                    info_hash: self.info_hash()?,
                    port: self.port(implied_port)?,
                    implied_port,
                    seed: self.fields.flag(arguments::SEED),
                    token: self.token()?,
                }
            }
            b"get" => {
                let seq = self.fields.optional_number(arguments::SEQ, Fault::SEQ)?;
                Method::Get { target: self.target()?, seq, want }
            }
            b"put" => self.put()?,
            b"sample_infohashes" => Method::SampleInfohashes { target: self.target()?, want },
            _ => {
                let target = self.target().or_else(|_| self.info_hash()).map_err(|_| Fault::METHOD_UNKNOWN)?;
                Method::Unknown { name, target, want }
            }
        })
    }

    fn target(&self) -> Result<Id, Fault> {
        self.fields.id(arguments::TARGET).ok_or(Fault::TARGET)
    }

    fn info_hash(&self) -> Result<Id, Fault> {
        self.fields.id(arguments::INFO_HASH).ok_or(Fault::INFO_HASH)
    }

    fn token(&self) -> Result<&'a [u8], Fault> {
        self.fields.text(arguments::TOKEN).ok_or(Fault::TOKEN)
    }

    /// The port, from 1; when it is implied it is not looked at, and 0 when it is none.
    fn port(&self, implied: bool) -> Result<u16, Fault> {
        let port = self.fields.number(arguments::PORT).and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
        if port == 0 && !implied { Err(Fault::PORT) } else { Ok(port) }
    }

    /// Shape before spelling before size: the order of `spec/krpc.md`.
    fn put(&self) -> Result<Method<'a>, Fault> {
        let token = self.token()?;
        let value = self.value.as_ref().ok_or(Fault::VALUE)?;
        let mutable = self.mutable()?;
        let cas = self.fields.optional_number(arguments::CAS, Fault::CAS)?;
        if cas.is_some() && mutable.is_none() {
            return Err(Fault::CAS);
        }
        if !value.canonical {
            return Err(Fault::NOT_CANONICAL);
        }
        let is_salted_too_long = mutable.is_some_and(|mutable| mutable.salt.len() > MAX_SALT);
        // One shape may be longer: the node says whether it is to be stored.
        if !is_readable(value.raw) || value.raw.len() > MAX_ENCODED && is_salted_too_long {
            return Err(Fault::TOO_LARGE);
        }
        if is_salted_too_long {
            return Err(Fault::SALT_TOO_LONG);
        }
        let item = Item { value: value.raw, mutable };
        Ok(Method::Put { token, item, cas, target: self.target().ok() })
    }

    /// Key, sequence number and signature: all of them, of the right size, or none; a salt only beside them.
    fn mutable(&self) -> Result<Option<Mutable<'a>>, Fault> {
        let salt = self.fields.text(arguments::SALT);
        if salt.is_none() && self.fields.has(arguments::SALT) {
            return Err(Fault::SALT);
        }
        let salt = salt.unwrap_or_default();
        if ![arguments::KEY, arguments::SEQ, arguments::SIGNATURE].into_iter().any(|place| self.fields.has(place)) {
            return if salt.is_empty() { Ok(None) } else { Err(Fault::SALT) };
        }
        let key = self.fields.array(arguments::KEY).ok_or(Fault::MUTABLE)?;
        let signature = self.fields.array(arguments::SIGNATURE).ok_or(Fault::MUTABLE)?;
        let seq = self.fields.number(arguments::SEQ).ok_or(Fault::MUTABLE)?;
        if seq < 0 {
            return Err(Fault::SEQ);
        }
        Ok(Some(Mutable { key, salt, seq, signature }))
    }
}

/// The families in the first entries of the list that was entered.
#[inline(always)]
fn want(reader: &mut Reader<'_>) -> Result<Want, ReadError> {
    let mut want = Want::default();
    let mut entry = 0u32;
    while !reader.close() {
        let family = reader.string_or_skip()?;
        if entry < WANT_ENTRIES {
            want.v4 |= family == Some(b"n4");
            want.v6 |= family == Some(b"n6");
        }
        entry += 1;
    }
    Ok(want)
}

/// Places of `r`.
mod body {
    pub const ID: usize = 0;
    pub const NODES: usize = 1;
    pub const NODES6: usize = 2;
    pub const TOKEN: usize = 3;
    pub const KEY: usize = 4;
    pub const SIGNATURE: usize = 5;
    pub const SAMPLES: usize = 6;
    pub const SEEDS: usize = 7;
    pub const PEERS: usize = 8;
    pub const SEQ: usize = 9;
    pub const INTERVAL: usize = 10;
    pub const NUM: usize = 11;
    pub const VALUE: usize = 12;
    pub const VALUES: usize = 13;

    #[inline]
    pub fn place(key: &[u8]) -> usize {
        match (key.len(), key) {
            (1, b"k") => KEY,
            (1, b"v") => VALUE,
            (2, b"id") => ID,
            (3, b"sig") => SIGNATURE,
            (3, b"seq") => SEQ,
            (3, b"num") => NUM,
            (4, b"BFsd") => SEEDS,
            (4, b"BFpe") => PEERS,
            (5, b"nodes") => NODES,
            (5, b"token") => TOKEN,
            (6, b"values") => VALUES,
            (6, b"nodes6") => NODES6,
            (7, b"samples") => SAMPLES,
            (8, b"interval") => INTERVAL,
            _ => super::UNKNOWN,
        }
    }
}

/// What stands in `r`.
#[derive(Default)]
struct MessageBody<'a> {
    fields: Fields<'a, 9, 3>,
    value: Option<&'a [u8]>,
    values: Values<'a>,
}

impl<'a> MessageBody<'a> {
    /// Reads to the end of the dictionary that was entered.
    fn read(&mut self, mut reader: Reader<'a>) -> Result<Reader<'a>, Malformed> {
        while let Some(key) = reader.key()? {
            let place = body::place(key);
            self.fields.once(place)?;
            match place {
                body::VALUE => self.value = Some(reader.value()?.raw),
                body::VALUES if reader.open_list()? => self.values = values(&mut reader)?,
                _ => self.fields.read(place, &mut reader)?,
            }
        }
        Ok(reader)
    }

    /// What has another type or size than it should is absent.
    #[inline(always)]
    fn response(&self, tid: &'a [u8], version: Option<&'a [u8]>, ip: Option<Endpoint>, id: Id) -> Response<'a> {
        let fields = &self.fields;
        Response {
            tid,
            version,
            ip,
            id,
            nodes: fields.text(body::NODES),
            nodes6: fields.text(body::NODES6),
            values: self.values,
            token: fields.text(body::TOKEN).filter(|token| token.len() <= MAX_TOKEN),
            value: self.value,
            key: fields.array(body::KEY),
            signature: fields.array(body::SIGNATURE),
            seq: fields.number(body::SEQ).filter(|seq| *seq >= 0),
            interval: fields.number(body::INTERVAL).filter(|seconds| (0..=MAX_INTERVAL).contains(seconds)),
            num: fields.number(body::NUM).filter(|num| *num >= 0),
            samples: fields.text(body::SAMPLES),
            seeds: fields.array(body::SEEDS),
            peers: fields.array(body::PEERS),
        }
    }
}

/// The entries of the list that was entered, well-formed but not yet read.
#[inline(always)]
fn values<'a>(reader: &mut Reader<'a>) -> Result<Values<'a>, ReadError> {
    let before = reader.rest();
    loop {
        let length = before.len() - reader.rest().len();
        if reader.close() {
            return Ok(Values::List(before.get(..length).unwrap_or_default()));
        }
        reader.string_or_skip()?;
    }
}

#[cfg(test)]
mod tests;
