//! What only our own tests, benches and fuzz targets reach: not documented, and may change in any release.

/// Parts of the reconciliation.
pub mod negentropy {
    pub use crate::negentropy::message::*;
}
