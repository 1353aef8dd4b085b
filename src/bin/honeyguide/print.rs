//! Results on standard output: a line for a reader, or an object for a program; flushed line by line.

use std::fmt::Display;
use std::io::Write;

use honeyguide::Outcome;
use serde_json::{Map, Value, json};

use crate::options::Failed;

#[derive(Clone, Copy)]
pub struct Out {
    pub json: bool,
}

impl Out {
    /// One result: `text` for a reader, or these fields as an object, in this order.
    pub fn line(self, text: impl Display, fields: &[(&str, Value)]) -> Result<(), Failed> {
        if self.json { object(fields) } else { write(&text.to_string()) }
    }

    /// Something that only a program wants to know.
    pub fn json_only(self, fields: &[(&str, Value)]) -> Result<(), Failed> {
        if self.json { object(fields) } else { Ok(()) }
    }
}

fn write(line: &str) -> Result<(), Failed> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|error| format!("standard output cannot be written: {error}").into())
}

/// An object with its fields in the given order, which a map would sort.
pub fn object(fields: &[(&str, Value)]) -> Result<(), Failed> {
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{}:{value}", Value::from(*name))).collect();
    write(&format!("{{{}}}", fields.join(",")))
}

/// Milliseconds with three digits after the point.
pub fn millis(duration: std::time::Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

pub fn outcome_json(outcome: &Outcome) -> Value {
    json!({
        "reason": outcome.reason.to_string(),
        "queried": outcome.queried,
        "answered": outcome.answered,
        "late": outcome.late,
        "timed_out": outcome.timed_out,
        "errored": outcome.errored,
        "invalid": outcome.invalid,
        "results": outcome.results,
        "copies": outcome.copies,
        "dropped_results": outcome.dropped_results,
        "hops": outcome.hops,
        "stored": outcome.stored,
        "refused": refused_json(outcome),
        "elapsed_ms": millis(outcome.elapsed),
    })
}

/// Refusals by code; `other` for codes without a meaning of their own.
pub fn refused_json(outcome: &Outcome) -> Value {
    let refused = outcome.refused.by_code();
    Value::Object(refused.map(|(code, n)| (code_name(code), n.into())).collect::<Map<_, _>>())
}

/// `301: 2, 302: 1`, or `none`.
pub fn refused_text(outcome: &Outcome) -> String {
    let refused: Vec<_> = outcome.refused.by_code().map(|(code, n)| format!("{}: {n}", code_name(code))).collect();
    if refused.is_empty() { "none".into() } else { refused.join(", ") }
}

/// How an operation went, in one phrase.
pub fn outcome_text(outcome: &Outcome) -> String {
    format!(
        "{}: {} asked, {} answered, {} hops, {:.1} ms",
        outcome.reason,
        outcome.queried,
        outcome.answered,
        outcome.hops,
        millis(outcome.elapsed)
    )
}

fn code_name(code: u16) -> String {
    if code == 0 { "other".into() } else { code.to_string() }
}
