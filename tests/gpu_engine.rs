//! The GPU engine against the CPU engine, count by count, on the best adapter and under wgpu's default limits.

mod common;

use common::{MNIST, Shape, random_convolved, random_model, random_netlist, random_pixels};
use gatewright::circuit::{Engine, Lut, Netlist, Vote, simplify};
use gatewright::data;
use gatewright::gpu::{Gpu, GpuEngine};
use gatewright::plan::Tuning;
use gatewright::settings::Settings;
use gatewright::train::Trainer;

fn devices() -> [std::sync::Arc<Gpu>; 2] {
    [Gpu::open(None).unwrap(), Gpu::open_plain().unwrap()]
}

/// In the shapes that the adapter's kind gets, and with the lanes of a hardware GPU.
fn assert_equal(gpu: &std::sync::Arc<Gpu>, netlist: &Netlist, pixels: &[u8], what: &str) {
    let own = Tuning::for_adapter(&gpu.adapter);
    let expected = Engine::new(netlist).counts(pixels, false);
    for tuning in [own, Tuning { workgroup: 256, most_lanes: 16, most_workgroups: 16_384, ..own }] {
        let made = GpuEngine::with_tuning(gpu, netlist, tuning).unwrap().counts(pixels).unwrap();
        assert!(made == expected, "{what}, {tuning:?}");
    }
}

#[test]
fn random_netlists_give_the_cpu_engines_counts() {
    for gpu in &devices() {
        for max_arity in 0..=6 {
            for (seed, samples) in [0, 1, 31, 33, 127, 1000].into_iter().enumerate() {
                let (seed, pixels) = (seed as u64 + 10 * u64::from(max_arity), 1 + 13 * seed as u32);
                let shape = Shape { pixels, features: 40, gates: 90, classes: 1 + seed as u32 % 5, max_arity, seed };
                let netlist = random_netlist(shape);
                let pixels = random_pixels(samples, pixels as usize, seed);
                assert_equal(gpu, &netlist, &pixels, &format!("{shape:?}, {samples} samples"));
                assert_equal(gpu, &simplify(&netlist).0, &pixels, &format!("simplified {shape:?}, {samples} samples"));
            }
        }
    }
}

/// Convolutions of odd shapes, as they are, simplified and written out; units too deep for registers are written out.
#[test]
fn convolutions_give_the_cpu_engines_counts_and_stay_loops() {
    for gpu in &devices() {
        for seed in 0..15 {
            let deepest = [1, 2, 3, 4, 7][seed as usize % 5];
            let netlist = random_convolved(deepest, seed);
            let pixels = random_pixels([1, 33, 300][seed as usize % 3], 72, seed);
            let what = format!("depth {deepest}, seed {seed}");
            assert_equal(gpu, &netlist, &pixels, &what);
            assert_equal(gpu, &simplify(&netlist).0, &pixels, &format!("simplified, {what}"));
            let engine = GpuEngine::new(gpu, &netlist).unwrap();
            let loops = engine.plan().passes().iter().filter(|pass| pass.page.name() == "evaluate_places").count();
            assert!(deepest > 4 || loops >= netlist.stages.len(), "{what}");
            assert_eq!(engine.gates(), if loops > 0 { netlist.applications() } else { netlist.flat().luts.len() });
        }
    }
}

#[test]
fn layered_networks_of_every_arity_give_the_cpu_engines_counts() {
    let pixels = random_pixels(1000, 784, 1);
    for gpu in &devices() {
        for arity in 1..=6 {
            let netlist = random_model(MNIST, 2, &[300, 200, 100], arity, 7).netlist().unwrap();
            assert_equal(gpu, &netlist, &pixels, &format!("k {arity}"));
            let (simple, _) = simplify(&netlist);
            assert_equal(gpu, &simple, &pixels, &format!("simplified, k {arity}"));
        }
    }
}

/// Classes with nothing but constants, with no votes, and with more votes than one dispatch counts; more comparisons of
/// one pixel than a lane's loops could turn through, all but 256 of them repeated.
#[test]
fn extremes_give_the_cpu_engines_counts() {
    let shape = Shape { pixels: 1, features: 5000, gates: 20, classes: 4, max_arity: 6, seed: 3 };
    let mut netlist = random_netlist(shape);
    let constant = netlist.signals() as u32;
    netlist.luts.push(Lut::new(1, &[], 0));
    netlist.votes[0] = vec![Vote { signal: constant, inverted: false }; 3];
    netlist.votes[1] = Vec::new();
    netlist.votes[2] = (0..40_000).map(|i| Vote { signal: i % 5000, inverted: i % 3 == 0 }).collect();
    netlist.votes[3] = vec![Vote { signal: constant, inverted: true }];
    netlist.offsets = vec![0, 7, 1 << 20, 5];
    let pixels = random_pixels(300, 1, 4);
    for gpu in &devices() {
        assert_equal(gpu, &netlist, &pixels, "extremes");
        let counts = GpuEngine::new(gpu, &netlist).unwrap().counts(&pixels).unwrap();
        assert!(counts.chunks_exact(4).all(|c| (c[0], c[1], c[3]) == (3, 7, 5)));
        assert_equal(gpu, &simplify(&netlist).0, &pixels, "simplified extremes");
    }
}

/// A network trained for a few steps, as it is and simplified, on all test images.
#[test]
fn a_trained_network_gives_the_cpu_engines_counts() {
    let mnist = data::open("mnist", None).unwrap();
    let settings = Settings { layers: vec![1000, 1000], batch: 128, ..Settings::deep() };
    let gpu = Gpu::open(None).unwrap();
    let mut trainer = Trainer::new(&gpu, &settings, &mnist).unwrap();
    trainer.submit(60).unwrap();
    let netlist = trainer.download().unwrap().netlist().unwrap();
    let (simple, _) = simplify(&netlist);
    assert!(simple.luts.len() < netlist.luts.len());
    for gpu in [&gpu, &Gpu::open_plain().unwrap()] {
        assert_equal(gpu, &netlist, &mnist.test.pixels, "trained");
        assert_equal(gpu, &simple, &mnist.test.pixels, "trained and simplified");
    }
}

#[test]
fn many_batches_of_mnist_give_the_cpu_engines_counts() {
    let mnist = data::open("mnist", None).unwrap();
    let netlist = random_model(MNIST, 3, &[2000, 1000], 2, 5).netlist().unwrap();
    for gpu in &devices() {
        let engine = GpuEngine::new(gpu, &netlist).unwrap();
        if gpu.adapter.is_software() {
            assert!(engine.batch() < 10_000 && 10_000 % engine.batch() != 0, "the last batch is partial");
        }
        for pixels in [&mnist.test.pixels[..], &mnist.test.pixels[..784], &mnist.test.pixels[..0]] {
            assert!(engine.counts(pixels).unwrap() == Engine::new(&netlist).counts(pixels, true));
        }
    }
}

#[test]
fn netlists_that_do_not_fit_together_are_refused() {
    let gpu = Gpu::open(None).unwrap();
    let mut netlist = random_netlist(Shape { pixels: 9, features: 9, gates: 9, classes: 2, max_arity: 2, seed: 0 });
    netlist.votes[0].push(Vote { signal: 1000, inverted: false });
    assert!(GpuEngine::new(&gpu, &netlist).is_err_and(|e| e.to_string().contains("signal 1000 votes")));
}
