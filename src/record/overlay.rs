//! Several runs' curves in one PNG.

use super::RunRecord;
use crate::Result;
use crate::plot::{self, COLOURS, Line};
use crate::train::Metrics;

/// Hard accuracy, loss and backward temperature of `runs` over their steps, one colour a run.
pub fn overlay(runs: &[RunRecord]) -> Result<Vec<u8>> {
    let names: Vec<String> = runs.iter().map(RunRecord::name).collect();
    let lines = |of: fn(&Metrics) -> f64| -> Vec<Line> {
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
    plot::png(1500, 1620, |canvas| {
        let panels = canvas.split_evenly((3, 1));
        plot::lines(&panels[0], "hard accuracy, held out, %", &lines(|m| m.accuracy * 100.0))?;
        plot::lines(&panels[1], "cross-entropy, held out", &lines(|m| m.loss))?;
        plot::lines(&panels[2], "backward temperature", &lines(|m| f64::from(m.temperature)))
    })
}
