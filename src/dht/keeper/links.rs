//! What a look or a put came to on each link, of which each has a network of its own (P4).

use crate::dht::capacity::MAX_LINKS;
use crate::dht::event::LinkId;

/// What it came to on one link.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct LinkCopies {
    /// Nodes among the nearest that answered.
    pub answered: u8,
    /// How many of them have a copy.
    pub copies: u8,
}

/// On all links, by their numbers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct CopiesByLink([LinkCopies; MAX_LINKS]);

impl CopiesByLink {
    /// The same, and this on a link.
    #[must_use]
    pub fn with(mut self, link: LinkId, found: LinkCopies) -> Self {
        if let Some(place) = self.0.get_mut(usize::from(link.0)) {
            *place = found;
        }
        self
    }

    /// How many copies there are where there are most.
    pub fn most(&self) -> u8 {
        self.0.iter().map(|link| link.copies).max().unwrap_or_default()
    }

    /// Which links have copies: a bit for each.
    pub fn holding(&self) -> u8 {
        self.bits(|link| link.copies > 0)
    }

    /// Which links have none, though somebody answered there and others have some.
    pub fn refusing(&self) -> u8 {
        if self.holding() == 0 { 0 } else { self.bits(|link| link.answered > 0 && link.copies == 0) }
    }

    /// The link that has least of what it should have, of those where anybody answered; of all but these, if any other
    /// did.
    pub fn scarcest(&self, least: u8, but: u8) -> Option<LinkCopies> {
        let part = |link: &LinkCopies| u32::from(link.copies) * 1024 / u32::from(least.min(link.answered).max(1));
        let of = |but: u8| {
            let links = (0..).zip(self.0).filter(|(n, link)| link.answered > 0 && but & 1 << n == 0);
            links.map(|(_, link)| link).min_by_key(part)
        };
        of(but).or_else(|| of(0))
    }

    fn bits(&self, is_one: impl Fn(&LinkCopies) -> bool) -> u8 {
        (0..).zip(&self.0).filter(|(_, link)| is_one(link)).fold(0, |bits, (n, _)| bits | 1 << n)
    }
}
