//! Numbers with their nouns, as people write them.

use std::fmt::Display;

/// `1 node`, `2 nodes`, `0 entries`: the noun is given for one.
pub fn count<N: Copy + Display + PartialEq + From<u8>>(n: N, one: &str) -> String {
    match one.strip_suffix('y') {
        _ if n == N::from(1) => format!("{n} {one}"),
        Some(stem) => format!("{n} {stem}ies"),
        None => format!("{n} {one}s"),
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
    }
}
