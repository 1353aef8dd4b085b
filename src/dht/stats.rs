//! Counters: plain numbers that only grow, pulled by whoever wants metrics.

use core::fmt;

use crate::krpc::message::Malformed;

/// Why something that came from outside was dropped without an answer. The names are fixed: `spec/krpc.md` lists them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DropReason {
    /// It is no message.
    Malformed(Malformed),
    /// The source is no address that a reply can be sent to, or the link does not exist.
    Martian,
    /// The source sends more than its share.
    Limited,
    /// We are read-only and answer no queries (BEP 43).
    ReadOnly,
    /// The node is suspended.
    Suspended,
    /// A response or an error that no open query of ours matches.
    Unsolicited,
    /// Every place for replies was taken: the embedder skipped drains.
    ReplyOverflow,
    /// What a reply was to carry was gone before it was drained.
    StaleReply,
    /// Every place for intermediate results was taken: the embedder skipped drains.
    ResultOverflow,
}

impl DropReason {
    /// Those that are not the decoder's, in the order of their numbers.
    const OTHERS: [DropReason; 8] = [
        DropReason::Martian,
        DropReason::Limited,
        DropReason::ReadOnly,
        DropReason::Unsolicited,
        DropReason::ReplyOverflow,
        DropReason::StaleReply,
        DropReason::ResultOverflow,
        DropReason::Suspended,
    ];

    /// All reasons, the decoder's first.
    pub fn all() -> impl Iterator<Item = DropReason> {
        Malformed::ALL.into_iter().map(DropReason::Malformed).chain(Self::OTHERS)
    }

    /// Its place among the counters, in the order of [`all`](DropReason::all).
    const fn index(self) -> usize {
        const FIRST: usize = Malformed::ALL.len();
        match self {
            DropReason::Malformed(reason) => reason as usize,
            DropReason::Martian => FIRST,
            DropReason::Limited => FIRST + 1,
            DropReason::ReadOnly => FIRST + 2,
            DropReason::Unsolicited => FIRST + 3,
            DropReason::ReplyOverflow => FIRST + 4,
            DropReason::StaleReply => FIRST + 5,
            DropReason::ResultOverflow => FIRST + 6,
            DropReason::Suspended => FIRST + 7,
        }
    }

    /// The name in text and in specifications.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            DropReason::Malformed(reason) => reason.name(),
            DropReason::Martian => "martian",
            DropReason::Limited => "limited",
            DropReason::ReadOnly => "read_only",
            DropReason::Unsolicited => "unsolicited",
            DropReason::ReplyOverflow => "reply_overflow",
            DropReason::StaleReply => "stale_reply",
            DropReason::ResultOverflow => "result_overflow",
            DropReason::Suspended => "suspended",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Malformed> for DropReason {
    fn from(reason: Malformed) -> Self {
        DropReason::Malformed(reason)
    }
}

/// Drops by reason.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Dropped([u64; Malformed::ALL.len() + DropReason::OTHERS.len()]);

impl Dropped {
    /// How often this reason occurred.
    #[must_use]
    pub fn by(&self, reason: DropReason) -> u64 {
        self.0[reason.index()]
    }

    /// All drops together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |total, count| total.saturating_add(*count))
    }

    /// All counters with the names of their reasons.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        DropReason::all().map(DropReason::name).zip(self.0)
    }

    pub(crate) fn count(&mut self, reason: DropReason) {
        self.add(reason, 1);
    }

    pub(crate) fn add(&mut self, reason: DropReason, count: u64) {
        let counter = &mut self.0[reason.index()];
        *counter = counter.saturating_add(count);
    }
}

impl fmt::Display for Dropped {
    /// `syntax 1, limited 3`: reasons that did not occur are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_counters(f, self.iter())
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
    /// Queries of ours without any answer. One that could not be delivered is in none of these counts.
    pub rpc_timeouts: u64,
    /// Signatures checked.
    pub verifications: u64,
    /// Operations started, upkeep included.
    pub operations: u64,
    /// Queries that the node started by itself and that may have opened a flow (a store opens none, since its node was
    /// just asked).
    pub flows_by_itself: u64,
    /// The same, for its user.
    pub flows_for_users: u64,
    /// How often a budget of flows held something up.
    pub flows_held: u64,
    /// Looks of the keeper for copies that ended.
    pub keep_looks: u64,
    /// Puts and announces of the keeper that ended.
    pub keep_puts: u64,
    /// Nodes that confirmed them.
    pub keep_stores: u64,
    /// What was dropped, by reason.
    pub dropped: Dropped,
}

impl Stats {
    /// All counters with their names, those of [`dropped`](Stats::dropped) behind the others.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let Stats {
            rx,
            rx_bytes,
            tx,
            tx_bytes,
            queries,
            refused,
            trimmed,
            rpc_sent,
            rpc_ok,
            rpc_late,
            rpc_errors,
            rpc_broken,
            rpc_timeouts,
            verifications,
            operations,
            flows_by_itself,
            flows_for_users,
            flows_held,
            keep_looks,
            keep_puts,
            keep_stores,
            dropped,
        } = *self;
        let own = [
            ("rx", rx),
            ("rx_bytes", rx_bytes),
            ("tx", tx),
            ("tx_bytes", tx_bytes),
            ("queries", queries),
            ("refused", refused),
            ("trimmed", trimmed),
            ("rpc_sent", rpc_sent),
            ("rpc_ok", rpc_ok),
            ("rpc_late", rpc_late),
            ("rpc_errors", rpc_errors),
            ("rpc_broken", rpc_broken),
            ("rpc_timeouts", rpc_timeouts),
            ("verifications", verifications),
            ("operations", operations),
            ("flows_by_itself", flows_by_itself),
            ("flows_for_users", flows_for_users),
            ("flows_held", flows_held),
            ("keep_looks", keep_looks),
            ("keep_puts", keep_puts),
            ("keep_stores", keep_stores),
        ];
        own.into_iter().chain(dropped.iter())
    }
}

impl fmt::Display for Stats {
    /// `rx 12, rx_bytes 740, limited 3`: counters that are 0 are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_counters(f, self.iter())
    }
}

fn write_counters(f: &mut fmt::Formatter<'_>, counters: impl Iterator<Item = (&'static str, u64)>) -> fmt::Result {
    let mut separator = "";
    for (name, count) in counters.filter(|(_, count)| *count > 0) {
        write!(f, "{separator}{name} {count}")?;
        separator = ", ";
    }
    if separator.is_empty() { f.write_str("nothing") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::string::ToString;

    #[test]
    fn every_reason_has_its_own_number_and_every_counter_its_own_name() {
        assert!(DropReason::all().enumerate().all(|(i, reason)| reason.index() == i));
        let stats = Stats::default();
        let names: BTreeSet<_> = stats.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), stats.iter().count());
        assert_eq!(stats.dropped.iter().count(), DropReason::all().count());
    }

    // K71
    #[test]
    fn every_reason_is_listed() {
        let page = include_str!("../../spec/krpc.md");
        assert!(DropReason::all().all(|reason| page.contains(&std::format!("| `{reason}` |"))));
    }

    #[test]
    fn drops_are_counted_by_reason() {
        let mut dropped = Dropped::default();
        dropped.count(DropReason::Limited);
        dropped.count(DropReason::Limited);
        dropped.count(Malformed::NoMethod.into());
        assert_eq!((dropped.by(DropReason::Limited), dropped.total()), (2, 3));
        assert_eq!(dropped.to_string(), "no_method 1, limited 2");
        dropped.0.fill(u64::MAX);
        assert_eq!(dropped.total(), u64::MAX, "counters may come from a file");
    }

    #[test]
    fn counters_are_written_with_their_names_and_without_zeros() {
        let mut stats = Stats { rx: 12, rx_bytes: 740, ..Stats::default() };
        stats.dropped.count(DropReason::Limited);
        assert_eq!(stats.to_string(), "rx 12, rx_bytes 740, limited 1");
        assert_eq!(Stats::default().to_string(), "nothing");
    }
}
