//! Results on standard output: a line for a reader, or an object for a program; flushed line by line.

use std::fmt::Display;
use std::io::Write;

use honeyguide::Outcome;
use serde_json::{Value, json};

use crate::failed::Failed;

#[derive(Clone, Copy)]
pub struct Out {
    pub json: bool,
}

impl Out {
    /// One result: `text` for a reader, or this object.
    pub fn line(self, text: impl Display, object: Value) -> Result<(), Failed> {
        if self.json { line(object) } else { line(text) }
    }

    /// Something that only a program wants to know.
    pub fn json_only(self, object: Value) -> Result<(), Failed> {
        if self.json { line(object) } else { Ok(()) }
    }

    /// Something that only a reader wants to know.
    pub fn text_only(self, text: impl Display) -> Result<(), Failed> {
        if self.json { Ok(()) } else { line(text) }
    }
}

/// A text with its end, whatever is asked for. A reader may stop between any two of them.
pub fn line(text: impl Display) -> Result<(), Failed> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(|error| format!("standard output cannot be written: {error}").into())
}

/// A word on standard error that decides nothing. Nobody has to read it, and its place may be full or closed.
pub fn say(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "honeyguide: {text}");
}

/// Milliseconds with three digits after the point.
pub fn millis(duration: std::time::Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

pub fn outcome_json(outcome: &Outcome) -> Value {
    json!({
        "answered": outcome.answered,
        "copies": outcome.copies,
        "dropped_results": outcome.dropped_results,
        "elapsed_ms": millis(outcome.elapsed),
        "errored": outcome.errored,
        "hops": outcome.hops,
        "invalid": outcome.invalid,
        "late": outcome.late,
        "queried": outcome.queried,
        "reason": outcome.reason.to_string(),
        "refused": refused_json(outcome),
        "results": outcome.results,
        "stored": {
            "all": outcome.stored.all,
            "counted": outcome.stored.counted,
            "secure": outcome.stored.secure,
            "networks": outcome.stored.networks,
        },
        "crowded": outcome.crowded,
        "held_seq": outcome.held_seq,
        "timed_out": outcome.timed_out,
    })
}

/// Refusals by code; `other` for codes without a meaning of their own.
pub fn refused_json(outcome: &Outcome) -> Value {
    outcome.refused.by_code().map(|(code, n)| (code_name(code), n)).collect()
}

/// In words, or `none`.
pub fn refused_text(outcome: &Outcome) -> String {
    if outcome.refused.total() == 0 { "none".into() } else { outcome.refused.to_string() }
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
