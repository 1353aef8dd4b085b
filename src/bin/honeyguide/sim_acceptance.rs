//! The table of what is asked of a node, run and held against its goals, or some of its rows.

use std::collections::BTreeSet;
use std::path::Path;

use honeyguide::sim::acceptance::{Figure, Job, Report, Row, Sweep, Tally, jobs};

use crate::count::count;
use crate::failed::Failed;
use crate::options::Options;
use crate::print::say;
use crate::sim_bars;
use crate::sim_charts;
use crate::sim_folder::Folder;
use crate::sim_jobs::{self, Came};
use crate::sim_page::{Cell, Page};
use crate::sim_partial::Partial;
use crate::sim_rows;
use crate::sim_scenario::Scenario;
use crate::sim_seeds::Seeds;
use crate::sim_sweeps;

/// A world may be so far from what its source says.
const TOLERANCE: f64 = 0.05;
/// With fewer nodes in all worlds together, which have a session and a line each, chance alone puts one so far off.
const ENOUGH_NODES: usize = 20_000;

/// What stands on the page before its rows ..
const HOW_TO_READ: &str = "\
    Ours is a node as it is by default. The reference is one of our own in the same worlds, with the slots, the \
    timeout and the table of Kademlia's paper: three queries in flight to contacts and three to strangers, a fixed \
    timeout of 2 s, buckets of eight, one check in 40 s. Charts show each figure that has a goal: the line across \
    both bars is the goal, which ours is not to pass where it says \u{201c}at most\u{201d}, and has to reach where \
    it says \u{201c}at least\u{201d}; \u{201c}of it\u{201d} is of the reference. Where the two are more than 20 \
    times apart the axis goes by powers of ten. Names of figures: p50, p95 and p99 are quantiles, ms and s units; a \
    number behind a name is how many of something there are, as in which percentage of nodes colludes.";
/// .. and before its sweeps.
const HOW_TO_READ_SWEEPS: &str = "\
    One parameter at a time is varied, with all others as they are, in the same worlds. Each chart has a figure over \
    the values of the parameter, to scale; the point of another colour is the default. Where all figures are much the \
    same the axis does not begin at naught.";

/// What is run.
pub struct Course {
    scenario: Scenario,
    nodes: usize,
    seeds: Seeds,
    jobs: Vec<Job>,
    /// Parameters are varied besides.
    sweeps: bool,
}

impl Course {
    /// Worlds in which nothing is measured that is asked for are not run.
    pub fn new(scenario: Scenario, nodes: usize, seeds: Seeds, sweeps: bool) -> Result<Course, Failed> {
        let all = jobs(nodes, &seeds.all().collect::<Vec<_>>());
        let measured: BTreeSet<u8> = all.iter().flat_map(Job::rows).copied().collect();
        let is_wanted = |row: &u8| scenario.rows().is_none_or(|rows| rows.contains(row));
        if !measured.iter().any(is_wanted) {
            let rows = |rows: &mut dyn Iterator<Item = &u8>| rows.map(u8::to_string).collect::<Vec<_>>().join(", ");
            let (wanted, there) = (rows(&mut scenario.rows().into_iter().flatten()), rows(&mut measured.iter()));
            let name = scenario.name();
            let sentence = format!("none of the rows {wanted} of sim {name} is measured yet; those that are: {there}");
            return Err(format!("{sentence} (sim acceptance)").into());
        }
        let jobs = all.into_iter().filter(|job| job.rows().iter().any(is_wanted)).collect();
        Ok(Course { scenario, nodes, seeds, jobs, sweeps })
    }

    /// What runs it again, or one seed of it.
    pub fn command(&self, seeds: Seeds) -> String {
        let sweeps = if self.sweeps { " --sweeps" } else { "" };
        format!("honeyguide sim {} --nodes {} --seeds {seeds}{sweeps}", self.scenario.name(), self.nodes)
    }
}

pub async fn run(options: &Options, course: Course, folder: Folder, file: Option<&Path>) -> Result<(), Failed> {
    let all = course.jobs.clone();
    let name = |number: usize| course.jobs.get(number).map(told).unwrap_or_default();
    let mut partial = Partial::open(file, &course.command(course.seeds), name)?;
    let mut tallies = partial.take_done();
    let left: Vec<usize> = (0..all.len()).filter(|number| !tallies.contains_key(number)).collect();
    let numbers = left.clone();
    let work = move |number: usize| all[numbers[number]].run();
    let ended = |number: usize, came: &Came<Tally>| match came {
        Ok(tally) => partial.add(left[number], &name(left[number]), tally),
        Err(_) => Ok(()),
    };
    let in_order = |number: usize, came: Came<Tally>| {
        let job = &course.jobs[left[number]];
        let tally = came.map_err(|panic| {
            let again = course.command(Seeds { first: job.seed(), last: job.seed() });
            format!("{} has come to a panic: {panic}; `{again}` shows it again", told(job))
        })?;
        tallies.insert(left[number], tally);
        Ok(())
    };
    let name_of_left = |number: usize| name(left[number]);
    let came = sim_jobs::run_keeping(options, left.len(), name_of_left, work, ended, in_order).await;
    came.map_err(|failed| if file.is_some() { goes_on(failed) } else { failed })?;
    let mut tally = Tally::default();
    tallies.into_values().for_each(|other| tally.merge(other));
    let mut report = tally.report(course.nodes, course.seeds.all().collect());
    report.rows.retain(|row: &Row| course.scenario.rows().is_none_or(|rows| rows.contains(&row.number)));
    let sweeps = if course.sweeps { sim_sweeps::run(options, course.nodes, course.seeds).await? } else { Vec::new() };
    let mut object = sim_rows::object(&report);
    if course.sweeps {
        object["sweeps"] = sweeps.iter().map(sim_sweeps::object).collect();
    }
    let tables = sweeps.iter().map(|sweep| format!("\n\n{}", sim_sweeps::table(sweep)));
    let printed = options.out().line(sim_rows::table(&report) + &tables.collect::<String>(), object.clone());
    folder.write(|| page(&course, &report, &sweeps), &object).await?;
    printed?;
    is_as_its_sources_say(report.nodes.saturating_mul(report.seeds.len()), &report.world)
}

/// What was measured is in the file.
fn goes_on(failed: Failed) -> Failed {
    Failed { sentence: format!("{}; the same command goes on from there", failed.sentence), ..failed }
}

/// The report as a page.
fn page(course: &Course, report: &Report, sweeps: &[Sweep]) -> Result<Page, Failed> {
    let mut page = Page::new(&format!("sim {}", course.scenario.name()), &course.command(course.seeds));
    page.fact("nodes", course.nodes);
    page.fact("seeds", course.seeds);
    let met = report.rows.iter().filter(|row| row.is_met()).count();
    page.fact("met", format_args!("{met} of {}", count(report.rows.len(), "row")));
    page.fact("node-time", sim_rows::node_years_text(report.node_time).trim_start_matches("node-time: "));
    page.paragraph(HOW_TO_READ);
    page.drawing(&sim_charts::legend()?);
    for row in &report.rows {
        page.heading(format_args!("{}. {}", row.number, row.metric));
        sim_bars::charts(row)?.iter().for_each(|chart| page.drawing(chart));
        let lines = sim_rows::lines(row);
        let lines = lines.into_iter().map(|line| {
            [
                Cell::Word(line.name.into()),
                Cell::Number(line.ours),
                Cell::Number(line.reference),
                Cell::Word(line.goal),
                met_cell(line.met),
            ]
        });
        page.table(&["figure", "ours", "reference", "goal", "met"], lines);
    }
    if !report.world.is_empty() {
        page.heading("What the worlds were like");
        let lines = report.world.iter().map(|(figure, source)| {
            let off = sim_rows::off_percent(figure.value, *source);
            let numbers = [sim_rows::shown(figure.value), sim_rows::shown(*source), off].map(Cell::Number);
            let [measured, source, off] = numbers;
            [Cell::Word(figure.name.into()), measured, source, off]
        });
        page.table(&["input", "measured", "source", "off"], lines);
    }
    if !sweeps.is_empty() {
        page.heading("Sweeps");
        page.paragraph(HOW_TO_READ_SWEEPS);
    }
    sweeps.iter().try_for_each(|sweep| sim_sweeps::show(&mut page, sweep))?;
    Ok(page)
}

fn met_cell(met: Option<bool>) -> Cell {
    let word = sim_rows::yes_or_no(met).to_lowercase();
    if met == Some(false) { Cell::Bad(word) } else { Cell::Word(word) }
}

fn told(job: &Job) -> String {
    let rows = job.rows().iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let word = if job.rows().len() == 1 { "row" } else { "rows" };
    format!("seed {}: {} ({word} {rows})", job.seed(), job.name())
}

/// A report of another world than it claims is worth nothing.
fn is_as_its_sources_say(nodes_of_all: usize, world: &[(Figure, f64)]) -> Result<(), Failed> {
    let is_near = |measured: f64, source: f64| (measured / source - 1.0).abs() <= TOLERANCE;
    let off = world.iter().filter(|(figure, source)| !is_near(figure.value, *source));
    let off = off.map(|(figure, source)| {
        format!("{} is {} where its source has {source}", figure.name, sim_rows::shown(figure.value))
    });
    let off: Vec<_> = off.collect();
    if off.is_empty() {
        return Ok(());
    }
    let (most, off) = (TOLERANCE * 100.0, off.join(", "));
    if nodes_of_all < ENOUGH_NODES {
        say(format_args!(
            "more than {most} % off, as comes by chance in fewer than {ENOUGH_NODES} nodes (--nodes times seeds): {off}"
        ));
        return Ok(());
    }
    Err(format!("the worlds are more than {most} % off what they should be, which makes their rows worthless: {off}")
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule U31.
    #[test]
    fn a_world_that_is_not_what_its_sources_say_is_a_failure_where_there_are_samples_enough() {
        let judge = |nodes, loss| {
            let figure = |name, value| Figure { name, value };
            is_as_its_sources_say(nodes, &[(figure("rtt_p50_ms", 159.0), 159.0), (figure("loss", loss), 0.02)])
        };
        assert!([0.0191, 0.02, 0.0209].into_iter().all(|loss| judge(20_000, loss).is_ok()));
        for loss in [0.0189, 0.0211, 0.0, f64::NAN] {
            let failed = judge(20_000, loss).unwrap_err();
            let says = |words: &str| failed.sentence.contains(words);
            assert!(failed.code == 1 && says("loss") && says("0.02") && !says("rtt"), "{}", failed.sentence);
            assert!(judge(19_999, loss).is_ok());
        }
    }
}
