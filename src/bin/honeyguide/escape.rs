//! Characters that no terminal should be given by strangers: they move the cursor, hide what stands beside them, or
//! turn the direction of a line (rule U12; Boucher, Anderson, "Trojan Source", 2021). Each is shown by its number
//! instead.

use std::fmt::Write;
use std::io;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

/// Whether a character is shown as it is: not one that Unicode says may be left out of sight
/// (Default_Ignorable_Code_Point), nor one that looks like a blank or is none. Those that join letters into others
/// (200c, 200d) and choose the picture of a sign (fe0e, fe0f) are a part of text.
pub fn is_shown(c: char) -> bool {
    !c.is_control()
        && !matches!(
            u32::from(c),
            0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b | 0x200e | 0x200f
                | 0x2028..=0x202e | 0x2060..=0x206f | 0x2800 | 0x3164 | 0xfdd0..=0xfdef | 0xfe00..=0xfe0d | 0xfeff
                | 0xffa0 | 0xfff0..=0xfffb | 0x1_3430..=0x1_345f | 0x1_bca0..=0x1_bca3 | 0x1_d173..=0x1_d17a
                | 0xe_0000..=0xe_0fff
        )
        && u32::from(c) & 0xfffe != 0xfffe
}

/// A text for people: ends of lines and tabs stay, what else is not shown becomes `\u{202e}`.
pub fn text(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        match is_shown(c) || matches!(c, '\n' | '\t') {
            true => shown.push(c),
            false => _ = write!(shown, "{}", c.escape_unicode()),
        }
        shown
    })
}

/// A sentence: the same, on one line whatever is repeated in it.
pub fn line(text: &str) -> String {
    let spell = |c: char| if is_shown(c) { c.to_string() } else { c.escape_unicode().to_string() };
    text.chars().map(spell).collect()
}

/// An object for programs, on one line; what is not shown is spelled `\u202e`.
pub fn json(object: &Value) -> String {
    let mut bytes = Vec::new();
    // Neither a value nor memory can refuse.
    let _ = object.serialize(&mut Serializer::with_formatter(&mut bytes, Escaping));
    String::from_utf8(bytes).unwrap_or_default()
}

struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut spelled = String::with_capacity(fragment.len());
        for c in fragment.chars() {
            if is_shown(c) {
                spelled.push(c);
            } else {
                c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| _ = write!(spelled, "\\u{unit:04x}"));
            }
        }
        writer.write_all(spelled.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\u{202e}\u{2066}\u{7f}\u{9b}\u{feff}\u{e0041}\u{200f}b";

    #[test]
    fn a_terminal_gets_no_character_that_steers_it() {
        let shown = text(HOSTILE);
        assert!(shown.is_ascii() && shown.starts_with("a\\u{1b}[2J\\u{202e}\\u{2066}"), "{shown}");
        assert_eq!(text("gr\u{fc}n\n\t\u{1f469}\u{200d}\u{1f680}"), "gr\u{fc}n\n\t\u{1f469}\u{200d}\u{1f680}");
    }

    /// Rule U12. Fillers, blanks that are letters, and what carries hidden bytes behind a sign.
    #[test]
    fn what_is_not_seen_is_spelled_and_what_belongs_to_a_text_is_not() {
        let unseen = [
            "\u{115f}\u{1160}\u{3164}\u{ffa0}\u{2800}\u{34f}\u{17b4}",
            "\u{180b}\u{fe00}\u{e0100}\u{1bca0}\u{13430}\u{fdd0}\u{ffff}\u{1fffe}",
        ]
        .concat();
        for unseen in unseen.chars() {
            assert!(!is_shown(unseen), "{}", unseen.escape_unicode());
        }
        for seen in "\u{2764}\u{fe0f}\u{200d}\u{200c}\u{2801}\u{fffd}\u{10000}".chars() {
            assert!(is_shown(seen), "{}", seen.escape_unicode());
        }
    }

    /// Rule U2.
    #[test]
    fn a_sentence_stays_on_its_line() {
        assert_eq!(line("a\nb\r\tc\u{2028}gr\u{fc}n"), "a\\u{a}b\\u{d}\\u{9}c\\u{2028}gr\u{fc}n");
        assert!(line(HOSTILE).is_ascii());
    }

    #[test]
    fn an_object_spells_them_and_means_the_same() {
        let object = serde_json::json!({ HOSTILE: [HOSTILE, "\n\"\\\u{fc}"] });
        let spelled = json(&object);
        assert!(spelled.contains("\\u001b[2J\\u202e\\u2066\\u007f\\u009b\\ufeff\\udb40\\udc41\\u200fb"), "{spelled}");
        assert!(spelled.chars().all(is_shown));
        assert_eq!(serde_json::from_str::<Value>(&spelled).unwrap(), object);
    }
}
