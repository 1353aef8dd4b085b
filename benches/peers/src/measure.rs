//! Interleaved measurement: calibrate once, then let everyone run a short batch in each round.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::Serialize;

/// How long one batch takes: short beside the time slices of a busy machine, so that few batches are interrupted.
const BATCH: Duration = Duration::from_micros(100);

/// One task and all who do it.
pub struct Group {
    pub name: String,
    make: Box<dyn FnOnce() -> Contenders>,
}

/// Those who do a task; the first is the one that the others are compared with.
pub struct Contenders(Vec<Contender>);

pub struct Contender {
    pub name: &'static str,
    batch: Box<dyn FnMut(u64) -> Duration>,
}

impl Group {
    /// A task; whatever its contenders need is made when it is their turn.
    pub fn new(name: impl Into<String>, make: impl FnOnce() -> Contenders + 'static) -> Group {
        Group { name: name.into(), make: Box::new(make) }
    }

    pub fn contenders(self) -> Vec<Contender> {
        (self.make)().0
    }

    pub fn measure(self, rounds: usize) -> GroupResult {
        let name = self.name.clone();
        let mut contenders = self.contenders();
        let times: Vec<u64> = contenders.iter_mut().map(Contender::calibrate).collect();
        let count = contenders.len();
        let mut nanos = vec![Vec::with_capacity(rounds); count];
        for round in 0..rounds {
            // Who begins changes, so that nobody always runs in the wake of the same neighbour.
            for turn in 0..count {
                let who = (round + turn) % count;
                let elapsed = contenders[who].run(times[who]);
                nanos[who].push(Some(elapsed.as_nanos() as f64 / times[who] as f64));
            }
        }
        let records = contenders.iter().zip(nanos).map(|(c, samples)| Record::new(c.name, samples)).collect();
        GroupResult::of(name, "ns", records)
    }
}

impl Contenders {
    /// The first one, who does the task once at each call.
    pub fn first<R: 'static>(name: &'static str, once: impl FnMut() -> R + 'static) -> Contenders {
        Contenders(Vec::new()).and(name, once)
    }

    /// One more.
    pub fn and<R: 'static>(mut self, name: &'static str, mut once: impl FnMut() -> R + 'static) -> Contenders {
        let batch = Box::new(move |times| {
            let start = Instant::now();
            for _ in 0..times {
                black_box(once());
            }
            start.elapsed()
        });
        self.0.push(Contender { name, batch });
        self
    }
}

impl Contender {
    /// Does the task so many times. A function of its own, under a name that a profiler can be told.
    #[inline(never)]
    pub fn run(&mut self, times: u64) -> Duration {
        (self.batch)(times)
    }

    /// How many operations fill a batch.
    fn calibrate(&mut self) -> u64 {
        let mut times = 1;
        loop {
            let elapsed = self.run(times);
            if elapsed >= BATCH {
                return times;
            }
            times = if elapsed < BATCH / 20 { times * 10 } else { times + times / 4 + 1 };
        }
    }
}

/// What was measured of one contender: a number a round, where it took part.
pub struct Record {
    name: String,
    samples: Vec<Option<f64>>,
}

impl Record {
    pub fn new(name: impl Into<String>, samples: Vec<Option<f64>>) -> Record {
        Record { name: name.into(), samples }
    }
}

fn quantile(mut values: Vec<f64>, at: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(((values.len().max(1) - 1) as f64 * at).round() as usize).copied().unwrap_or(f64::NAN)
}

/// What was measured of one group.
#[derive(Serialize)]
pub struct GroupResult {
    pub name: String,
    pub unit: &'static str,
    pub rows: Vec<Row>,
    /// What has to be known to read the numbers.
    pub notes: Vec<String>,
}

/// What was measured of one contender. A ratio above 1 means: costs more than the first of the group.
#[derive(Serialize)]
pub struct Row {
    pub name: String,
    /// Rounds in which it took part.
    pub rounds: usize,
    pub median: f64,
    /// The least of all rounds.
    pub least: f64,
    /// A twentieth of the rounds has more.
    pub p95: f64,
    /// Median of the ratios within each round.
    pub ratio: f64,
    /// A tenth of the rounds has a smaller ratio.
    pub ratio_low: f64,
    /// A tenth of the rounds has a larger ratio.
    pub ratio_high: f64,
}

impl GroupResult {
    /// Sums up; the first record is the one that the others are compared with.
    pub fn of(name: impl Into<String>, unit: &'static str, records: Vec<Record>) -> GroupResult {
        let first = records.first().map_or(Vec::new(), |record| record.samples.clone());
        let rows = records
            .into_iter()
            .map(|Record { name, samples }| {
                let values: Vec<f64> = samples.iter().flatten().copied().collect();
                let both = samples.iter().zip(&first).filter_map(|(theirs, ours)| Some((*theirs)? / (*ours)?));
                let ratios: Vec<f64> = both.collect();
                Row {
                    name,
                    rounds: values.len(),
                    median: quantile(values.clone(), 0.5),
                    least: quantile(values.clone(), 0.0),
                    p95: quantile(values, 0.95),
                    ratio: quantile(ratios.clone(), 0.5),
                    ratio_low: quantile(ratios.clone(), 0.1),
                    ratio_high: quantile(ratios, 0.9),
                }
            })
            .collect();
        GroupResult { name: name.into(), unit, rows, notes: Vec::new() }
    }

    pub fn note(mut self, note: impl Into<String>) -> GroupResult {
        self.notes.push(note.into());
        self
    }
}

impl fmt::Display for GroupResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = format!("{}, {}", self.name, self.unit);
        writeln!(f, "{header:<46} {:>10} {:>10} {:>10} {:>7}   spread", "median", "least", "p95", "ratio")?;
        for row in &self.rows {
            let digits = if row.median < 10.0 { 3 } else { 1 };
            writeln!(
                f,
                "  {:<44} {:>10.digits$} {:>10.digits$} {:>10.digits$} {:>7.2}   {:.2}..{:.2} of {}",
                row.name, row.median, row.least, row.p95, row.ratio, row.ratio_low, row.ratio_high, row.rounds
            )?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "  ({note})"))
    }
}
