//! Charts of a report, as drawings that stand in a page. What is text or an axis takes the page's colours, which are
//! light or dark; bars and points have colours that can be told on both.

use std::error::Error;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::failed::Failed;

/// Of every drawing, on a screen that is wide enough.
const WIDTH: u32 = 480;
/// Figures that differ by less, in parts of the largest, are flat: an axis from naught would hide what they do.
const FLAT: f64 = 0.5;

pub const OURS: RGBColor = RGBColor(0x2f, 0x6f, 0xde);
pub const REFERENCE: RGBColor = RGBColor(0x8a, 0x8f, 0x99);
pub const GOAL: RGBColor = RGBColor(0xd9, 0x82, 0x2b);
const BAD: RGBColor = RGBColor(0xd9, 0x3f, 0x3f);

pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub type Drawn = Result<(), Box<dyn Error>>;

/// What the colours mean, for the top of a page.
pub fn legend() -> Result<String, Failed> {
    let words = [(OURS, "ours"), (REFERENCE, "reference"), (GOAL, "goal, or the default of a sweep")];
    drawing("colours", 30, |area| {
        for ((colour, word), x) in words.into_iter().zip([4, 74, 184]) {
            area.draw(&Rectangle::new([(x, 8), (x + 14, 22)], colour.filled()))?;
            area.draw(&Text::new(word, (x + 20, 8), ("sans-serif", 15).into_font()))?;
        }
        Ok(())
    })
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

/// A figure over the values of a parameter; the default is marked.
pub fn curve(name: &str, parameter: &str, default: f64, points: &[(f64, f64)]) -> Result<String, Failed> {
    let [across, up] = [across(points.iter().map(|(x, _)| *x)), up(points.iter().map(|(_, y)| *y))];
    drawing(&format!("{name} over {parameter}"), 220, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(24)
            .caption(name, ("sans-serif", 17))
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(across, up)?;
        let mesh = &mut chart.configure_mesh();
        let mesh = mesh.disable_x_mesh().x_labels(8).y_labels(5).y_max_light_lines(0).x_desc(parameter);
        let short = |value: &f64| short(*value);
        mesh.label_style(("sans-serif", 15)).x_label_formatter(&short).y_label_formatter(&short).draw()?;
        chart.draw_series([PathElement::new(points, REFERENCE)])?;
        let point = |(x, y): &(f64, f64)| Circle::new((*x, *y), 4, if *x == default { GOAL } else { OURS }.filled());
        chart.draw_series(points.iter().map(point))?;
        Ok(())
    })
}

/// All values, and a little on both sides.
fn across(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (least, most) = bounds(values);
    let beside = if most > least { (most - least) * 0.04 } else { 1.0 };
    least - beside..most + beside
}

/// From naught, or, where all are much the same, from a little below the least.
fn up(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (least, most) = bounds(values);
    let (size, span) = (least.abs().max(most.abs()).max(1e-9), most - least);
    if span > FLAT * size {
        return least.min(0.0) - 0.15 * (-least).max(0.0)..most.max(0.0) + 0.15 * size;
    }
    let beside = (0.25 * span).max(0.02 * size);
    least - beside..most + beside
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let bounds = values.filter(|value| value.is_finite()).fold(None, |bounds: Option<(f64, f64)>, value| {
        bounds.map_or(Some((value, value)), |(least, most)| Some((least.min(value), most.max(value))))
    });
    bounds.unwrap_or((0.0, 0.0))
}

/// A number beside an axis, without naughts at its end.
pub fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

/// Draws into a text. The name space of drawings is not needed within a page.
pub fn drawing(about: &str, height: u32, draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String, Failed> {
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
    fn a_curve_has_a_point_for_each_value_and_marks_the_default() {
        for points in [&[][..], &[(5.0, 0.0)], &[(1.0, 700.0), (5.0, 500.0), (20.0, 650.5)]] {
            let drawn = curve("put_p50_ms", "slots (queries)", 5.0, points).unwrap();
            assert_eq!(drawn.matches("<circle").count(), points.len(), "{drawn}");
            assert_eq!(drawn.matches("#D9822B").count(), usize::from(!points.is_empty()), "{drawn}");
            assert!(!drawn.contains("http") && drawn.trim_end().ends_with("</svg>"));
        }
    }

    #[test]
    fn an_axis_begins_at_naught_unless_all_figures_are_much_the_same() {
        let up = |values: &[f64]| up(values.iter().copied());
        for values in [&[700.0, 500.0, 650.5][..], &[0.99, 0.991], &[-3.0, -2.9], &[5.0]] {
            let (least, most) = bounds(values.iter().copied());
            let range = up(values);
            let (below, above) = (least - range.start, range.end - most);
            assert!(below > 0.0 && above > 0.0 && below + above < most.abs() * 0.2, "{values:?}: {range:?}");
        }
        for values in [&[700.0, 100.0][..], &[0.0, 0.1]] {
            assert_eq!(up(values).start, 0.0, "{values:?}");
        }
        assert!(up(&[-1.0, 1.0]).contains(&-1.0) && up(&[]).contains(&0.0) && up(&[f64::NAN, 1.0]).contains(&1.0));
        assert_eq!([0.1 + 0.2, 10.0, -0.0, 1e6].map(short), ["0.3", "10", "0", "1000000"]);
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
