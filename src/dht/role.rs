//! Whether a node answers others, as it is told and as it finds out (`spec/role.md`).

/// The part that a node takes in the network.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
#[non_exhaustive]
pub enum Role {
    /// It asks, but does not answer, and says so with `ro` (BEP 43): others leave it out of their tables.
    Client,
    /// It answers.
    #[default]
    Server,
    /// It finds out, on each link, whether others reach it: it begins as a client and is a server as long as they do.
    /// As what a node is at the moment, it is trying: it answers, and nothing is proved.
    Adaptive,
}
