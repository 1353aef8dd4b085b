//! Numbers with their nouns, as people write them.

use std::fmt::Display;

/// `1 node`, `2 nodes`, `0 entries`, `3 relays`, `4 hashes`: the noun is given for one.
pub fn count<N: Copy + Display + PartialEq + From<u8>>(n: N, one: &str) -> String {
    if n == N::from(1) {
        return format!("{n} {one}");
    }
    let after_vowel = |stem: &str| stem.ends_with(['a', 'e', 'i', 'o', 'u']);
    match one.strip_suffix('y') {
        Some(stem) if !after_vowel(stem) => format!("{n} {stem}ies"),
        _ if one.ends_with(['s', 'x', 'z']) || one.ends_with("sh") || one.ends_with("ch") => format!("{n} {one}es"),
        _ => format!("{n} {one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_the_singular_and_every_other_number_the_plural() {
        let all = [0, 1, 2, 11, 21].map(|n: u16| count(n, "hop"));
        assert_eq!(all, ["0 hops", "1 hop", "2 hops", "11 hops", "21 hops"]);
        assert_eq!([1, 8].map(|n: usize| count(n, "copy")), ["1 copy", "8 copies"]);
        assert_eq!([1, 3].map(|n: usize| count(n, "relay")), ["1 relay", "3 relays"]);
        assert_eq!([1, 16].map(|n: usize| count(n, "hash")), ["1 hash", "16 hashes"]);
    }
}
