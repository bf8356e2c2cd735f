//! A run's curves as a PNG: loss, accuracy and backward temperature over the steps.

use plotters::prelude::*;

use super::run_folder::Metrics;
use crate::Result;
use crate::plot::{self, BLUE, Drawn, INK, ORANGE, PALE, Rgb};

/// Colour of the third curve.
const GREEN: Rgb = Rgb(46, 139, 87);

/// One curve: its name, its colour, and what it takes from a line of metrics.
type Curve = (&'static str, Rgb, fn(&Metrics) -> f64);

/// Draw the metrics of a run of at least one evaluation.
pub fn curves(metrics: &[Metrics]) -> Result<Vec<u8>> {
    plot::png(900, 760, |canvas| {
        let panels = canvas.split_evenly((3, 1));
        let percent: [Curve; 3] = [
            ("hard, held out", BLUE, |m| m.accuracy * 100.0),
            ("training batches", ORANGE, |m| m.train_accuracy * 100.0),
            ("relaxed, held out", GREEN, |m| m.accuracy_relaxed * 100.0),
        ];
        panel(&panels[0], "accuracy, %", metrics, &percent)?;
        let loss: [Curve; 2] = [("held out", BLUE, |m| m.loss), ("training batches", ORANGE, |m| m.train_loss)];
        panel(&panels[1], "cross-entropy", metrics, &loss)?;
        let temperature: [Curve; 2] = [
            ("backward temperature", BLUE, |m| f64::from(m.temperature)),
            ("mean confidence", ORANGE, |m| f64::from(m.confidence_mean)),
        ];
        panel(&panels[2], "selection", metrics, &temperature)
    })
}

fn panel(area: &plot::Canvas, title: &str, metrics: &[Metrics], curves: &[Curve]) -> Drawn {
    let values = || metrics.iter().flat_map(|m| curves.iter().map(|(_, _, of)| of(m))).filter(|v| v.is_finite());
    let (low, high) = values().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    let margin = ((high - low) * 0.08).max(1e-3);
    let last = metrics.last().map_or(1, |m| m.step).max(1);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .margin_right(36)
        .caption(title, plot::text(17))
        .x_label_area_size(26)
        .y_label_area_size(52)
        .build_cartesian_2d(0..last, low - margin..high + margin)?;
    chart
        .configure_mesh()
        .label_style(plot::text(13))
        .axis_style(INK)
        .light_line_style(TRANSPARENT)
        .bold_line_style(PALE)
        .x_label_formatter(&|step| format!("{step} steps"))
        .draw()?;
    for &(name, colour, of) in curves {
        let points = metrics.iter().map(|m| (m.step, of(m))).filter(|p| p.1.is_finite());
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .label_font(plot::text(13))
        .background_style(WHITE.mix(0.8))
        .border_style(PALE)
        .position(SeriesLabelPosition::MiddleRight)
        .draw()?;
    Ok(())
}
