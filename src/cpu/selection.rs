//! Logits to hard tables and confidences, and table gradients to new logits: the shaders' `tabulate` and `update`.
//!
//! Gates are taken [`PART`] logits at a time, in plain loops over arrays that become vector instructions. Everything is a
//! sum or product in a written order, so the numbers are the same however wide these are. A loop does little: a core works on as
//! many turns at once as it has room for, and the less each waits for, the more there are.

use super::adam::Adam;
use super::constants::Constants;
use super::functions::{TAME, exponential, logarithm, sine_and_cosine, wild_sine_and_cosine};
use super::op;
use super::simd::Simd;
use crate::network::{Parametrization, walsh_hadamard};
use crate::plan::uniforms::{Cage, Step};
use crate::random::{Philox, key};

/// Logits that are worked on at a time: a whole number of gates of every kind.
const PART: usize = 256;

/// Least |cos z| of the sine's log-odds: they have a pole where a choice is certain.
const LEAST_COSINE: f32 = 1e-3;

/// Counter word 3 of the blocks that selection noise is made of.
const NOISE_STREAM: u32 = 4;

/// The bit of a number that is its sign.
const SIGN: u32 = 1 << 31;

/// Lanes that confidences are summed in.
const LANES: usize = op::SIDE;

/// Some gates of a layer, with all that is trained of them.
#[derive(Debug, Clone)]
pub struct Gates {
    /// The first of them, counted over the whole network.
    pub first: u32,
    /// How many there are.
    pub count: usize,
    /// How logits become tables.
    pub parametrization: Parametrization,
    /// Pins a gate.
    pub arity: usize,
    /// `[gates][logits]`
    pub logits: Vec<f32>,
    /// `[gates][logits]`: Adam's first moments.
    pub first_moments: Vec<f32>,
    /// `[gates][logits]`: Adam's second moments.
    pub second_moments: Vec<f32>,
    /// `[gates][2^arity]`: table gradients of the last step in integer units; none of mixtures.
    pub sums: Vec<i32>,
    /// Where gates are mixtures.
    pub soft: Option<Soft>,
    /// `[gates][logits]`: noise of the selections that the tables hold; none where selections have none.
    pub noise: Vec<f32>,
    /// `[gates]`: confidences of these, where each gate's are asked for.
    pub confidences: Vec<f32>,
    /// `[gates]`: CAGE's state, where each gate has its own.
    pub cages: Vec<Cage>,
}

/// Gates that are mixtures, forward and backward.
#[derive(Debug, Clone)]
pub struct Soft {
    /// What divides their scores.
    pub temperature: f32,
    /// `[gates][2^arity]`: the mixtures of the logits, with noise if there is noise.
    pub tables: Vec<f32>,
    /// `[gates][2^arity]`: gradients of the last step by these.
    pub gradients: Vec<f32>,
}

/// What an update goes by.
#[derive(Debug, Clone, Copy)]
pub struct Update {
    /// Backward temperature, where gates have none of their own.
    pub temperature: f32,
    /// By what logits are moved.
    pub adam: Adam,
    /// What a unit of the sums is worth.
    pub unit: f32,
}

impl Update {
    /// That of step `step`.
    pub fn of(constants: &Constants, step: &Step, temperature: f32) -> Self {
        Update {
            temperature,
            adam: Adam::of(constants, step.learning_rate, [step.beta1_power, step.beta2_power]),
            unit: 1.0 / constants.slice_scale(),
        }
    }
}

impl Gates {
    /// Logits of a gate.
    fn logits_a_gate(&self) -> usize {
        self.parametrization.logits(self.arity)
    }

    /// Every array of what a step leaves here for those after it, but for what tables are made of anew, and of its gradients.
    pub fn trained(&mut self) -> [&mut [u32]; 5] {
        let Gates { logits, first_moments, second_moments, sums, cages, .. } = self;
        [
            bytemuck::cast_slice_mut(logits),
            bytemuck::cast_slice_mut(first_moments),
            bytemuck::cast_slice_mut(second_moments),
            bytemuck::cast_slice_mut(sums),
            bytemuck::cast_slice_mut(cages),
        ]
    }

    /// Make the tables of the logits, handing each to `set` by its place; returns the sum of their selections' confidences.
    /// With the noise of step `step` if there is one.
    pub fn tabulate(
        &mut self,
        simd: Simd,
        seed: u64,
        step: Option<u32>,
        room: &mut Room,
        set: &mut impl FnMut(usize, u64),
    ) -> f32 {
        self.run(simd, None, seed, step, room, set)
    }

    /// New logits by the sums, then their tables for the step after step number `step`.
    pub fn update(
        &mut self,
        simd: Simd,
        constants: &Constants,
        update: &Update,
        step: u32,
        room: &mut Room,
        set: &mut impl FnMut(usize, u64),
    ) -> f32 {
        let next = constants.noisy.then_some(step);
        self.run(simd, Some((constants, update)), constants.seed, next, room, set)
    }

    fn run(
        &mut self,
        simd: Simd,
        update: Option<(&Constants, &Update)>,
        seed: u64,
        step: Option<u32>,
        room: &mut Room,
        set: &mut impl FnMut(usize, u64),
    ) -> f32 {
        match simd {
            // SAFETY: a `Simd` that a step runs on is one that the machine was found to have.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => unsafe { run_avx512(self, update, seed, step, room, set) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { run_avx2(self, update, seed, step, room, set) },
            Simd::Portable => run(self, update, seed, step, room, set),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn run_avx512(
    gates: &mut Gates,
    update: Option<(&Constants, &Update)>,
    seed: u64,
    step: Option<u32>,
    room: &mut Room,
    set: &mut impl FnMut(usize, u64),
) -> f32 {
    run(gates, update, seed, step, room, set)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2(
    gates: &mut Gates,
    update: Option<(&Constants, &Update)>,
    seed: u64,
    step: Option<u32>,
    room: &mut Room,
    set: &mut impl FnMut(usize, u64),
) -> f32 {
    run(gates, update, seed, step, room, set)
}

/// Numbers of a part.
type Part = [f32; PART];

/// Room for what is made of a part, kept from call to call.
#[derive(Debug)]
pub struct Room {
    z: Part,
    noise: Part,
    by_table: Part,
    coldness: Part,
    gradient: Part,
    angles: Angles,
    is_set: [u8; PART],
    confidence: Part,
}

impl Room {
    /// An empty one.
    pub fn new() -> Self {
        let none = [0.0; PART];
        let angles = Angles { sine: none, cosine: none, log_odds: none };
        let is_set = [0; PART];
        Room { z: none, noise: none, by_table: none, coldness: none, gradient: none, angles, is_set, confidence: none }
    }
}

/// Sines and cosines of a part's logits, and more.
#[derive(Debug)]
struct Angles {
    sine: Part,
    cosine: Part,
    log_odds: Part,
}

impl Angles {
    #[inline(always)]
    fn measure(&mut self, z: &Part) {
        for ((s, c), &z) in self.sine.iter_mut().zip(&mut self.cosine).zip(z) {
            (*s, *c) = sine_and_cosine(z);
        }
        if !z.iter().fold(true, |tame, z| tame & (z.abs() <= TAME)) {
            for ((s, c), &z) in self.sine.iter_mut().zip(&mut self.cosine).zip(z) {
                (*s, *c) = wild_sine_and_cosine(z);
            }
        }
    }

    /// Have log((1 + sin z) / (1 − sin z)) of every logit.
    #[inline(always)]
    fn measure_odds(&mut self) {
        for i in 0..PART {
            self.log_odds[i] = (1.0 + self.sine[i].abs()) / at_least(self.cosine[i].abs(), LEAST_COSINE);
        }
        for i in 0..PART {
            let size = 2.0 * logarithm(self.log_odds[i]);
            self.log_odds[i] = f32::from_bits(size.to_bits() ^ (self.sine[i].to_bits() & SIGN));
        }
    }
}

#[inline(always)]
fn run(
    gates: &mut Gates,
    update: Option<(&Constants, &Update)>,
    seed: u64,
    step: Option<u32>,
    room: &mut Room,
    set: &mut impl FnMut(usize, u64),
) -> f32 {
    let per_gate = gates.logits_a_gate();
    let mut lanes = [0.0; LANES];
    let has_noise = !gates.noise.is_empty();
    room.noise = [0.0; PART];
    for first in (0..gates.count).step_by(PART / per_gate) {
        let count = (PART / per_gate).min(gates.count - first);
        let range = first * per_gate..(first + count) * per_gate;
        let used = range.len();
        room.z[..used].copy_from_slice(&gates.logits[range.clone()]);
        // What is there decides how sines are found; nothing of what was there before may.
        room.z[used..].fill(0.0);
        if has_noise {
            room.noise[..used].copy_from_slice(&gates.noise[range.clone()]);
        }
        if let Some((constants, update)) = update {
            room.coldness = [1.0 / update.temperature; PART];
            if let Some(cages) = gates.cages.get(first..first + count) {
                let own = room.coldness.chunks_exact_mut(per_gate).zip(cages);
                own.for_each(|(coldness, cage)| coldness.fill(1.0 / cage.temperature));
            }
            let own = first << gates.arity..(first + count) << gates.arity;
            match &gates.soft {
                Some(soft) => room.by_table[..own.len()].copy_from_slice(&soft.gradients[own]),
                None => {
                    let sums = room.by_table.iter_mut().zip(&gates.sums[own]);
                    sums.for_each(|(g, &sum)| *g = sum as f32 * update.unit);
                }
            }
            logit_gradients(gates.parametrization, per_gate, room);
            let moments = (&mut gates.first_moments[range.clone()], &mut gates.second_moments[range.clone()]);
            descend(&update.adam, constants.weight_decay, &room.gradient, &mut room.z, moments);
            gates.logits[range.clone()].copy_from_slice(&room.z[..used]);
        }
        if let Some(step) = step {
            draw_noise(gates.parametrization, per_gate, seed, step, gates.first + first as u32, &mut room.noise);
            gates.noise[range.clone()].copy_from_slice(&room.noise[..used]);
        } else if has_noise {
            room.noise = [0.0; PART];
        }
        let own = gates.confidences.get_mut(first..first + count).unwrap_or_default();
        let set = |i: usize, table| set(first + i, table);
        select(gates.parametrization, (per_gate, count), step.is_some(), room, own, &mut lanes, set);
        if let Some(soft) = &mut gates.soft {
            let tables = &mut soft.tables[first << gates.arity..(first + count) << gates.arity];
            mix(gates.parametrization, per_gate, 1.0 / soft.temperature, room, tables);
        }
    }
    lanes.iter().sum()
}

/// The step's noise of the logits of the gates from number `first` on.
#[inline(always)]
fn draw_noise(p: Parametrization, per_gate: usize, seed: u64, step: u32, first: u32, noise: &mut Part) {
    let blocks = per_gate / 4;
    let mut uniform = [0.0; PART];
    for (i, four) in uniform.chunks_exact_mut(4).enumerate() {
        let counter = [step, first.wrapping_add((i / blocks) as u32), (i % blocks) as u32, NOISE_STREAM];
        let draws = Philox::block(key(seed), counter);
        // Odd multiples of 2⁻²⁴, which f32 holds exactly.
        four.iter_mut().zip(draws).for_each(|(u, draw)| *u = ((draw >> 9) as f32 + 0.5) / 8_388_608.0);
    }
    for (noise, &u) in noise.iter_mut().zip(&uniform) {
        *noise = match p {
            Parametrization::IwpSin | Parametrization::IwpSigmoid | Parametrization::Walsh => logarithm(u / (1.0 - u)),
            Parametrization::IwpClamp => 2.0 * u - 1.0,
            Parametrization::Op => gumbel(u),
        };
    }
}

/// −log(−log u); near u = 1 the inner logarithm by its series, as the shader has it.
#[inline(always)]
fn gumbel(u: f32) -> f32 {
    let v = 1.0 - u;
    let series = v * (1.0 + v * (0.5 + v * (0.333_333_34 + v * (0.25 + v * 0.2))));
    -logarithm(if v < 0.0625 { series } else { -logarithm(u) })
}

/// Tables and confidences of the part's gates. `lanes` gathers the confidences, `own` each gate's where it is not empty.
#[inline(always)]
fn select(
    p: Parametrization,
    (per_gate, count): (usize, usize),
    noisy: bool,
    Room { z, noise, angles, is_set, confidence, .. }: &mut Room,
    own: &mut [f32],
    lanes: &mut [f32; LANES],
    mut set: impl FnMut(usize, u64),
) {
    let used = count * per_gate;
    if p == Parametrization::Op {
        for first in (0..count).step_by(op::SIDE) {
            let side = first * per_gate..(first + op::SIDE) * per_gate;
            let (tables, confidences) = op::select(&z[side.clone()], &noise[side]);
            for gate in first..count.min(first + op::SIDE) {
                set(gate, tables[gate - first]);
                lanes[gate - first] += confidences[gate - first];
                own.iter_mut().skip(gate).take(1).for_each(|own| *own = confidences[gate - first]);
            }
        }
        return;
    }
    match p {
        Parametrization::IwpSin => {
            angles.measure(z);
            for i in 0..PART {
                is_set[i] = (angles.sine[i] > 0.0).into();
                confidence[i] = 0.5 + 0.5 * angles.sine[i].abs();
            }
            if noisy {
                angles.measure_odds();
                for i in 0..PART {
                    is_set[i] = (angles.log_odds[i] + noise[i] > 0.0).into();
                }
            }
        }
        Parametrization::IwpClamp => {
            for i in 0..PART {
                is_set[i] = (z[i] + noise[i] > 0.0).into();
                confidence[i] = 0.5 + 0.5 * if z[i].abs() > 1.0 { 1.0 } else { z[i].abs() };
            }
        }
        _ => {
            let mut odds = *z;
            if p == Parametrization::Walsh {
                odds.chunks_exact_mut(per_gate).for_each(negative_walsh);
            }
            for i in 0..PART {
                is_set[i] = (odds[i] + noise[i] > 0.0).into();
                confidence[i] = 1.0 / (1.0 + exponential(-odds[i].abs()));
            }
        }
    }
    for (gate, bytes) in is_set[..used].chunks_exact(per_gate).enumerate() {
        set(gate, packed(bytes));
    }
    confidence[used..].fill(0.0);
    for eight in confidence.chunks_exact(LANES) {
        lanes.iter_mut().zip(eight).for_each(|(lane, x)| *lane += x);
    }
    for (own, of_codes) in own.iter_mut().zip(confidence.chunks_exact(per_gate)) {
        *own = of_codes.iter().sum();
    }
}

/// Tables of the part's gates as mixtures, one after the other. `coldness` is 1 / τ.
#[inline(always)]
fn mix(
    p: Parametrization,
    per_gate: usize,
    coldness: f32,
    Room { z, noise, angles, by_table: mixed, .. }: &mut Room,
    tables: &mut [f32],
) {
    match p {
        Parametrization::Op => {
            let gates = z.chunks_exact(16 * op::SIDE).zip(noise.chunks_exact(16 * op::SIDE));
            for ((z, noise), mixed) in gates.zip(mixed.chunks_exact_mut(4 * op::SIDE)) {
                op::mix(z, noise, coldness, mixed);
            }
            tables.copy_from_slice(&mixed[..tables.len()]);
            return;
        }
        Parametrization::IwpSin => {
            angles.measure(z);
            angles.measure_odds();
            *mixed = angles.log_odds;
        }
        Parametrization::IwpSigmoid | Parametrization::IwpClamp => *mixed = *z,
        Parametrization::Walsh => {
            *mixed = *z;
            mixed.chunks_exact_mut(per_gate).for_each(negative_walsh);
        }
    }
    for i in 0..PART {
        let score = (mixed[i] + noise[i]) * coldness;
        mixed[i] = if p == Parametrization::IwpClamp {
            (0.5 + 0.5 * score).clamp(0.0, 1.0)
        } else {
            let e = exponential(-score.abs());
            (if score > 0.0 { 1.0 } else { e }) / (1.0 + e)
        };
    }
    tables.copy_from_slice(&mixed[..tables.len()]);
}

/// Bytes 0 and 1, 4 to 64 of them, as bits.
#[inline(always)]
fn packed(bytes: &[u8]) -> u64 {
    // A product that moves bit 0 of byte i to bit i of the highest byte, or of bits 24 to 27.
    if let Ok(four) = bytes.try_into() {
        return u64::from(u32::from_le_bytes(four).wrapping_mul(0x0102_0408) >> 24 & 0xf);
    }
    let eights = bytes.as_chunks::<8>().0.iter().enumerate();
    eights.fold(0, |table, (i, &eight)| {
        table | (u64::from_le_bytes(eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i)
    })
}

/// `x`, or `least` where it is less; of no number, no number.
#[inline(always)]
fn at_least(x: f32, least: f32) -> f32 {
    if x < least { least } else { x }
}

/// The log-odds of a gate's codes from its Walsh logits, and the logits' gradients from the log-odds'.
#[inline(always)]
fn negative_walsh(x: &mut [f32]) {
    walsh_hadamard(x);
    x.iter_mut().for_each(|x| *x = -*x);
}

/// Gradients of the part's logits from those of its tables, `by_table`, which lie one after the other. `coldness` is 1 / τ.
#[inline(always)]
fn logit_gradients(
    p: Parametrization,
    per_gate: usize,
    Room { z, noise, by_table, coldness, angles, gradient: g, .. }: &mut Room,
) {
    match p {
        Parametrization::IwpSin => {
            angles.measure(z);
            angles.measure_odds();
            for i in 0..PART {
                g[i] = exponential(-(angles.log_odds[i] + noise[i]).abs() * coldness[i]);
            }
            for i in 0..PART {
                let (e, c) = (g[i], angles.cosine[i]);
                // d log-odds / dz = 2 / cos z.
                let slope = 2.0 * by_table[i] * e * coldness[i];
                g[i] = slope / ((1.0 + e) * (1.0 + e) * at_least(c.abs(), LEAST_COSINE).copysign(c));
            }
        }
        Parametrization::IwpSigmoid => {
            for i in 0..PART {
                g[i] = by_log_odds(z[i] + noise[i], by_table[i], coldness[i]);
            }
        }
        Parametrization::IwpClamp => {
            for i in 0..PART {
                g[i] = by_table[i] * 0.5 * coldness[i];
            }
        }
        Parametrization::Walsh => {
            let mut odds = *z;
            odds.chunks_exact_mut(per_gate).for_each(negative_walsh);
            for i in 0..PART {
                g[i] = by_log_odds(odds[i] + noise[i], by_table[i], coldness[i]);
            }
            g.chunks_exact_mut(per_gate).for_each(negative_walsh);
        }
        Parametrization::Op => {
            let gates = z.chunks_exact(16 * op::SIDE).zip(noise.chunks_exact(16 * op::SIDE));
            let gates = gates.zip(by_table.chunks_exact(4 * op::SIDE)).zip(coldness.chunks_exact(16 * op::SIDE));
            for ((((z, noise), by_table), coldness), g) in gates.zip(g.chunks_exact_mut(16 * op::SIDE)) {
                let coldness = std::array::from_fn(|gate| coldness[16 * gate]);
                op::gradients(z, noise, by_table, &coldness, g);
            }
        }
    }
}

/// dP / d log-odds = P (1 − P) / τ, from the odds of the less likely choice, which cannot overflow.
#[inline(always)]
fn by_log_odds(odds: f32, by_table: f32, coldness: f32) -> f32 {
    let e = exponential(-odds.abs() * coldness);
    by_table * e * coldness / ((1.0 + e) * (1.0 + e))
}

/// Adam with decoupled weight decay.
#[inline(always)]
fn descend(adam: &Adam, weight_decay: f32, g: &Part, z: &mut Part, moments: (&mut [f32], &mut [f32])) {
    let keep = 1.0 - adam.rate * weight_decay;
    for (((z, &g), first), second) in z.iter_mut().zip(g).zip(moments.0).zip(moments.1) {
        *z = *z * keep - adam.step(g, first, second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gates of every kind with logits of deviation 2, moments away from zero, and sums of some units.
    fn random_gates(parametrization: Parametrization, arity: usize, noisy: bool, rng: &mut Philox) -> Gates {
        let (count, logits) = (131, parametrization.logits(arity));
        let mut numbers = |scale: f64, of: usize| (0..of).map(|_| (rng.normal() * scale) as f32).collect::<Vec<f32>>();
        Gates {
            first: 70,
            count,
            parametrization,
            arity,
            logits: numbers(2.0, count * logits),
            first_moments: numbers(0.05, count * logits),
            second_moments: numbers(0.1, count * logits).into_iter().map(|v| 0.01 + v.abs()).collect(),
            sums: numbers(100.0, count << arity).into_iter().map(|sum| sum as i32).collect(),
            soft: None,
            noise: vec![0.0; if noisy { count * logits } else { 0 }],
            confidences: vec![0.0; count],
            cages: Vec::new(),
        }
    }

    fn reals(x: &[f32]) -> Vec<f64> {
        x.iter().map(|&x| x.into()).collect()
    }

    #[test]
    fn tables_and_new_logits_are_the_twins() {
        use crate::reference;
        let mut rng = Philox::new(12, 0);
        let constants = Constants {
            batch: 100,
            bits: 8,
            noisy: false,
            soft: None,
            cage: None,
            temperature: 1.0,
            tau: 5.0,
            learning_rate: 0.02,
            final_fraction: 0.1,
            warmup_steps: 0,
            cosine_steps: 0,
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
            weight_decay: 0.01,
            seed: 9,
            pool_gradient: crate::settings::PoolGradient::Any,
            frozen: crate::settings::FrozenLayers::None,
            augmentation: None,
        };
        let twin = reference::Constants {
            learning_rate: 0.02,
            final_fraction: 0.1,
            warmup_steps: 0,
            cosine_steps: None,
            beta1: constants.beta1.into(),
            beta2: constants.beta2.into(),
            epsilon: 1e-8,
            weight_decay: constants.weight_decay.into(),
            group_tau: 5.0,
            temperature: 1.0,
            cage: None,
            choices: 2.0,
            selections: 1.0,
            samples: 1000,
            batch: 100,
        };
        for p in Parametrization::ALL {
            for arity in (2..=6).filter(|&k| p.can_have(k)) {
                for noisy in [false, true] {
                    let constants = Constants { noisy, ..constants.clone() };
                    let mut gates = random_gates(p, arity, noisy, &mut rng);
                    let logits = p.logits(arity);
                    let (mut tables, mut room) = (vec![0; gates.count], Room::new());
                    let step = noisy.then_some(4);
                    let simd = Simd::available()[0];
                    let sum = gates.tabulate(simd, 9, step, &mut room, &mut |gate, table| tables[gate] = table);
                    let mut expected_sum = 0.0;
                    let noise_of = |gate: usize| match noisy {
                        true => reference::selection_noise(p, logits, 9, 4, 70 + gate),
                        false => vec![0.0; logits],
                    };
                    for (gate, &table) in tables.iter().enumerate() {
                        let (z, noise) = (reals(&gates.logits[gate * logits..][..logits]), noise_of(gate));
                        for (own, noise) in gates.noise.iter().skip(gate * logits).zip(&noise) {
                            assert!(
                                (f64::from(*own) - noise).abs() < 3e-6 * (1.0 + noise.abs()),
                                "{p:?}: {own}, {noise}"
                            );
                        }
                        let confidence = reference::parametrization::confidence(p, &z);
                        assert!((f64::from(gates.confidences[gate]) - confidence).abs() < 2e-6 * confidence);
                        expected_sum += confidence;
                        // Where a choice is close, noise that is moved by its error may turn it over.
                        let moved = |by: f64| {
                            let noise: Vec<f64> =
                                noise.iter().enumerate().map(|(i, n)| n + if i % 2 == 0 { by } else { -by }).collect();
                            reference::parametrization::hard_table(p, &z, &noise)
                        };
                        let certain = !(moved(3e-4) ^ moved(-3e-4));
                        let is_op = p == Parametrization::Op && certain != u64::MAX;
                        assert!(is_op || (table ^ moved(0.0)) & certain == 0, "{p:?} of {arity} pins, gate {gate}");
                    }
                    assert!((f64::from(sum) - expected_sum).abs() < 1e-6 * expected_sum);

                    let before = gates.clone();
                    let state = Step {
                        learning_rate: 0.02,
                        beta1_power: 0.9f32.powi(5),
                        beta2_power: 0.99f32.powi(5),
                        ..Step::first(constants.temperature, 2.0)
                    };
                    let update = Update { unit: 1e-3, ..Update::of(&constants, &state, 1.7) };
                    gates.update(simd, &constants, &update, 5, &mut room, &mut |_, _| {});
                    let twin_step = reference::Step {
                        learning_rate: state.learning_rate.into(),
                        beta1_power: state.beta1_power.into(),
                        beta2_power: state.beta2_power.into(),
                        ..reference::Step::start(&twin)
                    };
                    for gate in 0..gates.count {
                        let range = gate * logits..(gate + 1) * logits;
                        let mut z = reals(&before.logits[range.clone()]);
                        let moments =
                            before.first_moments[range.clone()].iter().zip(&before.second_moments[range.clone()]);
                        let mut moments: Vec<reference::Moments> = moments
                            .map(|(&first, &second)| reference::Moments { first: first.into(), second: second.into() })
                            .collect();
                        let sums: Vec<f64> = before.sums[gate << arity..(gate + 1) << arity]
                            .iter()
                            .map(|&sum| f64::from(sum as f32 * 1e-3))
                            .collect();
                        let temperature = f64::from(1.7f32);
                        reference::update(
                            &twin,
                            &twin_step,
                            p,
                            temperature,
                            &noise_of(gate),
                            &sums,
                            &mut z,
                            &mut moments,
                        );
                        for (own, twin) in gates.logits[range].iter().zip(z) {
                            // 2^-22 of the logit, and of a step of some hundredths some 1e-5.
                            let tolerance = 3e-7 * twin.abs() + 1e-6;
                            assert!((f64::from(*own) - twin).abs() < tolerance, "{p:?} of {arity} pins: {own}, {twin}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn bytes_become_bits() {
        let mut rng = Philox::new(4, 0);
        for count in [4, 8, 16, 32, 64] {
            for _ in 0..50 {
                let bytes: Vec<u8> = (0..count).map(|_| rng.below(2) as u8).collect();
                let expected = bytes.iter().enumerate().fold(0, |table, (c, &b)| table | u64::from(b) << c);
                assert_eq!(packed(&bytes), expected);
            }
        }
    }
}
