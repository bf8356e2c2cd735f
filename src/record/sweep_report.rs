//! What a sweep found: a row a cell, means over seeds, pictures.

use std::fmt::Write as _;

use crate::plot::{self, COLOURS, Drawn, INK, Line, PALE};
use crate::run::{Cell, Curve, Metrics, Plot, Race, Summary, Sweep};
use crate::{Error, Result};
use plotters::prelude::*;

/// A finished cell, its `summary.json` and its `metrics.jsonl`.
pub struct Finished {
    /// What it was.
    pub cell: Cell,
    /// What came of it.
    pub summary: Summary,
    /// How it went.
    pub metrics: Vec<Metrics>,
}

/// Columns of both tables: heading, key of `summary.json`, factor.
const COLUMNS: [(&str, &str, f64); 7] = [
    ("held out, %", "held_out_accuracy", 100.0),
    ("training mode, %", "test_accuracy_training_mode", 100.0),
    ("selected soft, %", "test_accuracy_soft", 100.0),
    ("selected hard, %", "test_accuracy", 100.0),
    ("selection gap", "selection_gap", 100.0),
    ("computation gap", "computation_gap", 100.0),
    ("seconds", "seconds", 1.0),
];

/// Keys that grids speak of, in the order of their first cell.
fn keys(cells: &[Finished]) -> Vec<&str> {
    let mut keys: Vec<&str> = Vec::new();
    for (key, _) in cells.iter().flat_map(|finished| &finished.cell.said) {
        if !keys.contains(&key.as_str()) {
            keys.push(key);
        }
    }
    keys
}

fn value(finished: &Finished, key: &str) -> f64 {
    finished.summary.number(key)
}

/// A line a cell: what its grid says, then the columns of the table, accuracies and gaps as fractions.
pub fn csv(cells: &[Finished]) -> Result<Vec<u8>> {
    let failed = |e: csv::Error| Error::Run(format!("cannot write the sweep's table: {e}"));
    let mut out = csv::Writer::from_writer(Vec::new());
    let keys = keys(cells);
    out.write_record(keys.iter().copied().chain(COLUMNS.map(|(_, key, _)| key))).map_err(failed)?;
    for finished in cells {
        let said = keys.iter().map(|key| finished.cell.said(key).unwrap_or_default().to_string());
        let found = COLUMNS.map(|(_, key, _)| value(finished, key).to_string());
        out.write_record(said.chain(found)).map_err(failed)?;
    }
    out.into_inner().map_err(|e| Error::Run(format!("cannot write the sweep's table: {e}")))
}

/// What some cells have in common, by key, and the cells.
type Group<'a> = (Vec<(&'a str, &'a str)>, Vec<&'a Finished>);

/// Cells that differ in nothing but the seed and the settings in `but`.
fn by_settings<'a>(cells: &'a [Finished], but: &[&str]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group> = Vec::new();
    for finished in cells {
        let said = finished.cell.said.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let said: Vec<_> = said.filter(|(key, _)| *key != "seed" && !but.contains(key)).collect();
        match groups.iter_mut().find(|(settings, _)| *settings == said) {
            Some((_, group)) => group.push(finished),
            None => groups.push((said, vec![finished])),
        }
    }
    groups
}

/// Mean, and standard deviation of the sample where there is more than one.
fn mean_and_deviation(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    (mean, (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()))
}

/// A Markdown table: a row for all cells that differ in the seed alone, mean ± standard deviation over these.
pub fn markdown(sweep: &Sweep, cells: &[Finished]) -> String {
    let keys: Vec<_> = keys(cells).into_iter().filter(|key| *key != "seed").collect();
    let mut text = format!("# {}\n\n|", sweep.title);
    for heading in keys.iter().copied().chain(["runs"]).chain(COLUMNS.map(|(heading, _, _)| heading)) {
        let _ = write!(text, " {heading} |");
    }
    let _ = write!(text, "\n|{}\n", "---|".repeat(keys.len() + 1 + COLUMNS.len()));
    for (settings, group) in by_settings(cells, &[]) {
        text.push('|');
        for key in &keys {
            let said = settings.iter().find(|(k, _)| k == key).map_or("", |(_, value)| value);
            let _ = write!(text, " {said} |");
        }
        let _ = write!(text, " {} |", group.len());
        for (_, key, factor) in COLUMNS {
            let values: Vec<f64> = group.iter().map(|finished| value(finished, key) * factor).collect();
            let _ = match mean_and_deviation(&values) {
                (mean, _) if mean.is_nan() => write!(text, " – |"),
                (mean, Some(deviation)) => write!(text, " {mean:.2} ± {deviation:.2} |"),
                (mean, None) => write!(text, " {mean:.2} |"),
            };
        }
        text.push('\n');
    }
    if let Some(race) = &sweep.race {
        text.push_str(&race_table(race, cells));
    }
    text
}

/// (step, mean of `of`), for every step at which all of `group` were evaluated.
fn mean_curve(group: &[&Finished], of: impl Fn(&Metrics) -> f64) -> Vec<(u32, f64)> {
    let at = |run: &Finished, step: u32| run.metrics.iter().find(|m| m.step == step).map(&of);
    let Some(first) = group.first() else { return Vec::new() };
    let mean = |step: u32| {
        let values: Option<Vec<f64>> = group.iter().map(|run| at(run, step)).collect();
        values.map(|values| (step, mean_and_deviation(&values).0))
    };
    first.metrics.iter().filter_map(|m| mean(m.step)).filter(|point| point.1.is_finite()).collect()
}

/// One of the sweep's pictures over steps: the mean over seeds.
pub fn curves(sweep: &Sweep, curve: &Curve, cells: &[Finished]) -> Result<Vec<u8>> {
    let of = |m: &Metrics| serde_json::to_value(m).map_or(f64::NAN, |m| m[&curve.y].as_f64().unwrap_or(f64::NAN));
    let named: Vec<(String, Vec<(u32, f64)>)> =
        by_settings(cells, &[]).into_iter().map(|(said, group)| (name(&said), mean_curve(&group, of))).collect();
    let mut lines = Vec::new();
    for (i, (name, points)) in named.iter().enumerate() {
        lines.push(Line { name, colour: COLOURS[i % COLOURS.len()], points: points.clone() });
    }
    plot::png(1500, 840, |canvas| plot::lines(canvas, &format!("{}: {}", sweep.title, curve.y), &lines))
}

/// A Markdown table: for every combination of the other settings, each racer's best accuracy, the steps that it took to the
/// baseline's best, and how many times fewer these are.
fn race_table(race: &Race, cells: &[Finished]) -> String {
    let mut text = format!(
        "\n| settings | {} | best held-out accuracy, % | at step | steps to {}'s best | times fewer |\n|---|---|---|---|---|---|\n",
        race.setting, race.baseline
    );
    for (settings, group) in by_settings(cells, &[race.setting.as_str()]) {
        let mut racers: Vec<(&str, Vec<&Finished>)> = Vec::new();
        for run in group {
            let value = run.cell.said(&race.setting).unwrap_or_default();
            match racers.iter_mut().find(|(v, _)| *v == value) {
                Some((_, runs)) => runs.push(run),
                None => racers.push((value, vec![run])),
            }
        }
        let curves: Vec<_> = racers.iter().map(|(value, runs)| (*value, mean_curve(runs, |m| m.accuracy))).collect();
        let best = |curve: &[(u32, f64)]| {
            curve.iter().copied().reduce(|best, point| if point.1 > best.1 { point } else { best })
        };
        let goal = curves.iter().find(|(value, _)| *value == race.baseline).and_then(|(_, curve)| best(curve));
        for (value, curve) in &curves {
            let Some((step, accuracy)) = best(curve) else { continue };
            let reached = goal.and_then(|goal| curve.iter().find(|point| point.1 >= goal.1));
            let (steps, fewer) = match (reached, goal) {
                (Some(at), Some(goal)) => (at.0.to_string(), format!("{:.1}", f64::from(goal.0) / f64::from(at.0))),
                _ => ("-".into(), "-".into()),
            };
            let said = name(&settings);
            let _ = writeln!(text, "| {said} | {value} | {:.2} | {step} | {steps} | {fewer} |", accuracy * 100.0);
        }
    }
    text
}

/// Settings as a legend names them.
fn name(settings: &[(&str, &str)]) -> String {
    let name: Vec<_> = settings.iter().map(|(key, value)| format!("{key} {value}")).collect();
    name.join(", ")
}

/// One of the sweep's pictures: the mean over seeds of `y`, along the values of `x` at even distances, a curve for every
/// combination of the other settings that has points.
pub fn picture(sweep: &Sweep, plot: &Plot, cells: &[Finished]) -> Result<Vec<u8>> {
    let x_of = |finished: &Finished| plot.x.iter().find_map(|key| finished.cell.said(key)).map(str::to_string);
    let mut places: Vec<String> = cells.iter().filter_map(x_of).collect();
    // By its leading number, if it has one: 0.3, or 4x500 before 10x500.
    let number = |text: &String| {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        text[..end].parse::<f64>().unwrap_or(f64::INFINITY)
    };
    places.sort_by(|a, b| number(a).total_cmp(&number(b)).then_with(|| a.cmp(b)));
    places.dedup();
    let but: Vec<&str> = plot.x.iter().map(String::as_str).collect();
    let curves: Vec<(String, Vec<(f64, f64)>)> = by_settings(cells, &but)
        .into_iter()
        .map(|(settings, group)| {
            let points = places.iter().enumerate().filter_map(|(i, place)| {
                let here = group.iter().filter(|finished| x_of(finished).as_ref() == Some(place));
                let values: Vec<f64> = here.map(|finished| value(finished, &plot.y)).collect();
                (!values.is_empty()).then(|| (i as f64, mean_and_deviation(&values).0))
            });
            (name(&settings), points.collect::<Vec<_>>())
        })
        .filter(|(_, points)| !points.is_empty())
        .collect();
    plot::png(1000, 560, |canvas| draw(canvas, &sweep.title, plot, &places, &curves))
}

fn draw(
    canvas: &plot::Canvas,
    title: &str,
    plot: &Plot,
    places: &[String],
    curves: &[(String, Vec<(f64, f64)>)],
) -> Drawn {
    let values = || curves.iter().flat_map(|(_, points)| points).map(|p| p.1).filter(|y| y.is_finite());
    let (low, high) = values().fold((f64::MAX, f64::MIN), |(low, high), y| (low.min(y), high.max(y)));
    let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
    let margin = ((high - low) * 0.06).max(1e-3);
    let last = places.len().saturating_sub(1) as f64;
    // The legend has the right third to itself.
    let mut chart = ChartBuilder::on(canvas)
        .margin(12)
        .caption(title, plot::text(18))
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(-0.2..last.max(1.0) * 1.5, low - margin..high + margin)?;
    let label = |x: &f64| match places.get(x.round() as usize) {
        Some(place) if (x - x.round()).abs() < 0.01 && *x > -0.1 => place.clone(),
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .label_style(plot::text(13))
        .axis_style(INK)
        .light_line_style(TRANSPARENT)
        .bold_line_style(PALE)
        .x_labels(2 * places.len() + 2)
        .x_label_formatter(&label)
        .x_desc(plot.x.join(", "))
        .y_desc(plot.y.as_str())
        .draw()?;
    for (i, (name, points)) in curves.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(3))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .label_font(plot::text(13))
        .background_style(WHITE.mix(0.8))
        .border_style(PALE)
        .position(SeriesLabelPosition::UpperRight)
        .draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(accuracies: &[f64]) -> (Sweep, Vec<Finished>) {
        let text = "title = \"t\"\n[[grid]]\nmethod = [\"hard-st\", \"gumbel-st\"]\nseed = [0, 1]\n";
        let sweep: Sweep = toml::from_str(text).unwrap();
        let cells = sweep.cells().unwrap().into_iter().zip(accuracies);
        let metrics =
            |a: f64| (1..4).map(move |i| Metrics { step: i * 10, accuracy: a * f64::from(i), ..Metrics::default() });
        let cells = cells.map(|(cell, a)| Finished {
            cell,
            summary: Summary { test_accuracy: *a, ..Summary::default() },
            metrics: metrics(*a).collect(),
        });
        let cells = cells.collect();
        (sweep, cells)
    }

    #[test]
    fn means_are_over_seeds() {
        let (sweep, cells) = finished(&[0.5, 0.7, 0.9, 0.9]);
        let table = markdown(&sweep, &cells);
        let row = |method: &str| table.lines().find(|line| line.contains(method)).unwrap().to_string();
        // The sample's standard deviation of 50 and 70 is √200.
        assert!(row("hard-st").contains("60.00 ± 14.14"), "{table}");
        assert!(row("gumbel-st").contains("90.00 ± 0.00"), "{table}");
        let rows = String::from_utf8(csv(&cells).unwrap()).unwrap();
        assert!(rows.lines().nth(2).unwrap().starts_with("hard-st,1,"), "{rows}");
        assert_eq!(rows.lines().count(), 5);
    }

    #[test]
    fn a_race_counts_steps_to_the_baselines_best() {
        let (mut sweep, cells) = finished(&[0.1, 0.3, 0.5, 0.7]);
        sweep.race = Some(Race { setting: "method".into(), baseline: "hard-st".into() });
        let table = markdown(&sweep, &cells);
        // The baseline's mean is 0.2, 0.4, 0.6 at steps 10, 20, 30; the other's 0.6, 1.2, 1.8.
        assert!(table.contains("|  | hard-st | 60.00 | 30 | 30 | 1.0 |"), "{table}");
        assert!(table.contains("|  | gumbel-st | 180.00 | 30 | 10 | 3.0 |"), "{table}");
        let curve = Curve { file: "a.png".into(), y: "accuracy".into() };
        assert!(image::load_from_memory(&curves(&sweep, &curve, &cells).unwrap()).is_ok());
    }

    #[test]
    fn a_picture_is_drawn_of_what_there_is() {
        let (sweep, cells) = finished(&[0.5, f64::NAN, 0.9, 0.9]);
        for x in ["seed", "method", "no-such-setting"] {
            let plot = Plot { file: "a.png".into(), x: vec![x.into()], y: "test_accuracy".into() };
            let bytes = picture(&sweep, &plot, &cells).unwrap();
            let image = image::load_from_memory(&bytes).unwrap().to_rgb8();
            let drawn = image.pixels().any(|p| p.0 == [COLOURS[0].0, COLOURS[0].1, COLOURS[0].2]);
            assert_eq!(drawn, x != "no-such-setting", "{x}");
        }
    }
}
