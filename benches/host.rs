//! What the host does for training: drawing a network, its consumers, random numbers, recording a step.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use gatewright::data::{Dataset, Head, ImageShape, Split};
use gatewright::gpu::Gpu;
use gatewright::network::{Consumers, Wiring};
use gatewright::random::Philox;
use gatewright::settings::Settings;
use gatewright::train::Trainer;

const INPUTS: usize = 784;

/// 128 random images of 784 bytes.
fn noise() -> Dataset {
    let mut rng = Philox::new(1, 0);
    Dataset {
        name: "noise".into(),
        classes: (0..10).map(|c| c.to_string()).collect(),
        image: ImageShape { channels: 1, height: 1, width: INPUTS },
        table: None,
        head: Head::Classes,
        ranges: Vec::new(),
        notes: Vec::new(),
        train: Split {
            pixels: (0..128 * INPUTS).map(|_| rng.below(256) as u8).collect(),
            labels: (0..128).map(|_| rng.below(10) as u8).collect(),
            targets: Vec::new(),
        },
        test: Split::default(),
    }
}

fn host(c: &mut Criterion) {
    c.bench_function("philox, 4,096 numbers", |b| {
        b.iter(|| {
            let mut rng = Philox::new(black_box(7), 0);
            (0..4096).fold(0, |sum: u32, _| sum.wrapping_add(rng.next_u32()))
        });
    });
    let wiring = Wiring::Unique.draw(8000, 8000, 2, &mut Philox::new(0, 0));
    c.bench_function("draw unique wires of 8,000 gates", |b| {
        b.iter(|| Wiring::Unique.draw(8000, 8000, 2, &mut Philox::new(black_box(0), 0)));
    });
    c.bench_function("consumers of 8,000 gates", |b| b.iter(|| Consumers::of(black_box(&wiring), 8000, 2)));
    let Ok(gpu) = Gpu::open(None) else {
        eprintln!("no adapter was found, so recording a step is left out");
        return;
    };
    let settings = Settings { layers: vec![2000; 3], thresholds: 1, rare: 0.0, ..Settings::default() };
    let mut trainer = Trainer::new(&gpu, &settings, &noise()).expect("a small network fits every adapter");
    // Only recording and submission are timed; the steps themselves end before the next round begins.
    c.bench_function("record and submit 16 steps of 3x2000", |b| {
        b.iter_custom(|rounds| {
            let mut spent = std::time::Duration::ZERO;
            for _ in 0..rounds {
                let began = std::time::Instant::now();
                trainer.submit(16).expect("the device works");
                spent += began.elapsed();
                trainer.finish().expect("the device works");
            }
            spent
        });
    });
    c.bench_function("wait, and read a step's state back", |b| {
        b.iter(|| trainer.progress(0).expect("losses are finite"))
    });
}

criterion_group!(benches, host);
criterion_main!(benches);
