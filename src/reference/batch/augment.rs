//! The batch's images, moved at random. In whole numbers, as the kernel: the bytes are the same on every device.

use crate::data::ImageShape;
use crate::random::{Philox, key};
use crate::train::Augmentation;

/// How one image moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Movement {
    /// Pixels to the right and down, after everything else.
    pub shift: [i64; 2],
    /// Whether left and right are exchanged.
    pub mirrored: bool,
    /// (cosine, sine) · 2¹⁴ of the angle by which the shown part is turned.
    pub turn: [i64; 2],
    /// Width and height of the part that is shown, in 2⁻¹⁴ of the image's.
    pub sides: [i64; 2],
    /// How far the part's centre lies right of and below the image's, in 2⁻¹⁵ pixels.
    pub offset: [i64; 2],
}

/// Images as they are.
pub const STILL: Movement =
    Movement { shift: [0; 2], mirrored: false, turn: [16_384, 0], sides: [16_384; 2], offset: [0; 2] };

/// The move of batch place `place` at a step, drawn evenly from what `augmentation` allows.
pub fn movement(seed: u64, step: u32, place: u32, image: ImageShape, augmentation: &Augmentation) -> Movement {
    let [x, y, mirror, turn] = Philox::block(key(seed), [place, step, 0, 3]);
    let [side_x, side_y, offset_x, offset_y] = Philox::block(key(seed), [place, step, 1, 3]);
    let below = |draw: u32, count: u64| ((u64::from(draw) * count) >> 32) as i64;
    let either_way = |draw: u32, most: i64| below(draw, 2 * most as u64 + 1) - most;
    let side = |draw: u32| 16_384 - below(draw, 16_384 - u64::from(augmentation.least_side) + 1);
    let sides = [side(side_x), side(side_y)];
    let turn = augmentation.turns.get(below(turn, augmentation.turns.len() as u64) as usize);
    Movement {
        shift: [x, y].map(|draw| either_way(draw, augmentation.shift.into())),
        mirrored: augmentation.flip && mirror >> 31 == 1,
        turn: turn.map_or(STILL.turn, |turn| turn.map(i64::from)),
        sides,
        offset: [
            either_way(offset_x, (16_384 - sides[0]) * image.width as i64),
            either_way(offset_y, (16_384 - sides[1]) * image.height as i64),
        ],
    }
}

/// An image `[channel][row][column]`, moved; black where nothing was.
pub fn augment(bytes: &[u8], image: ImageShape, movement: Movement) -> Vec<u8> {
    let (width, height) = (image.width as i64, image.height as i64);
    let Movement { shift, mirrored, turn: [cosine, sine], sides, offset } = movement;
    let mirror = if mirrored { -1 } else { 1 };
    // Rows of the matrix from half pixels around the centre to 2⁻¹⁵ pixels around the centre of the part.
    let from_x = [mirror * cosine, -sine].map(|entry| entry * sides[0] / 16_384);
    let from_y = [mirror * sine, cosine].map(|entry| entry * sides[1] / 16_384);
    let mut moved = vec![0; bytes.len()];
    for channel in 0..image.channels as i64 {
        let at = |x: i64, y: i64| ((channel * height + y) * width + x) as usize;
        let pixel = |x: i64, y: i64| {
            let inside = (0..width).contains(&x) && (0..height).contains(&y);
            if inside { i64::from(bytes[at(x, y)]) } else { 0 }
        };
        for y in 0..height {
            for x in 0..width {
                let half = [2 * (x - shift[0]) + 1 - width, 2 * (y - shift[1]) + 1 - height];
                let source_x = (width - 1) * 16_384 + offset[0] + from_x[0] * half[0] + from_x[1] * half[1];
                let source_y = (height - 1) * 16_384 + offset[1] + from_y[0] * half[0] + from_y[1] * half[1];
                let (left, top) = (source_x >> 15, source_y >> 15);
                let (right, lower) = ((source_x >> 7) & 255, (source_y >> 7) & 255);
                let above = pixel(left, top) * (256 - right) + pixel(left + 1, top) * right;
                let below = pixel(left, top + 1) * (256 - right) + pixel(left + 1, top + 1) * right;
                moved[at(x, y)] = ((above * (256 - lower) + below * lower + 32_768) >> 16) as u8;
            }
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: ImageShape = ImageShape { channels: 1, height: 2, width: 3 };

    #[test]
    fn movements_are_uniform_within_what_is_allowed() {
        let turns = vec![[1, 0], [2, 0], [3, 0], [4, 0], [5, 0]];
        let augmentation = Augmentation { shift: 2, flip: true, least_side: 8192, turns };
        let mut counts = [[0u32; 5]; 5];
        let mut mirrored = 0;
        for place in 0..10_000 {
            let made = movement(3, 7, place, IMAGE, &augmentation);
            counts[0][(made.shift[0] + 2) as usize] += 1;
            counts[1][(made.shift[1] + 2) as usize] += 1;
            counts[2][made.turn[0] as usize - 1] += 1;
            for axis in [0, 1] {
                assert!((8192..=16_384).contains(&made.sides[axis]));
                counts[3 + axis][((made.sides[axis] - 8192) * 5 / 8193) as usize] += 1;
                // The part stays inside the image.
                assert!(made.offset[axis].abs() <= (16_384 - made.sides[axis]) * [3, 2][axis]);
            }
            mirrored += u32::from(made.mirrored);
        }
        // 2,000 each, give or take 4.5 standard deviations of 40; 5,000 mirrored, give or take 4.5 of 50.
        assert!(counts.as_flattened().iter().all(|c| (1820..2180).contains(c)), "{counts:?}");
        assert!((4775..5225).contains(&mirrored), "{mirrored}");
    }

    #[test]
    fn an_image_moves_as_told() {
        let moved = |movement| augment(&[1, 2, 3, 4, 5, 6], IMAGE, movement);
        assert_eq!(moved(STILL), [1, 2, 3, 4, 5, 6]);
        assert_eq!(moved(Movement { shift: [1, 0], ..STILL }), [0, 1, 2, 0, 4, 5]);
        assert_eq!(moved(Movement { shift: [-1, 1], ..STILL }), [0, 0, 0, 2, 3, 0]);
        assert_eq!(moved(Movement { mirrored: true, ..STILL }), [3, 2, 1, 6, 5, 4]);
        assert_eq!(moved(Movement { mirrored: true, shift: [1, 0], ..STILL }), [0, 3, 2, 0, 6, 5]);
        // Half a turn.
        assert_eq!(moved(Movement { turn: [-16_384, 0], ..STILL }), [6, 5, 4, 3, 2, 1]);
        // A quarter turn of a square: what a pixel shows came from where the turned axes point.
        let square = ImageShape { channels: 1, height: 2, width: 2 };
        let quarter = Movement { turn: [0, 16_384], ..STILL };
        assert_eq!(augment(&[1, 2, 3, 4], square, quarter), [2, 4, 1, 3]);
        // Half the width: pixels of a row of four lie at 0.75, 1.25, 1.75 and 2.25.
        let row = ImageShape { channels: 1, height: 1, width: 4 };
        let half = Movement { sides: [8192, 16_384], ..STILL };
        assert_eq!(augment(&[0, 100, 200, 40], row, half), [75, 125, 175, 160]);
        // The part furthest right lies one pixel further on.
        let right = Movement { offset: [32_768, 0], ..half };
        assert_eq!(augment(&[0, 100, 200, 40], row, right), [175, 160, 80, 30]);
    }
}
