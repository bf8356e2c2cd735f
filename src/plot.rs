//! PNGs: the font that every drawing is lettered in, and a canvas that becomes a file's bytes.

use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::prelude::{BitMapBackend, DrawingArea, IntoDrawingArea};
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
