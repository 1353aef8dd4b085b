//! Worlds side by side, each in a thread's own turn. What comes of them is told in their order, so that it does not
//! depend on how many threads there are.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::caught::caught;
use crate::count::count;
use crate::ending::Ending;
use crate::failed::Failed;
use crate::options::Options;
use crate::print::say_step;
use crate::worker;

/// What came of a world, or the words of its panic.
pub type Came<T> = Result<T, String>;

struct Done<T> {
    number: usize,
    came: Came<T>,
    took: Duration,
}

struct Turns<W> {
    next: AtomicUsize,
    many: usize,
    is_over: AtomicBool,
    work: W,
}

impl<W> Turns<W> {
    fn take<T>(&self, done: &UnboundedSender<Done<T>>)
    where
        W: Fn(usize) -> T,
    {
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.many {
                return;
            }
            let begin = Instant::now();
            let came = caught(|| (self.work)(number));
            // Nobody waits for it any more when the command has ended.
            let _ = done.send(Done { number, came, took: begin.elapsed() });
        }
    }
}

/// Runs so many worlds, and tells of each in their order.
pub async fn run<T: Send + 'static>(
    options: &Options,
    many: usize,
    name: impl Fn(usize) -> String,
    work: impl Fn(usize) -> T + Send + Sync + 'static,
    mut told: impl FnMut(usize, Came<T>) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let turns = Arc::new(Turns { next: AtomicUsize::new(0), many, is_over: AtomicBool::new(false), work });
    let (sender, mut results) = unbounded_channel();
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(many);
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let (turns, sender) = (turns.clone(), sender.clone());
            worker::work(move || turns.take(&sender))
        })
        .collect();
    drop(sender);
    let bar = options.progress_of("worlds", many);
    let mut ending = pin!(options.ending());
    let (mut early, mut next, mut finished) = (BTreeMap::new(), 0, 0);
    while finished < many {
        let done = tokio::select! {
            biased;
            why = &mut ending => {
                turns.is_over.store(true, Ordering::Relaxed);
                return Err(stopped(why, finished, many));
            }
            done = results.recv() => done,
        };
        let Some(Done { number, came, took }) = done else { break };
        finished += 1;
        bar.set_position(finished as u64);
        say_step(format_args!("{} took {:.1} s", name(number), took.as_secs_f64()));
        early.insert(number, came);
        while let Some(came) = early.remove(&next) {
            let said = told(next, came);
            turns.is_over.fetch_or(said.is_err(), Ordering::Relaxed);
            said?;
            next += 1;
        }
    }
    bar.finish_and_clear();
    if finished < many {
        // The system gave no thread at all, and this says so.
        for worker in workers {
            worker.await?;
        }
    }
    Ok(())
}

fn stopped(why: Ending, finished: usize, many: usize) -> Failed {
    let why = Failed::from(why).sentence;
    format!("{why}; {finished} of {} had been run", count(many, "world")).into()
}
