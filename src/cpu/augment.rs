//! A batch's images, each moved at random, black where nothing was: the shader's whole numbers, so the shader's bytes.

use crate::data::ImageShape;
use crate::random::{Philox, key};
use crate::train::Augmentation;

/// What stands for 1.
const ONE: i32 = 16_384;
/// Counter word 3 of the draws.
const STREAM: u32 = 3;

/// Move `image`'s bytes, `[channel][row][column]`, into `moved` as those at place `place` of the batch of step `step`.
pub fn augment(
    how: &Augmentation,
    (seed, step, place): (u64, u32, u32),
    image: ImageShape,
    bytes: &[u8],
    moved: &mut [u8],
) {
    let [x, y, mirror, turn] = Philox::block(key(seed), [place, step, 0, STREAM]);
    let below = |draw: u32, count: u32| ((u64::from(draw) * u64::from(count)) >> 32) as i32;
    let either_way = |draw: u32, most: i32| below(draw, 2 * most as u32 + 1) - most;
    let (dx, dy) = (either_way(x, how.shift as i32), either_way(y, how.shift as i32));
    let (width, height) = (image.width as i32, image.height as i32);
    let pixel = |plane: usize, x: i32, y: i32| {
        let inside = (0..width).contains(&x) && (0..height).contains(&y);
        if inside { i32::from(bytes[(plane * image.height + y as usize) * image.width + x as usize]) } else { 0 }
    };
    if !how.is_resampled() {
        let is_mirrored = how.flip && mirror >> 31 == 1;
        return shift_rows(image, bytes, moved, (dx, dy), is_mirrored);
    }
    let [side_x, side_y, centre_x, centre_y] = Philox::block(key(seed), [place, step, 1, STREAM]);
    let side = |draw: u32| ONE - below(draw, ONE as u32 - how.least_side + 1);
    let (side_x, side_y) = (side(side_x), side(side_y));
    let [cosine, sine] = how.turns[below(turn, how.turns.len() as u32) as usize];
    let mirror = if how.flip && mirror >> 31 == 1 { -1 } else { 1 };
    // Where a pixel comes from: its distance from the centre, in half pixels, flipped, turned and scaled.
    let from_x = [mirror * cosine, -sine].map(|entry| entry * side_x / ONE);
    let from_y = [mirror * sine, cosine].map(|entry| entry * side_y / ONE);
    // In 2⁻¹⁵ pixels: the centre, and a part's own place in the image.
    let centre_x = (width - 1) * ONE + either_way(centre_x, (ONE - side_x) * width);
    let centre_y = (height - 1) * ONE + either_way(centre_y, (ONE - side_y) * height);
    for (i, moved) in moved.iter_mut().enumerate() {
        let plane = i / (image.width * image.height);
        let x = (i % image.width) as i32 - dx;
        let y = (i / image.width % image.height) as i32 - dy;
        let half = [2 * x + 1 - width, 2 * y + 1 - height];
        let source_x = centre_x + from_x[0] * half[0] + from_x[1] * half[1];
        let source_y = centre_y + from_y[0] * half[0] + from_y[1] * half[1];
        let (left, top) = (source_x >> 15, source_y >> 15);
        // Weights of the right and the lower neighbours, in 1/256.
        let (right, lower) = ((source_x >> 7) & 255, (source_y >> 7) & 255);
        let above = pixel(plane, left, top) * (256 - right) + pixel(plane, left + 1, top) * right;
        let below = pixel(plane, left, top + 1) * (256 - right) + pixel(plane, left + 1, top + 1) * right;
        *moved = ((above * (256 - lower) + below * lower + 32_768) >> 16) as u8;
    }
}

/// `bytes` moved by (x, y) and perhaps mirrored, row by row: what is left of [`augment`] where images are not warped.
fn shift_rows(image: ImageShape, bytes: &[u8], moved: &mut [u8], (dx, dy): (i32, i32), is_mirrored: bool) {
    let (width, height) = (image.width, image.height);
    for (i, to) in moved.chunks_exact_mut(width).enumerate() {
        to.fill(0);
        let y = (i % height) as i32 - dy;
        if !(0..height as i32).contains(&y) || dx.unsigned_abs() as usize >= width {
            continue;
        }
        let from = &bytes[(i / height * height + y as usize) * width..][..width];
        // Columns that stay in the image: the first ones move right, or the last ones left.
        let count = width - dx.unsigned_abs() as usize;
        let to = &mut to[dx.max(0) as usize..][..count];
        let first = (-dx).max(0) as usize;
        if is_mirrored {
            let from = from[width - first - count..width - first].iter().rev();
            to.iter_mut().zip(from).for_each(|(to, &byte)| *to = byte);
        } else {
            to.copy_from_slice(&from[first..first + count]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;
    use crate::settings::Settings;

    #[test]
    fn images_move_as_the_twins_do() {
        let mut rng = Philox::new(6, 0);
        let image = ImageShape { channels: 2, height: 9, width: 7 };
        let bytes: Vec<u8> = (0..image.pixels()).map(|_| rng.below(256) as u8).collect();
        let base = Settings::deep();
        for (shift, flip, rotate, resized_crop) in [(3, false, 0.0, 1.0), (0, true, 0.0, 1.0), (2, true, 30.0, 0.4)] {
            let settings = Settings { shift, flip, rotate, resized_crop, ..base.clone() };
            let how = Augmentation::of(&settings).unwrap();
            for place in 0..40 {
                let mut moved = vec![1; bytes.len()];
                augment(&how, (11, 5, place), image, &bytes, &mut moved);
                let movement = reference::movement(11, 5, place, image, &how);
                assert_eq!(moved, reference::augment(&bytes, image, movement), "place {place}, shift {shift}");
            }
        }
    }
}
