//! Results on standard output: a line for a reader, or an object for a program; flushed line by line. Words on standard
//! error, which decide nothing.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use honeyguide::Outcome;
use honeyguide::dht::LinkOutcome;
use serde_json::{Value, json};

use crate::aside;
use crate::cause::cause;
use crate::count::count;
use crate::escape;
use crate::failed::Failed;
use crate::standard;
use crate::worker;

#[derive(Clone, Copy)]
pub struct Out {
    pub json: bool,
}

impl Out {
    /// One result: `text` for a reader, or this object.
    pub fn line(self, text: impl Display, object: Value) -> Result<(), Failed> {
        if self.json { object_line(&object) } else { line(text) }
    }

    /// The same for whoever has something to bring to its end though nobody reads: it is written aside, and is not
    /// waited for when the program ends. Where the system gives no thread, it is waited for.
    pub async fn line_aside(self, text: impl Display, object: Value) -> Result<(), Failed> {
        let line = self.rendered(text, &object);
        let aside = line.clone();
        match worker::work(move || write_line(&aside)).await {
            Ok(written) => written.map_err(not_written),
            Err(_) => written(&line),
        }
    }

    /// What is written of it.
    pub fn rendered(self, text: impl Display, object: &Value) -> String {
        if self.json { escape::json(object) } else { escape::text(&text.to_string()) }
    }

    /// Something that only a program wants to know.
    pub fn json_only(self, object: Value) -> Result<(), Failed> {
        if self.json { object_line(&object) } else { Ok(()) }
    }

    /// Something that only a reader wants to know.
    pub fn text_only(self, text: impl Display) -> Result<(), Failed> {
        if self.json { Ok(()) } else { line(text) }
    }
}

/// A text with its end, whatever is asked for. A reader may stop between any two of them.
pub fn line(text: impl Display) -> Result<(), Failed> {
    written(&escape::text(&text.to_string()))
}

/// An object on a line, whatever is asked for.
pub fn object_line(object: &Value) -> Result<(), Failed> {
    written(&escape::json(object))
}

/// Bytes as they are.
pub fn bytes(bytes: &[u8]) -> Result<(), Failed> {
    tracked(|| standard::write(bytes)).map_err(not_written)
}

/// Writes a line to its end.
pub fn written(line: &str) -> Result<(), Failed> {
    tracked(|| write_line(line)).map_err(not_written)
}

/// The same where nobody is to be held up by its reader.
pub fn write_line(line: &str) -> io::Result<()> {
    standard::write(format!("{line}\n").as_bytes())
}

/// What comes of a line that could not be written.
pub fn not_written(error: io::Error) -> Failed {
    match error.kind() {
        ErrorKind::BrokenPipe => Failed::unread(),
        _ => format!("standard output cannot be written: {}", cause(&error)).into(),
    }
}

/// How much is said on standard error.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Volume {
    /// Why a command failed, and nothing else.
    Quiet,
    Normal,
    /// Each step.
    Verbose,
    /// Each datagram.
    Trace,
}

static VOLUME: AtomicU8 = AtomicU8::new(Volume::Normal as u8);

pub fn set_volume(volume: Volume) {
    since_start();
    VOLUME.store(volume as u8, Ordering::Relaxed);
}

pub fn is_said(volume: Volume) -> bool {
    volume as u8 <= VOLUME.load(Ordering::Relaxed)
}

/// A word that decides nothing. Nobody has to read it, and its place may be full or closed; nobody waits for its
/// reader, but for that of the last word.
pub fn say(text: impl Display) {
    say_at(Volume::Normal, text);
}

/// The same for those who want to hear so much.
pub fn say_at(volume: Volume, text: impl Display) {
    if !is_said(volume) {
        return;
    }
    let text = escape::line(&text.to_string());
    match volume {
        // In one piece, since others may write to the same file.
        Volume::Quiet => drop(tracked(|| io::stderr().write_all(format!("honeyguide: {text}\n").as_bytes()))),
        _ => aside::tell(&text),
    }
}

/// A step of the command, with the time since its start.
pub fn say_step(text: impl Display) {
    say_at(Volume::Verbose, format_args!("{:.3} s {text}", since_start().as_secs_f64()));
}

/// A datagram, with the time at which it came or went.
pub fn say_datagram(at: Duration, text: impl Display) {
    say_at(Volume::Trace, format_args!("{:.3} s {text}", at.as_secs_f64()));
}

static START: OnceLock<Instant> = OnceLock::new();

/// Since the program was started.
pub fn since_start() -> Duration {
    START.get_or_init(Instant::now).elapsed()
}

/// Writes that were begun, and those of them that have ended.
static BEGUN: AtomicU64 = AtomicU64::new(0);
static ENDED: AtomicU64 = AtomicU64::new(0);

/// A write that may have to wait for its reader.
pub fn tracked<R>(write: impl FnOnce() -> R) -> R {
    BEGUN.fetch_add(1, Ordering::SeqCst);
    let result = write();
    ENDED.fetch_add(1, Ordering::SeqCst);
    result
}

/// What a write waits for that is under way: the same number again means that it has not got on.
pub fn under_way() -> Option<u64> {
    let (ended, begun) = (ENDED.load(Ordering::SeqCst), BEGUN.load(Ordering::SeqCst));
    (begun > ended).then_some(begun)
}

/// Milliseconds with three digits after the point.
pub fn millis(duration: Duration) -> f64 {
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
        "links": links_json(outcome),
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
        "density_alarm": outcome.density_alarm,
        "held_seq": outcome.held_seq,
        "timed_out": outcome.timed_out,
        "unconfirmed": outcome.unconfirmed,
    })
}

/// What each link had of it, those left out that asked nobody.
fn links_json(outcome: &Outcome) -> Value {
    let asked = outcome.links.iter().enumerate().filter(|(_, link)| link.queried > 0);
    let object = |(number, link): (usize, &LinkOutcome)| {
        let LinkOutcome { queried, answered, stored, .. } = link;
        json!({ "link": number, "queried": queried, "answered": answered, "stored": stored })
    };
    asked.map(object).collect()
}

/// Refusals by code; `other` for codes without a meaning of their own.
pub fn refused_json(outcome: &Outcome) -> Value {
    outcome.refused.by_code().map(|(code, n)| (code_name(code), n)).collect()
}

/// How many stored something, and what that is worth.
pub fn stored_text(outcome: &Outcome) -> String {
    let stored = &outcome.stored;
    format!("{} ({} secure, in {})", stored.all, stored.secure, count(stored.networks, "network"))
}

/// In words, or `none`.
pub fn refused_text(outcome: &Outcome) -> String {
    if outcome.refused.total() == 0 { "none".into() } else { outcome.refused.to_string() }
}

/// How an operation went, in one phrase.
pub fn outcome_text(outcome: &Outcome) -> String {
    format!(
        "{}: {} asked, {} answered, {}, {:.1} ms",
        outcome.reason,
        outcome.queried,
        outcome.answered,
        count(outcome.hops, "hop"),
        millis(outcome.elapsed)
    )
}

fn code_name(code: u16) -> String {
    if code == 0 { "other".into() } else { code.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_in_words_and_their_absence_too() {
        let mut outcome = Outcome::default();
        assert_eq!(refused_text(&outcome), "none");
        outcome.refused.too_large = 2;
        assert_eq!(refused_text(&outcome), outcome.refused.to_string());
        assert!(refused_text(&outcome).contains("205"), "{}", refused_text(&outcome));
    }
}
