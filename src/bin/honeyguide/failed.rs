//! How a command fails.

use std::fmt::Display;

/// One sentence, and the exit code 1 (failed) or 2 (wrong usage).
#[derive(Debug)]
pub struct Failed {
    pub sentence: String,
    pub code: u8,
}

impl Failed {
    pub fn usage(sentence: impl Display) -> Self {
        Failed { sentence: sentence.to_string(), code: 2 }
    }
}

impl From<String> for Failed {
    fn from(sentence: String) -> Self {
        Failed { sentence, code: 1 }
    }
}

impl From<&str> for Failed {
    fn from(sentence: &str) -> Self {
        sentence.to_owned().into()
    }
}
