//! What a caller can do wrong that has nothing to do with a protocol.

use core::fmt;

/// What was to be written does not fit into the memory that was lent for it. What the memory holds then is not
/// specified.
///
/// Exhaustive: it says all there is to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the memory that was lent is too small for what was to be written into it")
    }
}

impl core::error::Error for NoRoom {}

/// A rule that a configuration, or the memory that was lent for it, breaks: why a machine could not be made.
///
/// Its text says which value it is and what would be right: `lookup.replicas is 4; at least lookup.k, 8`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ConfigError {
    /// The field, as it is written in Rust: `lookup.replicas`.
    pub field: &'static str,
    /// What it is, in `unit`s.
    pub value: u64,
    /// What value and bound are counted in; empty for plain numbers.
    pub unit: &'static str,
    /// What it has to be: `at least`, `0 or at least`, `at most`, `as`.
    pub rule: &'static str,
    /// The other field that it is compared with; empty where that is a plain number.
    pub other: &'static str,
    /// That number, or what the other field is, in `unit`s.
    pub bound: u64,
    /// How to mend it where that is not to be seen from the rest; else empty.
    pub hint: &'static str,
}

impl ConfigError {
    /// A value that is not `rule` (as in "at least") `bound`.
    pub(crate) const fn new(field: &'static str, value: u64, rule: &'static str, bound: u64) -> Self {
        ConfigError { field, value, unit: "", rule, other: "", bound, hint: "" }
    }

    /// The same where the bound is the value of another field.
    pub(crate) const fn against(self, other: &'static str) -> Self {
        ConfigError { other, ..self }
    }

    /// The same where the field is not meant as one of `part`.
    pub(crate) fn outside(self, part: &str) -> Self {
        ConfigError { field: self.field.strip_prefix(part).unwrap_or(self.field), ..self }
    }

    /// The same where it has to be said how to mend it.
    pub(crate) const fn mended_by(self, hint: &'static str) -> Self {
        ConfigError { hint, ..self }
    }

    /// The same where the numbers count something.
    pub(crate) const fn counted_in(self, unit: &'static str) -> Self {
        ConfigError { unit, ..self }
    }
}

/// The rule that a field is `bound` or more.
pub(crate) fn at_least(field: &'static str, value: u64, bound: u64) -> Result<(), ConfigError> {
    if value < bound { Err(ConfigError::new(field, value, "at least", bound)) } else { Ok(()) }
}

/// The rule that a field is `bound` or less.
pub(crate) fn at_most(field: &'static str, value: u64, bound: u64) -> Result<(), ConfigError> {
    if value > bound { Err(ConfigError::new(field, value, "at most", bound)) } else { Ok(()) }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConfigError { field, value, unit, rule, other, bound, hint } = self;
        let space = if unit.is_empty() { "" } else { " " };
        write!(f, "{field} is {value}{space}{unit}; {rule} ")?;
        if !other.is_empty() {
            write!(f, "{other}, ")?;
        }
        write!(f, "{bound}{space}{unit}")?;
        if hint.is_empty() { Ok(()) } else { write!(f, " ({hint})") }
    }
}

impl core::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_broken_rule_says_what_is_wrong_and_what_would_be_right() {
        for (error, text) in [
            (
                ConfigError::new("lookup.replicas", 4, "at least", 8).against("lookup.k"),
                "lookup.replicas is 4; at least lookup.k, 8",
            ),
            (ConfigError::new("links", 0, "at least", 1), "links is 0; at least 1"),
            (
                ConfigError::new("lookup.hard_timeout", 500, "at least", 1000)
                    .against("lookup.soft_timeout.most")
                    .counted_in("ms"),
                "lookup.hard_timeout is 500 ms; at least lookup.soft_timeout.most, 1000 ms",
            ),
            (
                ConfigError::new("links", 1, "at least", 2).mended_by("say links: 2"),
                "links is 1; at least 2 (say links: 2)",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
