use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::json;

use crate::failed::Failed;
use crate::options::{self, Options};
use crate::sim_acceptance;
use crate::sim_folder::Folder;
use crate::sim_journal;
use crate::sim_scenario::Scenario;
use crate::sim_seeds::Seeds;
use crate::sim_swarm;

/// Nodes of a world unless the user says otherwise.
const NODES: usize = 2_000;
const SEEDS: Seeds = Seeds { first: 1, last: 4 };
const SEEDS_OF_SWARM: Seeds = Seeds { first: 0, last: 99 };

/// Run worlds of the simulator and tell what was measured in them
///
/// Worlds have virtual time, and what happens in them follows from their seeds alone: a run of the same seeds tells the
/// same again, on any machine. As many worlds run side by side as there are processors.
///
/// What was measured of the worlds themselves stands beside what its source says. Where it is more than 5 % off, and
/// nodes times seeds are 20,000 or more, that is a failure; with fewer it comes by chance, and is only said.
#[derive(clap::Args)]
pub struct Args {
    /// What is looked at; without it, all of them are listed
    #[arg(value_enum)]
    scenario: Option<Scenario>,
    /// Nodes of a world, from 100 to 20,000, where its row says nothing else; rows that take long have 0.15 times as
    /// many; the goals are those of 10,000, and with fewer than 500 some cannot be reached [default: 2000]
    #[arg(long, requires = "scenario", value_parser = options::whole::<usize>(100..=20_000))]
    nodes: Option<usize>,
    /// Seeds of the worlds, from A to B, both with them, 100,000 at most [default: 1..4; 0..99 for swarm]
    #[arg(long, requires = "scenario", value_name = "A..B", allow_hyphen_values = true)]
    seeds: Option<Seeds>,
    /// Folder for report.html and rows.json, made if it is not there; nothing in it is replaced
    #[arg(long, requires = "scenario", value_name = "DIR", value_parser = options::named_file())]
    report: Option<PathBuf>,
    /// Vary parameters too, one at a time, in worlds of 2,000 nodes and 4 seeds at most; only for acceptance
    #[arg(long, requires = "scenario")]
    sweeps: bool,
    /// File with what was measured so far, made if it is not there: a run that was stopped goes on where it was; not
    /// for swarm
    #[arg(long, requires = "scenario", value_name = "FILE", value_parser = options::named_file())]
    resume: Option<PathBuf>,
    /// File to create with the journal of one node of the one small world of swarm that is run, up to the first
    /// complaint
    #[arg(long, requires = "seeds", conflicts_with_all = ["report", "nodes", "sweeps", "resume"], value_name = "FILE")]
    #[arg(value_parser = options::named_file())]
    journal: Option<PathBuf>,
    /// The node whose journal it is [default: that of the complaint, or the one that was called last]
    #[arg(long, requires = "journal", value_name = "NUMBER")]
    host: Option<u32>,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let Some(scenario) = args.scenario else { return list(options) };
    let name = scenario.name();
    if !scenario.is_built() {
        // It has its name already, so that who asks for it has not typed anything wrong.
        return Err(format!("sim {name} is not built yet: `honeyguide sim` lists what can be run").into());
    }
    if let Some(path) = args.journal {
        let seeds = args.seeds.filter(|seeds| scenario == Scenario::Swarm && seeds.first == seeds.last);
        let one =
            seeds.ok_or_else(|| Failed::usage("--journal is for one world of sim swarm: `sim swarm --seeds 7..7`"))?;
        return sim_journal::run(options, one.first, args.host, path).await;
    }
    if scenario != Scenario::Swarm {
        let (nodes, seeds) = (args.nodes.unwrap_or(NODES), args.seeds.unwrap_or(SEEDS));
        if args.sweeps && scenario != Scenario::Acceptance {
            return Err(Failed::usage("--sweeps is for sim acceptance alone"));
        }
        let course = sim_acceptance::Course::new(scenario, nodes, seeds, args.sweeps)?;
        let folder = Folder::prepare(options, args.report).await?;
        return sim_acceptance::run(options, course, folder, args.resume.as_deref()).await;
    }
    if args.resume.is_some() || args.sweeps {
        return Err(Failed::usage("--resume and --sweeps mean nothing to sim swarm, whose worlds take a second each"));
    }
    if args.nodes.is_some() {
        return Err(Failed::usage("--nodes means nothing to sim swarm, whose seeds draw how many nodes there are"));
    }
    let folder = Folder::prepare(options, args.report).await?;
    sim_swarm::run(options, args.seeds.unwrap_or(SEEDS_OF_SWARM), folder).await
}

fn list(options: &Options) -> Result<(), Failed> {
    Scenario::value_variants().iter().try_for_each(|scenario| {
        let (name, about) = (scenario.name(), scenario.about());
        let object = json!({ "scenario": &name, "about": &about, "built": scenario.is_built() });
        options.out().line(format_args!("{name:<10}  {about}"), object)
    })
}
