//! How an operation went, in numbers: "not found" and "gave up" are never the same answer, and success is a number of
//! confirmed copies.

use core::fmt;

use crate::base::time::Duration;
use crate::dht::capacity::MAX_LINKS;

/// Why an operation ended.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// What was asked for was found, or the single query was answered.
    Hit,
    /// The k closest live contacts answered (and, for a put or an announce, the stores were tried).
    Converged,
    /// Nobody is left to ask.
    #[default]
    Exhausted,
    /// Time ran out.
    Deadline,
    /// The caller ended it.
    Cancelled,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 5] =
        [Reason::Hit, Reason::Converged, Reason::Exhausted, Reason::Deadline, Reason::Cancelled];

    /// The name in text.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Hit => "hit",
            Reason::Converged => "converged",
            Reason::Exhausted => "exhausted",
            Reason::Deadline => "deadline",
            Reason::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How an operation went.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// Why it ended.
    pub reason: Reason,
    /// Queries sent, stores included; not those that our own side could not send.
    pub queried: u16,
    /// Usable responses.
    pub answered: u16,
    /// Responses after their soft timeout.
    pub late: u16,
    /// Queries without any answer, those that nobody listens for included.
    pub timed_out: u16,
    /// Error messages received to anything but a store.
    pub errored: u16,
    /// Responses that were broken or lied: wrong id, forged item, wrong hash.
    pub invalid: u16,
    /// Items, lists of peers and other results that were delivered.
    pub results: u16,
    /// Responders that returned the item that was found, in the version that beat all others. A node that several links
    /// of one family ask counts for each.
    pub copies: u16,
    /// Results lost because a drain was skipped.
    pub dropped_results: u16,
    /// Length of the longest chain of referrals that was followed.
    pub hops: u8,
    /// Nodes that confirmed a put or an announce. A node that several links of one family ask counts for each.
    pub stored: Stored,
    /// Confirmations that do not count, since their nodes crowd around the target and their ids do not fit their
    /// addresses (BEP 42).
    pub crowded: u16,
    /// The nodes nearest to the target stood closer together than the size of the network makes credible: somebody may
    /// have put them there. What was to be stored or found was stored or looked for among those around them.
    pub density_alarm: bool,
    /// Stores that were sent and neither confirmed nor refused: their nodes may hold what they were sent.
    pub unconfirmed: u16,
    /// Nodes that refused a put or an announce, by code.
    pub refused: Refusals,
    /// The highest sequence number that a genuine item was seen with: of a get, that of the item that was found; of a
    /// put, that of the newest item that was held before.
    pub held_seq: Option<i64>,
    /// From the first query to the end.
    pub elapsed: Duration,
    /// What each link had of it, by [`LinkId`](crate::dht::LinkId).
    pub links: [LinkOutcome; MAX_LINKS],
}

impl Outcome {
    /// A query left; of a store it is not known yet what comes of it.
    pub(crate) fn count_query(&mut self, is_store: bool) {
        self.queried = self.queried.saturating_add(1);
        self.unconfirmed = self.unconfirmed.saturating_add(is_store.into());
    }

    /// It did not leave after all.
    pub(crate) fn forget_query(&mut self, is_store: bool) {
        self.queried = self.queried.saturating_sub(1);
        self.unconfirmed = self.unconfirmed.saturating_sub(is_store.into());
    }

    /// A node confirmed a store; `counts`: as success.
    pub(crate) fn count_confirmation(&mut self, secure: bool, first_of_network: bool, counts: bool) {
        self.unconfirmed = self.unconfirmed.saturating_sub(1);
        let stored = &mut self.stored;
        stored.all = stored.all.saturating_add(1);
        stored.secure = stored.secure.saturating_add(secure.into());
        stored.networks = stored.networks.saturating_add(first_of_network.into());
        stored.counted = stored.counted.saturating_add(counts.into());
    }

    /// So many confirmations that counted came from where the density alarm has been raised since.
    pub(crate) fn take_back(&mut self, crowded: u16) {
        self.stored.counted = self.stored.counted.saturating_sub(crowded);
        self.crowded = self.crowded.saturating_add(crowded);
    }

    /// A node refused a store.
    pub(crate) fn count_refusal(&mut self, code: i64) {
        self.unconfirmed = self.unconfirmed.saturating_sub(1);
        self.refused.count(code);
    }

    /// Adds the counts of one part of an operation. Whatever is no count of a part, the whole operation knows.
    pub(crate) fn add(&mut self, part: &Outcome) {
        let Outcome {
            reason: _,
            queried,
            answered,
            late,
            timed_out,
            errored,
            invalid,
            results,
            copies: _,
            dropped_results,
            hops,
            stored: Stored { all, counted, secure, networks },
            crowded,
            density_alarm,
            unconfirmed,
            refused,
            held_seq: _,
            elapsed: _,
            links: _,
        } = part;
        let counts = [
            (&mut self.queried, queried),
            (&mut self.answered, answered),
            (&mut self.late, late),
            (&mut self.timed_out, timed_out),
            (&mut self.errored, errored),
            (&mut self.invalid, invalid),
            (&mut self.results, results),
            (&mut self.dropped_results, dropped_results),
            (&mut self.stored.all, all),
            (&mut self.stored.counted, counted),
            (&mut self.stored.secure, secure),
            (&mut self.stored.networks, networks),
            (&mut self.crowded, crowded),
            (&mut self.unconfirmed, unconfirmed),
        ];
        counts.into_iter().for_each(|(all, more)| *all = all.saturating_add(*more));
        self.hops = self.hops.max(*hops);
        self.density_alarm |= density_alarm;
        self.refused.add(refused);
    }
}

/// Confirmations of a put or an announce.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Stored {
    /// All of them.
    pub all: u16,
    /// Those that count as success: one for each network (/24, /48), but each on a local network; without
    /// [`crowded`](Outcome::crowded) ones.
    pub counted: u16,
    /// Those of nodes whose id fits their address (BEP 42).
    pub secure: u16,
    /// Distinct networks that they came from.
    pub networks: u16,
}

/// What one link had of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct LinkOutcome {
    /// Queries sent by it, stores included.
    pub queried: u16,
    /// Usable responses that came in by it.
    pub answered: u16,
    /// Nodes that confirmed a put or an announce by it.
    pub stored: u16,
}

impl LinkOutcome {
    /// Adds the counts of one part of an operation.
    pub(crate) fn add(&mut self, queried: u16, answered: u16, stored: u16) {
        self.queried = self.queried.saturating_add(queried);
        self.answered = self.answered.saturating_add(answered);
        self.stored = self.stored.saturating_add(stored);
    }
}

/// Refusals of a put or an announce, counted by KRPC error code.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Refusals {
    /// 203: bad token or bad arguments.
    pub protocol: u8,
    /// 205: value too large.
    pub too_large: u8,
    /// 206: bad signature.
    pub bad_signature: u8,
    /// 207: salt too long.
    pub salt_too_long: u8,
    /// 301: cas mismatch.
    pub cas_mismatch: u8,
    /// 302: sequence number too old.
    pub seq_too_old: u8,
    /// Any other code.
    pub other: u8,
}

impl Refusals {
    /// One more, with this code.
    fn count(&mut self, code: i64) {
        let count = match code {
            203 => &mut self.protocol,
            205 => &mut self.too_large,
            206 => &mut self.bad_signature,
            207 => &mut self.salt_too_long,
            301 => &mut self.cas_mismatch,
            302 => &mut self.seq_too_old,
            _ => &mut self.other,
        };
        *count = count.saturating_add(1);
    }

    /// Codes and counts, zero counts left out; code 0 stands for any other.
    pub fn by_code(&self) -> impl Iterator<Item = (u16, u8)> {
        [
            (203, self.protocol),
            (205, self.too_large),
            (206, self.bad_signature),
            (207, self.salt_too_long),
            (301, self.cas_mismatch),
            (302, self.seq_too_old),
            (0, self.other),
        ]
        .into_iter()
        .filter(|&(_, n)| n > 0)
    }

    fn add(&mut self, more: &Refusals) {
        for (all, more) in [
            (&mut self.protocol, more.protocol),
            (&mut self.too_large, more.too_large),
            (&mut self.bad_signature, more.bad_signature),
            (&mut self.salt_too_long, more.salt_too_long),
            (&mut self.cas_mismatch, more.cas_mismatch),
            (&mut self.seq_too_old, more.seq_too_old),
            (&mut self.other, more.other),
        ] {
            *all = all.saturating_add(more);
        }
    }

    /// What a code says of the nodes that sent it, and of a single one.
    const fn words(code: u16, is_one: bool) -> &'static str {
        match (code, is_one) {
            (203, _) => "did not accept the write token or the arguments",
            (205, false) => "take no value that large",
            (205, true) => "takes no value that large",
            (206, false) => "say that the signature is wrong",
            (206, true) => "says that the signature is wrong",
            (207, false) => "take no salt that long",
            (207, true) => "takes no salt that long",
            (301, false) => "hold another version than the one that was to be replaced",
            (301, true) => "holds another version than the one that was to be replaced",
            (302, false) => "hold a newer version, or another with this number",
            (302, true) => "holds a newer version, or another with this number",
            (_, false) => "refused for reasons of their own",
            (_, true) => "refused for reasons of its own",
        }
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u16 {
        self.by_code().map(|(_, n)| u16::from(n)).sum()
    }
}

impl fmt::Display for Refusals {
    /// In words, with the code, in the order of the codes: "1 takes no value that large (205), 20 hold a newer version,
    /// or another with this number (302)".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (code, count)) in self.by_code().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            write!(f, "{comma}{count} {}", Refusals::words(code, count == 1))?;
            if code > 0 {
                write!(f, " ({code})")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_of_a_part_is_added() {
        let stored = Stored { all: 8, counted: 9, secure: 10, networks: 11 };
        let refused = Refusals { protocol: 12, other: 250, ..Refusals::default() };
        let part = Outcome {
            queried: 1,
            answered: 2,
            late: 3,
            timed_out: 4,
            errored: 5,
            invalid: 6,
            results: 7,
            dropped_results: u16::MAX,
            hops: 3,
            stored,
            crowded: 13,
            density_alarm: true,
            unconfirmed: 14,
            refused,
            ..Outcome::default()
        };
        let mut all = Outcome { hops: 2, crowded: 1, ..Outcome::default() };
        all.add(&part);
        assert_eq!(all, Outcome { crowded: 14, ..part });
        all.add(&part);
        let counts = [all.queried, all.answered, all.late, all.timed_out, all.errored, all.invalid, all.results];
        assert_eq!(counts, [2, 4, 6, 8, 10, 12, 14]);
        assert_eq!((all.dropped_results, all.hops, all.crowded), (u16::MAX, 3, 27), "counts end at the largest number");
        assert_eq!(all.unconfirmed, 28);
        assert_eq!(all.stored, Stored { all: 16, counted: 18, secure: 20, networks: 22 });
        assert_eq!((all.refused.protocol, all.refused.other), (24, u8::MAX));
    }

    #[test]
    fn the_total_of_refusals_is_the_sum_over_all_codes_and_their_words_have_each_that_came() {
        let refusals = Refusals {
            protocol: 1,
            too_large: 2,
            bad_signature: 4,
            salt_too_long: 8,
            cas_mismatch: 16,
            seq_too_old: 255,
            other: 255,
        };
        assert_eq!((refusals.total(), Refusals::default().total()), (1 + 2 + 4 + 8 + 16 + 255 + 255, 0));
        assert!(refusals.by_code().map(|(code, _)| code).eq([203, 205, 206, 207, 301, 302, 0]));
        let two = Refusals { too_large: 1, other: 3, ..Refusals::default() };
        assert_eq!(std::format!("{two}"), "1 takes no value that large (205), 3 refused for reasons of their own");
        let two = Refusals { too_large: 1, seq_too_old: 20, ..Refusals::default() };
        let words = "1 takes no value that large (205), 20 hold a newer version, or another with this number (302)";
        assert_eq!(std::format!("{two}"), words, "as the documentation has it");
    }
}
