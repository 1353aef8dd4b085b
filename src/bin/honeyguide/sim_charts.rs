//! Charts of a report, as drawings that stand in a page. What is text or an axis takes the page's colours, which are
//! light or dark; bars and points have colours that can be told on both.

use std::error::Error;

use honeyguide::sim::acceptance::{Figure, Row, RowGoal, Threshold};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::failed::Failed;
use crate::sim_rows::shown;

/// Of every drawing, on a screen that is wide enough.
const WIDTH: u32 = 480;
/// Pixels of a bar, from one to the next, and of a figure with its two bars.
const BAR: f64 = 14.0;
const STEP: f64 = 18.0;
const GROUP: f64 = 66.0;
/// Behind the longest bar there is place for its number.
const BEYOND: f64 = 1.5;

const OURS: RGBColor = RGBColor(0x2f, 0x6f, 0xde);
const REFERENCE: RGBColor = RGBColor(0x8a, 0x8f, 0x99);
const GOAL: RGBColor = RGBColor(0xd9, 0x82, 0x2b);
const BAD: RGBColor = RGBColor(0xd9, 0x3f, 0x3f);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

/// A time of a row and what it is held against.
struct Time {
    name: &'static str,
    ours: f64,
    reference: Option<f64>,
    goal: Option<f64>,
}

/// The times of a row as bars: ours, the reference's, and the goal across both. `None` for a row without any.
pub fn times(row: &Row) -> Result<Option<String>, Failed> {
    let value = |figures: &[Figure], name| figures.iter().find(|figure| figure.name == name).map(|figure| figure.value);
    let goal = |goal: &&RowGoal| matches!(goal.bound, Threshold::AtMost(_));
    let time = |figure: &Figure| Time {
        name: figure.name,
        ours: figure.value,
        reference: value(&row.reference, figure.name),
        goal: row.goals.iter().filter(goal).find(|goal| goal.name == figure.name).map(|goal| most(goal.bound)),
    };
    // Those of one axis.
    let Some(unit) = row.ours.iter().find_map(|figure| unit(figure.name)) else { return Ok(None) };
    let times: Vec<_> = row.ours.iter().filter(|figure| self::unit(figure.name) == Some(unit)).map(time).collect();
    let height = 36 + GROUP as u32 * times.len() as u32;
    drawing(&format!("times of row {}", row.number), height, |area| bars(area, &times, unit)).map(Some)
}

/// Of a time, as its name tells: `p99_ms_64` is one, and `packets_s` none.
fn unit(name: &str) -> Option<&'static str> {
    let has = |word: &str| name.split('_').any(|part| part == word);
    let is_time = ["p50", "p95", "p99", "longest"].into_iter().any(has);
    ["ms", "s"].into_iter().find(|unit| is_time && has(unit))
}

fn most(bound: Threshold) -> f64 {
    match bound {
        Threshold::AtMost(value) | Threshold::AtLeast(value) | Threshold::AtMostOfReference(value) => value,
    }
}

fn bars(area: &Area<'_>, times: &[Time], unit: &str) -> Drawn {
    let all = times.iter().flat_map(|time| [Some(time.ours), time.reference, time.goal]).flatten();
    let longest = all.filter(|time| time.is_finite()).fold(1.0, f64::max);
    let height = GROUP * times.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .margin(4)
        .margin_left(16)
        .margin_right(24)
        .x_label_area_size(28)
        .build_cartesian_2d(0.0..longest * BEYOND, 0.0..height)?;
    let mesh = &mut chart.configure_mesh();
    let mesh = mesh.disable_y_mesh().disable_y_axis().x_labels(4).x_max_light_lines(0);
    mesh.label_style(("sans-serif", 15)).x_label_formatter(&|time| format!("{time:.0} {unit}")).draw()?;
    for (number, time) in times.iter().enumerate() {
        let top = height - GROUP * number as f64;
        let (ours, reference) = (top - 24.0, top - 24.0 - STEP);
        let bar = |at: f64, value: f64| [(0.0, at), (value, at - BAR)];
        chart.draw_series([Rectangle::new(bar(ours, time.ours), OURS.filled())])?;
        chart.draw_series(time.reference.map(|value| Rectangle::new(bar(reference, value), REFERENCE.filled())))?;
        let width = longest * 0.004;
        let across = |goal| [(goal - width, ours + 3.0), (goal + width, reference - BAR - 3.0)];
        chart.draw_series(time.goal.map(|goal| Rectangle::new(across(goal), GOAL.filled())))?;
        // Above all bars, whichever is in the way.
        let text = |text: String, x, y| Text::new(text, (x, y), ("sans-serif", 17).into_font());
        let beside =
            |whose: &str, value: f64, at| text(format!("{whose} {}", shown(value)), value + longest * 0.02, at);
        let goal = time.goal.map(|goal| format!(", goal: at most {goal}")).unwrap_or_default();
        chart.draw_series([
            text(format!("{}{goal}", time.name), 0.0, top - 6.0),
            beside("ours", time.ours, ours - 1.0),
        ])?;
        chart.draw_series(time.reference.map(|value| beside("reference", value, reference - 1.0)))?;
    }
    Ok(())
}

/// How much of what is nearest was found in the end, by the seeds of worlds; bad ones in another colour.
pub fn recalls(first: u64, worlds: &[(u64, f64, bool)]) -> Result<String, Failed> {
    drawing("recall by seed", 240, |area| {
        // Seeds may be larger than what such numbers tell apart; those from the first on are not.
        let from_first = |seed: u64| (seed - first) as f64;
        let last = worlds.iter().map(|(seed, ..)| from_first(*seed)).fold(0.0, f64::max);
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(24)
            .x_label_area_size(28)
            .y_label_area_size(36)
            .build_cartesian_2d(-0.5..last + 0.5, 0.0..1.02)?;
        let mesh = &mut chart.configure_mesh();
        let mesh = mesh.disable_x_mesh().x_labels(5).y_labels(6).y_max_light_lines(0).label_style(("sans-serif", 15));
        let seed = |x: &f64| if x.fract() == 0.0 { (first + x.max(0.0) as u64).to_string() } else { String::new() };
        mesh.x_label_formatter(&seed).y_label_formatter(&|y| format!("{y:.1}")).draw()?;
        let point = |(seed, recall, is_bad): &(u64, f64, bool)| {
            Circle::new((from_first(*seed), *recall), 3, if *is_bad { BAD } else { OURS }.filled())
        };
        chart.draw_series(worlds.iter().map(point))?;
        Ok(())
    })
}

/// A figure over the values of a parameter, which stand side by side however far apart they are; the default is marked.
pub fn curve((name, unit): (&str, &str), default: f64, points: &[(f64, f64)]) -> Result<String, Failed> {
    let finite = points.iter().map(|(_, y)| *y).filter(|y| y.is_finite());
    let highest = finite.fold(0.0, f64::max).max(1e-9) * 1.15;
    drawing(&format!("{name} over {unit}"), 200, |area| {
        let last = points.len().saturating_sub(1) as f64;
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(24)
            .caption(name, ("sans-serif", 17))
            .x_label_area_size(28)
            .y_label_area_size(56)
            .build_cartesian_2d(-0.5..last + 0.5, 0.0..highest)?;
        let mesh = &mut chart.configure_mesh();
        let mesh = mesh.disable_x_mesh().x_labels(points.len().max(1)).y_labels(5).y_max_light_lines(0);
        let at = |x: &f64| points.get(x.round().max(0.0) as usize).filter(|_| (x - x.round()).abs() < 0.01);
        let value = |x: &f64| at(x).map(|(value, _)| format!("{value}")).unwrap_or_default();
        mesh.label_style(("sans-serif", 15)).x_label_formatter(&value).y_label_formatter(&|y| shown(*y)).draw()?;
        let places = || points.iter().enumerate().map(|(place, (_, y))| (place as f64, *y));
        chart.draw_series([PathElement::new(places().collect::<Vec<_>>(), REFERENCE)])?;
        let point = |((x, y), (value, _)): ((f64, f64), &(f64, f64))| {
            Circle::new((x, y), 4, if *value == default { GOAL } else { OURS }.filled())
        };
        chart.draw_series(places().zip(points).map(point))?;
        Ok(())
    })
}

/// Draws into a text. The name space of drawings is not needed within a page.
fn drawing(about: &str, height: u32, draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String, Failed> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
        let drawn = draw(&area).and_then(|()| Ok(area.present()?));
        drawn.map_err(|error| format!("the chart of the {about} cannot be drawn: {error}"))?;
    }
    let named = format!(" role=\"img\" aria-label=\"{about}\"");
    Ok(text.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", &named, 1))
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
    fn a_curve_has_a_point_for_each_value_and_marks_the_default() {
        for points in [&[][..], &[(5.0, 0.0)], &[(1.0, 700.0), (5.0, 500.0), (20.0, 650.5)]] {
            let drawn = curve(("put_p50_ms", "queries"), 5.0, points).unwrap();
            assert_eq!(drawn.matches("<circle").count(), points.len(), "{drawn}");
            assert_eq!(drawn.matches("#D9822B").count(), usize::from(!points.is_empty()), "{drawn}");
            assert!(!drawn.contains("http") && drawn.trim_end().ends_with("</svg>"));
        }
    }

    #[test]
    fn seeds_are_drawn_however_large_they_are_and_whatever_came_of_them() {
        let last = u64::MAX;
        for worlds in [&[][..], &[(last, 0.5, false)], &[(last - 1, 0.0, true), (last, 1.0, false)]] {
            let drawn = recalls(last - 1, worlds).unwrap();
            assert_eq!(drawn.matches("<circle").count(), worlds.len(), "{drawn}");
            assert!(drawn.starts_with("<svg ") && !drawn.contains("http") && drawn.trim_end().ends_with("</svg>"));
        }
    }
}
