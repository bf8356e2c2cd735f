//! PNGs: the font that every drawing is lettered in, and a canvas that becomes a file's bytes.

use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, TextStyle, register_font as register};

pub use plotters::style::RGBColor as Rgb;

use crate::{Error, Result};

/// Name of the embedded font, for plotters' `(FONT, size)`.
pub const FONT: &str = "Open Sans";
/// Colour of words and axes.
pub const INK: Rgb = Rgb(45, 45, 52);
/// Colour of frames, grids and what is off.
pub const PALE: Rgb = Rgb(221, 222, 228);
/// Colour of what is counted.
pub const BLUE: Rgb = Rgb(31, 98, 168);
/// Colour of what stands out.
pub const ORANGE: Rgb = Rgb(232, 119, 34);
/// A third colour, for curves.
pub const GREEN: Rgb = Rgb(46, 139, 87);

/// Colours of curves; they repeat after the last (Okabe and Ito's, which colour-blind readers can tell apart).
pub const COLOURS: [Rgb; 7] = [
    Rgb(0, 114, 178),
    Rgb(213, 94, 0),
    Rgb(0, 158, 115),
    Rgb(204, 121, 167),
    Rgb(230, 159, 0),
    Rgb(86, 180, 233),
    Rgb(90, 90, 90),
];

/// A drawing in RGB.
pub type Canvas<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// What plotters may say.
pub type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

/// Make [`FONT`] known to plotters; more calls do nothing. [`png`] calls it.
pub fn register_font() -> Result<()> {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    let bytes = include_bytes!("../assets/fonts/OpenSans-Regular.ttf");
    let known = KNOWN.get_or_init(|| register(FONT, FontStyle::Normal, bytes).is_ok());
    if *known { Ok(()) } else { Err(Error::Run("the embedded font cannot be read".into())) }
}

/// [`FONT`] at `size` pixels in [`INK`].
pub fn text(size: u32) -> TextStyle<'static> {
    TextStyle::from((FONT, size)).color(&INK)
}

/// The bytes of a PNG of `width` × `height` pixels with what `draw` draws on white.
pub fn png(width: u32, height: u32, draw: impl FnOnce(&Canvas) -> Drawn) -> Result<Vec<u8>> {
    register_font()?;
    let mut pixels = vec![255u8; width as usize * height as usize * 3];
    let canvas = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
    draw(&canvas).and_then(|()| Ok(canvas.present()?)).map_err(|e| Error::Run(format!("cannot draw: {e}")))?;
    drop(canvas);
    let mut bytes = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    image::ImageEncoder::write_image(encoder, &pixels, width, height, image::ExtendedColorType::Rgb8)
        .map_err(|e| Error::Run(format!("cannot encode a PNG: {e}")))?;
    Ok(bytes)
}

/// One curve over steps, or layers.
pub struct Line<'a> {
    /// What the legend says; nothing where it is empty.
    pub name: &'a str,
    /// Its colour.
    pub colour: Rgb,
    /// (step, value), in order, values finite.
    pub points: Vec<(u32, f64)>,
}

/// Evaluations up to which each is marked, so that one alone is seen.
const MOST_MARKED: usize = 30;

/// Draw curves over steps into `area`. One that a later one covers is drawn wider, so that both are seen.
pub fn lines(area: &Canvas, title: &str, lines: &[Line]) -> Drawn {
    lines_over(area, title, lines, &|step| format!("{step} steps"))
}

/// Draw curves over what `label` calls each place on the axis.
pub fn lines_over(area: &Canvas, title: &str, lines: &[Line], label: &dyn Fn(&u32) -> String) -> Drawn {
    let points = || lines.iter().flat_map(|line| &line.points);
    let (low, high) = points().fold((f64::MAX, f64::MIN), |(low, high), p| (low.min(p.1), high.max(p.1)));
    let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
    let margin = ((high - low) * 0.08).max(1e-3);
    let last = points().map(|p| p.0).max().unwrap_or(1).max(1);
    // The legend has a part of the width to itself, a fifth or as much as its words need, so that it hides no curve's end.
    let longest = lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0);
    let words = (longest as f64 * 10.0 + 80.0) / f64::from(area.dim_in_pixel().0 - 150).max(1.0);
    let width = last.saturating_add((f64::from(last) * (1.0 / (1.0 - words.clamp(0.2, 0.6)) - 1.0)) as u32);
    let mut chart = ChartBuilder::on(area)
        .margin(18)
        .margin_right(54)
        .caption(title, text(25))
        .x_label_area_size(39)
        .y_label_area_size(78)
        .build_cartesian_2d(0..width, low - margin..high + margin)?;
    chart
        .configure_mesh()
        .label_style(text(19))
        .axis_style(INK)
        .light_line_style(TRANSPARENT)
        .bold_line_style(PALE)
        .x_label_formatter(&label)
        .draw()?;
    for (i, Line { name, colour, points }) in lines.iter().enumerate() {
        let width = if lines[i + 1..].iter().any(|later| later.points == *points) { 9 } else { 3 };
        let mark = if points.len() <= MOST_MARKED { width / 2 + 3 } else { 0 };
        let style = colour.filled().stroke_width(width);
        let series = chart.draw_series(LineSeries::new(points.iter().copied(), style).point_size(mark))?;
        if !name.is_empty() {
            series.label(*name).legend(move |(x, y)| PathElement::new([(x, y), (x + 27, y)], style));
        }
    }
    chart
        .configure_series_labels()
        .legend_area_size(38)
        .label_font(text(19))
        .background_style(WHITE.mix(0.8))
        .border_style(PALE)
        .position(SeriesLabelPosition::UpperRight)
        .draw()?;
    Ok(())
}
