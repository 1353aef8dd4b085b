//! The seeds of worlds, from one to another.

use std::fmt::{self, Display};
use std::str::FromStr;

/// More than anybody has time for.
const MOST: u64 = 100_000;

/// From the first to the last, both with them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seeds {
    pub first: u64,
    pub last: u64,
}

impl Seeds {
    pub fn all(self) -> impl Iterator<Item = u64> {
        self.first..=self.last
    }
}

impl Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.last)
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Seeds, String> {
        let number = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then_some(text).and_then(|text| text.parse::<u64>().ok())
        };
        let both = text.split_once("..").and_then(|(first, last)| Some((number(first)?, number(last)?)));
        match both {
            None => Err("not two whole numbers with two points between them, as in 1..4".into()),
            Some((first, last)) if first > last => {
                Err(format!("the first is above the last; {last}..{first} are those between them"))
            }
            Some((first, last)) if last - first >= MOST => Err(format!("more than {MOST} seeds")),
            Some((first, last)) => Ok(Seeds { first, last }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_two_numbers_in_their_order_and_both_are_of_them() {
        let seeds: Seeds = "3..5".parse().unwrap();
        assert_eq!((seeds.all().collect::<Vec<_>>(), seeds.to_string()), (vec![3, 4, 5], "3..5".into()));
        assert_eq!("7..7".parse::<Seeds>().unwrap().all().count(), 1);
        let last = u64::MAX;
        assert_eq!(format!("{last}..{last}").parse::<Seeds>().unwrap().all().collect::<Vec<_>>(), [last]);
        for (wrong, say) in [
            ("4..1", "1..4"),
            ("x", "1..4"),
            ("", "1..4"),
            ("1", "1..4"),
            ("..", "1..4"),
            ("1..", "1..4"),
            ("1...4", "1..4"),
            ("1..=4", "1..4"),
            ("+1..4", "1..4"),
            ("1..4..5", "1..4"),
            ("0..18446744073709551616", "1..4"),
            ("0..18446744073709551615", "100000"),
        ] {
            assert!(wrong.parse::<Seeds>().unwrap_err().contains(say), "{wrong}");
        }
    }
}
