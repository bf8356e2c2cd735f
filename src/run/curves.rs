//! A run's curves as a PNG: accuracy, loss, gap, backward temperature and gradient norms over the steps.

use super::metrics::Metrics;
use crate::Result;
use crate::data::Task;
use crate::plot::{self, BLUE, Drawn, GREEN, ORANGE, Rgb};

/// One curve: its name, its colour, and what it takes from a line of metrics.
type Curve<'a> = (String, Rgb, Box<dyn Fn(&Metrics) -> f64 + 'a>);

/// Draw the metrics of a run of at least one evaluation, which were of samples held out, or of the training samples.
pub fn curves(metrics: &[Metrics], task: Task, is_held_out: bool) -> Result<Vec<u8>> {
    let of = if is_held_out { "held out" } else { "training samples" };
    let in_percent = if task == Task::Values { 1.0 } else { 100.0 };
    let quality = format!("{}{}", task.quality_name(), if task == Task::Values { "" } else { ", %" });
    plot::png(1350, 1860, |canvas| {
        let panels = canvas.split_evenly((5, 1));
        let accuracy = [
            curve(&format!("hard, {of}"), BLUE, move |m| m.accuracy * in_percent),
            curve(&format!("soft, {of}"), GREEN, move |m| m.accuracy_soft * in_percent),
            curve("training batches", ORANGE, move |m| m.train_accuracy * in_percent),
        ];
        panel(&panels[0], &quality, metrics, &accuracy)?;
        let loss = [curve(of, BLUE, |m| m.loss), curve("training batches", ORANGE, |m| m.train_loss)];
        panel(&panels[1], task.loss_name(), metrics, &loss)?;
        let gap = [
            curve(&format!("selection gap, {of}"), BLUE, move |m| m.selection_gap * in_percent),
            curve(&format!("computation gap, {of}"), GREEN, move |m| m.computation_gap * in_percent),
        ];
        panel(&panels[2], if task == Task::Values { "gap of R²" } else { "gap, points" }, metrics, &gap)?;
        let temperature = [
            curve("backward temperature", BLUE, |m| f64::from(m.temperature)),
            curve("mean confidence", ORANGE, |m| f64::from(m.confidence_mean)),
        ];
        panel(&panels[3], "selection", metrics, &temperature)?;
        panel(&panels[4], "gradient norm of a layer, log10", metrics, &gradient_norms(metrics))
    })
}

fn curve<'a>(name: &str, colour: Rgb, of: impl Fn(&Metrics) -> f64 + 'a) -> Curve<'a> {
    (name.to_string(), colour, Box::new(of))
}

/// A curve a layer, from blue (first) to orange (last); only these two are named.
fn gradient_norms(metrics: &[Metrics]) -> Vec<Curve<'static>> {
    let layers = metrics.last().map_or(0, |m| m.gradient_norms.len());
    let between = |a: u8, b: u8, i: usize| (f64::from(a) + (f64::from(b) - f64::from(a)) * share(i, layers)) as u8;
    (0..layers)
        .map(|i| {
            let colour = Rgb(between(BLUE.0, ORANGE.0, i), between(BLUE.1, ORANGE.1, i), between(BLUE.2, ORANGE.2, i));
            let is_named = i == 0 || i + 1 == layers;
            let name = if is_named { format!("layer {i}") } else { String::new() };
            curve(&name, colour, move |m| m.gradient_norms.get(i).map_or(f64::NAN, |norm| norm.log10()))
        })
        .collect()
}

/// Where item `i` lies among `count`, 0 to 1.
fn share(i: usize, count: usize) -> f64 {
    i as f64 / count.saturating_sub(1).max(1) as f64
}

fn panel(area: &plot::Canvas, title: &str, metrics: &[Metrics], curves: &[Curve]) -> Drawn {
    let points = |of: &dyn Fn(&Metrics) -> f64| -> Vec<(u32, f64)> {
        metrics.iter().map(|m| (m.step, of(m))).filter(|p| p.1.is_finite()).collect()
    };
    let lines: Vec<plot::Line> =
        curves.iter().map(|(name, colour, of)| plot::Line { name, colour: *colour, points: points(of) }).collect();
    plot::lines(area, title, &lines)
}
