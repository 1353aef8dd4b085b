//! The items of `node --keep`: signed ones, which are republished without their secrets.

use std::collections::HashMap;
use std::io::BufReader;
use std::path::Path;
use std::time::{Duration, SystemTime};

use honeyguide::Id;
use honeyguide::adapters::{Handle, Notice};
use honeyguide::dht::{KeepSchedule, KeepState, KeepView, Kept, NextAction};
use honeyguide::krpc::SignedItem;
use serde_json::json;

use crate::cause::cause;
use crate::count::count;
use crate::failed::Failed;
use crate::kept_state::StateKept;
use crate::lines::{self, Line};
use crate::print::say_step;
use crate::signed_item::Owned;
use crate::small_file::{open, shown};
use crate::state::State;
use crate::told::Told;

/// Bytes of a line: an object with the longest value and salt has not half as many.
const LONGEST_LINE: usize = 8192;
/// Items that a node can keep.
pub const MOST: usize = 65_534;

/// Items, each in its newest version.
#[derive(Default)]
pub struct KeptItems {
    items: Vec<Owned>,
    /// How it went with some of them when an earlier run ended.
    before: HashMap<Id, KeepState>,
}

impl KeptItems {
    /// One object a line, as `get --json` prints it; empty lines mean nothing. It may block.
    pub fn read(path: &Path) -> Result<KeptItems, Failed> {
        let failed = |error| format!("the items to keep cannot be read from {}: {}", shown(path), cause(&error));
        let mut input = BufReader::new(open(path).map_err(failed)?);
        let (mut items, mut places) = (Vec::<Owned>::new(), HashMap::new());
        let (mut line, mut number) = (Vec::new(), 0_u64);
        loop {
            let read = lines::read(&mut input, LONGEST_LINE, &mut line).map_err(failed)?;
            number += 1;
            let from = format!("line {number} of {}", shown(path));
            match read {
                Line::None => break,
                Line::Part => {
                    let sentence = format!("{from} has more than {LONGEST_LINE} bytes, and no item has as many");
                    return Err(Failed::usage(sentence));
                }
                Line::Whole if line.trim_ascii().is_empty() => continue,
                Line::Whole => {}
            }
            let item = Owned::from_line(from, &line)?;
            let (target, seq) = item.verified().map(|item| (item.target(), item.mutable().seq))?;
            match places.get(&target) {
                None => {
                    places.insert(target, (items.len(), seq));
                    items.push(item);
                }
                Some((place, before)) if seq > *before => {
                    items[*place] = item;
                    places.insert(target, (*place, seq));
                }
                Some(_) => {}
            }
            if items.len() > MOST {
                let sentence = format!("{} has more items than a node can keep: {MOST} are the most", shown(path));
                return Err(Failed::usage(sentence));
            }
        }
        if items.is_empty() {
            return Err(Failed::usage(format!("{} has no item to keep: name one that has", shown(path))));
        }
        Ok(KeptItems { items, before: HashMap::new() })
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// The same, kept as an earlier run kept them. What that knew of copies says nothing of a network that it was not
    /// in: with a link that is new they are looked for at once.
    pub fn after(mut self, saved: Option<&State>, has_new_link: bool) -> KeptItems {
        let now = SystemTime::now();
        let state = |kept: &StateKept| if has_new_link { kept.state_elsewhere(now) } else { kept.state(now) };
        let kept = saved.into_iter().flat_map(|saved| &saved.kept);
        self.before = kept.map(|kept| (kept.target(), state(kept))).collect();
        self
    }

    /// How it goes with this version of an item. One that is new, or newer than what an earlier run kept, is put
    /// without a look before.
    fn before(&self, item: &SignedItem<'_>) -> KeepState {
        let seq = Some(item.mutable().seq);
        let before = self.before.get(&item.target()).copied().filter(|before| before.seq >= seq);
        before.unwrap_or(KeepState { seq, next: NextAction::Want, ..KeepState::default() })
    }

    /// Whether an earlier run has found so many copies.
    fn had(&self, target: &Id, copies: u8) -> bool {
        self.before.get(target).is_some_and(|before| before.copies == Some(copies))
    }

    /// The node begins to keep them; the tag of each is its place.
    pub async fn begin(&self, told: &Told, node: &Handle) -> Result<(), Failed> {
        if self.items.is_empty() {
            return Ok(());
        }
        for (tag, item) in (0..).zip(&self.items) {
            let signed = item.verified()?;
            let kept = Kept::Mutable { key: signed.mutable().key, salt: signed.mutable().salt };
            if let Some(Err(error)) = node.keep_on(tag, kept, KeepSchedule::default(), self.before(&signed)).await {
                return Err(error.to_string().into());
            }
        }
        let len = self.items.len();
        told.line(format_args!("{} kept", count(len, "item")), json!({ "kept": len }))
    }

    /// Answers what is said of one of them; whether it was.
    pub async fn answer(&self, told: &Told, node: &Handle, notice: Notice) -> Result<bool, Failed> {
        let (keep, tag, is_wanted) = match notice {
            Notice::Wanted { keep, tag } => (keep, tag, true),
            Notice::Superseded { keep, tag } => (keep, tag, false),
            _ => return Ok(false),
        };
        let Some(item) = usize::try_from(tag).ok().and_then(|place| self.items.get(place)) else { return Ok(true) };
        let signed = item.verified()?;
        if is_wanted {
            // Where every place is taken it is wanted again.
            let _ = node.supply(keep, signed.as_item()).await;
            return Ok(true);
        }
        let target = signed.target();
        let (seq, why) =
            (signed.mutable().seq, "the network has a newer version, so that this one is not put any more");
        told.line(
            format_args!("item {target} seq {seq}: {why}"),
            json!({ "superseded": target.to_string(), "seq": seq }),
        )?;
        Ok(true)
    }
}

/// What was said last of each item: how many copies there are, and why no more.
#[derive(Default)]
pub struct CopiesSaid(Vec<Option<Copies>>);

type Copies = (u8, Option<u16>);

impl CopiesSaid {
    /// Says, step by step, of which items that has changed.
    pub async fn say(&mut self, node: &Handle, kept: &KeptItems) {
        let known = |view: KeepView<'_>| Some((view.tag, view.kept.target(), view.state, view.state.copies?));
        let views = node.observe(move |node| node.all_kept().filter_map(known).collect::<Vec<_>>()).await;
        for (tag, target, state, copies) in views.unwrap_or_default() {
            let Ok(place) = usize::try_from(tag) else { continue };
            self.0.resize(self.0.len().max(place + 1), None);
            let news = (copies, state.refused);
            match self.0[place].replace(news) {
                None if kept.had(&target, copies) => say_step(copies_before_text(&target, copies, state.due_in)),
                former if former != Some(news) => say_step(copies_text(&target, news)),
                _ => {}
            }
        }
    }
}

/// An earlier run has looked, and this one has not yet.
fn copies_before_text(target: &Id, copies: u8, due_in: Duration) -> String {
    let (copies, due_in) = (count(copies, "copy"), due_in.as_secs());
    format!("item {target} had {copies} when an earlier run looked; the next look is due in {due_in} s")
}

fn copies_text(target: &Id, (copies, refused): Copies) -> String {
    let refused = refused.map(|code| format!(", and others refused with {code}")).unwrap_or_default();
    format!("item {target} has {}{refused}", count(copies, "copy"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use honeyguide::krpc::Item;

    fn line(secret: u8, seq: i64) -> String {
        let (secret, value) = ([secret; 32], format!("i{seq}e").into_bytes());
        let item = Item::mutable(&secret, &value).seq(seq).sign().unwrap();
        let key = hex::encode(SignedItem::public_key(&secret));
        let signature = hex::encode(item.mutable().signature);
        json!({ "k": key, "salt": null, "seq": seq, "sig": signature, "v_hex": hex::encode(&value) }).to_string()
    }

    /// Rule P16. What an earlier run has found may be gone.
    #[test]
    fn copies_that_an_earlier_run_has_found_are_not_said_to_be_there() {
        let text = copies_before_text(&Id([7; 20]), 15, Duration::from_secs(3_480));
        assert!(text.contains("had 15 copies when an earlier run looked") && text.ends_with("in 3480 s"), "{text}");
        let before = KeepState { copies: Some(15), ..KeepState::default() };
        let items = KeptItems { items: Vec::new(), before: HashMap::from([(Id([7; 20]), before)]) };
        let had = [(7, 15), (7, 14), (8, 15)].map(|(id, copies)| items.had(&Id([id; 20]), copies));
        assert_eq!(had, [true, false, false]);
    }

    #[test]
    fn each_item_is_kept_once_and_in_its_newest_version() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("items");
        let read = |text: String| {
            std::fs::write(&path, text).unwrap();
            KeptItems::read(&path)
        };
        let all = [line(1, 4), String::new(), line(2, 1), line(1, 6), line(1, 5)].join("\r\n");
        let items = read(all).unwrap_or_else(|failed| panic!("{failed:?}"));
        let seqs: Vec<_> = items.items.iter().map(|item| item.verified().unwrap().mutable().seq).collect();
        assert_eq!(seqs, [6, 1]);
        for (text, part) in [
            (String::new(), "no item"),
            (format!("{}\n{{}}\n", line(1, 1)), "line 2 of"),
            (line(1, 1).replace("\"seq\":1", "\"seq\":2"), "another key"),
            (format!("{}{}", line(1, 1), " ".repeat(LONGEST_LINE)), "more than 8192 bytes"),
            ("[]".into(), "line 1 of"),
        ] {
            let failed = read(text).err().unwrap();
            assert!(failed.code == 2 && failed.sentence.contains(part), "{failed:?}");
        }
        assert_eq!(KeptItems::read(&folder.path().join("nothing")).err().unwrap().code, 1);
    }
}
