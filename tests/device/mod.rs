//! What the GPU tests share: devices, dispatch, packing, random layers.
#![allow(dead_code)] // each test program uses a part

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use gatewright::gpu::{Gpu, Session};
use gatewright::network::{Form, Layer, Parametrization, Reads};
use gatewright::plan::{Access, Buffer, GradientFormat, Page, Pass, Plan, uniforms};
use gatewright::random::Philox;
use gatewright::reference::Constants;

/// Distance from 1 to the next f32: one unit in the last place, relative to the number.
pub const ULP: f64 = f32::EPSILON as f64;
/// What WGSL promises of `sin` and `cos` on [-π, π], absolute (WGSL, 15.7.4 Floating Point Accuracy).
pub const SINE_ERROR: f64 = 1.0 / 2048.0;

/// The best adapter as training opens it, then as the least capable device would be: wgpu's default limits, no optional
/// feature, every access checked.
pub fn devices() -> [Arc<Gpu>; 2] {
    [Gpu::open(None).unwrap(), Gpu::open_plain().unwrap()]
}

/// What a page is given, and what it leaves there.
pub struct Held(RefCell<Vec<u8>>);

impl Held {
    pub fn zeros(bytes: u64) -> Self {
        Held(RefCell::new(vec![0; bytes as usize]))
    }

    pub fn of<T: bytemuck::Pod>(values: &[T]) -> Self {
        Held(RefCell::new(bytemuck::cast_slice(values).to_vec()))
    }

    pub fn one<T: bytemuck::Pod>(value: &T) -> Self {
        Held::of(&[*value])
    }

    pub fn write<T: bytemuck::Pod>(&self, values: &[T]) {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        self.0.borrow_mut()[..bytes.len()].copy_from_slice(bytes);
    }
}

/// Runs single pages, as plans of one pass.
pub struct Bench {
    pub gpu: Arc<Gpu>,
    shares: HashMap<u32, bool>,
}

impl Bench {
    pub fn new(gpu: &Arc<Gpu>) -> Self {
        Bench { gpu: gpu.clone(), shares: HashMap::new() }
    }

    /// Whether so many lanes can exchange within a subgroup of this device.
    pub fn shares_subgroups(&mut self, lanes: u32) -> bool {
        *self.shares.entry(lanes).or_insert_with(|| self.gpu.shares_subgroups(lanes).unwrap())
    }

    /// One dispatch of `page`, bound by name.
    pub fn run(&mut self, page: Page, buffers: &[(&'static str, &Held)], grid: [u32; 2]) {
        let mut plan = Plan::default();
        let mut pass = Pass::of(page.clone()).grid(grid);
        let mut ids = Vec::new();
        for (name, held) in buffers {
            let id = plan.add(Buffer::scratch(name, 0).holding(held.0.borrow().as_slice()));
            pass = pass.bind(name, id);
            ids.push(id);
        }
        let list = plan.list(vec![pass]);
        let session = Session::open(&self.gpu, plan, &[]).unwrap();
        session.submit(&list, 1).unwrap();
        let written = page.assemble().unwrap().bindings.into_iter().filter(|b| b.access == Access::Write);
        for binding in written {
            let at = buffers.iter().position(|(name, _)| *name == binding.name).unwrap();
            let mut held = buffers[at].1.0.borrow_mut();
            *held = session.read(ids[at], held.len()).unwrap();
        }
        self.gpu.check().unwrap();
    }

    pub fn read<T: bytemuck::Pod>(&self, held: &Held, count: usize) -> Vec<T> {
        bytemuck::pod_collect_to_vec(&held.0.borrow()[..count * size_of::<T>()])
    }
}

/// `[rows][samples]` bits to `[rows][words]` u32. Bits past the samples are set, so that a kernel that lets them count
/// is found out.
pub fn pack(rows: &[Vec<bool>], words: usize) -> Vec<u32> {
    let bit = |row: &[bool], s: usize| u32::from(row.get(s).copied().unwrap_or(true)) << (s % 32);
    rows.iter()
        .flat_map(|row| (0..words).map(|w| (32 * w..32 * w + 32).fold(0, |word, s| word | bit(row, s))))
        .collect()
}

/// `[rows][words]` u32 to the `[rows][samples]` bits.
pub fn unpack(packed: &[u32], words: usize, samples: usize) -> Vec<Vec<bool>> {
    packed.chunks_exact(words).map(|row| (0..samples).map(|s| (row[s / 32] >> (s % 32)) & 1 == 1).collect()).collect()
}

pub fn transposed<T: Copy>(rows: &[Vec<T>]) -> Vec<Vec<T>> {
    (0..rows[0].len()).map(|i| rows.iter().map(|row| row[i]).collect()).collect()
}

pub fn random_bits(rows: usize, columns: usize, rng: &mut Philox) -> Vec<Vec<bool>> {
    (0..rows).map(|_| (0..columns).map(|_| rng.below(2) == 1).collect()).collect()
}

/// The nearest bf16, ties to even, as f32: 8 bits of precision, so a relative error of at most 2⁻⁸.
pub fn bf16(x: f32) -> f32 {
    let bits = x.to_bits();
    f32::from_bits((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff_0000)
}

/// A gradient in f16, 2¹² times as large, within its range: 11 bits of precision.
fn f16(x: f32) -> u32 {
    let (sign, size) = (x.to_bits() >> 31 << 15, (f64::from(x.abs()) * 4096.0).min(65504.0));
    let exponent = size.log2().floor().max(-14.0);
    // 2^-14 and below are counted in 2^-24; from there on, 1,024 to 2,047 steps an exponent.
    let steps = (size / 2f64.powf(exponent - 10.0)).round_ties_even() as u32;
    let below = ((exponent as i32 + 14) as u32) << 10;
    sign | (below + steps)
}

/// The gradient that [`f16`] made.
fn from_f16(half: u32) -> f32 {
    let (exponent, fraction) = ((half >> 10 & 31) as i32, f64::from(half & 1023));
    let size = if exponent == 0 { fraction * 2f64.powi(-24) } else { (1024.0 + fraction) * 2f64.powi(exponent - 25) };
    (if half >> 15 == 1 { -size } else { size } / 4096.0) as f32
}

/// What is kept of a gradient, as f32.
pub fn kept(x: f32, format: GradientFormat) -> f32 {
    match format {
        GradientFormat::Bf16 => bf16(x),
        GradientFormat::F16 => from_f16(f16(x)),
        _ => x,
    }
}

/// The relative error of what is kept of a gradient, or twice it where a device may round either way.
pub fn kept_error(format: GradientFormat) -> f64 {
    match format {
        GradientFormat::Bf16 => 2f64.powi(-8),
        GradientFormat::F16 => 2f64.powi(-10),
        _ => 0.0,
    }
}

/// `[rows][words · 32]` gradients as the kernels store them: chunks of 8 samples, in 16 bits sample i beside i + 4; whole
/// numbers as `[rows][words][bits]` planes.
pub fn store_gradients(rows: &[Vec<f32>], format: GradientFormat) -> Vec<u32> {
    let values = rows.iter().flatten().copied();
    if format.is_sliced() {
        let plane = |word: &[f32], p: u32| {
            word.iter().enumerate().fold(0, |plane, (s, &x)| plane | ((x as i32 as u32 >> p) & 1) << s)
        };
        return rows
            .iter()
            .flat_map(|row| row.chunks_exact(32))
            .flat_map(|word| (0..format.bits()).map(move |p| plane(word, p)))
            .collect();
    }
    match format {
        GradientFormat::F32 => values.map(f32::to_bits).collect(),
        GradientFormat::Bf16 | GradientFormat::F16 => {
            let half = |x: f32| if format == GradientFormat::F16 { f16(x) } else { bf16(x).to_bits() >> 16 };
            let halves: Vec<u32> = values.map(half).collect();
            halves.chunks_exact(8).flat_map(|chunk| (0..4).map(|i| chunk[i] | chunk[i + 4] << 16)).collect()
        }
        sliced => unreachable!("{sliced:?} planes are bit-sliced"),
    }
}

/// `[rows][samples]` multiples of 1/65535 as the soft kernels store them: chunks of 8 samples, sample i beside i + 4; one half
/// past the samples.
pub fn store_activations(rows: &[Vec<f64>], words: usize) -> Vec<u32> {
    let fraction = |row: &[f64], s: usize| (row.get(s).copied().unwrap_or(0.5) * 65535.0).round() as u32;
    let chunk =
        |row: &[f64], first: usize| [0, 1, 2, 3].map(|i| fraction(row, first + i) | fraction(row, first + i + 4) << 16);
    rows.iter().flat_map(|row| (0..words * 4).flat_map(move |c| chunk(row, 8 * c))).collect()
}

/// Back to `[rows][words · 32]`.
pub fn load_activations(stored: &[u32], words: usize) -> Vec<Vec<f64>> {
    let halves = |chunk: &[u32]| -> Vec<f64> {
        let (low, high) = (chunk.iter().map(|w| w & 0xffff), chunk.iter().map(|w| w >> 16));
        low.chain(high).map(|x| f64::from(x) / 65535.0).collect()
    };
    let values: Vec<f64> = stored.chunks_exact(4).flat_map(halves).collect();
    values.chunks_exact(words * 32).map(<[f64]>::to_vec).collect()
}

/// u32 words of `rows` stored gradient rows.
pub fn gradient_words(rows: usize, words: usize, format: GradientFormat) -> usize {
    rows * words * format.bits() as usize
}

/// Back to `[rows][words · 32]`.
pub fn load_gradients(stored: &[u32], words: usize, format: GradientFormat) -> Vec<Vec<f32>> {
    if format.is_sliced() {
        let bits = format.bits();
        let number = |planes: &[u32], s: usize| {
            let code = planes.iter().enumerate().fold(0, |code, (p, plane)| code | ((plane >> s) & 1) << p);
            ((code << (32 - bits)) as i32 >> (32 - bits)) as f32
        };
        let values: Vec<f32> =
            stored.chunks_exact(bits as usize).flat_map(|planes| (0..32).map(|s| number(planes, s))).collect();
        return values.chunks_exact(words * 32).map(<[f32]>::to_vec).collect();
    }
    let values: Vec<f32> = match format {
        GradientFormat::F32 => stored.iter().map(|&w| f32::from_bits(w)).collect(),
        GradientFormat::Bf16 => stored
            .chunks_exact(4)
            .flat_map(|c| c.iter().map(|w| w << 16).chain(c.iter().map(|w| w & 0xffff_0000)).collect::<Vec<_>>())
            .map(f32::from_bits)
            .collect(),
        GradientFormat::F16 => stored
            .chunks_exact(4)
            .flat_map(|c| c.iter().map(|w| w & 0xffff).chain(c.iter().map(|w| w >> 16)).collect::<Vec<_>>())
            .map(from_f16)
            .collect(),
        sliced => unreachable!("{sliced:?} planes are bit-sliced"),
    };
    values.chunks_exact(words * 32).map(<[f32]>::to_vec).collect()
}

/// A layer with random tables whose first input is read by about a third of all pins, and its last quarter by none. Two
/// pins of a gate may read the same input.
pub fn random_layer(inputs: usize, gates: usize, arity: usize, rng: &mut Philox) -> Layer {
    let read = (inputs - inputs / 4) as u32;
    let wire = |rng: &mut Philox| if rng.below(3) == 0 { 0 } else { rng.below(read) };
    let table = |rng: &mut Philox| (u64::from(rng.next_u32()) << 32 | u64::from(rng.next_u32())) & all_codes(arity);
    Layer {
        reads: Reads::Before,
        form: Form::Dense,
        inputs,
        arity,
        wiring: (0..gates * arity).map(|_| wire(rng)).collect(),
        tables: (0..gates).map(|_| table(rng)).collect(),
        parametrization: Parametrization::IwpSin,
        logits: Vec::new(),
    }
}

/// The table that is 1 for every code.
pub fn all_codes(arity: usize) -> u64 {
    u64::MAX >> (64 - (1 << arity))
}

/// `[gates][⌈2^arity / 32⌉]` u32 of a layer's tables.
pub fn table_words(layer: &Layer) -> Vec<u32> {
    let words = (1usize << layer.arity).div_ceil(32);
    layer.tables.iter().flat_map(|t| [*t as u32, (t >> 32) as u32].into_iter().take(words)).collect()
}

/// A layer's extents as the kernels read them.
pub fn extents(gates: usize, inputs: usize, words: usize, group: usize) -> uniforms::Layer {
    uniforms::Layer { gates: gates as u32, inputs: inputs as u32, words: words as u32, group: group as u32 }
}

/// A batch as the kernels read it.
pub fn batch_of(samples: usize, size: usize, classes: usize) -> uniforms::Batch {
    uniforms::Batch {
        samples: samples as u32,
        size: size as u32,
        words: size.div_ceil(32) as u32,
        first: 0,
        row_words: 0,
        key0: 0,
        key1: 0,
        classes: classes as u32,
        shard: samples as u32,
        width: 1,
        height: 1,
        shift: 0,
        flip: 0,
        least_side: 16_384,
        ring: 0,
        offset: 0,
    }
}

/// Constants that every field of is exact in f32.
pub fn constants() -> Constants {
    Constants {
        learning_rate: 0.03125,
        final_fraction: 0.0625,
        warmup_steps: 0,
        cosine_steps: None,
        beta1: 0.875,
        beta2: f64::from(0.999_f32),
        epsilon: f64::from(1e-8_f32),
        weight_decay: 0.0,
        group_tau: 10.0,
        temperature: 1.0,
        cage: None,
        choices: 2.0,
        selections: 1.0,
        samples: 1,
        batch: 1,
    }
}

/// Constants as the kernels read them.
pub fn training(c: &Constants, partials: usize) -> uniforms::Training {
    uniforms::Training {
        learning_rate: c.learning_rate as f32,
        final_fraction: c.final_fraction as f32,
        warmup_steps: c.warmup_steps,
        total_steps: c.cosine_steps.unwrap_or(0),
        beta1: c.beta1 as f32,
        beta2: c.beta2 as f32,
        epsilon: c.epsilon as f32,
        weight_decay: c.weight_decay as f32,
        group_tau: c.group_tau as f32,
        temperature: c.temperature as f32,
        cage: u32::from(c.cage.is_some()),
        cage_tau_min: c.cage.map_or(0.0, |cage| cage.tau_min),
        cage_tau_max: c.cage.map_or(0.0, |cage| cage.tau_max),
        cage_decay: c.cage.map_or(0.99, |cage| cage.decay),
        choices: c.choices as f32,
        selections: c.selections as f32,
        partials: partials as u32,
        samples: c.samples,
        batch: c.batch,
        slice_scale: 1.0,
        key0: 0,
        key1: 0,
        layers: 1,
        group: 0,
        wire_rate: 0.0,
        wire_every: 1,
        wire_until: 0,
        pad: 0,
    }
}

/// A run's state as the kernels read it.
pub fn state(step: u32, epoch: u32, position: u32) -> uniforms::Step {
    uniforms::Step {
        step,
        temperature: 1.0,
        learning_rate: 0.03125,
        confidence: 0.0,
        confidence_mean: 0.5,
        beta1_power: 1.0,
        beta2_power: 1.0,
        epoch,
        position,
        wire_beta1_power: 1.0,
        wire_beta2_power: 1.0,
        pad: 0,
    }
}

#[track_caller]
pub fn assert_near(what: &dyn Fn() -> String, gpu: f64, twin: f64, tolerance: f64) {
    assert!((gpu - twin).abs() <= tolerance, "{}: GPU {gpu}, twin {twin}, tolerance {tolerance:e}", what());
}
