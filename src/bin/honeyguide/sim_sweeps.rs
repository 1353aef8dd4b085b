//! Sweeps: what parameters do, each by itself, as charts and tables of a report.

use std::sync::Mutex;

use honeyguide::sim::acceptance::{LookupParameter, Sweep, SweepPoint, TableParameter, sweep};
use serde_json::{Value, json};

use crate::failed::Failed;
use crate::options::Options;
use crate::sim_charts;
use crate::sim_jobs;
use crate::sim_page::{Cell, Page};
use crate::sim_rows::{rounded, shown};
use crate::sim_seeds::Seeds;

/// Worlds are no larger, and no more than these many for each value: a sweep is a matter of minutes.
const MOST_NODES: usize = 2_000;
const MOST_SEEDS: usize = 4;

/// What is varied.
#[derive(Clone, Copy)]
enum Varied {
    Lookup(LookupParameter),
    Table(TableParameter),
}

impl Varied {
    fn all() -> Vec<Varied> {
        let lookups = LookupParameter::ALL.into_iter().map(Varied::Lookup);
        lookups.chain(TableParameter::ALL.into_iter().map(Varied::Table)).collect()
    }

    fn name(self) -> &'static str {
        match self {
            Varied::Lookup(parameter) => parameter.name(),
            Varied::Table(parameter) => parameter.name(),
        }
    }

    fn sweep(self, nodes: usize, seeds: &[u64]) -> Sweep {
        match self {
            Varied::Lookup(parameter) => parameter.sweep(nodes, seeds),
            Varied::Table(parameter) => sweep(parameter, nodes, seeds),
        }
    }
}

/// All of them, each in a thread's own turn.
pub async fn run(options: &Options, nodes: usize, seeds: Seeds) -> Result<Vec<Sweep>, Failed> {
    let all = Varied::all();
    let count = all.len();
    let names: Vec<_> = all.iter().map(|varied| varied.name()).collect();
    let (nodes, seeds) = (nodes.min(MOST_NODES), seeds.all().take(MOST_SEEDS).collect::<Vec<_>>());
    let name = |number: usize| format!("sweep of {}", names[number]);
    let work = move |number: usize| all[number].sweep(nodes, &seeds);
    let sweeps = Mutex::new(Vec::new());
    sim_jobs::run(options, count, name, work, |number, came| {
        let sweep = came.map_err(|panic| format!("the {} has come to a panic: {panic}", name(number)))?;
        sweeps.lock().map(|mut sweeps| sweeps.push(sweep)).ok();
        Ok(())
    })
    .await?;
    Ok(sweeps.into_inner().unwrap_or_default())
}

pub fn object(sweep: &Sweep) -> Value {
    let figures = |point: &SweepPoint| -> Value {
        point.figures.iter().map(|figure| (figure.name.to_string(), rounded(figure.value))).collect()
    };
    let point = |point: &SweepPoint| json!({ "value": rounded(point.value), "figures": figures(point) });
    json!({
        "parameter": sweep.name,
        "unit": sweep.unit,
        "default": rounded(sweep.default),
        "points": sweep.points.iter().map(point).collect::<Vec<_>>(),
    })
}

/// A sweep for people: a line for each value.
pub fn table(sweep: &Sweep) -> String {
    let mut text = format!("{} ({}), {} by default", sweep.name, sweep.unit, shown(sweep.default));
    for point in &sweep.points {
        let figures = point.figures.iter().map(|figure| format!("{} {}", figure.name, shown(figure.value)));
        text += &format!("\n  {}: {}", shown(point.value), figures.collect::<Vec<_>>().join(", "));
    }
    text
}

/// A chart of each figure, and all of them as numbers: a line for each value of the parameter.
pub fn show(page: &mut Page, sweep: &Sweep) -> Result<(), Failed> {
    page.heading(format_args!("Sweep of {}", sweep.name));
    page.fact("by default", format_args!("{} {}", shown(sweep.default), sweep.unit));
    let Some(first) = sweep.points.first() else { return Ok(()) };
    let parameter = format!("{} ({})", sweep.name, sweep.unit);
    for (place, figure) in first.figures.iter().enumerate() {
        let values = sweep.points.iter().filter_map(|point| Some((point.value, point.figures.get(place)?.value)));
        let values = values.collect::<Vec<_>>();
        page.drawing(&sim_charts::curve(figure.name, &parameter, sweep.default, &values)?);
    }
    let heads: Vec<_> = [&*parameter].into_iter().chain(first.figures.iter().map(|figure| figure.name)).collect();
    let lines = sweep.points.iter().map(|point| {
        let figures = point.figures.iter().map(|figure| figure.value);
        [point.value].into_iter().chain(figures).map(|value| Cell::Number(shown(value))).collect::<Vec<_>>()
    });
    page.table(&heads, lines);
    Ok(())
}
