//! Circuits and images that the tests of circuits share.
#![allow(dead_code)] // Every test binary uses a part of it.

use gatewright::circuit::{Grid, Leaf, Literal, Lut, Netlist, Signal, Stage, Unit, Vote};
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

/// A unit of at most `depth` gates from leaf to root, with everything that is allowed: constants, leaves as roots, gates of 0 to 2
/// inputs that read anything before them and that nothing reads.
fn random_unit(rng: &mut Philox, channels: u32, kernel: [usize; 2], depth: u32) -> Unit {
    let leaf = |rng: &mut Philox| Leaf {
        channel: rng.below(channels),
        dy: rng.below(kernel[0] as u32),
        dx: rng.below(kernel[1] as u32),
    };
    let leaves: Vec<Leaf> = (0..rng.below(9)).map(|_| leaf(rng)).collect();
    let (mut gates, mut depths): (Vec<Lut>, Vec<u32>) = (Vec::new(), vec![0; leaves.len()]);
    for _ in 0..rng.below(8) {
        let nodes = depths.len() as u32;
        let arity = if nodes == 0 { 0 } else { rng.below(3).max(rng.below(3)) };
        let pins: Vec<Signal> = (0..arity).map(|_| rng.below(nodes)).collect();
        let below = pins.iter().map(|&n| depths[n as usize]).max().unwrap_or(0);
        if below < depth {
            gates.push(Lut::new(u64::from(rng.next_u32()), &pins, 0));
            depths.push(below + 1);
        }
    }
    let nodes = depths.len() as u32;
    let root = match rng.below(8) {
        0 => Literal::Constant(rng.below(2) == 1),
        _ if nodes == 0 => Literal::Constant(false),
        _ => Literal::Wire { signal: nodes - 1 - rng.below(nodes.min(3)), inverted: rng.below(2) == 1 },
    };
    Unit { leaves, gates, root }
}

/// A netlist of one to three convolutions of odd shapes, strides, pads and pools, whose units are at most `depth` gates deep, behind
/// features of which many are alike, before gates and votes that read features, every map and each other.
pub fn random_convolved(depth: u32, seed: u64) -> Netlist {
    let mut rng = Philox::new(seed, 79);
    let image = ImageShape { channels: 1, height: 9, width: 8 };
    let [mut channels, mut height, mut width] = [1 + rng.below(3), 5 + rng.below(6), 4 + rng.below(7)];
    let features = channels * height * width;
    let encoder = Encoder {
        pixel: (0..features).map(|_| rng.below(72)).collect(),
        threshold: (0..features).map(|_| (rng.below(3) * 80) as u8).collect(),
    };
    let (mut stages, mut signals): (Vec<Stage>, u32) = (Vec::new(), features);
    for layer in 0..1 + seed as u32 % 3 {
        let grid = loop {
            let mut draw = |from: u32, count: u32| (from + rng.below(count)) as usize;
            let kernel = [draw(1, 4), draw(1, 3)];
            let (stride, pad, pool) = (draw(1, 2), draw(0, 3), draw(1, 3));
            let grid = Grid { height: height as usize, width: width as usize, kernel, stride, pad, pool };
            let fits = grid.padded().iter().zip(kernel).all(|(&size, side)| side <= size);
            if fits && grid.area() > 0 {
                break grid;
            }
        };
        let units: Vec<Unit> =
            (0..1 + rng.below(9)).map(|_| random_unit(&mut rng, channels, grid.kernel, depth)).collect();
        stages.push(Stage { grid, channels: channels as usize, units, layer });
        let stage = &stages[layer as usize];
        [height, width] = stage.grid.outputs().map(|n| n as u32);
        channels = stage.units.len() as u32;
        signals += stage.outputs() as u32;
    }
    let mut luts = Vec::new();
    for i in 0..40 {
        let inputs: Vec<Signal> = (0..rng.below(5)).map(|_| rng.below(signals + i)).collect();
        let table = u64::from(rng.next_u32()) << 32 | u64::from(rng.next_u32());
        luts.push(Lut::new(table, &inputs, stages.len() as u32 + i / 20));
    }
    let vote = |rng: &mut Philox| Vote { signal: rng.below(signals + 40), inverted: rng.below(4) == 0 };
    let votes = (0..3).map(|_| (0..40).map(|_| vote(&mut rng)).collect()).collect();
    let classes = (0..3).map(|c| format!("class {c}")).collect();
    let made = Netlist { image, encoder, stages, luts, classes, votes, offsets: vec![0, 3, 1] };
    made.check().unwrap();
    made
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
