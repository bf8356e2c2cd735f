//! A single picture, brought into the shape that a network reads.

use std::path::Path;

use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

use super::ImageShape;
use crate::{Error, Result};

/// Widest and highest picture that is decoded, in pixels.
const MOST_SIDE: u32 = 16_384;
/// Most memory that decoding may take, in bytes.
const MOST_BYTES: u64 = 512 << 20;

/// Read the picture at `path` as `[channel][row][column]` u8 of extent `shape`.
///
/// PNG, JPEG, BMP, PNM, GIF, WebP and TIFF are told apart by content. The picture is turned upright as its EXIF data
/// says, made grey (luma) for 1 channel or RGB for 3 with any alpha dropped, and stretched to `shape` with a triangle
/// filter unless it has that size already.
pub fn read_image(path: &Path, shape: ImageShape) -> Result<Vec<u8>> {
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
    let reader = ImageReader::open(path).map_err(|e| Error::io("read", path, e))?;
    let reader = reader.with_guessed_format().map_err(|e| Error::io("read", path, e))?;
    let picture = decode(reader).map_err(|e| refusal(path, &e))?;
    Ok(if shape.channels == 1 {
        let grey = picture.into_luma8();
        let fitted = if grey.dimensions() == size {
            grey
        } else {
            imageops::resize(&grey, size.0, size.1, FilterType::Triangle)
        };
        fitted.into_raw()
    } else {
        let rgb = picture.into_rgb8();
        let fitted =
            if rgb.dimensions() == size { rgb } else { imageops::resize(&rgb, size.0, size.1, FilterType::Triangle) };
        (0..3).flat_map(|channel| fitted.pixels().map(move |pixel| pixel.0[channel])).collect()
    })
}

/// The extent of the picture at `path` as it is, with 1 channel if it is grey and 3 if not.
pub(super) fn picture_extent(path: &Path) -> Result<ImageShape> {
    let reader = ImageReader::open(path).map_err(|e| Error::io("read", path, e))?;
    let reader = reader.with_guessed_format().map_err(|e| Error::io("read", path, e))?;
    let picture = decode(reader).map_err(|e| refusal(path, &e))?;
    let channels = if picture.color().has_color() { 3 } else { 1 };
    Ok(ImageShape { channels, height: picture.height() as usize, width: picture.width() as usize })
}

/// The picture, upright, if it keeps to the limits.
fn decode<R: std::io::BufRead + std::io::Seek>(
    mut reader: ImageReader<R>,
) -> std::result::Result<DynamicImage, ImageError> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_SIDE);
    limits.max_image_height = Some(MOST_SIDE);
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder()?;
    limits.reserve(decoder.total_bytes())?;
    decoder.set_limits(limits)?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture)
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
        _ => format!("the picture is damaged ({e}); save it again"),
    };
    Error::input(path, problem)
}
