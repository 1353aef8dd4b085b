//! What stands where in a bencoded message, so that it can be written over without moving anything.

/// Deeper messages are none.
const DEEPEST: usize = 16;

/// Keys that mean something.
pub const KEYS: &str = "t y q v a r e ip ro id target info_hash token k sig salt seq cas port implied_port seed noseed \
                    scrape want nodes nodes6 samples BFsd BFpe interval num values";

/// Something that was written by whoever made the message.
pub struct Place {
    /// The keys that lead to it: "" for an element of a list, "?" for what means nothing to a node.
    pub keys: Vec<&'static str>,
    /// Its place in a list around it.
    pub nth: usize,
    pub from: usize,
    pub to: usize,
    pub kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Text,
    /// The digits of a number, with its sign.
    Number,
    /// A key that means nothing to a node.
    Key,
    /// A key within the value of an item: how many others of its dictionary stand before it in their order.
    Sorted(u8),
}

/// All of a message's places; `None` when it is none.
pub fn places(message: &[u8]) -> Option<Vec<Place>> {
    let mut walk = Walk { message, keys: Vec::new(), found: Vec::new() };
    let end = walk.value(0, 0)?;
    (end == message.len()).then_some(walk.found)
}

/// Whether these keys lead into an item's value, where all keys are its owner's.
pub fn is_value(keys: &[&str]) -> bool {
    matches!(keys, ["a" | "r", "v", ..])
}

struct Walk<'a> {
    message: &'a [u8],
    keys: Vec<&'static str>,
    found: Vec<Place>,
}

impl Walk<'_> {
    /// Walks over the value that begins here; where it ends.
    fn value(&mut self, at: usize, nth: usize) -> Option<usize> {
        match *self.message.get(at)? {
            b'd' => self.dictionary(at + 1),
            b'l' => self.list(at + 1),
            b'i' => {
                let to = at + 1 + self.message[at + 1..].iter().position(|byte| *byte == b'e')?;
                self.add(nth, (at + 1, to), Kind::Number);
                Some(to + 1)
            }
            _ => {
                let string = self.string(at)?;
                self.add(nth, string, Kind::Text);
                Some(string.1)
            }
        }
    }

    fn dictionary(&mut self, mut at: usize) -> Option<usize> {
        let mut own = Vec::new();
        while *self.message.get(at)? != b'e' {
            let string = self.string(at)?;
            let known = || KEYS.split(' ').find(|known| known.as_bytes() == &self.message[string.0..string.1]);
            let key = if is_value(&self.keys) { "?" } else { known().unwrap_or("?") };
            if key == "?" {
                own.push(self.found.len());
                self.add(0, string, Kind::Key);
            }
            at = self.within(key, string.1, 0)?;
        }
        if is_value(&self.keys) {
            self.sort(&own);
        }
        Some(at + 1)
    }

    fn list(&mut self, mut at: usize) -> Option<usize> {
        let mut nth = 0;
        while *self.message.get(at)? != b'e' {
            (at, nth) = (self.within("", at, nth)?, nth + 1);
        }
        Some(at + 1)
    }

    fn within(&mut self, key: &'static str, at: usize, nth: usize) -> Option<usize> {
        if self.keys.len() >= DEEPEST {
            return None;
        }
        self.keys.push(key);
        let end = self.value(at, nth);
        self.keys.pop();
        end
    }

    /// Numbers the keys of a dictionary by their order, the same for the same.
    fn sort(&mut self, own: &[usize]) {
        let message = self.message;
        let text = |place: &Place| &message[place.from..place.to];
        let mut sorted: Vec<_> = own.iter().map(|i| text(&self.found[*i])).collect();
        sorted.sort_unstable();
        sorted.dedup();
        for i in own {
            let rank = sorted.partition_point(|other| *other < text(&self.found[*i]));
            // No message has so many.
            self.found[*i].kind = Kind::Sorted(u8::try_from(rank).unwrap_or(u8::MAX));
        }
    }

    fn add(&mut self, nth: usize, (from, to): (usize, usize), kind: Kind) {
        self.found.push(Place { keys: self.keys.clone(), nth, from, to, kind });
    }

    /// The string that begins here with its length.
    fn string(&self, at: usize) -> Option<(usize, usize)> {
        let rest = self.message.get(at..)?;
        let digits = rest.iter().position(|byte| *byte == b':')?;
        let len: usize = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
        let from = at + digits + 1;
        let to = from.checked_add(len).filter(|to| *to <= self.message.len())?;
        Some((from, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_string_and_number_has_its_place() {
        let message = b"d1:eli201e2:hie3:odd1:n1:ad1:vd2:bbi-7e1:al0:eee1:y1:qe";
        let told = places(message).unwrap().into_iter().map(|place| {
            let text = std::str::from_utf8(&message[place.from..place.to]).unwrap();
            (place.keys.join("/"), place.nth, text, place.kind)
        });
        let expected = [
            ("e/", 0, "201", Kind::Number),
            ("e/", 1, "hi", Kind::Text),
            ("", 0, "odd", Kind::Key),
            ("?", 0, "n", Kind::Text),
            ("a/v", 0, "bb", Kind::Sorted(1)),
            ("a/v/?", 0, "-7", Kind::Number),
            ("a/v", 0, "a", Kind::Sorted(0)),
            ("a/v/?/", 0, "", Kind::Text),
            ("y", 0, "q", Kind::Text),
        ];
        assert!(told.eq(expected.map(|(keys, nth, text, kind)| (keys.to_string(), nth, text, kind))));
    }

    #[test]
    fn what_is_no_message_has_no_places() {
        let deep = ["l".repeat(DEEPEST + 2), "e".repeat(DEEPEST + 2)].concat();
        for text in ["", "d", "de1", "d1:a", "d1:ai7", "l9:short", "l99999999999999999999:e", "i7", "x", &deep] {
            assert!(places(text.as_bytes()).is_none(), "{text}");
        }
        let deepest = ["l".repeat(DEEPEST + 1), "e".repeat(DEEPEST + 1)].concat();
        assert!(places(deepest.as_bytes()).is_some_and(|places| places.is_empty()));
    }
}
