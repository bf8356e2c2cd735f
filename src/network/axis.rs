//! Wires of a first layer over images: each gate compares neighbours along one axis.

use std::collections::HashMap;

use super::wiring::any_but;
use crate::data::{Encoder, ImageShape};
use crate::random::Philox;

/// Distances of neighbours along x and y, in pixels: both near detail and far shapes are compared.
const DISTANCES: [isize; 5] = [1, 2, 4, 8, 16];

/// Along what the pins of a gate differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axis {
    X(isize),
    Y(isize),
    Channel,
    Threshold,
}

/// Where each input bit lies in the image, both ways.
pub(super) struct Places<'a> {
    encoder: &'a Encoder,
    image: ImageShape,
    /// The bit that is byte `.0` over threshold `.1`.
    bits: HashMap<(u32, u8), u32>,
    /// `[pixels]`: the bits that look at a byte, in the encoder's order.
    of_byte: Vec<Vec<u32>>,
}

impl<'a> Places<'a> {
    pub(super) fn of(encoder: &'a Encoder, image: ImageShape) -> Self {
        let looks = encoder.pixel.iter().copied().zip(encoder.threshold.iter().copied());
        let bits: HashMap<_, _> = looks.zip(0..).collect();
        let mut of_byte = vec![Vec::new(); image.pixels()];
        encoder.pixel.iter().zip(0..).for_each(|(&byte, bit)| of_byte[byte as usize].push(bit));
        Places { encoder, image, bits, of_byte }
    }

    /// The other bits that look at pixels no more than `radius` rows and columns from that of `bit`.
    pub(super) fn within(&self, bit: u32, radius: usize) -> Vec<u32> {
        let ImageShape { channels, height, width } = self.image;
        let at = self.encoder.pixel[bit as usize] as usize;
        let (y, x) = (at / width % height, at % width);
        let rows = y.saturating_sub(radius)..height.min(y + radius + 1);
        let columns = x.saturating_sub(radius)..width.min(x + radius + 1);
        let pixels = (0..channels).flat_map(|channel| rows.clone().map(move |y| channel * height + y));
        let pixels = pixels.flat_map(|row| columns.clone().map(move |x| row * width + x));
        pixels.flat_map(|pixel| self.of_byte[pixel].iter().copied()).filter(|&other| other != bit).collect()
    }

    /// The bits beside `bit` along any axis, by no more than `most` pixels.
    pub(super) fn beside(&self, bit: u32, most: isize) -> Vec<u32> {
        let near = DISTANCES.iter().filter(|&&d| d <= most).flat_map(|&d| [Axis::X(d), Axis::Y(d)]);
        let all = near.chain([Axis::Channel, Axis::Threshold]);
        all.flat_map(|axis| self.neighbours(bit, axis)).collect()
    }

    /// The bits beside `bit` along `axis`, on both sides, those that the encoder has.
    fn neighbours(&self, bit: u32, axis: Axis) -> Vec<u32> {
        let (byte, threshold) = (self.encoder.pixel[bit as usize] as usize, self.encoder.threshold[bit as usize]);
        let ImageShape { channels, height, width } = self.image;
        let (channel, y, x) = (byte / (height * width), byte / width % height, byte % width);
        let at = |channel: usize, y: Option<usize>, x: Option<usize>| {
            let (y, x) = (y.filter(|y| *y < height)?, x.filter(|x| *x < width)?);
            self.bits.get(&(((channel * height + y) * width + x) as u32, threshold)).copied()
        };
        match axis {
            Axis::X(d) => [-d, d].iter().filter_map(|d| at(channel, Some(y), x.checked_add_signed(*d))).collect(),
            Axis::Y(d) => [-d, d].iter().filter_map(|d| at(channel, y.checked_add_signed(*d), Some(x))).collect(),
            Axis::Channel => (0..channels).filter(|c| *c != channel).filter_map(|c| at(c, Some(y), Some(x))).collect(),
            Axis::Threshold => self.of_byte[byte].iter().copied().filter(|other| *other != bit).collect(),
        }
    }
}

/// Draw `[gates][arity]` u32 wires to the bits of `encoder`, pins of a gate distinct: the first pins cover all bits evenly
/// in a random order; a further pin reads a neighbour of the first along an axis (x or y by ± 1, 2, 4, 8, 16 pixels,
/// another channel, another threshold), the axes taken in turn, the least read neighbour first. A bit that has no neighbour
/// along an axis takes the next, and one that has none at all any other bit.
///
/// Needs as many bits as a gate has inputs.
pub fn axis_neighbours(encoder: &Encoder, image: ImageShape, gates: usize, arity: usize, rng: &mut Philox) -> Vec<u32> {
    let inputs = encoder.features();
    assert!(inputs >= arity, "a gate of {arity} inputs needs as many different inputs, there are {inputs}");
    let places = Places::of(encoder, image);
    let axes: Vec<Axis> = DISTANCES
        .iter()
        .flat_map(|&d| [Axis::X(d), Axis::Y(d)])
        .chain((image.channels > 1).then_some(Axis::Channel))
        .chain(places.of_byte.iter().any(|bits| bits.len() > 1).then_some(Axis::Threshold))
        .collect();
    let mut order: Vec<u32> = (0..inputs as u32).collect();
    let mut reads = vec![0u32; inputs];
    let mut wires = Vec::with_capacity(gates * arity);
    let mut turn = 0;
    for gate in 0..gates {
        if gate % inputs == 0 {
            rng.shuffle(&mut order);
        }
        let first = order[gate % inputs];
        let begin = wires.len();
        wires.push(first);
        for _ in 1..arity {
            let free = |bits: Vec<u32>, own: &[u32]| bits.into_iter().filter(|b| !own.contains(b)).collect::<Vec<_>>();
            let beside = (0..axes.len()).find_map(|skipped| {
                let axis = axes[(turn + skipped) % axes.len()];
                let bits = free(places.neighbours(first, axis), &wires[begin..]);
                bits.into_iter().min_by_key(|&b| reads[b as usize])
            });
            turn += 1;
            wires.push(beside.unwrap_or_else(|| any_but(&wires[begin..], inputs, rng)));
        }
        wires[begin..].iter().for_each(|&wire| reads[wire as usize] += 1);
    }
    wires
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(channels: usize, size: usize, thresholds: usize, gates: usize, arity: usize) -> (Encoder, Vec<u32>) {
        let image = ImageShape { channels, height: size, width: size };
        let encoder = Encoder::thermometer(image, thresholds).unwrap();
        let wires = axis_neighbours(&encoder, image, gates, arity, &mut Philox::new(3, 0));
        (encoder, wires)
    }

    #[test]
    fn pins_of_a_gate_differ_along_one_axis() {
        let (encoder, wires) = draw(3, 8, 3, 4000, 2);
        let place = |wire: u32| {
            let (byte, threshold) = (encoder.pixel[wire as usize] as usize, encoder.threshold[wire as usize]);
            [byte / 64, byte / 8 % 8, byte % 8, usize::from(threshold)]
        };
        let mut along = [0usize; 4];
        for gate in wires.chunks_exact(2) {
            let (a, b) = (place(gate[0]), place(gate[1]));
            let differing: Vec<usize> = (0..4).filter(|&i| a[i] != b[i]).collect();
            assert_eq!(differing.len(), 1, "{a:?} and {b:?}");
            let axis = differing[0];
            along[axis] += 1;
            if axis == 1 || axis == 2 {
                assert!([1, 2, 4].contains(&a[axis].abs_diff(b[axis])), "8 rows have no neighbours 8 apart");
            }
        }
        // Twelve axes in turn: of x and y those by 8 and 16 find nobody here and pass their turn on.
        assert!(along.iter().all(|&n| n >= 4000 / 12), "{along:?}");
    }

    #[test]
    fn bits_are_read_evenly() {
        let (encoder, wires) = draw(1, 28, 1, 7840, 2);
        let mut reads = vec![0usize; encoder.features()];
        wires.iter().for_each(|&wire| reads[wire as usize] += 1);
        // 7,840 gates read 784 bits twice ten times: each is a first pin ten times, the least read are preferred.
        assert!(reads.iter().all(|&n| (10..=40).contains(&n)), "{:?}", (reads.iter().min(), reads.iter().max()));
    }

    #[test]
    fn every_number_of_inputs_gets_distinct_pins() {
        for arity in 2..=6 {
            let (encoder, wires) = draw(1, 5, 2, 300, arity);
            assert_eq!(wires.len(), 300 * arity);
            for gate in wires.chunks_exact(arity) {
                assert!((1..arity).all(|pin| !gate[..pin].contains(&gate[pin])), "{gate:?}");
            }
            assert!(wires.iter().all(|&wire| (wire as usize) < encoder.features()));
        }
    }

    #[test]
    fn bits_without_neighbours_read_any_other() {
        // What is left of an image when all but two far corners are left out.
        let image = ImageShape { channels: 1, height: 30, width: 30 };
        let encoder = Encoder { pixel: vec![0, 899], threshold: vec![9, 100] };
        let wires = axis_neighbours(&encoder, image, 5, 2, &mut Philox::new(1, 0));
        assert!(wires.chunks_exact(2).all(|gate| gate[0] != gate[1]), "{wires:?}");
    }
}
