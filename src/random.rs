//! Counter-based random numbers: the same bits here and in `shaders/shared/random.wgsl`.

/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), a counter-based generator:
/// block `n` of a key is a pure function of both, so that any draw can be repeated alone.
#[derive(Debug, Clone)]
pub struct Philox {
    key: [u32; 2],
    stream: u32,
    counter: u64,
    block: [u32; 4],
    used: usize,
}

impl Philox {
    /// Multipliers and key increments of Philox4x32, as published.
    const M: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
    const W: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

    /// The sequential view of stream number `stream` of `seed`.
    pub fn new(seed: u64, stream: u32) -> Self {
        Philox { key: key(seed), stream, counter: 0, block: [0; 4], used: 4 }
    }

    /// Ten rounds over one counter block.
    pub fn block(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
        let ([mut k0, mut k1], mut c) = (key, counter);
        for round in 0..10 {
            if round > 0 {
                k0 = k0.wrapping_add(Self::W[0]);
                k1 = k1.wrapping_add(Self::W[1]);
            }
            let p0 = u64::from(Self::M[0]) * u64::from(c[0]);
            let p1 = u64::from(Self::M[1]) * u64::from(c[2]);
            c = [(p1 >> 32) as u32 ^ c[1] ^ k0, p1 as u32, (p0 >> 32) as u32 ^ c[3] ^ k1, p0 as u32];
        }
        c
    }

    /// The next 32 uniform bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            let counter = [self.counter as u32, (self.counter >> 32) as u32, self.stream, 0];
            self.block = Self::block(self.key, counter);
            self.counter += 1;
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// Uniform in `0..n`, unbiased (Lemire's rejection). `n` must not be 0.
    pub fn below(&mut self, n: u32) -> u32 {
        let reject = n.wrapping_neg() % n;
        loop {
            let product = u64::from(self.next_u32()) * u64::from(n);
            if product as u32 >= reject {
                return (product >> 32) as u32;
            }
        }
    }

    /// Uniform in the open interval (0, 1), in steps of 2⁻³².
    pub fn uniform(&mut self) -> f64 {
        (f64::from(self.next_u32()) + 0.5) / 4_294_967_296.0
    }

    /// A standard normal draw (Box–Muller, the cosine half).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Shuffle in place (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u32 + 1) as usize);
        }
    }
}

/// A seed's two key words, low first.
pub fn key(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

/// Counter word 3 of the blocks that key an epoch's permutation; streams of [`Philox::new`] have 0 there.
const PERMUTATION_STREAM: u32 = 1;
const FEISTEL_ROUNDS: u32 = 6;

/// Element `position` of epoch `epoch`'s permutation of `0..n`: a Feistel network of 6 rounds over the smallest even
/// number of bits that holds `n`, walked until it lands below `n`. Stateless, so a batch can be picked by any lane and
/// a run resumed at any step. Twin of `shaders/shared/permutation.wgsl`.
pub fn permuted(seed: u64, epoch: u32, n: u32, position: u32) -> u32 {
    Permutation::new(seed, epoch, n).at(position)
}

/// An epoch's permutation, to be asked for many elements.
#[derive(Debug, Clone, Copy)]
pub struct Permutation {
    keys: [u32; 4],
    half_bits: u32,
    n: u32,
}

impl Permutation {
    /// Epoch `epoch`'s of `0..n`.
    pub fn new(seed: u64, epoch: u32, n: u32) -> Self {
        let keys = Philox::block(key(seed), [epoch, 0, 0, PERMUTATION_STREAM]);
        Permutation { keys, half_bits: (32 - n.saturating_sub(1).leading_zeros()).div_ceil(2).max(1), n }
    }

    /// Element `position`, which is below `n`.
    pub fn at(&self, position: u32) -> u32 {
        let mask = (1u32 << self.half_bits) - 1;
        let mut x = position;
        loop {
            let (mut left, mut right) = (x >> self.half_bits, x & mask);
            for round in 0..FEISTEL_ROUNDS {
                let k = self.keys[(round % 4) as usize].wrapping_add(round.wrapping_mul(0x9E37_79B9));
                (left, right) = (right, left ^ (mix(right ^ k) & mask));
            }
            x = (left << self.half_bits) | right;
            if x < self.n {
                return x;
            }
        }
    }
}

/// Counter word 3 of the blocks that selection noise is made of; 2 rounds gradients, 3 augments.
const SELECTION_STREAM: u32 = 4;

/// The uniform draw behind the noise of logit `logit` of gate `gate` (counted over the whole network) at step `step`: an
/// odd multiple of 2⁻²⁴ in (0, 1), which f32 holds exactly. Twin of `shaders/shared/selection_noise.wgsl`.
pub fn selection_uniform(seed: u64, step: u32, gate: u32, logit: u32) -> f64 {
    let block = Philox::block(key(seed), [step, gate, logit / 4, SELECTION_STREAM]);
    (f64::from(block[logit as usize % 4] >> 9) + 0.5) / 8_388_608.0
}

/// A 32-bit finalizer with full avalanche (Wellons' "lowbias32" constants).
fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7FEB_352D);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846C_A68B);
    x ^ (x >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of the authors' Random123 distribution (kat_vectors, philox4x32 10).
    #[test]
    fn philox_gives_the_published_answers() {
        assert_eq!(Philox::block([0, 0], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(Philox::block([u32::MAX; 2], [u32::MAX; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            Philox::block([0xa409_3822, 0x299f_31d0], [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn an_epoch_is_a_permutation_and_epochs_differ() {
        for n in [1, 2, 3, 31, 33, 1000, 57_000] {
            let order: Vec<u32> = (0..n).map(|i| permuted(7, 0, n, i)).collect();
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.iter().enumerate().all(|(i, &x)| i as u32 == x), "n = {n}");
            if n >= 31 {
                let next: Vec<u32> = (0..n).map(|i| permuted(7, 1, n, i)).collect();
                assert_ne!(order, next);
                let fixed = order.iter().enumerate().filter(|&(i, &x)| i as u32 == x).count();
                assert!(fixed < 10, "{fixed} fixed points of {n}; a random permutation has 1 on average");
            }
        }
    }

    #[test]
    fn draws_have_the_moments_of_their_distributions() {
        let mut rng = Philox::new(3, 9);
        let n = 100_000;
        let normals: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
        let mean = normals.iter().sum::<f64>() / n as f64;
        let variance = normals.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.013, "mean {mean}: 4 standard errors are 0.013");
        assert!((variance - 1.0).abs() < 0.018, "variance {variance}: 4 standard errors are 0.018");
        let mut counts = [0u32; 7];
        (0..70_000).for_each(|_| counts[rng.below(7) as usize] += 1);
        assert!(counts.iter().all(|&c| (9_600..10_400).contains(&c)), "{counts:?}");
    }
}
