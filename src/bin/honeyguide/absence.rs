//! What it is worth that nothing was found (rule U23): a proof of absence takes the answers of the nearest nodes.

use honeyguide::dht::Reason;
use honeyguide::{Config, Outcome};

use crate::count::count;

/// Whoever has not joined asks nobody.
pub const NOBODY_KNOWN: &str = "no node is known: bootstrap first (--bootstrap ADDR)";

/// Whoever has joined, and cannot send any more.
pub const NOBODY_ASKED: &str = "nobody could be asked";

/// Why a thing may exist though nobody returned it, and what to do; `None` where enough nodes answered.
pub fn reserve(outcome: &Outcome) -> Option<String> {
    if outcome.queried == 0 {
        return Some(NOBODY_KNOWN.into());
    }
    let answers = answers(outcome);
    if matches!(outcome.reason, Reason::Deadline | Reason::Cancelled) {
        return Some(format!("{answers} until its time was up, so it may exist: give it more with --timeout"));
    }
    let k = holders();
    is_little(outcome).then(|| match outcome.answered == outcome.queried {
        true => format!(
            "{answers}, and a proof takes the {k} nearest, so it may exist where this node knows nobody: join through \
             others, too (--bootstrap ADDR)"
        ),
        false => format!(
            "only {answers}, and a proof takes {}, so it may exist: ask again, or through other nodes \
             (--bootstrap ADDR)",
            if are_many(outcome) { "half of those asked".into() } else { format!("the {k} nearest") }
        ),
    })
}

/// How many answered of how many.
pub fn answers(outcome: &Outcome) -> String {
    let errored = if outcome.errored > 0 { format!(", and {} with an error", outcome.errored) } else { String::new() };
    format!("{} of {} answered{errored}", outcome.answered, count(outcome.queried, "node"))
}

/// Whether fewer answered than hold an item, or less than half.
pub fn is_little(outcome: &Outcome) -> bool {
    let Outcome { queried, answered, .. } = *outcome;
    !are_many(outcome) || u32::from(queried) > 2 * u32::from(answered)
}

/// Whether as many answered as hold an item.
pub fn are_many(outcome: &Outcome) -> bool {
    outcome.answered >= holders()
}

/// How many hold an item, and are asked by those who look for it.
pub fn holders() -> u16 {
    Config::default().lookup.k.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reserve(reason: Reason, queried: u16, answered: u16) -> Option<String> {
        let mut outcome = Outcome::default();
        (outcome.reason, outcome.queried, outcome.answered) = (reason, queried, answered);
        super::reserve(&outcome)
    }

    /// Rule U23.
    #[test]
    fn the_nearest_nodes_and_half_of_all_are_a_proof_and_one_less_is_none() {
        for (queried, answered, is_proof) in
            [(8, 8, true), (7, 7, false), (20, 7, false), (16, 8, true), (17, 8, false), (65_535, 65_535, true)]
        {
            let said = reserve(Reason::Converged, queried, answered);
            assert_eq!(said.is_none(), is_proof, "{queried} {answered}");
            let words = format!("{answered} of {queried} nodes answered");
            assert!(said.as_ref().is_none_or(|said| said.contains(&words) && said.contains("may exist")));
            let lacks = if answered < 8 { "the 8 nearest" } else { "half of those asked" };
            assert!(said.is_none_or(|said| said.contains(lacks)), "{queried} {answered}");
        }
    }

    /// Rule U23.
    #[test]
    fn what_was_not_finished_or_never_begun_proves_nothing() {
        let late = reserve(Reason::Deadline, 40, 39).unwrap();
        assert!(late.contains("39 of 40") && late.contains("--timeout"), "{late}");
        assert!(reserve(Reason::Exhausted, 0, 0).unwrap().contains("bootstrap first"));
        assert!(reserve(Reason::Exhausted, 1, 0).unwrap().contains("0 of 1 node answered"));
    }
}
