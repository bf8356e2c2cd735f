//! Circuits and images that the tests of circuits share.
#![allow(dead_code)] // Every test binary uses a part of it.

use gatewright::circuit::{Lut, Netlist, Signal, Vote};
use gatewright::data::Encoder;
use gatewright::data::{Head, ImageShape};
use gatewright::network::{Draw, Initialization, Layer, Model, Parametrization, Wiring};
use gatewright::random::Philox;

/// Header of the columns of a [`thing`].
pub const THING: &str = "colour,shape,size,material,origin,finish";

/// A row of six words, for tables with a rule.
pub fn thing(rng: &mut Philox) -> [&'static str; 6] {
    let columns: [&[&str]; 6] = [
        &["red", "green", "blue", "yellow"],
        &["round", "square", "star"],
        &["small", "medium", "large"],
        &["wood", "metal", "glass", "paper", "stone"],
        &["north", "south", "east", "west"],
        &["matt", "gloss"],
    ];
    columns.map(|words| words[rng.below(words.len() as u32) as usize])
}

/// What a random netlist may be made of.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub pixels: u32,
    pub features: u32,
    pub gates: u32,
    pub classes: u32,
    pub max_arity: u32,
    pub seed: u64,
}

/// A netlist with everything that is allowed: constants, repeated inputs, unused gates, gates of 0 to `max_arity`
/// inputs, votes for features, repeated and complemented votes, offsets.
pub fn random_netlist(shape: Shape) -> Netlist {
    let mut rng = Philox::new(shape.seed, 77);
    let encoder = Encoder {
        pixel: (0..shape.features).map(|_| rng.below(shape.pixels)).collect(),
        threshold: (0..shape.features).map(|_| rng.below(256) as u8).collect(),
    };
    let mut luts = Vec::new();
    for i in 0..shape.gates {
        let arity = rng.below(shape.max_arity + 1) as usize;
        // Mostly recent signals, so that circuits become deep; often the same one twice.
        let signals = shape.features + i;
        let near = rng.below(signals);
        let inputs: Vec<Signal> =
            (0..arity).map(|_| if rng.below(3) == 0 { near } else { rng.below(signals) }).collect();
        let table = match rng.below(8) {
            0 => 0,
            1 => u64::MAX,
            _ => u64::from(rng.next_u32()) << 32 | u64::from(rng.next_u32()),
        };
        luts.push(Lut::new(table, &inputs, i / 10));
    }
    let signals = shape.features + shape.gates;
    let vote = |rng: &mut Philox| Vote { signal: rng.below(signals), inverted: rng.below(4) == 0 };
    let votes = (0..shape.classes).map(|_| (0..rng.below(24)).map(|_| vote(&mut rng)).collect()).collect();
    Netlist {
        image: ImageShape { channels: 1, height: 1, width: shape.pixels as usize },
        encoder,
        stages: Vec::new(),
        luts,
        classes: (0..shape.classes).map(|c| format!("class {c}")).collect(),
        votes,
        offsets: (0..shape.classes).map(|_| rng.below(5)).collect(),
    }
}

/// A network for `image` whose gates are drawn, not trained.
pub fn random_model(image: ImageShape, thresholds: usize, widths: &[usize], arity: usize, seed: u64) -> Model {
    let encoder = Encoder::thermometer(image, thresholds).unwrap();
    let draw = Draw {
        wiring: Wiring::Unique,
        parametrization: Parametrization::IwpSin,
        start: Initialization::Gaussian.into(),
        seed,
    };
    let mut inputs = encoder.features();
    let mut layers = Vec::new();
    for (i, &gates) in widths.iter().enumerate() {
        layers.push(Layer::draw(i, inputs, gates, arity, draw));
        inputs = gates;
    }
    let classes = (0..10).map(|c| c.to_string()).collect();
    Model { dataset: "noise".into(), image, table: None, head: Head::Classes, classes, tau: 10.0, encoder, layers }
}

/// `[sample][pixel]` uniform bytes.
pub fn random_pixels(samples: usize, pixels: usize, seed: u64) -> Vec<u8> {
    let mut rng = Philox::new(seed, 78);
    (0..samples * pixels).map(|_| rng.below(256) as u8).collect()
}

/// The first `samples` test images of the embedded MNIST, `[sample][784]`.
pub fn mnist_images(samples: usize) -> Vec<u8> {
    use std::io::Read;
    let packed: &[u8] = include_bytes!("../../assets/mnist/t10k-images-idx3-ubyte.gz");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes[16..16 + samples * 784].to_vec()
}

pub const MNIST: ImageShape = ImageShape { channels: 1, height: 28, width: 28 };
