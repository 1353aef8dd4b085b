//! What only the project's own tests, benches and fuzz targets reach. Not part of the API: anything here may change at
//! any time.

pub mod krpc {
    pub mod bencode {
        pub use crate::krpc::bencode::reader::*;
        pub use crate::krpc::bencode::writer::*;
    }
    pub mod bloom {
        pub use crate::krpc::bloom::*;
    }
    pub mod compact {
        pub use crate::krpc::compact::*;
    }
    pub mod item {
        pub use crate::krpc::item::*;
    }
    pub mod message {
        pub use crate::krpc::message::*;
    }
}

pub mod base {
    pub mod arena {
        pub use crate::base::arena::*;
    }
    pub mod bytes {
        pub use crate::base::bytes::*;
    }
    pub mod deadlines {
        pub use crate::base::deadlines::*;
    }
    pub mod list {
        pub use crate::base::list::*;
    }
    pub mod lru {
        pub use crate::base::lru::*;
    }
    pub mod order {
        pub use crate::base::order::*;
    }
    pub mod rate {
        pub use crate::base::rate::*;
    }
    pub mod ring {
        pub use crate::base::ring::*;
    }
    pub mod slab {
        pub use crate::base::slab::*;
    }
}

pub mod dht {
    /// Recounts everything that has to hold in a node after a complete drain.
    #[cfg(debug_assertions)]
    pub fn check_invariants(node: &crate::Node<'_>) {
        node.check_invariants();
    }

    pub mod contact {
        pub use crate::dht::contact::*;
    }
    pub mod items {
        pub use crate::dht::items::*;
    }
    pub mod keeper {
        pub use crate::dht::keeper::*;
    }
    pub mod limiter {
        pub use crate::dht::limiter::*;
    }
    pub mod lookup {
        pub use crate::dht::lookup::*;
    }
    pub mod outage {
        pub use crate::dht::outage::*;
    }
    pub mod peers {
        pub use crate::dht::peers::*;
    }
    pub mod size {
        pub use crate::dht::size::*;
    }
    pub mod table {
        pub use crate::dht::table::*;
    }
    pub mod tokens {
        pub use crate::dht::tokens::*;
    }
    pub mod transactions {
        pub use crate::dht::transactions::*;
    }
    pub mod votes {
        pub use crate::dht::votes::*;
    }
    pub mod config {
        pub use crate::dht::config::K;
    }
    pub mod capacity {
        pub use crate::dht::capacity::{KEEPING, MAX_OPERATIONS, UPKEEP};
    }
}

/// Parts of the reconciliation.
pub mod negentropy {
    pub use crate::negentropy::message::*;
}
