//! Whether a node answers others, as it is told (`spec/role.md`).

/// The part that a node takes in the network.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
#[non_exhaustive]
pub enum Role {
    /// It asks, but does not answer, and says so with `ro` (BEP 43): others leave it out of their tables.
    Client,
    /// It answers.
    #[default]
    Server,
}
