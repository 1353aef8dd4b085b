//! The messages of the Mainline DHT: bytes to values and back. No time, and no randomness but for new ids.
//!
//! [`decode`] reads a datagram, and the `encode` of [`Query`], [`Response`] and [`ErrorMessage`] writes one. [`Item`]
//! is what the DHT stores (BEP 44). Ids and addresses are at the root: [`Id`](crate::Id),
//! [`Endpoint`](crate::Endpoint).

pub(crate) mod bencode;
pub(crate) mod bloom;
pub(crate) mod compact;
pub(crate) mod endpoint;
pub(crate) mod id;
pub(crate) mod item;
pub(crate) mod lists;
pub(crate) mod message;
pub(crate) mod networks;
#[cfg(feature = "alloc")]
mod owned;
mod value;

pub use compact::Values;
pub use endpoint::Family;
pub use id::{Distance, IdError};
pub use item::{Item, ItemBuilder, ItemError, Mutable, SignedItem};
pub use lists::{Entries, Nodes, Peers, Samples};
pub use message::{
    Broken, Decoded, ErrorCode, ErrorMessage, Malformed, Method, Query, Refusal, Response, Want, decode,
};
#[cfg(feature = "alloc")]
pub use owned::text_value;
pub use value::text;
