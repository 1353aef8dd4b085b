//! How a command fails.

use std::fmt::Display;

use honeyguide::Outcome;
use honeyguide::adapters::OperationError;

/// One sentence, the exit code 1 (failed) or 2 (wrong usage), and how the operation went that failed.
#[derive(Debug)]
pub struct Failed {
    pub sentence: String,
    pub code: u8,
    pub outcome: Option<Box<Outcome>>,
}

impl Failed {
    pub fn usage(sentence: impl Display) -> Self {
        Failed { sentence: sentence.to_string(), code: 2, outcome: None }
    }

    /// Whoever read the results has gone, and wants no more of them: an end like any other, without a word.
    pub fn unread() -> Self {
        Failed { sentence: String::new(), code: 0, outcome: None }
    }

    pub fn with(self, outcome: &Outcome) -> Self {
        Failed { outcome: Some(Box::new(*outcome)), ..self }
    }
}

impl From<String> for Failed {
    fn from(sentence: String) -> Self {
        Failed { sentence, code: 1, outcome: None }
    }
}

impl From<&str> for Failed {
    fn from(sentence: &str) -> Self {
        sentence.to_owned().into()
    }
}

impl From<OperationError> for Failed {
    fn from(error: OperationError) -> Self {
        Failed { sentence: error.to_string(), code: 1, outcome: error.outcome().copied().map(Box::new) }
    }
}
