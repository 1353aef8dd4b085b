//! A row of the table as bars: of each figure that has a goal ours, the reference's, and the goal across both. Figures
//! that can be compared share an axis; the others have one each.

use honeyguide::sim::acceptance::{Figure, Row, RowGoal, Threshold};
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use crate::failed::Failed;
use crate::sim_charts::{Area, Drawn, GOAL, OURS, REFERENCE, drawing, short};
use crate::sim_rows::{bound_text, shown};

/// Pixels of a bar, from one to the next, and of a figure with its two bars.
const BAR: f64 = 14.0;
const STEP: f64 = 18.0;
const GROUP: f64 = 66.0;
/// Parts of the axis behind the longest bar: there is place for the numbers, where neither a bar nor a goal comes.
const BEYOND: f64 = 1.5;
/// Where the numbers begin.
const NUMBERS: f64 = 1.03;
/// With figures that are further apart, of a pair, the smaller one would not be seen.
const FAR: f64 = 20.0;

/// A figure and what it is held against.
struct Held {
    name: &'static str,
    ours: f64,
    reference: Option<f64>,
    goal: Option<f64>,
    says: String,
}

impl Held {
    fn of(row: &Row, goal: &RowGoal) -> Option<Held> {
        let value =
            |figures: &[Figure]| figures.iter().find(|figure| figure.name == goal.name).map(|figure| figure.value);
        let (ours, reference) = (value(&row.ours)?, value(&row.reference));
        let at = match goal.bound {
            Threshold::AtMost(value) | Threshold::AtLeast(value) => Some(value),
            Threshold::AtMostOfReference(times) => reference.map(|reference| times * reference),
        };
        Some(Held { name: goal.name, ours, reference, goal: at, says: bound_text(goal.bound) })
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        let values = [Some(self.ours), self.reference, self.goal];
        values.into_iter().flatten().filter(|value| value.is_finite())
    }

    fn is_far(&self) -> bool {
        self.reference.is_some_and(|reference| {
            let (less, more) = (self.ours.min(reference), self.ours.max(reference));
            less > 0.0 && more.is_finite() && more > FAR * less
        })
    }

    fn axis(&self) -> Axis {
        match unit(self.name) {
            Some(unit) => Axis::Time(unit),
            None if self.values().all(|value| (0.0..=1.0).contains(&value)) => Axis::Share,
            None => Axis::Kind(self.name.split('_').next().unwrap_or_default()),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Axis {
    Time(&'static str),
    Share,
    /// Figures whose names begin alike are of one kind.
    Kind(&'static str),
}

impl Axis {
    fn unit(self) -> &'static str {
        if let Axis::Time(unit) = self { unit } else { "" }
    }
}

/// Of a time, as its name tells: `p99_ms_64` is one, and `packets_s` none.
fn unit(name: &str) -> Option<&'static str> {
    let has = |word: &str| name.split('_').any(|part| part == word);
    let is_time = ["p50", "p95", "p99", "longest"].into_iter().any(has);
    ["ms", "s"].into_iter().find(|unit| is_time && has(unit))
}

/// A chart for each axis.
pub fn charts(row: &Row) -> Result<Vec<String>, Failed> {
    let mut groups: Vec<(Axis, Vec<Held>)> = Vec::new();
    for held in row.goals.iter().filter_map(|goal| Held::of(row, goal)) {
        let axis = held.axis();
        match groups.iter_mut().find(|(of, _)| *of == axis) {
            Some((_, group)) => group.push(held),
            None => groups.push((axis, vec![held])),
        }
    }
    let chart = |(axis, group): &(Axis, Vec<Held>)| {
        let height = 36 + GROUP as u32 * group.len() as u32;
        drawing(&format!("figures of row {}", row.number), height, |area| {
            let scale = Scale::of(group);
            match scale.is_log {
                true => bars(area, (scale.least..scale.at(BEYOND)).log_scale(), &scale, group, axis.unit()),
                false => bars(area, scale.least..scale.at(BEYOND), &scale, group, axis.unit()),
            }
        })
    };
    groups.iter().map(chart).collect()
}

/// From where to where bars reach.
struct Scale {
    least: f64,
    most: f64,
    is_log: bool,
}

impl Scale {
    fn of(group: &[Held]) -> Scale {
        let values = || group.iter().flat_map(Held::values);
        let is_log = group.iter().any(Held::is_far);
        let most = values().fold(0.0, f64::max);
        let least = match is_log {
            true => values().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min) / 2.0,
            false => values().fold(0.0, f64::min),
        };
        Scale { least, most: if most > least { most } else { least + 1.0 }, is_log }
    }

    /// What stands at this part of the axis, on which the longest bar ends at 1.
    fn at(&self, part: f64) -> f64 {
        match self.is_log {
            true => self.least * (self.most / self.least).powf(part),
            false => self.least + (self.most - self.least) * part,
        }
    }

    /// So much to the right of it.
    fn beside(&self, value: f64, part: f64) -> f64 {
        match self.is_log {
            true => value * (self.most / self.least).powf(part),
            false => value + (self.most - self.least) * part,
        }
    }
}

fn bars<X>(area: &Area<'_>, axis: X, scale: &Scale, group: &[Held], unit: &str) -> Drawn
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
{
    let height = GROUP * group.len() as f64;
    let chart = &mut ChartBuilder::on(area);
    let chart = chart.margin(4).margin_left(16).margin_right(24).x_label_area_size(28);
    let mut chart = chart.build_cartesian_2d(axis, 0.0..height)?;
    let mesh = &mut chart.configure_mesh();
    let mesh = mesh.disable_y_mesh().disable_y_axis().x_labels(5).x_max_light_lines(0);
    // Nothing is as long as what stands behind the longest.
    let label = |value: &f64| match *value > scale.at(1.0) * (1.0 + 1e-9) {
        true => String::new(),
        false => format!("{} {unit}", short(*value)).trim_end().into(),
    };
    mesh.label_style(("sans-serif", 15)).x_label_formatter(&label).draw()?;
    let (zero, numbers) = (scale.least.max(0.0), scale.at(NUMBERS));
    for (number, held) in group.iter().enumerate() {
        let top = height - GROUP * number as f64;
        let (ours, reference) = (top - 24.0, top - 24.0 - STEP);
        let bar = |at: f64, value: f64| [(zero, at), (value.clamp(scale.least, scale.most), at - BAR)];
        chart.draw_series([Rectangle::new(bar(ours, held.ours), OURS.filled())])?;
        chart.draw_series(held.reference.map(|value| Rectangle::new(bar(reference, value), REFERENCE.filled())))?;
        let across = |goal| {
            let [left, right] = [-0.004, 0.004].map(|part| scale.beside(goal, part));
            [(left.max(scale.least), ours + 3.0), (right, reference - BAR - 3.0)]
        };
        let goal = held.goal.filter(|goal| *goal >= scale.least);
        chart.draw_series(goal.map(|goal| Rectangle::new(across(goal), GOAL.filled())))?;
        let text = |text: String, x, y| Text::new(text, (x, y), ("sans-serif", 17).into_font());
        let value = |whose: &str, value: f64, at| text(format!("{whose} {}", shown(value)), numbers, at);
        chart.draw_series([
            text(format!("{}, goal: {}", held.name, held.says), scale.least, top - 6.0),
            value("ours", held.ours, ours - 1.0),
        ])?;
        chart.draw_series(held.reference.map(|of| value("reference", of, reference - 1.0)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_known_by_its_name() {
        for (name, wanted) in [
            ("p50_ms", Some("ms")),
            ("p99_ms_64", Some("ms")),
            ("half_moved_no_router_p95_s", Some("s")),
            ("rich_longest_s", Some("s")),
            ("packets_s", None),
            ("most_flows_in_10_s", None),
            ("one_p50", None),
            ("found", None),
        ] {
            assert_eq!(unit(name), wanted, "{name}");
        }
    }
    #[test]
    fn a_pair_that_is_far_apart_is_drawn_by_its_logarithms() {
        let held = |ours, reference| Held { name: "p50", ours, reference, goal: Some(3.0), says: "at most 3".into() };
        for (ours, reference, is_log) in [
            (3.8, Some(134.0), true),
            (134.0, Some(3.8), true),
            (3.8, Some(76.0), false),
            (0.0, Some(76.0), false),
            (1.0, Some(f64::INFINITY), false),
            (3.8, None, false),
        ] {
            let scale = Scale::of(&[held(1.0, Some(1.0)), held(ours, reference)]);
            assert_eq!(scale.is_log, is_log, "{ours} {reference:?}");
            let most =
                [ours, reference.unwrap_or(0.0), 3.0].into_iter().filter(|it| it.is_finite()).fold(0.0, f64::max);
            assert!((scale.at(1.0) / most - 1.0).abs() < 1e-9, "{ours} {reference:?}: {}", scale.at(1.0));
            let (axis, group) = (scale.least..scale.at(BEYOND), [held(ours, reference)]);
            let drawn = drawing("test", 102, |area| match is_log {
                true => bars(area, axis.log_scale(), &scale, &group, "ms"),
                false => bars(area, axis, &scale, &group, "ms"),
            });
            let drawn = drawn.unwrap();
            let goals = drawn.matches("#D9822B").count();
            assert!(goals == 1 && drawn.contains("goal: at most 3"), "{drawn}");
        }
    }

    #[test]
    fn shares_have_one_axis_and_other_figures_one_for_each_kind() {
        let held = |name, ours| Held { name, ours, reference: Some(0.5), goal: Some(1.0), says: String::new() };
        assert!(held("found_20", 0.9).axis() == Axis::Share && held("found_30", 0.0).axis() == Axis::Share);
        assert!(held("queries_20", 30.0).axis() == held("queries_50_n600", 2.0).axis());
        assert!(held("packets_s", 30.0).axis() != held("bytes_s", 30.0).axis());
        assert!(held("p50_ms", 0.9).axis() == Axis::Time("ms"));
    }
}
