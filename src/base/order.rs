//! The entries of a store in the order of their keys, however many there are.
//!
//! Sorted are the numbers of the entries, each beside the first four bytes of its key, so that a search reads an entry
//! only where those are equal. They lie in pages of [`PAGE`] elements; a directory has the pages in order. An insertion
//! moves a part of one page and now and then splits it, so it costs the same in a store of a million entries as in one
//! of a thousand. Pages are at least half full, as the leaves of a B-tree are: so it is known how much memory is enough
//! ([`Order::memory_for`]). A store with no more than a page of entries has one page, as long as it needs.
//!
//! ```text
//! memory:    [directory: front, number and length of each page, in order | page 0 | page 1 | page 2 | ..]
//! ```
//!
//! The directory has the front of the first entry of each page beside it, so the page of a key is found without a look
//! at any other. Fronts of hashes lie evenly, so the search within the page begins where an even one would have the
//! key: of a large store, most of what a search costs is waiting for memory, and so it waits for two or three lines of
//! the cache. Where fronts lie unevenly it takes a few steps more.

use core::ops::Range;

use crate::base::list::List;

/// Elements of a page. Odd in lines of a cache, so that the fronts of pages do not all fall into the same set of it.
const PAGE: usize = 504;

/// Most entries that can be sorted.
pub const MAX_ORDERED: usize = 10_000_000;

/// The end of the chain of free pages.
const NONE: u32 = u32::MAX;

/// Bits of the length of a page in the directory; those above are its number.
const LENGTH_BITS: u32 = PAGE.ilog2() + 1;

/// How far around the place where a key is expected it is looked for first: nearly always it is there.
const AROUND: usize = 20;

/// An entry in its order: the front of its key, and its number. In the directory: the front of a page's first entry,
/// and the page's number and length. In the first place of a free page: the next free one.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Ordered {
    front: u32,
    number: u32,
}

impl Ordered {
    /// A page as it stands in the directory.
    fn page(front: u32, number: u32, length: usize) -> Self {
        Ordered { front, number: number << LENGTH_BITS | length as u32 }
    }

    /// In the directory: the length of the page.
    fn length(self) -> usize {
        (self.number & ((1 << LENGTH_BITS) - 1)) as usize
    }

    /// In the directory: the number of the page.
    fn page_number(self) -> u32 {
        self.number >> LENGTH_BITS
    }
}

/// A place in the order: a page of the directory, and how far in it. The end of a page is the start of the next one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct OrderPlace {
    page: usize,
    at: usize,
}

/// Numbers of entries, sorted by a key that their owner knows.
#[derive(Debug)]
pub struct Order<'s> {
    memory: List<'s, Ordered>,
    /// Elements of the directory that there is room for.
    directory: usize,
    /// Pages in use.
    pages: usize,
    first_free: u32,
    len: usize,
}

impl<'s> Order<'s> {
    /// How much memory is enough for so many entries.
    pub const fn memory_for(entries: usize) -> usize {
        match entries {
            0 => 0,
            1..=PAGE => 1 + entries,
            _ => entries.div_ceil(PAGE / 2).saturating_mul(1 + PAGE),
        }
    }

    /// An order of nothing.
    pub fn new(mut memory: List<'s, Ordered>) -> Self {
        memory.clear();
        let directory = (memory.capacity() / (1 + PAGE)).max(1);
        memory.grow_to(directory);
        Order { memory, directory, pages: 0, first_free: NONE, len: 0 }
    }

    /// How many entries are sorted.
    #[allow(dead_code, reason = "asked by tests and the recount of invariants only")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no entry is sorted.
    #[allow(dead_code, reason = "asked by tests only")]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes out all entries.
    pub fn clear(&mut self) {
        self.memory.clear();
        self.memory.grow_to(self.directory);
        (self.pages, self.first_free, self.len) = (0, NONE, 0);
    }

    /// The first place that is not before a key, whose first four bytes are `front`. `is_before` says of an entry with
    /// the same front whether it is before the key.
    pub fn place(&self, front: u32, is_before: &dyn Fn(u32) -> bool) -> OrderPlace {
        let directory = self.directory();
        // Plain comparisons of fronts first, which cost no branch each; entries are looked at where fronts are equal.
        let mut page = directory.partition_point(|page| page.front < front);
        if directory.get(page).is_some_and(|page| page.front == front) {
            let is_before = |page: &Ordered| self.page(*page).first().is_some_and(|first| is_before(first.number));
            page += directory[page..].partition_point(|page| page.front == front && is_before(page));
        }
        page = page.saturating_sub(1);
        let [first, last] = [0, 1].map(|next| directory.get(page + next).map_or(u32::MAX, |page| page.front));
        let elements = directory.get(page).map_or(&[][..], |&page| self.page(page));
        let mut at = first_from(elements, front, first..last);
        if elements.get(at).is_some_and(|element| element.front == front) {
            at += elements[at..].partition_point(|element| element.front == front && is_before(element.number));
        }
        self.canonical(OrderPlace { page, at })
    }

    /// The place before all entries.
    pub fn start(&self) -> OrderPlace {
        OrderPlace { page: 0, at: 0 }
    }

    /// The place behind all entries.
    pub fn end(&self) -> OrderPlace {
        let page = self.pages.saturating_sub(1);
        OrderPlace { page, at: self.directory().last().map_or(0, |page| page.length()) }
    }

    /// The place `by` entries further; the end, if there are not so many.
    pub fn skip(&self, place: OrderPlace, by: usize) -> OrderPlace {
        let (mut page, mut at) = (place.page, place.at.saturating_add(by));
        while let Some(length) = self.directory().get(page).map(|page| page.length())
            && at >= length
            && page + 1 < self.pages
        {
            at -= length;
            page += 1;
        }
        self.end().min(OrderPlace { page, at })
    }

    /// The place before this one, unless it is the first.
    pub fn back(&self, place: OrderPlace) -> Option<OrderPlace> {
        match place {
            OrderPlace { page: 0, at: 0 } => None,
            OrderPlace { page, at: 0 } => {
                let length = self.directory().get(page - 1)?.length();
                Some(OrderPlace { page: page - 1, at: length.checked_sub(1)? })
            }
            OrderPlace { page, at } => Some(OrderPlace { page, at: at - 1 }),
        }
    }

    /// The entry at a place.
    pub fn get(&self, place: OrderPlace) -> Option<u32> {
        Some(self.page(*self.directory().get(place.page)?).get(place.at)?.number)
    }

    /// The entry at a place, if that is the front of its key.
    pub fn get_if(&self, place: OrderPlace, front: u32) -> Option<u32> {
        let element = self.page(*self.directory().get(place.page)?).get(place.at)?;
        (element.front == front).then_some(element.number)
    }

    /// The entries between two places.
    pub fn iter(&self, places: Range<OrderPlace>) -> impl Iterator<Item = u32> {
        let Range { start, end } = places;
        let pages = self.directory().get(start.page..=end.page.min(self.pages.wrapping_sub(1))).unwrap_or_default();
        pages.iter().enumerate().flat_map(move |(i, &page)| {
            let elements = self.page(page);
            let from = if i == 0 { start.at } else { 0 };
            let to = if start.page + i == end.page { end.at } else { elements.len() };
            elements.get(from..to).unwrap_or_default().iter().map(|element| element.number)
        })
    }

    /// How many entries are between two places.
    pub fn count(&self, places: &Range<OrderPlace>) -> usize {
        let Range { start, end } = places;
        let whole = self.directory().get(start.page..end.page).unwrap_or_default();
        let before_end: usize = whole.iter().map(|page| page.length()).sum();
        (before_end + end.at).saturating_sub(start.at)
    }

    /// Sorts an entry in. False, and nothing is changed, when there is no room.
    pub fn insert(&mut self, place: OrderPlace, front: u32, number: u32) -> bool {
        let Some(OrderPlace { page, at }) = self.with_space(place) else { return false };
        let found = self.memory[page];
        let (start, length) = (self.start_of(found.page_number()), found.length());
        debug_assert!(at <= length, "a place that is not there");
        let elements = &mut self.memory[start..=start + length];
        elements.copy_within(at..length, at + 1);
        elements[at] = Ordered { front, number };
        self.set_page(page, found.page_number(), length + 1);
        self.len += 1;
        true
    }

    /// Takes out the entry at a place.
    pub fn remove(&mut self, place: OrderPlace) {
        let OrderPlace { page, at } = place;
        let Some(&found) = self.directory().get(page) else { return };
        let (start, length) = (self.start_of(found.page_number()), found.length());
        if at >= length {
            return;
        }
        self.memory[start..start + length].copy_within(at + 1.., at);
        self.set_page(page, found.page_number(), length - 1);
        self.len -= 1;
        if self.pages > 1 && length - 1 < PAGE / 2 {
            self.level(page.min(self.pages - 2));
        }
    }

    /// Makes two pages of the directory one, or equally long.
    fn level(&mut self, page: usize) {
        let [left, right] = [self.memory[page], self.memory[page + 1]];
        let (left_start, right_start) = (self.start_of(left.page_number()), self.start_of(right.page_number()));
        let (left_len, right_len) = (left.length(), right.length());
        let both = left_len + right_len;
        let wanted = if both <= PAGE { both } else { both / 2 };
        if wanted >= left_len {
            let moved = wanted - left_len;
            self.memory.copy_within(right_start..right_start + moved, left_start + left_len);
            self.memory.copy_within(right_start + moved..right_start + right_len, right_start);
        } else {
            let moved = left_len - wanted;
            self.memory.copy_within(right_start..right_start + right_len, right_start + moved);
            self.memory.copy_within(left_start + wanted..left_start + left_len, right_start);
        }
        self.set_page(page, left.page_number(), wanted);
        self.set_page(page + 1, right.page_number(), both - wanted);
        if both == wanted {
            self.memory[right_start].number = self.first_free;
            self.first_free = right.page_number();
            self.memory[..self.pages].copy_within(page + 2.., page + 1);
            self.pages -= 1;
        }
    }

    /// The place, in a page that has room for one more: it is split in two if it has none.
    fn with_space(&mut self, place: OrderPlace) -> Option<OrderPlace> {
        let OrderPlace { page, at } = place;
        if self.pages == 0 {
            self.add_page(0)?;
        }
        let found = self.memory[page];
        let (number, length) = (found.page_number(), found.length());
        if length < self.page_size() {
            return Some(place);
        }
        if length < PAGE {
            return None;
        }
        self.add_page(page + 1)?;
        let kept = length / 2;
        let added = self.memory[page + 1].page_number();
        let (from, to) = (self.start_of(number), self.start_of(added));
        self.memory.copy_within(from + kept..from + length, to);
        self.set_page(page, number, kept);
        self.set_page(page + 1, added, length - kept);
        Some(if at <= kept { place } else { OrderPlace { page: page + 1, at: at - kept } })
    }

    /// Puts an empty page into the directory.
    fn add_page(&mut self, page: usize) -> Option<()> {
        if self.pages >= self.directory {
            return None;
        }
        let number = match self.first_free {
            NONE => self.pages as u32,
            free => free,
        };
        let start = self.start_of(number);
        if self.first_free == NONE {
            self.memory.grow_to(start + self.page_size());
        } else {
            self.first_free = self.memory[start].number;
        }
        if self.page_size() == 0 {
            return None;
        }
        self.memory[..=self.pages].copy_within(page..self.pages, page + 1);
        self.memory[page] = Ordered::page(0, number, 0);
        self.pages += 1;
        Some(())
    }

    /// The same place as it is written where the next page begins.
    fn canonical(&self, place: OrderPlace) -> OrderPlace {
        let OrderPlace { page, at } = place;
        match self.directory().get(page) {
            Some(full) if at >= full.length() && page + 1 < self.pages => OrderPlace { page: page + 1, at: 0 },
            _ => place,
        }
    }

    fn directory(&self) -> &[Ordered] {
        self.memory.get(..self.pages).unwrap_or_default()
    }

    fn page(&self, page: Ordered) -> &[Ordered] {
        let start = self.start_of(page.page_number());
        &self.memory[start..start + page.length()]
    }

    /// Writes a page into the directory, after it was changed. A page is found by its first entry.
    fn set_page(&mut self, page: usize, number: u32, length: usize) {
        let front = self.memory[self.start_of(number)].front;
        self.memory[page] = Ordered::page(front, number, length);
    }

    fn page_size(&self) -> usize {
        PAGE.min(self.memory.capacity().saturating_sub(self.directory))
    }

    fn start_of(&self, number: u32) -> usize {
        self.directory + number as usize * PAGE
    }
}

/// The first element of a page whose front is not below `front`. The fronts in it are between two, those of the first
/// element of this page and of the next one.
fn first_from(page: &[Ordered], front: u32, Range { start, end }: Range<u32>) -> usize {
    let (part, whole) = (u64::from(front.saturating_sub(start)), u64::from(end.saturating_sub(start)) + 1);
    let expected = (part.min(whole) * page.len() as u64 / whole) as usize;
    let (from, to) = (expected.saturating_sub(AROUND), (expected + AROUND).min(page.len()));
    let is_below = |element: &Ordered| element.front < front;
    // Counted instead of searched, so that no line of the cache is waited for before the next one is asked for.
    let below = page.get(from..to).map_or(0, |near| near.iter().map(|element| usize::from(is_below(element))).sum());
    let is_near = (from == 0 || below > 0) && (to == page.len() || from + below < to);
    if is_near { from + below } else { page.partition_point(is_below) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use std::vec::Vec;

    fn order(entries: usize) -> Order<'static> {
        Order::new(List::with_capacity(Order::memory_for(entries)))
    }

    /// Where `number` is or would be, in an order of the numbers themselves, of which every four have one front.
    fn place(order: &Order<'_>, number: u32) -> OrderPlace {
        order.place(number / 4, &|other| other < number)
    }

    fn numbers(order: &Order<'_>) -> Vec<u32> {
        order.iter(order.start()..order.end()).collect()
    }

    fn check(order: &Order<'_>) {
        let lengths: Vec<_> = order.directory().iter().map(|page| page.length()).collect();
        assert_eq!(lengths.iter().sum::<usize>(), order.len());
        assert!(lengths.len() <= 1 || lengths.iter().all(|length| (PAGE / 2..=PAGE).contains(length)), "{lengths:?}");
        for &page in order.directory().iter().filter(|page| page.length() > 0) {
            assert_eq!(order.page(page)[0].front, page.front, "a page is found by its first entry");
        }
    }

    #[test]
    fn as_many_entries_fit_as_there_is_memory_for_and_not_one_more() {
        for entries in [0, 1, 2, PAGE - 1, PAGE, PAGE + 1, 600, 767, 768, 769, 5_000] {
            let mut upwards = order(entries);
            let mut downwards = order(entries);
            for number in 0..entries as u32 {
                let last = upwards.end();
                assert!(upwards.insert(last, number / 4, number), "{number} of {entries}");
                let at = place(&downwards, entries as u32 - number);
                assert!(downwards.insert(at, (entries as u32 - number) / 4, entries as u32 - number));
            }
            check(&upwards);
            check(&downwards);
            assert!(numbers(&upwards).into_iter().eq(0..entries as u32));
            assert!(numbers(&downwards).into_iter().eq(1..=entries as u32));
        }
        for entries in [0, 1, PAGE] {
            let mut full = order(entries);
            (0..entries as u32).for_each(|number| _ = full.insert(full.end(), number / 4, number));
            assert!(!full.insert(full.start(), 0, 9) && full.len() == entries);
        }
    }

    #[test]
    fn entries_that_come_and_go_at_random_are_a_sorted_list() {
        for (entries, steps) in [(30, 3_000), (PAGE, 3_000), (3_000, 60_000)] {
            let mut order = order(entries);
            let mut model: Vec<u32> = Vec::new();
            let mut rng = Rng::from_seed([3; 32]);
            for step in 0..steps {
                let number = rng.below(2 * entries as u32);
                let at = place(&order, number);
                let in_model = model.partition_point(|&other| other < number);
                assert_eq!(order.count(&(order.start()..at)), in_model);
                assert_eq!(order.skip(order.start(), in_model), at, "a place has one form");
                assert_eq!(order.back(at).and_then(|before| order.get(before)), model[..in_model].last().copied());
                // Fills, empties, and fills again.
                let grows = step / (steps / 3) != 1;
                match order.get(at) {
                    Some(other) if other == number && (!grows || rng.below(4) == 0) => {
                        order.remove(at);
                        model.remove(in_model);
                    }
                    Some(other) if other == number => {}
                    _ if model.len() < entries && (grows || rng.below(4) == 0) => {
                        assert!(order.insert(at, number / 4, number));
                        model.insert(in_model, number);
                    }
                    _ => {}
                }
                if step % 97 == 0 {
                    check(&order);
                    assert_eq!(numbers(&order), model);
                }
            }
            for &number in &model {
                let at = place(&order, number);
                order.remove(at);
            }
            check(&order);
            assert!(order.is_empty() && numbers(&order).is_empty());
        }
    }

    #[test]
    fn a_range_is_counted_and_listed_across_pages() {
        let mut order = order(2_000);
        (0..2_000).for_each(|number| _ = order.insert(order.end(), number / 4, number));
        for (from, to) in [(0, 0), (0, 2_000), (255, 257), (3, 1_999), (1_024, 1_024), (1_999, 2_000)] {
            let places = place(&order, from)..place(&order, to);
            assert_eq!(order.count(&places), (to - from) as usize);
            assert!(order.iter(places).eq(from..to));
        }
        assert_eq!(order.skip(order.start(), 5_000), order.end());
        order.clear();
        assert_eq!((order.len(), order.get(order.start()), order.start()), (0, None, order.end()));
        assert!(order.insert(order.start(), 0, 1) && numbers(&order) == [1]);
    }

    #[test]
    fn an_order_without_memory_refuses() {
        let mut none = order(0);
        assert!(!none.insert(none.start(), 0, 0) && none.get(none.end()).is_none());
        none.remove(OrderPlace { page: 0, at: 0 });
        assert_eq!((none.len(), none.back(none.start())), (0, None));
    }
}
