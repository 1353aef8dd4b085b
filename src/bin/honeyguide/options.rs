//! What every subcommand understands: the options, how long a command runs, and how values are written.

use std::future::Future;
use std::io::IsTerminal;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use honeyguide::Id;
use indicatif::ProgressBar;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::ending::Ending;
use crate::failed::Failed;
use crate::print::{Out, Volume};
use crate::progress::{counted, spinner};
use crate::under_way::UnderWay;
use crate::worker;

/// How long a command that is to end may take to say how far it came.
const LAST_WORD: Duration = Duration::from_millis(50);

#[derive(Args, Clone)]
#[command(next_help_heading = "Everywhere")]
pub struct Options {
    /// Only machine-readable results on standard output, one JSON object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more on standard error: each step; twice: each datagram
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Say nothing on standard error but why the command failed
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Time for the whole command [default: 10 for ping, 60 for demo, 30 for others that ask, none for the rest]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// When the time of a bounded command is up.
    #[arg(skip)]
    deadline: OnceLock<Instant>,
    /// The user has interrupted the program, perhaps before the command began to listen.
    #[arg(skip)]
    pub interrupted: Arc<Notify>,
    /// The operation that the command waits for.
    #[arg(skip)]
    pub under_way: Arc<UnderWay>,
}

impl Options {
    pub fn out(&self) -> Out {
        Out { json: self.json }
    }

    /// How much is to be said.
    pub fn volume(&self) -> Volume {
        match (self.quiet, self.verbose) {
            (true, _) => Volume::Quiet,
            (false, 0) => Volume::Normal,
            (false, 1) => Volume::Verbose,
            (false, _) => Volume::Trace,
        }
    }

    /// What is being done, on a terminal, for what may take long.
    pub fn progress(&self, what: &'static str) -> ProgressBar {
        if self.json || self.quiet || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        spinner(what)
    }

    /// The same where it is known how many things are done.
    pub fn progress_of(&self, what: &'static str, many: usize) -> ProgressBar {
        let bar = self.progress(what);
        if !bar.is_hidden() {
            counted(&bar, what, many);
        }
        bar
    }

    /// When the time of the command is up; for ever when nothing bounds it.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline.get().copied()
    }

    /// Runs a command until it ends, its time is up or the user interrupts it. The last of its time is for what the
    /// command itself has to say of that.
    pub async fn bounded(
        &self,
        command: impl Future<Output = Result<(), Failed>>,
        default: Option<Duration>,
    ) -> Result<(), Failed> {
        let limit = self.timeout.or(default);
        if let Some(deadline) = limit.and_then(|limit| Instant::now().checked_add(limit)) {
            let _ = self.deadline.set(deadline);
        }
        let interruption = self.interruption();
        let (mut interruption, mut command) = (std::pin::pin!(interruption), std::pin::pin!(command));
        let soon = self.deadline().map(|deadline| deadline - LAST_WORD.min(limit.unwrap_or_default() / 4));
        let (why, left) = tokio::select! {
            biased;
            () = &mut interruption => (Ending::Interrupted, LAST_WORD),
            result = &mut command => return result,
            () = until(soon) => (Ending::TimeUp(limit.unwrap_or_default()), 2 * LAST_WORD),
        };
        let is_asked = self.under_way.end(why);
        if !is_asked && why == Ending::Interrupted {
            return Err(why.into());
        }
        tokio::select! {
            biased;
            result = command => result,
            () = &mut interruption, if why != Ending::Interrupted => Err(Ending::Interrupted.into()),
            () = tokio::time::sleep(left) => Err(why.into()),
        }
    }

    /// The same for a command that blocks; without `--timeout` it takes as long as it takes.
    pub async fn blocking(
        &self,
        command: impl FnOnce(&Options) -> Result<(), Failed> + Send + 'static,
    ) -> Result<(), Failed> {
        let options = self.clone();
        let running = worker::work(move || command(&options));
        tokio::select! {
            result = running => result?,
            why = self.ending() => Err(why.into()),
        }
    }

    /// For a command that runs until it is told to stop: waits for that, or for the end of `--timeout`, and says which
    /// it was. An interruption counts from the call on.
    pub fn ending(&self) -> impl Future<Output = Ending> + use<> {
        self.ending_after(self.timeout)
    }

    /// The same with another limit.
    pub fn ending_after(&self, limit: Option<Duration>) -> impl Future<Output = Ending> + use<> {
        let (interruption, time_up) = (self.interruption(), Self::time_up(limit));
        async move {
            tokio::select! {
                biased;
                () = interruption => Ending::Interrupted,
                why = time_up => why,
            }
        }
    }

    async fn time_up(limit: Option<Duration>) -> Ending {
        let Some(limit) = limit else { return std::future::pending().await };
        tokio::time::sleep(limit).await;
        Ending::TimeUp(limit)
    }

    /// Waits for the user to interrupt the program, who may have done it before the command began to listen.
    fn interruption(&self) -> impl Future<Output = ()> + use<> {
        let (here, elsewhere) = (interrupted(), self.interrupted.clone());
        async move {
            tokio::select! {
                () = here => {}
                () = elsewhere.notified() => {}
            }
        }
    }
}

/// Waits until then, or for ever.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Waits for the user to interrupt the program. It listens from the call on, not only from the first poll.
#[cfg(unix)]
fn interrupted() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
    if !is_ignored(SignalKind::hangup()) {
        kinds.push(SignalKind::hangup());
    }
    let mut signals: Vec<_> = kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect();
    std::future::poll_fn(move |cx| {
        let is_there = signals.iter_mut().any(|signal| signal.poll_recv(cx).is_ready());
        if is_there { Poll::Ready(()) } else { Poll::Pending }
    })
}

/// From here on a file that gets larger than the user may have it is an error of that file, and not the end.
#[cfg(unix)]
pub fn outlive_large_files() {
    use tokio::signal::unix::{SignalKind, signal};
    // SIGXFSZ, where the common systems have it.
    drop(signal(SignalKind::from_raw(25)));
}

#[cfg(not(unix))]
pub fn outlive_large_files() {}

/// Whether whoever started the program ignores a signal, as `nohup` does: then it is not ours to listen to.
#[cfg(unix)]
fn is_ignored(kind: tokio::signal::unix::SignalKind) -> bool {
    // Other systems do not tell without a call that is not ours to make.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (kind.as_raw_value() - 1) & 1 == 1
}

#[cfg(not(unix))]
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// More than 31 years, and far below what clocks and timers can count.
const MOST_SECONDS: f64 = 1e9;

fn seconds(text: &str) -> Result<Duration, String> {
    match seconds_or_none(text) {
        Ok(seconds) if !seconds.is_zero() => Ok(seconds),
        _ => Err(format!("not a number of seconds above 0 and at most {MOST_SECONDS}")),
    }
}

pub fn seconds_or_none(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        // Shorter times are there, too: they are those that round to no nanosecond.
        Ok(seconds) if seconds > 0.0 && seconds < 1e-9 => Ok(Duration::from_nanos(1)),
        Ok(seconds) if (0.0..=MOST_SECONDS).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("not a number of seconds from 0 to {MOST_SECONDS}")),
    }
}

/// A file by its name. Whoever types `-` means a stream, and would look for a file of that name in vain.
pub fn named_file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path.as_path() == Path::new("-") {
        true => Err("no stream serves here: name a file (`./-` is one of that name)"),
        false => Ok(path),
    })
}

/// An id, an info-hash or a target: 40 hex digits.
pub fn id(text: &str) -> Result<Id, String> {
    hex_array(text).map(Id)
}

/// An ed25519 public key: 64 hex digits.
pub fn key(text: &str) -> Result<[u8; 32], String> {
    hex_array(text)
}

pub fn salt(text: &str) -> Result<String, String> {
    let max = honeyguide::krpc::Item::MAX_SALT;
    if text.len() > max { Err(format!("a salt has at most {max} bytes, not {}", text.len())) } else { Ok(text.into()) }
}

/// A whole number of this range.
pub fn whole<T: TryFrom<u64>>(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit()).then_some(text);
        let number = digits.and_then(|text| text.parse::<u64>().ok()).filter(|number| range.contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| format!("not a whole number from {} to {}", range.start(), range.end()))
    }
}

/// A limit for messages in bytes, or none.
pub fn frame(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(limit) if limit == 0 || limit >= 4096 => Ok(limit),
        _ => Err("not a number of bytes: 0 for no limit, or at least 4096".into()),
    }
}

/// A sequence number, not negative.
pub fn seq(text: &str) -> Result<i64, String> {
    match text.parse::<i64>() {
        Ok(seq) if seq >= 0 && !text.starts_with('+') => Ok(seq),
        _ => Err(format!("not a whole number from 0 to {}", i64::MAX)),
    }
}

pub fn hex_array<const N: usize>(text: &str) -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    match hex::decode_to_slice(text, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => Err(format!("not {} hex digits", 2 * N)),
    }
}
