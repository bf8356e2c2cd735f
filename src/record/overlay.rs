//! Several runs' curves in one PNG.

use super::RunRecord;
use crate::Result;
use crate::data::Task;
use crate::plot::{self, COLOURS, Line};
use crate::run::Metrics;

/// Hard quality, loss and backward temperature of `runs` over their steps, one colour a run.
pub fn overlay(runs: &[RunRecord]) -> Result<Vec<u8>> {
    let names: Vec<String> = runs.iter().map(RunRecord::name).collect();
    let lines = |of: &dyn Fn(&Metrics) -> f64| -> Vec<Line> {
        let points = |run: &RunRecord| {
            run.metrics.iter().map(|m| (m.step, of(m))).filter(|p| p.1.is_finite()).collect::<Vec<_>>()
        };
        let line = |(i, run): (usize, &RunRecord)| Line {
            name: names[i].as_str(),
            colour: COLOURS[i % COLOURS.len()],
            points: points(run),
        };
        runs.iter().enumerate().map(line).collect()
    };
    let of = match (runs.iter().all(RunRecord::is_held_out), runs.iter().any(RunRecord::is_held_out)) {
        (true, _) => "held out",
        (_, false) => "of the training samples",
        _ => "held out, or of the training samples",
    };
    // What all runs are trained to tell, if that is one thing.
    let tasks: Vec<Task> = runs.iter().map(|run| run.settings.input.task()).collect();
    let task = tasks.first().filter(|first| tasks.iter().all(|task| task == *first));
    let in_percent = if tasks.contains(&Task::Values) { 1.0 } else { 100.0 };
    let name = task.map_or("quality", |task| task.quality_name());
    let quality = format!("hard {name}, {of}{}", if in_percent > 1.0 { ", %" } else { "" });
    let loss = task.map_or("loss", |task| task.loss_name());
    plot::png(1500, 1620, |canvas| {
        let panels = canvas.split_evenly((3, 1));
        plot::lines(&panels[0], &quality, &lines(&|m| m.accuracy * in_percent))?;
        plot::lines(&panels[1], &format!("{loss}, {of}"), &lines(&|m| m.loss))?;
        plot::lines(&panels[2], "backward temperature", &lines(&|m| f64::from(m.temperature)))
    })
}
