//! What an operation carries: the item of a put, the key and the best value of a get, the filters of a scrape.

use heapless::Vec;

use crate::krpc::bloom::Bloom;
use crate::krpc::item::{self, Item, MAX_SALT, MAX_VALUE, Mutable};

/// The place of the payload of an operation that has none.
pub(super) const NO_PAYLOAD: u16 = u16::MAX;

/// What a command brings along.
#[derive(Clone, Copy)]
pub(super) enum Carried<'a> {
    Nothing,
    /// The key and the salt under which a value is looked for.
    Key {
        key: &'a [u8; 32],
        salt: &'a [u8],
    },
    /// The item to be stored.
    Item(Item<'a>),
}

/// The bytes of one operation.
#[derive(Clone, Debug)]
pub struct Payload {
    value: Vec<u8, MAX_VALUE, u16>,
    salt: Vec<u8, MAX_SALT, u8>,
    key: [u8; 32],
    seq: i64,
    signature: [u8; 64],
    /// Responders that returned the best version so far.
    copies: u16,
    /// Responders that gave filters.
    responders: u16,
    /// The highest sequence number that a genuine version was seen with; -1 for none.
    held_seq: i64,
    /// The next payload that nothing is carried in, while nothing is in this one.
    next_free: u16,
}

impl Default for Payload {
    fn default() -> Self {
        Payload {
            value: Vec::new(),
            salt: Vec::new(),
            key: [0; 32],
            seq: 0,
            signature: [0; 64],
            copies: 0,
            responders: 0,
            held_seq: -1,
            next_free: 0,
        }
    }
}

impl Payload {
    /// Nothing is carried any more; every version is newer than none.
    pub(super) fn clear(&mut self) {
        self.value.clear();
        self.salt.clear();
        self.seq = -1;
        self.copies = 0;
        self.responders = 0;
        self.held_seq = -1;
    }

    /// Nothing is carried, and `next` is the next payload of that kind.
    pub(super) fn free(&mut self, next: u16) {
        self.next_free = next;
    }

    pub(super) fn next_free(&self) -> u16 {
        self.next_free
    }

    /// What the command brought. It was checked at the call.
    pub(super) fn load(&mut self, carried: &Carried<'_>) {
        match *carried {
            Carried::Nothing => {}
            Carried::Key { key, salt } => self.set_key(key, salt),
            Carried::Item(Item { value, mutable }) => {
                if let Some(Mutable { key, salt, seq, signature }) = mutable {
                    self.set_key(key, salt);
                    self.seq = seq;
                    self.signature = *signature;
                }
                self.set_value(value);
            }
        }
    }

    fn set_key(&mut self, key: &[u8; 32], salt: &[u8]) {
        self.key = *key;
        self.salt.clear();
        let _checked = self.salt.extend_from_slice(salt);
    }

    fn set_value(&mut self, value: &[u8]) {
        self.value.clear();
        let _checked = self.value.extend_from_slice(value);
    }

    pub(super) fn key(&self) -> &[u8; 32] {
        &self.key
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// The immutable item, as it goes on the wire.
    pub(super) fn immutable_item(&self) -> Item<'_> {
        Item { value: &self.value, mutable: None }
    }

    /// The mutable item, as it goes on the wire.
    pub(super) fn mutable_item(&self) -> Item<'_> {
        let mutable = Mutable { key: &self.key, salt: &self.salt, seq: self.seq, signature: &self.signature };
        Item { value: &self.value, mutable: Some(mutable) }
    }

    /// Whether `value` is the one to be stored, or already the best, in the version `seq` (immutable items have none).
    pub(super) fn is_same(&self, value: Option<&[u8]>, seq: Option<i64>) -> bool {
        value == Some(&self.value[..]) && seq.is_none_or(|seq| seq == self.seq)
    }

    /// Whether this is the best version so far, signature included.
    pub(super) fn is_best(&self, version: &Mutable<'_>, value: &[u8]) -> bool {
        (version.seq, value, version.signature) == (self.seq, &self.value[..], &self.signature)
    }

    /// Whether a version of a mutable item is worth a look: newer than what was asked for and than the best so far; of
    /// two versions with one sequence number the larger value wins, so that all readers agree.
    pub(super) fn is_beaten_by(&self, seq: i64, value: &[u8], newer_than: Option<i64>) -> bool {
        newer_than.is_none_or(|asked| seq > asked) && (seq > self.seq || (seq == self.seq && value > &self.value[..]))
    }

    /// Whether a version is genuine: signed by the key that is looked for, for the salt that is looked for.
    pub(super) fn is_genuine(&self, version: &Mutable<'_>, value: &[u8]) -> bool {
        item::is_readable(value) && item::verify(&Mutable { key: &self.key, salt: &self.salt, ..*version }, value)
    }

    /// The best version so far, of which this is the first copy.
    pub(super) fn set_best(&mut self, version: &Mutable<'_>, value: &[u8]) {
        self.seq = version.seq;
        self.signature = *version.signature;
        self.set_value(value);
        self.copies = 1;
        self.on_held(version.seq);
    }

    /// One more responder returned the best.
    pub(super) fn on_copy(&mut self) {
        self.copies = self.copies.saturating_add(1);
    }

    /// The version that is the best so far; -1: of an immutable item, or none.
    pub(super) fn best(&self) -> i64 {
        self.seq
    }

    pub(super) fn copies(&self) -> u16 {
        self.copies
    }

    /// A genuine version is held somewhere.
    pub(super) fn on_held(&mut self, seq: i64) {
        self.held_seq = self.held_seq.max(seq);
    }

    /// The highest sequence number that a genuine version was seen with.
    pub(super) fn held_seq(&self) -> Option<i64> {
        Some(self.held_seq).filter(|&seq| seq >= 0)
    }

    // Own stack frame (E1).
    /// Adds one responder's filters to the union.
    #[inline(never)]
    pub(super) fn add_filters(&mut self, seeds: &[u8; Bloom::LEN], downloaders: &[u8; Bloom::LEN]) {
        self.responders = self.responders.saturating_add(1);
        let (mut all_seeds, mut all_downloaders) = self.filters();
        all_seeds.union(seeds);
        all_downloaders.union(downloaders);
        self.value.clear();
        for filter in [all_seeds, all_downloaders] {
            self.value.extend(filter.0);
        }
    }

    /// How many gave filters, empty ones too.
    pub(super) fn responders(&self) -> u16 {
        self.responders
    }

    /// The union of all filters: seeds, downloaders.
    pub(super) fn filters(&self) -> (Bloom, Bloom) {
        let part = |from: usize| {
            let bytes = self.value.get(from..from + Bloom::LEN).and_then(|b| b.try_into().ok());
            bytes.map_or_else(Bloom::default, Bloom)
        };
        (part(0), part(Bloom::LEN))
    }
}
