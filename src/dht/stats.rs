//! Counters: plain numbers that only grow, pulled by whoever wants metrics.

use crate::krpc::message::Malformed;

/// Why something that came from outside was dropped without an answer. The names are fixed: `spec/krpc.md` lists them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum DropReason {
    /// A datagram without bytes.
    Empty,
    /// A datagram larger than any message.
    Oversize,
    /// The outermost value is not a dictionary.
    NotADictionary,
    /// Not bencode.
    Syntax,
    /// Bytes after the outermost dictionary.
    Trailing,
    /// Nested too deep.
    TooDeep,
    /// Too many tokens.
    TooManyTokens,
    /// A known key stands twice in one dictionary.
    RepeatedKey,
    /// No usable transaction id.
    NoTid,
    /// Neither query nor response nor error.
    NoKind,
    /// A query without a method.
    NoMethod,
    /// The source is no address that a reply can be sent to, or the link does not exist.
    Martian,
    /// The source sends more than its share.
    Limited,
    /// We are read-only and answer no queries (BEP 43).
    ReadOnly,
    /// A response or an error that no open query of ours matches.
    Unsolicited,
    /// Every place for replies was taken: the embedder skipped drains.
    ReplyOverflow,
    /// What a reply was to carry was gone before it was drained.
    StaleReply,
    /// Every place for intermediate results was taken: the embedder skipped drains.
    InboxOverflow,
}

impl DropReason {
    /// Number of reasons.
    pub const COUNT: usize = Self::ALL.len();

    /// All reasons, in the order of their numbers.
    pub const ALL: [DropReason; 18] = [
        DropReason::Empty,
        DropReason::Oversize,
        DropReason::NotADictionary,
        DropReason::Syntax,
        DropReason::Trailing,
        DropReason::TooDeep,
        DropReason::TooManyTokens,
        DropReason::RepeatedKey,
        DropReason::NoTid,
        DropReason::NoKind,
        DropReason::NoMethod,
        DropReason::Martian,
        DropReason::Limited,
        DropReason::ReadOnly,
        DropReason::Unsolicited,
        DropReason::ReplyOverflow,
        DropReason::StaleReply,
        DropReason::InboxOverflow,
    ];

    /// The name in text and in specifications.
    pub const fn name(self) -> &'static str {
        match self {
            DropReason::Empty => "empty",
            DropReason::Oversize => "oversize",
            DropReason::NotADictionary => "not_a_dictionary",
            DropReason::Syntax => "syntax",
            DropReason::Trailing => "trailing",
            DropReason::TooDeep => "too_deep",
            DropReason::TooManyTokens => "too_many_tokens",
            DropReason::RepeatedKey => "repeated_key",
            DropReason::NoTid => "no_tid",
            DropReason::NoKind => "no_kind",
            DropReason::NoMethod => "no_method",
            DropReason::Martian => "martian",
            DropReason::Limited => "limited",
            DropReason::ReadOnly => "read_only",
            DropReason::Unsolicited => "unsolicited",
            DropReason::ReplyOverflow => "reply_overflow",
            DropReason::StaleReply => "stale_reply",
            DropReason::InboxOverflow => "inbox_overflow",
        }
    }
}

impl From<Malformed> for DropReason {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Empty => DropReason::Empty,
            Malformed::Oversize => DropReason::Oversize,
            Malformed::NotADictionary => DropReason::NotADictionary,
            Malformed::Syntax => DropReason::Syntax,
            Malformed::Trailing => DropReason::Trailing,
            Malformed::TooDeep => DropReason::TooDeep,
            Malformed::TooManyTokens => DropReason::TooManyTokens,
            Malformed::RepeatedKey => DropReason::RepeatedKey,
            Malformed::NoTid => DropReason::NoTid,
            Malformed::NoKind => DropReason::NoKind,
            Malformed::NoMethod => DropReason::NoMethod,
        }
    }
}

/// Drops by reason.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Dropped([u64; DropReason::COUNT]);

impl Dropped {
    /// How often this reason occurred.
    pub fn by(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// All drops together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(crate) fn count(&mut self, reason: DropReason) {
        self.0[reason as usize] += 1;
    }
}

/// What a node has done so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams received.
    pub rx: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Datagrams handed out for sending.
    pub tx: u64,
    /// Bytes handed out for sending.
    pub tx_bytes: u64,
    /// Queries of others that were served.
    pub queries: u64,
    /// Queries of others that were answered with an error.
    pub refused: u64,
    /// Replies that were cut to protect a third party from amplification.
    pub trimmed: u64,
    /// Queries of ours that were sent.
    pub rpc_sent: u64,
    /// Queries of ours that were answered.
    pub rpc_ok: u64,
    /// Those of them that were answered after the soft timeout.
    pub rpc_late: u64,
    /// Queries of ours that were answered with an error.
    pub rpc_errors: u64,
    /// Queries of ours that failed: a broken response, or one from the wrong node.
    pub rpc_broken: u64,
    /// Queries of ours without any answer.
    pub rpc_timeouts: u64,
    /// Signatures checked.
    pub verifications: u64,
    /// Operations started, upkeep included.
    pub operations: u64,
    /// What was dropped, by reason.
    pub dropped: Dropped,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_number_and_name() {
        for (i, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, i);
            assert!(DropReason::ALL.iter().filter(|r| r.name() == reason.name()).count() == 1);
        }
    }

    // K71
    #[test]
    fn every_reason_is_listed() {
        let page = include_str!("../../spec/krpc.md");
        assert!(DropReason::ALL.iter().all(|reason| page.contains(&std::format!("| `{}` |", reason.name()))));
    }

    #[test]
    fn drops_are_counted_by_reason() {
        let mut dropped = Dropped::default();
        dropped.count(DropReason::Limited);
        dropped.count(DropReason::Limited);
        assert_eq!((dropped.by(DropReason::Limited), dropped.total()), (2, 2));
    }
}
