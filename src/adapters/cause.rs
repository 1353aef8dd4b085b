//! What the system says of an error, in words that stand in a sentence for a user.

use std::io;
use std::string::{String, ToString};

/// The system's own words, without its number and the end of a sentence.
pub(super) fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().trim_end_matches('.').into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_stands_in_a_sentence() {
        for number in 1..134 {
            let words = cause(&io::Error::from_raw_os_error(number));
            assert!(!words.is_empty() && !words.contains("os error"), "{number}: {words}");
        }
        assert_eq!(cause(&io::Error::other("no such name.")), "no such name");
    }
}
