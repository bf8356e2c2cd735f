//! The loss of 64 samples' votes, and its gradient by every vote as integers: the shaders' `loss` and `slice_gradients`.

use super::functions::{exponential, logarithm};
use super::lanes::{BLOCK, Element, Stored};
use crate::data::{Head, Split};
use crate::random::{Philox, key};

/// Counter word 3 of the draws that round gradients.
const STREAM: u32 = 2;

/// A number for each of 64 samples.
pub type Row = [f32; BLOCK];

/// How votes are judged.
#[derive(Debug)]
pub struct Judge<'a> {
    /// How votes are read.
    pub head: &'a Head,
    /// What is right.
    pub split: &'a Split,
    /// `[targets]` 1 / variance over the training samples, where values are told.
    pub spread: &'a [f32],
    /// Gates an output.
    pub group: usize,
    /// τ of the group sum.
    pub tau: f32,
}

/// What 64 samples came to.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Each one's loss; 0 where there is no sample.
    pub losses: Row,
    /// Each one's quality: for classes 1 if it was classified rightly, else 0.
    pub qualities: Row,
    /// `[outputs]`: the derivative of the batch's mean loss by every vote; 0 where there is no sample.
    pub gradients: Vec<Row>,
}

impl Judge<'_> {
    /// Judge `samples`, up to 64 of a batch of `batch`, by their `[outputs]` votes.
    pub fn judge(&self, votes: &[Row], samples: &[u32], batch: u32) -> Judged {
        let unit = self.tau * batch as f32;
        let mut judged = match self.head {
            Head::Classes => self.judge_classes(votes, samples, unit),
            Head::Labels => self.judge_labels(votes, samples, unit),
            Head::Values(values) => self.judge_values(votes, samples, unit, values.bits),
        };
        let nothing = |row: &mut Row| row[samples.len()..].fill(0.0);
        nothing(&mut judged.losses);
        nothing(&mut judged.qualities);
        judged.gradients.iter_mut().for_each(nothing);
        judged
    }

    /// Softmax cross-entropy of scores = votes / τ.
    fn judge_classes(&self, votes: &[Row], samples: &[u32], unit: f32) -> Judged {
        let scores: Vec<Row> = votes.iter().map(|votes| votes.map(|v| v / self.tau)).collect();
        let (mut peak, mut best) = (scores[0], [0u32; BLOCK]);
        for (class, scores) in (0..).zip(&scores).skip(1) {
            for s in 0..BLOCK {
                best[s] = if scores[s] > peak[s] { class } else { best[s] };
                peak[s] = if scores[s] > peak[s] { scores[s] } else { peak[s] };
            }
        }
        let mut gradients = scores.clone();
        let mut total = [0.0; BLOCK];
        for odds in &mut gradients {
            for s in 0..BLOCK {
                odds[s] = exponential(odds[s] - peak[s]);
                total[s] += odds[s];
            }
        }
        let mut label = [0; BLOCK];
        label.iter_mut().zip(samples).for_each(|(label, &s)| *label = u32::from(self.split.labels[s as usize]));
        for (class, g) in (0..).zip(&mut gradients) {
            for s in 0..BLOCK {
                g[s] = (g[s] / total[s] - f32::from(u8::from(class == label[s]))) / unit;
            }
        }
        let loss = |s: usize| logarithm(total[s]) + peak[s] - scores[label[s] as usize][s];
        Judged {
            losses: std::array::from_fn(loss),
            qualities: std::array::from_fn(|s| f32::from(u8::from(best[s] == label[s]))),
            gradients,
        }
    }

    /// Binary cross-entropy, summed over labels, of scores = (votes − group / 2) / τ.
    fn judge_labels(&self, votes: &[Row], samples: &[u32], unit: f32) -> Judged {
        let mut judged = Judged { losses: [0.0; BLOCK], qualities: [0.0; BLOCK], gradients: Vec::new() };
        let labels = votes.len();
        for (l, votes) in votes.iter().enumerate() {
            let mut g = [0.0; BLOCK];
            for (s, &sample) in samples.iter().enumerate() {
                let y = self.target(sample, l, labels);
                let x = (votes[s] - self.group as f32 * 0.5) / self.tau;
                let small = exponential(-x.abs());
                judged.losses[s] += x.max(0.0) - x * y + logarithm(1.0 + small);
                judged.qualities[s] += f32::from(u8::from((x > 0.0) == (y > 0.5)));
                g[s] = (if x > 0.0 { 1.0 } else { small } / (1.0 + small) - y) / unit;
            }
            judged.gradients.push(g);
        }
        judged.qualities.iter_mut().for_each(|right| *right /= votes.len() as f32);
        judged
    }

    /// group / (2 τ) times the squared errors of values, sums of the votes of `bits` outputs by their weights.
    fn judge_values(&self, votes: &[Row], samples: &[u32], unit: f32, bits: u32) -> Judged {
        let weight = |bit: u32| (1u32 << bit) as f32 / ((1u32 << bits) - 1) as f32;
        let targets = votes.len() / bits as usize;
        let mut judged = Judged { losses: [0.0; BLOCK], qualities: [0.0; BLOCK], gradients: Vec::new() };
        for (t, votes) in votes.chunks_exact(bits as usize).enumerate() {
            let mut miss = [0.0; BLOCK];
            for (s, &sample) in samples.iter().enumerate() {
                let value: f32 = (0..bits).zip(votes).map(|(bit, votes)| weight(bit) * votes[s]).sum();
                miss[s] = value / self.group as f32 - self.target(sample, t, targets);
                judged.losses[s] += miss[s] * miss[s];
                judged.qualities[s] += miss[s] * miss[s] * self.spread[t];
            }
            judged.gradients.extend((0..bits).map(|bit| miss.map(|e| e * weight(bit) / unit)));
        }
        judged.losses.iter_mut().for_each(|squares| *squares *= self.group as f32 * 0.5 / self.tau);
        judged.qualities.iter_mut().for_each(|share| *share = 1.0 - *share / targets as f32);
        judged
    }

    /// Target `target` of `sample`, which has `width`.
    fn target(&self, sample: u32, target: usize, width: usize) -> f32 {
        self.split.targets[sample as usize * width + target]
    }
}

/// How gradients are rounded.
#[derive(Debug, Clone, Copy)]
pub struct Rounding {
    /// Bits of an integer.
    pub bits: u32,
    /// Integer units a unit of gradient.
    pub scale: f32,
    /// Samples of the whole batch.
    pub batch: u32,
    /// Seed of the draws.
    pub seed: u64,
}

impl Rounding {
    /// Output `output`'s gradients of the 64 samples from place `place` of the batch on, in units: ⌊x + u⌋ with a draw u, so
    /// that the mean is x. `step` counts from 1.
    pub fn round<E: Element>(&self, gradients: &Row, output: usize, place: u32, step: u32) -> Stored<E> {
        let most = (1 << (self.bits - 1)) - 1;
        let first = (output as u32).wrapping_mul(self.batch.div_ceil(32)).wrapping_mul(32).wrapping_add(place);
        let mut rounded = Stored([E::of(0); BLOCK]);
        for (quad, (to, g)) in rounded.0.chunks_exact_mut(4).zip(gradients.chunks_exact(4)).enumerate() {
            let counter = [first.wrapping_add(4 * quad as u32), step, 0, STREAM];
            let draws = Philox::block(key(self.seed), counter);
            for i in 0..4 {
                let u = (draws[i] >> 8) as f32 / 16_777_216.0;
                let x = g[i] * self.scale + u;
                let cut = x as i32;
                let floor = cut.saturating_sub(i32::from(cut as f32 > x));
                to[i] = E::of(floor.clamp(-most, most));
            }
        }
        rounded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Target, Values};
    use crate::reference;

    #[test]
    fn losses_and_gradients_are_the_twins() {
        let mut rng = Philox::new(3, 0);
        let values = |bits, targets| {
            let target = |t| Target { name: format!("y{t}"), least: 0.0, greatest: 1.0 };
            Head::Values(Values { targets: (0..targets).map(target).collect(), bits })
        };
        let heads = [(Head::Classes, 10, 0), (Head::Labels, 7, 7), (values(3, 2), 6, 2), (values(1, 4), 4, 4)];
        for (head, outputs, width) in heads {
            for (group, tau, count) in [(5, 1.0, 64), (800, 20.0, 33)] {
                let of =
                    |rng: &mut Philox| if head == Head::Labels { rng.below(2) as f32 } else { rng.uniform() as f32 };
                let split = Split {
                    pixels: Vec::new(),
                    labels: (0..90).map(|_| if width > 0 { 0 } else { rng.below(outputs as u32) as u8 }).collect(),
                    targets: (0..90 * width).map(|_| of(&mut rng)).collect(),
                };
                let spread: Vec<f32> = split.target_variances().iter().map(|v| (1.0 / v) as f32).collect();
                let judge = Judge { head: &head, split: &split, spread: &spread, group, tau };
                let samples: Vec<u32> = (0..count).map(|_| rng.below(90)).collect();
                let votes: Vec<Row> =
                    (0..outputs).map(|_| std::array::from_fn(|_| rng.below(group as u32 + 1) as f32)).collect();
                let judged = judge.judge(&votes, &samples, 100);
                for s in 0..BLOCK {
                    let gradient = |o: usize| f64::from(judged.gradients[o][s]);
                    let Some(&sample) = samples.get(s) else {
                        assert!((0..outputs).all(|o| gradient(o) == 0.0) && judged.losses[s] == 0.0);
                        continue;
                    };
                    let own: Vec<f64> = votes.iter().map(|v| v[s].into()).collect();
                    let twin = reference::loss_of(&head, &own, &split, sample as usize, group, tau.into(), 100);
                    // Losses are sums of up to 14 numbers of the size of a score, each rounded some times.
                    let size = (group as f64 / f64::from(tau)).max(1.0) * 14.0;
                    assert!((f64::from(judged.losses[s]) - twin.loss).abs() < size * 5e-7, "{head:?}");
                    assert!((f64::from(judged.qualities[s]) - twin.quality).abs() < 1e-5 * (1.0 + twin.quality.abs()));
                    for (o, expected) in twin.gradient.iter().enumerate() {
                        // A score's rounding is amplified by its size in its exponential.
                        let tolerance = 2e-7 * size / (f64::from(tau) * 100.0);
                        assert!((gradient(o) - expected).abs() < tolerance, "{head:?}, output {o}");
                    }
                }
            }
        }
    }

    #[test]
    fn gradients_are_rounded_by_the_twins_draws() {
        let mut rng = Philox::new(5, 0);
        for bits in [4, 8, 12, 16] {
            let rounding = Rounding { bits, scale: 1000.0, batch: 100, seed: 77 };
            // Past the range too.
            let range = 1.1 * (1 << bits) as f32 / rounding.scale;
            let g: Row = std::array::from_fn(|_| (rng.uniform() as f32 - 0.5) * range);
            let made: Stored<i16> = rounding.round(&g, 3, 64, 9);
            for (s, made) in made.0.into_iter().enumerate() {
                let draw = reference::slice_draw(77, 9, 3 * 128 + 64 + s as u32);
                let expected = reference::slice_gradients(f64::from(g[s] * 1000.0), 1.0, bits, draw);
                // f32 sums may be rounded up to a whole number.
                let sum = f64::from(g[s] * 1000.0) + draw;
                let is_close = (sum - sum.round()).abs() < 1e-6 * sum.abs().max(1.0);
                assert!(i32::from(made) == expected || is_close, "{bits} bits, sample {s}: {made} for {expected}");
            }
        }
    }
}
