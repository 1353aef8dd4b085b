//! The report as an object, and as a table for people.

use std::fmt::Write;
use std::time::Duration;

use honeyguide::sim::NodeTime;
use honeyguide::sim::acceptance::{Figure, Report, Row, RowGoal, Threshold};
use serde_json::{Value, json};

/// The report as one object, each row once.
pub fn object(report: &Report) -> Value {
    let world = report.world.iter().map(|(figure, source)| {
        (figure.name.to_string(), json!({ "measured": rounded(figure.value), "source": source }))
    });
    json!({
        "nodes": report.nodes,
        "seeds": report.seeds,
        "world": Value::Object(world.collect()),
        "node_years": node_years(report.node_time),
        "rows": report.rows.iter().map(row_object).collect::<Vec<_>>(),
    })
}

/// How long nodes were up, as an object in years.
pub fn node_years(time: NodeTime) -> Value {
    json!({ "ours": rounded(years(time.ours)), "others": rounded(years(time.others)) })
}

/// The same in words.
pub fn node_years_text(time: NodeTime) -> String {
    let [ours, others] = [time.ours, time.others].map(years);
    format!("node-time: {} years, {} of them of nodes of ours", shown(ours + others), shown(ours))
}

fn years(time: Duration) -> f64 {
    time.as_secs_f64() / (365.25 * 86_400.0)
}

fn row_object(row: &Row) -> Value {
    let figures = |figures: &[Figure]| -> Value {
        figures.iter().map(|figure| (figure.name.to_string(), rounded(figure.value))).collect()
    };
    let goal = |goal: &RowGoal| {
        let (bound, value) = match goal.bound {
            Threshold::AtMost(most) => ("at_most", most),
            Threshold::AtLeast(least) => ("at_least", least),
            Threshold::AtMostOfReference(times) => ("at_most_of_reference", times),
        };
        (goal.name.to_string(), json!({ bound: rounded(value) }))
    };
    json!({
        "row": row.number,
        "metric": row.metric,
        "goal": row.goals.iter().map(goal).collect::<Value>(),
        "ours": figures(&row.ours),
        "reference": figures(&row.reference),
        "met": row.is_met(),
    })
}

/// Four digits behind the point, and none where they are naught.
pub fn rounded(value: f64) -> Value {
    let rounded = (value * 1e4).round() / 1e4;
    match rounded.fract() == 0.0 && rounded.abs() < 1e15 {
        true => json!(rounded as i64),
        false => json!(rounded),
    }
}

/// A figure of a row with all that is held against it, in words.
pub struct Line {
    pub name: &'static str,
    pub ours: String,
    pub reference: String,
    pub goal: String,
    /// Whether its goal is met, where it has one.
    pub met: Option<bool>,
}

/// The lines of a row.
pub fn lines(row: &Row) -> Vec<Line> {
    let line = |name: &'static str| {
        let value = |figures: &[Figure]| {
            figures.iter().find(|figure| figure.name == name).map(|figure| shown(figure.value)).unwrap_or_default()
        };
        let goal = row.goals.iter().find(|goal| goal.name == name);
        Line {
            name,
            ours: value(&row.ours),
            reference: value(&row.reference),
            goal: goal.map(|goal| bound_text(goal.bound)).unwrap_or_default(),
            met: goal.map(|goal| row.meets(goal)),
        }
    };
    let mut names: Vec<_> = row.ours.iter().chain(&row.reference).map(|figure| figure.name).collect();
    names.extend(row.goals.iter().map(|goal| goal.name));
    let mut known = Vec::new();
    names.retain(|name| {
        !known.contains(name) && {
            known.push(*name);
            true
        }
    });
    names.into_iter().map(line).collect()
}

/// A goal in words; `it` is the reference.
pub fn bound_text(bound: Threshold) -> String {
    match bound {
        Threshold::AtMost(most) => format!("at most {most}"),
        Threshold::AtLeast(least) => format!("at least {least}"),
        Threshold::AtMostOfReference(times) => format!("at most {times} of it"),
    }
}

/// A number with as many digits as say something.
pub fn shown(value: f64) -> String {
    let digits = match value.abs() {
        100.0.. => 1,
        10.0.. => 2,
        1.0.. => 3,
        _ => 4,
    };
    format!("{value:.digits$}")
}

/// How far a measured input is off its source, in percent.
pub fn off_percent(measured: f64, source: f64) -> String {
    format!("{:+.1} %", (measured / source - 1.0) * 100.0)
}

pub fn yes_or_no(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    }
}

/// The report for people.
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    // A string takes all that is written.
    let _ = write_table(&mut text, report);
    text.truncate(text.trim_end().len());
    text
}

fn write_table(text: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(text, "row  {:<26} {:>9} {:>9}  {:<17} met", "figure", "ours", "reference", "goal")?;
    for row in &report.rows {
        writeln!(text, "{:>3}  {}", row.number, row.metric)?;
        for Line { name, ours, reference, goal, met } in lines(row) {
            let line = format!("     {name:<26} {ours:>9} {reference:>9}  {goal:<17} {}", yes_or_no(met));
            writeln!(text, "{}", line.trim_end())?;
        }
    }
    let met = report.rows.iter().filter(|row| row.is_met()).count();
    writeln!(text, "{met} of {} rows met", report.rows.len())?;
    writeln!(text, "{}", node_years_text(report.node_time))?;
    if !report.world.is_empty() {
        writeln!(text, "\n{:<31} {:>9} {:>9}  off", "the worlds", "measured", "source")?;
    }
    for (figure, source) in &report.world {
        let (measured, off) = (shown(figure.value), off_percent(figure.value, *source));
        writeln!(text, "{:<31} {measured:>9} {:>9}  {off}", figure.name, shown(*source))?;
    }
    Ok(())
}
