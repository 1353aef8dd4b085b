//! Trace events. A sink observes and cannot change behaviour.

use crate::base::time::Instant;
use crate::dht::event::{LinkId, OpId};
use crate::dht::stats::DropReason;

/// One fact. Numbers identify what they belong to; contents are never copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TraceEvent {
    /// Something from outside was dropped.
    Dropped(DropReason),
    /// A query of ours left.
    QuerySent {
        /// The operation, or `None` for a check of the table.
        op: Option<OpId>,
    },
    /// A query of ours was answered.
    Answered {
        /// The operation, or `None` for a check of the table.
        op: Option<OpId>,
        /// Round-trip time in microseconds.
        rtt_micros: u32,
    },
    /// A query of ours failed.
    Failed {
        /// The operation, or `None` for a check of the table.
        op: Option<OpId>,
    },
    /// A contact entered the table.
    ContactAdded {
        /// The link.
        link: LinkId,
    },
    /// A query of somebody else was served.
    Served,
    /// An operation started.
    Started {
        /// The operation.
        op: OpId,
    },
    /// An operation ended.
    Ended {
        /// The operation.
        op: OpId,
        /// Confirmed stores.
        stored: u16,
    },
    /// Many contacts failed at once: our own link is suspected, and failures are not charged.
    OutageSuspected {
        /// The link.
        link: LinkId,
    },
}

/// Where trace events go: nowhere, to a lent sink, or to a boxed one. Sinks return nothing, so they cannot steer.
#[derive(Default)]
#[non_exhaustive]
pub enum TraceSink<'s> {
    /// Nowhere.
    #[default]
    None,
    /// A sink lent by the embedder.
    Lent(&'s mut (dyn FnMut(Instant, TraceEvent) + Send + Sync)),
    /// A sink owned by the machine.
    #[cfg(feature = "alloc")]
    Boxed(alloc::boxed::Box<dyn FnMut(Instant, TraceEvent) + Send + Sync + 's>),
}

impl TraceSink<'_> {
    pub(crate) fn tell(&mut self, now: Instant, event: TraceEvent) {
        match self {
            TraceSink::None => {}
            TraceSink::Lent(sink) => sink(now, event),
            #[cfg(feature = "alloc")]
            TraceSink::Boxed(sink) => sink(now, event),
        }
    }
}

impl core::fmt::Debug for TraceSink<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("TraceSink")
    }
}
