//! What has to hold within a lookup.

use super::super::candidate::{Candidate, CandidateState, NO_TOKEN};
use super::Lookup;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

impl Lookup {
    /// Recounts everything that has to hold. `asked` and `storing` say whether a query of that kind to a candidate is
    /// open, and not late; `unidentified` is the number of open queries to addresses without a
    /// known id, and of those of them that are late.
    pub fn check_invariants(
        &self,
        candidates: &[Candidate],
        tokens: usize,
        asked: impl Fn(&Id, &Endpoint) -> bool,
        storing: impl Fn(&Id, &Endpoint) -> bool,
        unidentified: (usize, usize),
    ) {
        let candidates = &candidates[..usize::from(self.len)];
        assert!(candidates.is_sorted_by_key(|c| c.distance), "nearest first");
        let mut in_flight = [0; 3];
        let (mut endpoints, mut taken) = ([0_u64; 4], [0_u64; 4]);
        for (place, c) in candidates.iter().enumerate() {
            // Only who has a mark in common with somebody before is compared with all of them.
            let before = if mark(&mut endpoints, mark_of(&c.endpoint)) { &candidates[..place] } else { &[] };
            assert!(before.iter().all(|other| other.endpoint != c.endpoint), "one place for each endpoint");
            if c.token != NO_TOKEN {
                assert!(usize::from(c.token) < tokens && !mark(&mut taken, c.token), "one place for each token");
            }
            let id = self.id_of(c.distance);
            match c.state {
                CandidateState::Asked | CandidateState::AskedAgain => {
                    in_flight[c.class as usize] += 1;
                    assert!(asked(&id, &c.endpoint), "no answer is waited for that was not asked for");
                }
                CandidateState::Storing => {
                    assert!(storing(&id, &c.endpoint), "no store is waited for that was not sent")
                }
                _ => {}
            }
        }
        assert_eq!(self.in_flight, in_flight, "slots are freed and taken by queries alone");
        let awaited = (usize::from(self.unidentified), usize::from(self.late_unidentified));
        assert_eq!(awaited, unidentified, "none is waited for that was not asked");
    }
}

/// Makes a mark; whether it was there.
fn mark(marks: &mut [u64; 4], at: u8) -> bool {
    let (word, bit) = (&mut marks[usize::from(at / 64)], 1 << (at % 64));
    let before = *word;
    *word |= bit;
    before & bit != 0
}

/// Where the mark of an endpoint is: that of another one may be there too.
fn mark_of(endpoint: &Endpoint) -> u8 {
    // The end of an address and the port, by the golden ratio.
    let [.., a, b, c, d, high, low] = endpoint.to_bytes();
    let end = u32::from_be_bytes([a, b, c, d]) ^ u32::from(u16::from_be_bytes([high, low]));
    (end.wrapping_mul(0x9e37_79b9) >> 24) as u8
}
