//! What the system says of an error, in words that stand in a sentence for a user.

use std::io;
use std::string::{String, ToString};

/// `ENFILE` and `EMFILE`, of which the same is true, and which have no name in the standard library.
const TOO_MANY_FILES: [i32; 2] = [23, 24];
/// `ENODEV`, which has none either.
const NO_DEVICE: i32 = 19;

/// What would be right, where that is known; else the system's own words, without its number and the end of a sentence.
pub(super) fn cause(error: &io::Error) -> String {
    match error.raw_os_error().filter(|_| cfg!(unix)) {
        Some(number) if TOO_MANY_FILES.contains(&number) => {
            return "too many files are open: raise that limit (ulimit -n)".into();
        }
        Some(NO_DEVICE) => return "there is no such interface: name one that this machine has".into(),
        _ => {}
    }
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
        #[cfg(unix)]
        for (numbers, mend) in [(&[23, 24][..], "raise that limit"), (&[19], "no such interface: name one")] {
            for number in numbers {
                let words = cause(&io::Error::from_raw_os_error(*number));
                assert!(words.contains(mend), "{number}: {words}");
            }
        }
    }
}
