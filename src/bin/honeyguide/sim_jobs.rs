//! Worlds side by side, each in a thread's own turn. What comes of them is told in their order, so that it does not
//! depend on how many threads there are; what is to be kept of one can be had as soon as it has ended.

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
use crate::sim_watch::{EVERY, Watch};
use crate::worker;

/// What came of a world, or the words of its panic.
pub type Came<T> = Result<T, String>;

enum News<T> {
    Begun(usize),
    Done(Done<T>),
}

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
    fn take<T>(&self, news: &UnboundedSender<News<T>>)
    where
        W: Fn(usize) -> T,
    {
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.many {
                return;
            }
            // Nobody waits for it any more when the command has ended.
            let _ = news.send(News::Begun(number));
            let begin = Instant::now();
            let came = caught(|| (self.work)(number));
            let _ = news.send(News::Done(Done { number, came, took: begin.elapsed() }));
        }
    }
}

/// Runs so many worlds, and tells of each in their order.
pub async fn run<T: Send + 'static>(
    options: &Options,
    many: usize,
    name: impl Fn(usize) -> String,
    work: impl Fn(usize) -> T + Send + Sync + 'static,
    told: impl FnMut(usize, Came<T>) -> Result<(), Failed>,
) -> Result<(), Failed> {
    run_keeping(options, many, name, work, |_, _| Ok(()), told).await
}

/// The same, with what is done as soon as a world has ended, whatever its place: those before it may take hours yet.
pub async fn run_keeping<T: Send + 'static>(
    options: &Options,
    many: usize,
    name: impl Fn(usize) -> String,
    work: impl Fn(usize) -> T + Send + Sync + 'static,
    ended: impl FnMut(usize, &Came<T>) -> Result<(), Failed>,
    told: impl FnMut(usize, Came<T>) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    run_on(options, threads, many, name, work, ended, told).await
}

/// The same, by so many threads at most.
async fn run_on<T: Send + 'static>(
    options: &Options,
    threads: usize,
    many: usize,
    name: impl Fn(usize) -> String,
    work: impl Fn(usize) -> T + Send + Sync + 'static,
    mut ended: impl FnMut(usize, &Came<T>) -> Result<(), Failed>,
    mut told: impl FnMut(usize, Came<T>) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let turns = Arc::new(Turns { next: AtomicUsize::new(0), many, is_over: AtomicBool::new(false), work });
    let (sender, mut results) = unbounded_channel();
    let workers: Vec<_> = (0..threads.min(many))
        .map(|_| {
            let (turns, sender) = (turns.clone(), sender.clone());
            worker::work(move || turns.take(&sender))
        })
        .collect();
    drop(sender);
    let mut watch = Watch::new(options, many);
    let mut ending = pin!(options.ending());
    let mut look = tokio::time::interval(EVERY);
    let (mut early, mut next) = (BTreeMap::new(), 0);
    while watch.finished() < many {
        let news = tokio::select! {
            // What has ended before the command does is taken.
            biased;
            news = results.recv() => news,
            why = &mut ending => {
                turns.is_over.store(true, Ordering::Relaxed);
                return Err(stopped(why, watch.finished(), many));
            }
            _ = look.tick() => {
                watch.look(&name);
                continue;
            }
        };
        let Done { number, came, took } = match news {
            None => break,
            Some(News::Begun(number)) => {
                watch.begun(number, &name);
                continue;
            }
            Some(News::Done(done)) => done,
        };
        watch.ended(number, &name);
        say_step(format_args!("{} took {:.1} s", name(number), took.as_secs_f64()));
        let take = || {
            ended(number, &came)?;
            early.insert(number, came);
            while let Some(came) = early.remove(&next) {
                told(next, came)?;
                next += 1;
            }
            Ok(())
        };
        let taken: Result<(), Failed> = take();
        turns.is_over.fetch_or(taken.is_err(), Ordering::Relaxed);
        taken?;
    }
    watch.clear();
    if watch.finished() < many {
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use clap::{Args, FromArgMatches};

    use super::*;

    fn options() -> Options {
        let matches = Options::augment_args(clap::Command::new("test")).get_matches_from(["test", "--quiet"]);
        Options::from_arg_matches(&matches).unwrap()
    }

    /// Rules U30 and U33. The first world does not end before the second was kept.
    #[tokio::test]
    async fn a_world_is_kept_when_it_ends_and_told_in_its_order() {
        let (keep, kept) = mpsc::channel::<usize>();
        let kept = std::sync::Mutex::new(kept);
        let work = move |number: usize| match number {
            0 => kept.lock().unwrap().recv_timeout(Duration::from_secs(60)).ok(),
            _ => None,
        };
        let (quiet, mut ended, mut told) = (options(), Vec::new(), Vec::new());
        // One after the other they would wait for one another.
        let threads = 2;
        let run = run_on(
            &quiet,
            threads,
            2,
            |number| number.to_string(),
            work,
            |number, came| {
                ended.push((number, came.clone()));
                // The first one has ended already when this is sent for itself.
                let _ = keep.send(number);
                Ok(())
            },
            |number, came| {
                told.push((number, came));
                Ok(())
            },
        );
        run.await.unwrap();
        assert_eq!(ended, [(1, Ok(None)), (0, Ok(Some(1)))]);
        assert_eq!(told, [(0, Ok(Some(1))), (1, Ok(None))]);
    }
}
