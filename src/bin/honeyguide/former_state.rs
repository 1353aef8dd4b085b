//! The ids that links had at other addresses, as a state file has them.

use std::collections::HashSet;

use honeyguide::{Config, Id};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::count::count;

/// Of each link, the one that it had longest ago first; of the last links, or of all, nothing may be told.
#[derive(Serialize, Deserialize, Clone, Default, PartialEq, Debug)]
#[serde(transparent)]
pub struct StateFormer(Vec<Vec<ByteArray<20>>>);

impl StateFormer {
    /// Nothing, if no link has any.
    pub fn new(of_links: impl Iterator<Item = Vec<Id>>) -> StateFormer {
        let of_link = |ids: Vec<Id>| ids.iter().map(|id| ByteArray::new(id.0)).collect();
        let all: Vec<Vec<_>> = of_links.map(of_link).collect();
        if all.iter().all(Vec::is_empty) { StateFormer::default() } else { StateFormer(all) }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order of the links.
    pub fn iter(&self) -> impl Iterator<Item = Vec<Id>> {
        self.0.iter().map(|ids| ids.iter().map(|id| Id(**id)).collect())
    }

    /// What is wrong with them, beside the ids that the links have.
    pub fn fault(&self, ids: impl Iterator<Item = Id>) -> Option<String> {
        let mut seen: HashSet<_> = ids.collect();
        let (links, most) = (seen.len(), Config::MAX_FORMER_IDS);
        if self.0.len() > links {
            let (had, ids) = (count(self.0.len(), "link"), count(links, "id"));
            return Some(format!("it has the former ids of {had}, and {ids}, one for each link"));
        }
        if let Some(had) = self.0.iter().find(|had| had.len() > most) {
            return Some(format!("a link has {} former ids, and a node remembers at most {most} of each", had.len()));
        }
        let twice = self.iter().flatten().find(|id| !seen.insert(*id))?;
        Some(format!("the former id {twice} is there twice, and each belongs to one link, which has another now"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule J14.
    #[test]
    fn no_link_has_more_former_ids_than_it_remembers_and_none_twice() {
        let id = |n: &u8| Id([*n; 20]);
        let fault = |former: &[&[u8]]| {
            let former = StateFormer::new(former.iter().map(|had| had.iter().map(id).collect()));
            former.fault([1, 2, 3, 4].iter().map(id))
        };
        assert_eq!(fault(&[]), None);
        assert_eq!(fault(&[&[5, 6, 7], &[8, 9, 10], &[], &[11, 12, 13]]), None);
        for (former, why) in [
            (&[&[5, 6, 7][..], &[8, 9, 10, 11]][..], "4 former ids"),
            (&[&[5], &[], &[], &[], &[6]], "5 links"),
            (&[&[5, 6, 5]], "twice"),
            (&[&[5], &[6, 5]], "twice"),
            (&[&[1]], "twice"),
            (&[&[2]], "twice"),
        ] {
            assert!(fault(former).is_some_and(|fault| fault.contains(why)), "{former:?}");
        }
    }
}
