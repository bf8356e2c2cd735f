//! The CPU engine: encoding, gates, votes, and laying a circuit out.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gatewright::circuit::{Engine, simplify};
use gatewright::data::Encoder;
use gatewright::data::{Head, ImageShape};
use gatewright::network::{Draw, Initialization, Layer, Model, Parametrization, Wiring};

const SAMPLES: usize = 4096;
const INPUTS: usize = 784;

/// 3 × 2,000 random gates on 784 input bits, 10 classes.
fn model() -> Model {
    let draw = Draw {
        wiring: Wiring::Unique,
        parametrization: Parametrization::IwpSin,
        start: Initialization::Gaussian.into(),
        seed: 0,
    };
    let layers = (0..3).map(|i| Layer::draw(i, if i == 0 { INPUTS } else { 2000 }, 2000, 2, draw)).collect();
    Model {
        dataset: "random".into(),
        image: ImageShape { channels: 1, height: 1, width: INPUTS },
        table: None,
        head: Head::Classes,
        classes: (0..10).map(|c| c.to_string()).collect(),
        tau: 1.0,
        encoder: Encoder { pixel: (0..INPUTS as u32).collect(), threshold: vec![127; INPUTS] },
        layers,
    }
}

fn circuit(c: &mut Criterion) {
    let netlist = model().netlist().expect("a drawn model is sound");
    let engine = Engine::new(&netlist);
    let pixels: Vec<u8> = (0..SAMPLES * INPUTS).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let packed = engine.encode(&pixels);
    let mut counts = vec![0; SAMPLES * engine.classes()];
    let mut group = c.benchmark_group("engine 3x2000");
    group.throughput(Throughput::Elements(SAMPLES as u64));
    group.bench_function("bytes to bits", |b| b.iter(|| engine.encode(black_box(&pixels))));
    group.bench_function("bits to counts", |b| b.iter(|| engine.counts_packed(black_box(&packed), &mut counts, false)));
    group.bench_function("bytes to counts", |b| b.iter(|| engine.counts_into(black_box(&pixels), &mut counts, false)));
    group.bench_function("bytes to classes", |b| b.iter(|| engine.classify(black_box(&pixels), false)));
    group.finish();
    c.bench_function("lay out 3x2000", |b| b.iter(|| Engine::new(black_box(&netlist))));
    c.bench_function("simplify 3x2000", |b| b.iter(|| simplify(black_box(&netlist))));
}

criterion_group!(benches, circuit);
criterion_main!(benches);
