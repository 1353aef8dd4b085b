//! Contacts in the order in which they are worth saving.
//!
//! Whoever saves some of them wants those that will still answer tomorrow: first those that answered our last query and
//! have done so for an hour, since who has been there for long stays for long (CHURN06), then the others that answered
//! it, then whoever failed once, and last the bad ones. Among those of one kind, however many of them are taken, ids
//! are spread: they come in the order of their places in the table with the bits of these turned around, so that the
//! second is half a table away from the first, and the next two are in between.

use crate::base::time::{Duration, Instant};
use crate::dht::contact::{Contact, ContactView, Health};

/// Who has answered for so long is likely to stay.
const LONG: Duration = Duration::from_secs(3_600);

/// How much a contact is worth saving, the most first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Worth {
    Lasting,
    Answering,
    Failing,
    Bad,
}

impl Worth {
    const ALL: [Worth; 4] = [Worth::Lasting, Worth::Answering, Worth::Failing, Worth::Bad];

    fn of(contact: &Contact, now: Instant) -> Self {
        match contact.health() {
            Health::Good if contact.tenure(now) >= LONG => Worth::Lasting,
            Health::Good => Worth::Answering,
            Health::Unknown | Health::Suspect => Worth::Failing,
            Health::Bad => Worth::Bad,
        }
    }
}

/// Contacts of a table, best to save first.
pub(super) fn best_to_save(contacts: &[Contact], now: Instant) -> impl Iterator<Item = ContactView> + '_ {
    let of = move |worth| {
        let found = spread(contacts.len()).filter_map(|place| contacts.get(place));
        found.filter(move |contact| Worth::of(contact, now) == worth)
    };
    Worth::ALL.into_iter().flat_map(of).map(Contact::view)
}

/// All numbers below this one, the first ones of which lie far apart.
fn spread(count: usize) -> impl Iterator<Item = usize> {
    let bits = count.next_power_of_two().trailing_zeros();
    let turned = move |number: usize| number.reverse_bits().checked_shr(usize::BITS - bits).unwrap_or(0);
    (0..1_usize << bits).map(turned).filter(move |place| *place < count)
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn numbers_come_once_each_and_the_first_ones_lie_far_apart() {
        assert_eq!(spread(8).collect::<std::vec::Vec<_>>(), [0, 4, 2, 6, 1, 5, 3, 7]);
        for count in 0..70 {
            let mut all: std::vec::Vec<_> = spread(count).collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..count), "{count}");
        }
    }
}
