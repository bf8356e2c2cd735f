//! `bench scale`: how the time of a training step grows with width, depth and batch.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use plotters::prelude::*;

use super::bench_step::{CLASSES, random_bits, time_steps};
use crate::plot::{self, BLUE, Drawn, INK, PALE};
use crate::run::{Learner, Where};
use crate::settings::{Layers, Overrides, Settings};
use crate::{Error, Result, files};

/// Time training steps of growing width, depth and batch, one growing at a time; leaves scale.csv and scale.png
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Gates a layer, while depth and batch stay
    #[arg(long, value_delimiter = ',', default_value = "1000,4000,16000,64000,256000,1024000")]
    widths: Vec<usize>,
    /// Layers, while width and batch stay
    #[arg(long, value_delimiter = ',', default_value = "2,5,10,20,40,80")]
    depths: Vec<usize>,
    /// Samples a step, while width and depth stay
    #[arg(long, value_delimiter = ',', default_value = "32,128,512,2048,4096")]
    batches: Vec<u32>,
    /// Gates a layer where depth or batch grows
    #[arg(long, default_value_t = 8000)]
    width: usize,
    /// Layers where width or batch grows
    #[arg(long, default_value_t = 4)]
    depth: usize,
    /// Samples a step where width or depth grows
    #[arg(long, default_value_t = 128)]
    batch: u32,
    /// Input bits
    #[arg(long, default_value_t = 784, value_parser = clap::value_parser!(u32).range(2..=1 << 22))]
    inputs: u32,
    /// Timed steps of each
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Folder for scale.csv and scale.png
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    #[command(flatten)]
    place: Where,
}

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axis {
    Width,
    Depth,
    Batch,
}

/// One configuration, timed.
struct Point {
    axis: Axis,
    width: usize,
    depth: usize,
    batch: u32,
    least_ms: f64,
    median_ms: f64,
    bytes: Option<u64>,
    gpu_bytes: u64,
}

impl Axis {
    fn name(self) -> &'static str {
        match self {
            Axis::Width => "width",
            Axis::Depth => "depth",
            Axis::Batch => "batch",
        }
    }
}

impl Point {
    /// Where it lies on its axis.
    fn at(&self) -> f64 {
        match self.axis {
            Axis::Width => self.width as f64,
            Axis::Depth => self.depth as f64,
            Axis::Batch => f64::from(self.batch),
        }
    }

    fn gate_samples_per_s(&self) -> f64 {
        (self.width * self.depth) as f64 * f64::from(self.batch) / (self.least_ms * 1e-3)
    }
}

/// Time every configuration, told as it is done; then write the files.
pub fn run(args: Args) -> Result<()> {
    let widths = args.widths.iter().map(|&width| (Axis::Width, width, args.depth, args.batch));
    let depths = args.depths.iter().map(|&depth| (Axis::Depth, args.width, depth, args.batch));
    let batches = args.batches.iter().map(|&batch| (Axis::Batch, args.width, args.depth, batch));
    let wanted: Vec<_> = widths.chain(depths).chain(batches).collect();
    let settings = |width: usize, depth: usize, batch: u32| -> Result<Settings> {
        let said = Overrides {
            layers: Some(Layers::dense(vec![width; depth])),
            arity: Some(2),
            thresholds: Some(1),
            rare: Some(0.0),
            batch: Some(batch),
            ..Overrides::default()
        };
        let settings = said.resolve(None)?;
        settings.check_classes(CLASSES)?;
        Ok(settings)
    };
    for &(_, width, depth, batch) in &wanted {
        settings(width, depth, batch)?;
    }
    println!("{:<8}{:>10}{:>8}{:>8}{:>13}{:>15}", "grows", "width", "depth", "batch", "least ms", "gate samples/s");
    let mut points = Vec::new();
    for (axis, width, depth, batch) in wanted {
        let settings = settings(width, depth, batch)?;
        let device = super::open_device(&args.place, &settings)?;
        let data = random_bits(args.inputs as usize, batch);
        let mut trainer = Learner::new(&device, &settings, &data)?;
        let (least_ms, median_ms) = time_steps(&mut trainer, args.rounds, 1)?;
        let bytes = trainer.least_bytes();
        let point = Point { axis, width, depth, batch, least_ms, median_ms, bytes, gpu_bytes: trainer.bytes() };
        println!(
            "{:<8}{width:>10}{depth:>8}{batch:>8}{least_ms:>13.3}{:>15.3e}",
            axis.name(),
            point.gate_samples_per_s()
        );
        points.push(point);
    }
    write(&args.out, &points)
}

fn write(out: &Path, points: &[Point]) -> Result<()> {
    std::fs::create_dir_all(out).map_err(|e| Error::io("make", out, e))?;
    let mut csv =
        "grows,width,depth,batch,step_ms_min,step_ms_median,gate_samples_per_s,bytes_min,gpu_bytes\n".to_string();
    for p in points {
        let bytes = p.bytes.map_or(String::new(), |b| b.to_string());
        let (name, rate) = (p.axis.name(), p.gate_samples_per_s());
        let _ = writeln!(
            csv,
            "{name},{},{},{},{:.6},{:.6},{rate:.0},{bytes},{}",
            p.width, p.depth, p.batch, p.least_ms, p.median_ms, p.gpu_bytes
        );
    }
    files::write_whole(&out.join("scale.csv"), csv.as_bytes())?;
    let png = plot::png(1200, 420, |canvas| {
        let panels = canvas.split_evenly((1, 3));
        for (panel, axis) in panels.iter().zip([Axis::Width, Axis::Depth, Axis::Batch]) {
            let points: Vec<_> = points.iter().filter(|p| p.axis == axis).map(|p| (p.at(), p.least_ms)).collect();
            draw(panel, axis, &points)?;
        }
        Ok(())
    })?;
    files::write_whole(&out.join("scale.png"), &png)
}

/// Milliseconds a step over what grows, both logarithmic, beside a pale line that grows in proportion.
fn draw(area: &plot::Canvas, axis: Axis, points: &[(f64, f64)]) -> Drawn {
    let Some(&first) = points.first() else { return Ok(()) };
    let proportional = points.iter().map(|p| (p.0, first.1 * p.0 / first.0));
    let all = || points.iter().copied().chain(proportional.clone());
    let range = |of: fn((f64, f64)) -> f64| {
        let (low, high) = all().map(of).fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
        low * 0.8..high * 1.25
    };
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption(format!("ms a step by {}", axis.name()), plot::text(17))
        .x_label_area_size(30)
        .y_label_area_size(60)
        .build_cartesian_2d(range(|p| p.0).log_scale(), range(|p| p.1).log_scale())?;
    chart
        .configure_mesh()
        .label_style(plot::text(13))
        .axis_style(INK)
        .light_line_style(TRANSPARENT)
        .bold_line_style(PALE)
        .x_labels(3)
        .y_labels(3)
        .x_label_formatter(&|x| format!("{x}"))
        .y_label_formatter(&|y| format!("{y}"))
        .draw()?;
    chart.draw_series(LineSeries::new(proportional.clone(), INK.mix(0.3).stroke_width(2)))?;
    chart.draw_series(LineSeries::new(points.iter().copied(), BLUE.stroke_width(2)))?;
    chart.draw_series(points.iter().map(|&p| Circle::new(p, 4, BLUE.filled())))?;
    Ok(())
}
