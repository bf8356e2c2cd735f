//! The engine against the one-sample reference.

mod common;

use common::{MNIST, Shape, mnist_images, random_model, random_netlist, random_pixels};
use gatewright::circuit::{Engine, Netlist, Simd, reference};
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
    #![proptest_config(ProptestConfig::with_cases(128))]

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
}

#[test]
fn whole_blocks_and_remainders_agree_on_every_path() {
    for arity in 1..=6 {
        let model = random_model(MNIST, 3, &[700, 500, 300], arity, 5);
        let netlist = Netlist::from_model(&model).unwrap();
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
