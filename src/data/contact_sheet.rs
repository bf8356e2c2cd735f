//! Samples of every class side by side, as a PNG.

use image::{ImageFormat, RgbImage, imageops};

use super::{Dataset, ImageShape, Split};
use crate::{Error, Result};

/// Samples of a class in a row.
const COLUMNS: usize = 12;
/// Least side of a sample on the sheet, in pixels; small images are enlarged by whole steps.
const LEAST_SIDE: usize = 48;
/// Pixels between samples.
const GAP: usize = 4;
/// Greatest side of a sheet, in pixels.
const MOST_SIDE: usize = 16_384;

/// A row a class, in their order: its first training samples, as far apart as 12 of them can be.
///
/// # Errors
/// [`Error::Usage`] if the sheet would be larger than 16,384 pixels a side.
pub fn contact_sheet(data: &Dataset) -> Result<Vec<u8>> {
    let ImageShape { height, width, .. } = data.image;
    let times = LEAST_SIDE.div_ceil(height.max(width)).max(1);
    let (cell_width, cell_height) = (width * times + GAP, height * times + GAP);
    let (sheet_width, sheet_height) = (COLUMNS * cell_width + GAP, data.classes.len() * cell_height + GAP);
    if sheet_width > MOST_SIDE || sheet_height > MOST_SIDE {
        return Err(Error::usage(format!(
            "{} classes of images of {width} x {height} pixels do not fit a sheet of {MOST_SIDE} pixels a side",
            data.classes.len()
        )));
    }
    let mut sheet = RgbImage::from_pixel(sheet_width as u32, sheet_height as u32, image::Rgb([221, 222, 228]));
    for class in 0..data.classes.len() {
        for (column, sample) in chosen(&data.train, class).into_iter().enumerate() {
            let picture = picture(&data.train.pixels[sample * data.image.pixels()..], data.image, times);
            let (x, y) = (GAP + column * cell_width, GAP + class * cell_height);
            imageops::replace(&mut sheet, &picture, x as i64, y as i64);
        }
    }
    let mut bytes = std::io::Cursor::new(Vec::new());
    sheet.write_to(&mut bytes, ImageFormat::Png).map_err(|e| Error::Run(format!("cannot encode a PNG: {e}")))?;
    Ok(bytes.into_inner())
}

/// Up to twelve samples of a class, spread evenly over all of them.
fn chosen(split: &Split, class: usize) -> Vec<usize> {
    let of_class: Vec<usize> = (0..split.len()).filter(|&s| usize::from(split.labels[s]) == class).collect();
    let shown = of_class.len().min(COLUMNS);
    (0..shown).map(|i| of_class[i * of_class.len() / shown]).collect()
}

/// A sample, enlarged `times` times.
fn picture(bytes: &[u8], shape: ImageShape, times: usize) -> RgbImage {
    let plane = shape.height * shape.width;
    RgbImage::from_fn((shape.width * times) as u32, (shape.height * times) as u32, |x, y| {
        let at = y as usize / times * shape.width + x as usize / times;
        let channel = |c: usize| bytes[if shape.channels > c { c } else { 0 } * plane + at];
        image::Rgb([channel(0), channel(1), channel(2)])
    })
}

#[cfg(test)]
mod tests {
    use super::super::Head;
    use super::*;

    #[test]
    fn rows_are_classes_and_columns_are_samples() {
        // Class 0: images 10, 11, …, 34; class 1: image 200 alone, in three channels.
        let values: Vec<u8> = (10..35).chain([200]).collect();
        let data = Dataset {
            name: "made".into(),
            classes: vec!["a".into(), "b".into()],
            image: ImageShape { channels: 3, height: 2, width: 4 },
            table: None,
            head: Head::Classes,
            ranges: Vec::new(),
            notes: Vec::new(),
            train: Split {
                pixels: values.iter().flat_map(|&v| [vec![v; 8], vec![v + 1; 8], vec![v + 2; 8]].concat()).collect(),
                labels: values.iter().map(|&v| u8::from(v == 200)).collect(),
                targets: Vec::new(),
            },
            test: Split::default(),
        };
        let sheet = image::load_from_memory(&contact_sheet(&data).unwrap()).unwrap().into_rgb8();
        // Images of 4 x 2 pixels are shown twelve times as large.
        assert_eq!(sheet.dimensions(), (12 * 52 + 4, 2 * 28 + 4));
        let at = |column: u32, row: u32| sheet.get_pixel(4 + 52 * column + 47, 4 + 28 * row + 23).0;
        assert_eq!((at(0, 0), at(1, 0), at(11, 0)), ([10, 11, 12], [12, 13, 14], [32, 33, 34]));
        assert_eq!((at(0, 1), at(1, 1)), ([200, 201, 202], [221, 222, 228]));

        let many = Dataset { image: ImageShape { channels: 1, height: 9000, width: 1 }, ..data };
        assert!(contact_sheet(&many).unwrap_err().to_string().contains("16384"));
    }
}
