//! The kinds of trouble that worlds are in.

/// A kind of trouble.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Ordeal {
    /// A third of all datagrams is lost.
    Loss,
    /// Lines are bad for seconds.
    Bursts,
    /// Two in five datagrams arrive twice.
    Duplication,
    /// One in five is behind those that were sent after it.
    Reordering,
    /// One in ten arrives with a bit changed.
    Corruption,
    /// Half of the hosts do not reach the other half, for a while.
    Partition,
    /// The lines of some carry nothing, for a while.
    SilentLine,
    /// Some cannot send, for a while.
    FailingLine,
    /// Clocks are set forward and back, by up to an hour.
    ClockJump,
    /// Nodes are started anew: they have forgotten everything, or know whom they knew and nobody else.
    Restart,
    /// Nodes are gone, for a while.
    Absence,
    /// Machines sleep, for a while.
    Sleep,
    /// Hosts get another address.
    Move,
    /// A quarter of the hosts is behind routers.
    Nat,
    /// Hosts ban who sends too much.
    Bans,
    /// A quarter of the nodes only asks.
    ReadOnly,
    /// A third of the hosts shares one network.
    Neighbours,
    /// Some that take part do one thing wrong each.
    Adversaries,
    /// Somebody sends what nobody asked for.
    Forgery,
}

impl Ordeal {
    /// All of them.
    pub const ALL: [Ordeal; 19] = [
        Ordeal::Loss,
        Ordeal::Bursts,
        Ordeal::Duplication,
        Ordeal::Reordering,
        Ordeal::Corruption,
        Ordeal::Partition,
        Ordeal::SilentLine,
        Ordeal::FailingLine,
        Ordeal::ClockJump,
        Ordeal::Restart,
        Ordeal::Absence,
        Ordeal::Sleep,
        Ordeal::Move,
        Ordeal::Nat,
        Ordeal::Bans,
        Ordeal::ReadOnly,
        Ordeal::Neighbours,
        Ordeal::Adversaries,
        Ordeal::Forgery,
    ];
}
