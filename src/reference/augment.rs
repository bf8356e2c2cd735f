//! The batch's images, moved at random.

use crate::data::ImageShape;
use crate::random::{Philox, key};

/// How far batch place `place` moves at a step: (dx, dy), each uniform in −shift..shift.
pub fn movement(seed: u64, step: u32, place: u32, shift: u32) -> (i64, i64) {
    let draws = Philox::block(key(seed), [place, step, 0, 3]);
    let along = |draw: u32| ((u64::from(draw) * u64::from(2 * shift + 1)) >> 32) as i64 - i64::from(shift);
    (along(draws[0]), along(draws[1]))
}

/// An image `[channel][row][column]` moved right by dx and down by dy, black where nothing was.
pub fn augment(bytes: &[u8], image: ImageShape, (dx, dy): (i64, i64)) -> Vec<u8> {
    let (width, height) = (image.width as i64, image.height as i64);
    let mut moved = vec![0; bytes.len()];
    for channel in 0..image.channels as i64 {
        for y in 0..height {
            for x in 0..width {
                let (from_x, from_y) = (x - dx, y - dy);
                if (0..width).contains(&from_x) && (0..height).contains(&from_y) {
                    let at = |x: i64, y: i64| ((channel * height + y) * width + x) as usize;
                    moved[at(x, y)] = bytes[at(from_x, from_y)];
                }
            }
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn movements_are_uniform() {
        let mut counts = [[0u32; 5]; 2];
        for place in 0..10_000 {
            let (dx, dy) = movement(3, 7, place, 2);
            counts[0][(dx + 2) as usize] += 1;
            counts[1][(dy + 2) as usize] += 1;
        }
        // 2,000 each, give or take 4.5 standard deviations of 40.
        assert!(counts.as_flattened().iter().all(|c| (1820..2180).contains(c)), "{counts:?}");
    }

    #[test]
    fn an_image_moves_as_told() {
        let image = ImageShape { channels: 1, height: 2, width: 3 };
        assert_eq!(augment(&[1, 2, 3, 4, 5, 6], image, (1, 0)), [0, 1, 2, 0, 4, 5]);
        assert_eq!(augment(&[1, 2, 3, 4, 5, 6], image, (-1, 1)), [0, 0, 0, 2, 3, 0]);
    }
}
