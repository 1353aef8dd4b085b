//! Bugs that are planted to see whether the tests catch them: in builds with `--cfg planted`, and one at a time.
//!
//! Each stands at the place where its rule is kept, as a branch that asks [`planted`]. In every other build that is a
//! constant `false`, and nothing is left of the branch. Which checks catch which bug: `spec/simulator.md`.

#[cfg(planted)]
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

macro_rules! bugs {
    ($($(#[doc = $doc:literal])+ $bug:ident,)+) => {
        /// A bug that can be planted.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[cfg_attr(planted, non_exhaustive)]
        #[cfg_attr(not(planted), allow(dead_code, reason = "some are asked for in builds with bugs alone"))]
        pub enum Bug {
            $($(#[doc = $doc])+ $bug,)+
        }

        #[cfg(planted)]
        impl Bug {
            /// All of them.
            pub const ALL: &[Bug] = &[$(Bug::$bug),+];

            /// The name in tables.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Bug::$bug => stringify!($bug),)+
                }
            }
        }
    };
}

bugs! {
    /// A full bucket gives up a contact that answers, to whoever answered last (A2AL 0.1.7).
    EvictsLive,
    /// A query under the id of a contact makes its source that contact's address (A2AL 0.1.7).
    QueryRebinds,
    /// A contact is found where others say that it is, from then on (A2AL 0.1.7).
    NamingRebinds,
    /// A lookup goes on until nobody is left to ask, whoever has answered (A2AL 0.1.7).
    NeverConverges,
    /// Nodes that did not answer are told among the closest (A2AL 0.1.7).
    FailedAmongClosest,
    /// An item that is too old is still served (A2AL 0.1.7).
    ExpiredServed,
    /// A search for the newest version ends with the first (A2AL 0.1.7).
    FirstIsNewest,
    /// The nearest node alone tells how large the network is, so that one invented id makes it huge (A2AL 0.1.7).
    NearestTellsSize,
    /// Who refused to store counts as a copy (A2AL 0.1.7).
    RefusedCounts,
    /// What we could not send ourselves is charged to the contact (A2AL 0.1.7).
    SendFailureCharged,
    /// An outage of our own line is charged to all contacts (A2AL 0.1.7, pymdht#9, libtorrent#4412).
    OutageCharged,
    /// The same item put again is refused as too old (A2AL 0.1.7; so does bittorrent-dht).
    IdenticalRefused,
    /// An operation that ran out of time says that nobody was left to ask (A2AL 0.1.7).
    DeadlineIsExhausted,
    /// The order of candidates follows from what the process did before (A2AL 0.1.7: the order of a map).
    OrderNotReplayed,
    /// What a lookup has in flight is in flight for ever (A2AL 0.1.7: no hedging, and nothing tests it).
    NoPlaceFreed,
    /// An answer after its soft timeout is dropped (A2AL 0.1.7).
    LateDropped,
    /// One voter decides which address is ours (A2AL 0.1.7: the threshold falls to the number of peers).
    OneVoteDecides,
    /// A peer that announces again is held twice (A2AL 0.1.7: duplicates after expiry).
    PeersTwice,
    /// Who sent an answer that nobody asked for is a contact (bittorrent-dht).
    UnaskedVerifies,
    /// Who sent a query is a contact, and who only asks is one too (the mainline crate's test networks).
    QueryVerifies,
    /// A version is taken without a look at its signature (libtorrent: an unsigned value shadows the signed one).
    UnsignedTaken,
    /// The nodes that a reply names are nearest to us, not to the target (anacrolix/dht).
    NamesOwnNeighbours,
    /// A clock that is set back stops all timers for that time (smoltcp-nal#28, picotcp#2).
    ClockStandsStill,
    /// A bootstrap that failed is not repeated (rakshasa/libtorrent#162).
    BootstrapOnce,
    /// Contacts of an earlier run are of no use before they were checked (hyperdht#4).
    ImportUnused,
    /// What waits for a place among the queries in flight is never let in (seen in ourselves: of 64 puts one in four
    /// ended by its deadline).
    NeverLetIn,
    /// Of a put that may only replace one version, an unproven claim of a newer one decides (seen in ourselves).
    ClaimSteers,
    /// The confirmations of many in one network count as if they came from many networks (seen in ourselves).
    OneNetworkCounts,
    /// IPv6 is told apart by the /64 alone, of which a server has thousands (seen in ourselves).
    EachSubnetCounts,
    /// Any write token is taken, whoever brings it.
    AnyToken,
    /// Who answers under another id than expected is taken for who was asked (libtorrent#6992).
    AnyIdTaken,
    /// An endpoint that changes its id has a contact under each (libtorrent#792).
    IdChangeKept,
    /// An operation ends twice.
    EndsTwice,
    /// A timer that was served is due at once again.
    TimerStands,
}

#[cfg(planted)]
static PLANTED: AtomicU8 = AtomicU8::new(u8::MAX);
#[cfg(planted)]
static UNSEEDED: AtomicU32 = AtomicU32::new(1);

/// Plants a bug in this process from now on, in place of the one before.
#[cfg(planted)]
pub fn plant(bug: Option<Bug>) {
    PLANTED.store(bug.map_or(u8::MAX, |bug| bug as u8), Ordering::Relaxed);
}

/// Whether this bug is planted.
#[cfg(planted)]
pub(crate) fn planted(bug: Bug) -> bool {
    PLANTED.load(Ordering::Relaxed) == bug as u8
}

/// Whether this bug is planted: none is.
#[cfg(not(planted))]
#[inline(always)]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}

/// What no seed decides, for the bug that needs it.
#[cfg(planted)]
pub(crate) fn unseeded() -> bool {
    let step = |state: u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    UNSEEDED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).is_ok_and(|state| state >> 31 == 1)
}

/// Nothing of the kind.
#[cfg(not(planted))]
#[inline(always)]
pub(crate) const fn unseeded() -> bool {
    false
}
