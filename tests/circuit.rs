//! The engine against the one-sample reference.

mod common;

use common::{MNIST, Shape, mnist_images, random_model, random_netlist, random_pixels};
use gatewright::circuit::{Census, Engine, Netlist, Simd, draw, reference, simplify};
use gatewright::plot::Rgb;
use proptest::prelude::*;

/// `[sample][class]` counts, one sample and one gate at a time.
fn reference_counts(netlist: &Netlist, pixels: &[u8]) -> Vec<u32> {
    pixels.chunks_exact(netlist.image.pixels()).flat_map(|bytes| reference::counts(netlist, bytes)).collect()
}

fn any_netlist() -> impl Strategy<Value = Netlist> {
    (1u32..90, 1u32..60, 0u32..120, 1u32..6, 0u32..7, any::<u64>()).prop_map(
        |(pixels, features, gates, classes, max_arity, seed)| {
            random_netlist(Shape { pixels, features, gates, classes, max_arity, seed })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_engine_gives_the_reference_counts(netlist in any_netlist(), samples in 0usize..70, seed in any::<u64>()) {
        prop_assert!(netlist.check().is_ok());
        let pixels = random_pixels(samples, netlist.image.pixels(), seed);
        let expected = reference_counts(&netlist, &pixels);
        for simd in Simd::available() {
            let engine = Engine::with_simd(&netlist, simd);
            prop_assert_eq!(&engine.counts(&pixels, false), &expected, "{}", simd.name());
        }
    }

    #[test]
    fn simplification_keeps_every_count(netlist in any_netlist(), seed in any::<u64>()) {
        let (simple, report) = simplify(&netlist);
        prop_assert!(simple.check().is_ok());
        prop_assert!(report.after.gates <= report.before.gates);
        prop_assert!(simple.luts.iter().all(|l| l.arity >= 2 && l.table & 1 == 0), "constants and wires are gone");
        let pixels = random_pixels(64, netlist.image.pixels(), seed);
        prop_assert_eq!(reference_counts(&simple, &pixels), reference_counts(&netlist, &pixels));
        prop_assert_eq!(Engine::new(&simple).counts(&pixels, false), reference_counts(&netlist, &pixels));
        let (again, _) = simplify(&simple);
        prop_assert_eq!(again, simple, "a fixed point");
    }

    #[test]
    fn simplification_is_right_for_all_inputs_of_small_circuits(
        features in 1u32..8, gates in 0u32..40, max_arity in 0u32..7, seed in any::<u64>()
    ) {
        let mut netlist = random_netlist(Shape { pixels: features, features, gates, classes: 2, max_arity, seed });
        netlist.encoder.pixel = (0..features).collect();
        netlist.encoder.threshold = vec![0; features as usize];
        let (simple, _) = simplify(&netlist);
        let all: Vec<u8> = (0..1u32 << features).flat_map(|x| (0..features).map(move |f| (x >> f & 1) as u8)).collect();
        prop_assert_eq!(reference_counts(&simple, &all), reference_counts(&netlist, &all));
    }
}

#[test]
fn whole_blocks_and_remainders_agree_on_every_path() {
    for arity in 1..=6 {
        let model = random_model(MNIST, 3, &[700, 500, 300], arity, 5);
        let netlist = model.netlist().unwrap();
        for samples in [1, 511, 512, 513, 1100] {
            let pixels = mnist_images(samples);
            let expected = reference_counts(&netlist, &pixels);
            let classes: Vec<u32> = expected.chunks_exact(10).map(reference::argmax).collect();
            for simd in Simd::available() {
                let engine = Engine::with_simd(&netlist, simd);
                let mut counts = vec![0; expected.len()];
                for parallel in [false, true] {
                    assert_eq!(engine.counts(&pixels, parallel), expected, "{} {samples} samples", simd.name());
                    assert_eq!(engine.classify(&pixels, parallel), classes);
                    engine.counts_packed(&engine.encode(&pixels), &mut counts, parallel);
                    assert_eq!(counts, expected, "encoded before");
                }
            }
        }
    }
}

#[test]
fn drawings_show_the_circuit() {
    let netlist = random_model(MNIST, 1, &[300, 200, 100], 2, 8).netlist().unwrap();
    let image = mnist_images(1);
    let decode = |png: Vec<u8>| image::load_from_memory(&png).unwrap().to_rgb8();
    let counted =
        |picture: &image::RgbImage, color: Rgb| picture.pixels().filter(|p| p.0 == [color.0, color.1, color.2]).count();
    decode(draw::gate_types(&Census::of(&netlist)).unwrap());
    let heat = decode(draw::input_use(&netlist).unwrap());
    // The most used pixel is drawn in the darkest colour, a cell of 17 × 17.
    assert!(counted(&heat, Rgb(10, 26, 70)) >= 17 * 17);
    let on = reference::signals(&netlist, &image)[784..].iter().filter(|&&v| v).count();
    let gates = decode(draw::gates_on(&netlist, &image, "class 3", &[3]).unwrap());
    // Cells of 6 × 6 for gates that are on, and a bar of 14 rows.
    assert_eq!((counted(&gates, gatewright::plot::ORANGE) - 36 * on) % 14, 0);
    assert!(
        draw::gate_types(&Census::of(&random_netlist(Shape {
            pixels: 4,
            features: 4,
            gates: 0,
            classes: 1,
            max_arity: 2,
            seed: 0
        })))
        .is_err()
    );
}
