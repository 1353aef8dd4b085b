//! Write tokens (BEP 5, BEP 44): the proof that a node which stores something here can receive at the address it
//! claims.
//!
//! A token is a MAC over the asker's address and the target, under a secret that changes with every rotation; nothing
//! is remembered of those that were issued, so asking for tokens costs us no memory. The current and the previous
//! secret are honoured, so a token is valid for at least one rotation and at most two, and only for the address and
//! the target that it was issued for. The port is not bound: a NAT may change it between the two queries.
//!
//! SipHash-2-4 is a MAC under a secret key, which a checksum is not: of a CRC, one token betrays all others. The next
//! secret is made of the one before it by the same function, so that what is secret here stays apart from the
//! randomness that decides what a node does: a journal can then be handed on without it. Who learns a secret knows
//! those after it, and none before.

use core::fmt;

use siphasher::sip::SipHasher24;
use siphasher::sip128;

use crate::base::planted::{Bug, planted};
use crate::base::rng::Rng;
use crate::base::time::{Duration, Instant};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

/// A write token. Who knows it can store in the name of who it was issued to, so it is not shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WriteToken([u8; Tokens::LEN]);

impl WriteToken {
    /// The token as it goes over the wire.
    pub fn as_bytes(&self) -> &[u8; Tokens::LEN] {
        &self.0
    }
}

impl fmt::Debug for WriteToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WriteToken")
    }
}

/// Issues and verifies write tokens.
pub struct Tokens {
    current: [u8; 16],
    previous: [u8; 16],
    rotation: Duration,
    rotate_at: Instant,
}

impl fmt::Debug for Tokens {
    /// Not the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tokens { rotation, rotate_at, .. } = self;
        f.debug_struct("Tokens").field("rotation", rotation).field("rotate_at", rotate_at).finish_non_exhaustive()
    }
}

impl Tokens {
    /// Length of a token in bytes.
    pub const LEN: usize = 8;

    /// Draws the first secrets. They are replaced every `rotation`.
    pub fn new(rng: &mut Rng, now: Instant, rotation: Duration) -> Self {
        Tokens { current: rng.bytes(), previous: rng.bytes(), rotation, rotate_at: now + rotation }
    }

    /// The token with which the node at `ip` may store something under `target`.
    pub fn issue(&self, ip: &Endpoint, target: &Id) -> WriteToken {
        WriteToken(mac(&self.current, &MacInput::new(ip, target)).to_le_bytes())
    }

    /// Whether `token` was issued for this address and target lately enough. Takes the same time for every token of
    /// the right length.
    pub fn verify(&self, ip: &Endpoint, target: &Id, token: &[u8]) -> bool {
        let Ok(token) = <[u8; Tokens::LEN]>::try_from(token) else { return false };
        let (token, text) = (u64::from_le_bytes(token), MacInput::new(ip, target));
        let current = token ^ mac(&self.current, &text);
        let previous = token ^ mac(&self.previous, &text);
        (current == 0) | (previous == 0) | planted(Bug::AnyToken)
    }

    /// Rotates the secrets if that is due; otherwise does nothing. If a whole rotation was missed, both secrets are
    /// replaced: the tokens of the current one are as old by then as those that the previous one would have had to
    /// drop.
    pub fn rotate(&mut self, now: Instant) {
        if now < self.rotate_at || planted(Bug::TimerStands) {
            return;
        }
        let next = self.rotate_at + self.rotation;
        if now < next {
            self.previous = self.current;
            self.rotate_at = next;
        } else {
            self.previous = following(&self.current);
            self.rotate_at = now + self.rotation;
        }
        self.current = following(&self.previous);
    }

    /// When the next rotation is due. It has to be made before packets of that instant are looked at.
    pub fn rotate_at(&self) -> Instant {
        self.rotate_at
    }
}

/// What a token is the MAC of: the address and the target. The two families cannot be confused, since SipHash takes the
/// length in.
struct MacInput {
    bytes: [u8; 16 + Id::LEN],
    len: usize,
}

impl MacInput {
    fn new(ip: &Endpoint, target: &Id) -> Self {
        let address = ip.ip_bytes();
        let len = address.len() + Id::LEN;
        let mut bytes = [0; 16 + Id::LEN];
        let (front, rest) = bytes.split_at_mut(address.len());
        front.copy_from_slice(address);
        rest[..Id::LEN].copy_from_slice(target.as_bytes());
        MacInput { bytes, len }
    }
}

/// The secret after this one; it does not lead back.
fn following(secret: &[u8; 16]) -> [u8; 16] {
    sip128::SipHasher24::new_with_key(secret).hash(b"the next secret").as_bytes()
}

fn mac(secret: &[u8; 16], text: &MacInput) -> u64 {
    SipHasher24::new_with_key(secret).hash(&text.bytes[..text.len])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROTATION: Duration = Duration::from_secs(300);
    const TARGET: Id = Id([9; 20]);

    fn here() -> Endpoint {
        Endpoint::v4([192, 0, 2, 1], 6881)
    }

    fn fixture() -> Tokens {
        Tokens::new(&mut Rng::from_seed([5; 32]), Instant::from_secs(1_000), ROTATION)
    }

    /// Rules S2 and S3; R47 and R96 of the hostile inputs.
    #[test]
    fn a_token_is_for_one_address_and_one_target() {
        let tokens = fixture();
        let token = *tokens.issue(&here(), &TARGET).as_bytes();
        assert!(tokens.verify(&here(), &TARGET, &token));
        assert!(tokens.verify(&here().with_port(1), &TARGET, &token), "whatever the port");
        assert!(!tokens.verify(&Endpoint::v4([192, 0, 2, 2], 6881), &TARGET, &token));
        assert!(!tokens.verify(&here(), &Id([8; 20]), &token));
    }

    #[test]
    fn no_other_bytes_are_a_token() {
        let tokens = fixture();
        let token = *tokens.issue(&here(), &TARGET).as_bytes();
        for bit in 0..64 {
            let mut other = token;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!tokens.verify(&here(), &TARGET, &other));
        }
        assert!(!tokens.verify(&here(), &TARGET, b""));
        assert!(!tokens.verify(&here(), &TARGET, &token[..7]));
        assert!(!tokens.verify(&here(), &TARGET, &[token.as_slice(), &[0]].concat()));
    }

    /// Rule S3.
    #[test]
    fn a_token_outlives_one_rotation_and_never_two() {
        let mut tokens = fixture();
        let token = *tokens.issue(&here(), &TARGET).as_bytes();
        for (secs, valid) in [(1_299, true), (1_300, true), (1_599, true), (1_600, false), (1_900, false)] {
            tokens.rotate(Instant::from_secs(secs));
            assert_eq!(tokens.verify(&here(), &TARGET, &token), valid, "{secs}");
        }
    }

    /// Rule S3.
    #[test]
    fn a_rotation_that_comes_two_late_drops_all_older_tokens() {
        let mut tokens = fixture();
        let token = *tokens.issue(&here(), &TARGET).as_bytes();
        tokens.rotate(Instant::from_secs(1_600));
        assert!(!tokens.verify(&here(), &TARGET, &token));
        assert_eq!(tokens.rotate_at(), Instant::from_secs(1_900));
    }

    #[test]
    fn rotations_keep_their_pace_when_they_come_a_little_late() {
        let mut tokens = fixture();
        tokens.rotate(Instant::from_secs(1_310));
        assert_eq!(tokens.rotate_at(), Instant::from_secs(1_600));
        tokens.rotate(Instant::from_secs(1_310));
        assert_eq!(tokens.rotate_at(), Instant::from_secs(1_600), "an early call does nothing");
    }
}
