//! Small worlds with ordeals, each run twice.

use honeyguide::sim::NodeTime;
use honeyguide::sim::swarm::{Ordeal, SwarmRun};
use serde_json::{Value, json};

use crate::count::count;
use crate::escape;
use crate::failed::Failed;
use crate::options::Options;
use crate::sim_charts;
use crate::sim_folder::Folder;
use crate::sim_jobs::{self, Came};
use crate::sim_page::{Cell, Page};
use crate::sim_rows::{node_years, node_years_text, rounded, shown};
use crate::sim_seeds::Seeds;

/// A world of a seed and what is held against it.
pub struct Small {
    pub seed: u64,
    /// There is none where it came to a panic.
    pub run: Option<SwarmRun>,
    pub complaints: Vec<String>,
}

impl Small {
    /// Of a seed's two runs.
    fn new(seed: u64, came: Came<(SwarmRun, SwarmRun)>) -> Small {
        match came {
            Ok((once, again)) => {
                let mut complaints = once.complaints.clone();
                if once != again {
                    complaints.push("two runs of this seed differ".into());
                }
                Small { seed, run: Some(once), complaints }
            }
            Err(panic) => Small { seed, run: None, complaints: vec![format!("it has come to a panic: {panic}")] },
        }
    }

    pub fn ordeals(&self) -> Vec<String> {
        self.run.iter().flat_map(|run| &run.ordeals).map(name).collect()
    }

    fn object(&self) -> Value {
        let run = self.run.as_ref();
        json!({
            "seed": self.seed,
            "nodes": run.map(|run| run.nodes),
            "ordeals": self.ordeals(),
            "operations": run.map(|run| run.operations),
            "sent": run.map(|run| run.sent),
            "recall": run.map(|run| rounded(run.recall)),
            "hash": run.map(|run| format!("{:032x}", run.hash)),
            "complaints": self.complaints,
        })
    }

    fn text(&self) -> String {
        let mut text = format!("seed {}", self.seed);
        if let Some(run) = &self.run {
            let (nodes, ordeals) = (count(run.nodes, "node"), self.ordeals().join(", "));
            let (operations, sent) = (count(run.operations, "operation"), count(run.sent, "datagram"));
            text += &format!(": {nodes}, {operations}, {sent}, recall {}: {ordeals}", shown(run.recall));
        }
        for complaint in &self.complaints {
            text += &format!("\nseed {}: {}", self.seed, escape::line(complaint));
        }
        if !self.complaints.is_empty() {
            let (seed, again) = (self.seed, replay(self.seed));
            text += &format!("\nseed {seed}: again with `{again}`; `{again} --journal FILE` records a node of it");
        }
        text
    }
}

/// `silent_line`.
fn name(ordeal: &Ordeal) -> String {
    let mut name = String::new();
    for c in format!("{ordeal:?}").chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(c.to_lowercase());
    }
    name
}

pub fn command(seeds: Seeds) -> String {
    format!("honeyguide sim swarm --seeds {seeds}")
}

fn replay(seed: u64) -> String {
    command(Seeds { first: seed, last: seed })
}

pub async fn run(options: &Options, seeds: Seeds, folder: Folder) -> Result<(), Failed> {
    let out = options.out();
    let all: Vec<u64> = seeds.all().collect();
    let (many, ran) = (all.len(), all.clone());
    let work = move |number: usize| {
        let seed = ran[number];
        (honeyguide::sim::swarm::run(seed), honeyguide::sim::swarm::run(seed))
    };
    let mut worlds = Vec::new();
    let name = |number: usize| format!("seed {}", all[number]);
    sim_jobs::run(options, many, name, work, |number, came| {
        let world = Small::new(all[number], came);
        out.line(world.text(), world.object())?;
        worlds.push(world);
        Ok(())
    })
    .await?;
    let sum = Sum::of(&worlds);
    let printed = out.line(sum.text(), sum.object());
    let rows = json!({
        "seeds": [seeds.first, seeds.last],
        "rows": worlds.iter().map(Small::object).collect::<Vec<_>>(),
        "sum": sum.object(),
    });
    folder.write(|| page(seeds, &worlds, &sum), &rows).await?;
    printed?;
    match sum.failed.first() {
        None => Ok(()),
        Some(first) => {
            let (failed, many) = (sum.failed.len(), count(many, "world"));
            Err(format!("in {failed} of {many} something does not hold: `{}` runs the first again", replay(*first))
                .into())
        }
    }
}

/// All of them as a page.
fn page(seeds: Seeds, worlds: &[Small], sum: &Sum) -> Result<Page, Failed> {
    let mut page = Page::new("sim swarm", &command(seeds));
    page.fact("seeds", seeds);
    page.fact("sum", sum.text());
    page.heading("Recall at the end, by seed");
    let points =
        worlds.iter().filter_map(|world| Some((world.seed, world.run.as_ref()?.recall, !world.complaints.is_empty())));
    page.drawing(&sim_charts::recalls(seeds.first, &points.collect::<Vec<_>>())?);
    page.heading("Worlds");
    let lines = worlds.iter().map(|world| {
        let run = world.run.as_ref();
        let number = |of: fn(&SwarmRun) -> String| Cell::Number(run.map(of).unwrap_or_default());
        [
            Cell::Number(world.seed.to_string()),
            number(|run| run.nodes.to_string()),
            number(|run| run.operations.to_string()),
            number(|run| run.sent.to_string()),
            number(|run| shown(run.recall)),
            Cell::Word(world.ordeals().join(", ")),
            number(|run| format!("{:032x}", run.hash)),
            Cell::Bad(world.complaints.join("; ")),
        ]
    });
    page.table(&["seed", "nodes", "operations", "datagrams", "recall", "ordeals", "hash", "complaints"], lines);
    Ok(page)
}

/// What all of them came to.
pub struct Sum {
    pub worlds: usize,
    /// Seeds of worlds in which something does not hold.
    pub failed: Vec<u64>,
    /// From the least to the most.
    recalls: Vec<f64>,
    /// Of both runs of each.
    node_time: NodeTime,
}

impl Sum {
    pub fn of(worlds: &[Small]) -> Sum {
        let failed = worlds.iter().filter(|world| !world.complaints.is_empty()).map(|world| world.seed).collect();
        let mut recalls: Vec<_> = worlds.iter().filter_map(|world| Some(world.run.as_ref()?.recall)).collect();
        recalls.sort_by(f64::total_cmp);
        let times = worlds.iter().filter_map(|world| Some(world.run.as_ref()?.node_time));
        let node_time = times.fold(NodeTime::default(), |sum, time| NodeTime {
            ours: sum.ours + 2 * time.ours,
            others: sum.others + 2 * time.others,
        });
        Sum { worlds: worlds.len(), failed, recalls, node_time }
    }

    /// The least and the median.
    fn recall(&self) -> [Option<f64>; 2] {
        [self.recalls.first(), self.recalls.get(self.recalls.len() / 2)].map(|recall| recall.copied())
    }

    fn object(&self) -> Value {
        let [least, median] = self.recall().map(|recall| recall.map(rounded));
        json!({
            "worlds": self.worlds,
            "failed": self.failed,
            "recall": { "least": least, "median": median },
            "node_years": node_years(self.node_time),
            "replay": self.failed.first().map(|seed| replay(*seed)),
        })
    }

    pub fn text(&self) -> String {
        let held = self.worlds - self.failed.len();
        let mut text = format!("all holds that must in {held} of {}", count(self.worlds, "world"));
        if let [Some(least), Some(median)] = self.recall() {
            text += &format!("; recall at the end: {} at the median, {} at least", shown(median), shown(least));
        }
        text += &format!("; {}", node_years_text(self.node_time));
        text
    }
}
