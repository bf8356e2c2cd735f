//! What a layer reads that reads everything before it: the input bits, and the map that each convolution gives.

use std::ops::Range;

use super::wiring::any_but;
use super::{Form, Layer, Wiring};
use crate::random::Philox;

/// Rows that one thing gives, and how often wires are drawn from them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    /// Where they lie among all rows.
    rows: Range<u32>,
    /// Its part of the wires, as a ratio to the others'.
    share: u32,
    /// `[channels, height, width]` of the map that they are, which is whole.
    map: [u32; 3],
}

/// The rows that a layer reads of everything before it, in the order in which these lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    list: Vec<Source>,
    /// Sum of the shares.
    shares: u32,
}

impl Sources {
    /// Of `features` input bits and all that `layers` give; wires are drawn from them in the ratio of these shares, of which there
    /// must be one more than layers, and one that is not 0.
    pub fn new(features: usize, layers: &[Layer], shares: &[u32]) -> Self {
        let given = |layer: &Layer| match layer.form {
            Form::Dense => [layer.gates() as u32, 1, 1],
            Form::Conv(conv) => {
                let [rows, columns] = conv.outputs();
                [(layer.gates() / conv.tree_gates()) as u32, rows as u32, columns as u32]
            }
        };
        let input = match layers.first().map(|layer| layer.form) {
            Some(Form::Conv(conv)) => [conv.channels, conv.height, conv.width],
            _ => [features as u32, 1, 1],
        };
        let mut end = 0;
        let source = |(map, &share): ([u32; 3], &u32)| {
            let rows = end..end + map.iter().product::<u32>();
            end = rows.end;
            Source { rows, share, map }
        };
        let maps = std::iter::once(input).chain(layers.iter().map(given));
        Sources { list: maps.zip(shares).map(source).collect(), shares: shares.iter().sum() }
    }

    /// Rows in all.
    pub fn rows(&self) -> usize {
        self.list.last().map_or(0, |source| source.rows.end as usize)
    }

    /// One of them, as often as its share says.
    fn pick(&self, rng: &mut Philox) -> usize {
        let mut at = rng.below(self.shares.max(1));
        let is_it = |source: &Source| {
            let is_it = at < source.share;
            at = at.saturating_sub(source.share);
            is_it
        };
        self.list.iter().position(is_it).unwrap_or(0)
    }

    /// Any row, each source as often as its share says.
    pub fn any(&self, rng: &mut Philox) -> u32 {
        let source = &self.list[self.pick(rng)];
        source.rows.start + rng.below(source.rows.end - source.rows.start)
    }

    /// A row no more than `radius` of `height`ths of a map's rows and columns from the place of `row`, of any channel, each source as
    /// often as its share says.
    pub fn near(&self, row: u32, (radius, height): (u32, u32), rng: &mut Philox) -> u32 {
        let from = self.list.iter().find(|source| source.rows.contains(&row)).unwrap_or(&self.list[0]);
        let at = row - from.rows.start;
        let [_, rows, columns] = from.map;
        let place = [at / columns % rows, at % columns];
        let source = &self.list[self.pick(rng)];
        let [channels, to_rows, to_columns] = source.map;
        let mut along = |place: u32, of: u32, to: u32| {
            let middle = (2 * place + 1) * to / (2 * of);
            let most = (radius * to / height).max(1);
            let first = middle.saturating_sub(most);
            first + rng.below((middle + most + 1).min(to) - first)
        };
        let (y, x) = (along(place[0], rows, to_rows), along(place[1], columns, to_columns));
        source.rows.start + (rng.below(channels) * to_rows + y) * to_columns + x
    }

    /// Draw `[gates][arity]` wires to them, pins of a gate distinct. Within a source every row is used before any is used twice,
    /// unless `wiring` is random.
    pub fn draw(&self, wiring: Wiring, gates: usize, arity: usize, rng: &mut Philox) -> Vec<u32> {
        let mut orders: Vec<(Vec<u32>, usize)> =
            self.list.iter().map(|source| (source.rows.clone().collect(), 0)).collect();
        let mut wires = vec![0; gates * arity];
        for pin in 0..arity {
            for gate in 0..gates {
                let own = gate * arity;
                let mut tries = 0;
                wires[own + pin] = loop {
                    let wire = if wiring == Wiring::Random {
                        self.any(rng)
                    } else {
                        let (order, dealt) = &mut orders[self.pick(rng)];
                        if *dealt == 0 {
                            rng.shuffle(order);
                        }
                        *dealt = (*dealt + 1) % order.len();
                        order[(*dealt + order.len() - 1) % order.len()]
                    };
                    if !wires[own..own + pin].contains(&wire) {
                        break wire;
                    }
                    tries += 1;
                    if tries > 64 {
                        break any_but(&wires[own..own + pin], self.rows(), rng);
                    }
                };
            }
        }
        wires
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Convolution, Draw, Initialization, Parametrization, TreeChannels};

    /// Two channels of 12 × 8, a map of 6 channels of 6 × 4, and one of 5 of 6 × 4.
    fn layers() -> Vec<Layer> {
        let draw = Draw {
            wiring: Wiring::Unique,
            parametrization: Parametrization::IwpSin,
            start: Initialization::Residual.into(),
            seed: 1,
        };
        let what = |units, pool| Convolution {
            units,
            kernel: [3, 3],
            stride: 1,
            pad: 1,
            depth: 1,
            channels: TreeChannels::One,
            pool,
        };
        let first = what(6, 2).over([2, 12, 8]).unwrap();
        let second = what(5, 1).over([6, 6, 4]).unwrap();
        vec![Layer::draw_conv(0, &what(6, 2), first, draw), Layer::draw_conv(1, &what(5, 1), second, draw)]
    }

    /// Of wires, those to the input bits and to each map.
    fn counts(wires: &[u32]) -> [usize; 3] {
        let ends = [192, 192 + 144, 192 + 144 + 120];
        let of = |wire: &u32| ends.iter().position(|end| wire < end).unwrap();
        let mut counts = [0; 3];
        wires.iter().for_each(|wire| counts[of(wire)] += 1);
        counts
    }

    #[test]
    fn wires_are_drawn_in_the_ratio_that_is_asked_for_and_a_sources_rows_evenly() {
        let sources = Sources::new(192, &layers(), &[1, 0, 3]);
        assert_eq!(sources.rows(), 192 + 144 + 120);
        for wiring in [Wiring::Unique, Wiring::Random] {
            let wires = sources.draw(wiring, 4000, 2, &mut Philox::new(3, 0));
            let [input, none, last] = counts(&wires);
            assert!(none == 0 && input + last == 8000 && (1800..2200).contains(&input), "{input} and {last}");
            assert!(wires.chunks_exact(2).all(|gate| gate[0] != gate[1]));
            let mut uses = [0; 120];
            wires.iter().filter_map(|wire| (*wire as usize).checked_sub(192 + 144)).for_each(|at| uses[at] += 1);
            let (least, most) = (uses.iter().min().unwrap(), uses.iter().max().unwrap());
            // A pin that would read what the gate's other pin reads is dealt another.
            assert!(wiring == Wiring::Random || most - least <= 3, "{least} to {most} uses");
        }
        // Pins stay distinct where there is hardly a choice.
        let few = Sources::new(192, &layers()[..1], &[1, 0]).draw(Wiring::Unique, 30, 6, &mut Philox::new(4, 0));
        assert!(few.chunks_exact(6).all(|gate| (1..6).all(|pin| !gate[..pin].contains(&gate[pin]))));
    }

    #[test]
    fn what_is_near_lies_near_on_maps_of_other_sizes_too() {
        let sources = Sources::new(192, &layers(), &[1, 1, 1]);
        let mut rng = Philox::new(5, 0);
        // Row 9, column 6 of channel 1, whose middle is at 9.5 of 12 and 6.5 of 8: at row 4, column 3 of maps half as large.
        let mut seen = [0; 3];
        for _ in 0..3000 {
            let row = sources.near(96 + 9 * 8 + 6, (2, 12), &mut rng) as usize;
            let (source, at, size) = match row {
                0..192 => (0, row, [12, 8]),
                192..336 => (1, row - 192, [6, 4]),
                _ => (2, row - 336, [6, 4]),
            };
            seen[source] += 1;
            let (y, x) = (at / size[1] % size[0], at % size[1]);
            let (middle, most) = if source == 0 { ((9, 6), 2) } else { ((4, 3), 1) };
            assert!(y.abs_diff(middle.0) <= most && x.abs_diff(middle.1) <= most, "source {source}: {y}, {x}");
        }
        assert!(seen.iter().all(|n| (850..1150).contains(n)), "{seen:?}");
    }
}
