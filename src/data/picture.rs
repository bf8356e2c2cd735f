//! A single picture, brought into the shape that a network reads.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::{Background, ImageShape};
use crate::{Error, Result};

/// Widest and highest picture that is decoded, in pixels.
const MOST_SIDE: u32 = 16_384;
/// Most memory that decoding may take, in bytes.
const MOST_BYTES: u64 = 512 << 20;

/// Read the picture at `path` as `[channel][row][column]` u8 of extent `shape`.
///
/// PNG, JPEG, BMP, PNM, GIF, WebP and TIFF are told apart by content. The picture is turned upright as its EXIF data
/// says, laid over `background` where it is transparent, made grey (luma) for 1 channel or RGB for 3, and stretched to
/// `shape` with a triangle filter unless it has that size already.
pub fn read_image(path: &Path, shape: ImageShape, background: Background) -> Result<Vec<u8>> {
    let mut pixels = vec![0; shape.pixels()];
    read_into(path, shape, background, &mut pixels)?;
    Ok(pixels)
}

/// [`read_image`], into `pixels` of that extent.
pub(super) fn read_into(path: &Path, shape: ImageShape, background: Background, pixels: &mut [u8]) -> Result<()> {
    let size = match (u32::try_from(shape.width), u32::try_from(shape.height)) {
        (Ok(width @ 1..=MOST_SIDE), Ok(height @ 1..=MOST_SIDE)) if matches!(shape.channels, 1 | 3) => (width, height),
        _ => {
            return Err(Error::usage(format!(
                "a picture cannot become {} channels of {} x {} pixels; it takes 1 or 3 channels and sides of 1 to \
                 {MOST_SIDE}",
                shape.channels, shape.height, shape.width
            )));
        }
    };
    let picture = over(decode(path)?, background);
    if shape.channels == 1 {
        let grey = picture.into_luma8();
        let fits = grey.dimensions() == size;
        let fitted = if fits { grey } else { imageops::resize(&grey, size.0, size.1, FilterType::Triangle) };
        pixels.copy_from_slice(&fitted);
    } else {
        let rgb = picture.into_rgb8();
        let fits = rgb.dimensions() == size;
        let fitted = if fits { rgb } else { imageops::resize(&rgb, size.0, size.1, FilterType::Triangle) };
        for (channel, plane) in pixels.chunks_exact_mut(shape.height * shape.width).enumerate() {
            plane.iter_mut().zip(fitted.pixels()).for_each(|(byte, pixel)| *byte = pixel.0[channel]);
        }
    }
    Ok(())
}

/// The extent of the picture at `path` as it is, with 1 channel if it is grey and 3 if not, by its header alone.
pub(super) fn picture_extent(path: &Path) -> Result<ImageShape> {
    let (mut decoder, _) = decoder(path)?;
    let (width, height) = decoder.dimensions();
    let is_turned = matches!(
        decoder.orientation().map_err(|e| refusal(path, &e))?,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    let (width, height) = if is_turned { (height, width) } else { (width, height) };
    let channels = if decoder.color_type().has_color() { 3 } else { 1 };
    Ok(ImageShape { channels, height: height as usize, width: width as usize })
}

/// Whether the first bytes of the file at `path` are those of a picture.
pub(super) fn looks_like_picture(path: &Path) -> bool {
    let mut start = [0; 16];
    let read = File::open(path).and_then(|mut file| file.read(&mut start));
    let format = read.ok().and_then(|n| image::guess_format(&start[..n]).ok());
    // The signatures of the others are short enough for any text to begin so.
    use ImageFormat::{Gif, Jpeg, Png, Tiff, WebP};
    matches!(format, Some(Png | Jpeg | Gif | WebP | Tiff))
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_SIDE);
    limits.max_image_height = Some(MOST_SIDE);
    limits.max_alloc = Some(MOST_BYTES);
    limits
}

/// A decoder of the picture at `path`, and its format.
fn decoder(path: &Path) -> Result<(impl ImageDecoder, Option<ImageFormat>)> {
    let reader = ImageReader::open(path).map_err(|e| Error::io("read", path, e))?;
    let mut reader = reader.with_guessed_format().map_err(|e| Error::io("read", path, e))?;
    reader.limits(limits());
    let format = reader.format();
    Ok((reader.into_decoder().map_err(|e| refusal(path, &e))?, format))
}

/// The picture, upright, if it is whole and keeps to the limits.
fn decode(path: &Path) -> Result<DynamicImage> {
    let (mut decoder, format) = decoder(path)?;
    let read = || {
        let mut limits = limits();
        limits.reserve(decoder.total_bytes())?;
        decoder.set_limits(limits)?;
        let orientation = decoder.orientation()?;
        let mut picture = DynamicImage::from_decoder(decoder)?;
        picture.apply_orientation(orientation);
        Ok(picture)
    };
    let picture = read().map_err(|e| refusal(path, &e))?;
    if format == Some(ImageFormat::Jpeg) && is_cut_jpeg(path)? {
        return Err(Error::input(path, "the picture is damaged (it ends too early); save it again, or remove it"));
    }
    Ok(picture)
}

/// Whether a JPEG file lacks its end, which decoders fill up with grey: no end of image after the last start of a scan.
fn is_cut_jpeg(path: &Path) -> Result<bool> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    let last = |marker: u8| bytes.windows(2).rposition(|pair| pair == [0xFF, marker]);
    Ok(last(0xD9) < last(0xDA))
}

/// The picture without transparency, which shows `background`.
fn over(picture: DynamicImage, background: Background) -> DynamicImage {
    if !picture.color().has_alpha() {
        return picture;
    }
    let behind = match background {
        Background::White => u64::from(u16::MAX),
        Background::Black => 0,
    };
    let mix = |value: u16, alpha: u16| {
        let (alpha, full) = (u64::from(alpha), u64::from(u16::MAX));
        ((u64::from(value) * alpha + behind * (full - alpha) + full / 2) / full) as u16
    };
    if picture.color().has_color() {
        let from = picture.into_rgba16();
        DynamicImage::ImageRgb16(ImageBuffer::from_fn(from.width(), from.height(), |x, y| {
            let [r, g, b, a] = from.get_pixel(x, y).0;
            image::Rgb([r, g, b].map(|value| mix(value, a)))
        }))
    } else {
        let from = picture.into_luma_alpha16();
        DynamicImage::ImageLuma16(ImageBuffer::from_fn(from.width(), from.height(), |x, y| {
            let [value, a] = from.get_pixel(x, y).0;
            image::Luma([mix(value, a)])
        }))
    }
}

fn refusal(path: &Path, e: &ImageError) -> Error {
    let problem = match e {
        ImageError::Unsupported(_) => {
            format!("it is no picture that can be read ({e}); give a PNG, JPEG, BMP, PNM, GIF, WebP or TIFF file")
        }
        ImageError::Limits(_) => format!(
            "the picture is too large ({e}); at most {MOST_SIDE} x {MOST_SIDE} pixels and {} MiB are decoded",
            MOST_BYTES >> 20
        ),
        _ => format!("the picture is damaged ({e}); save it again, or remove it"),
    };
    Error::input(path, problem)
}
