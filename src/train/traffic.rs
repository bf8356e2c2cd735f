//! The bytes that each pass of a step must move at least: every row that it reads, once, and every row that it writes.
//!
//! A kernel that reads a row twice moves more, unless a cache holds it. The backward pass may also move less: it does not
//! read a gradient row that none of a lane's samples depends on. A pass over a micro-batch that is not its step's first also
//! reads the table gradients that it adds to, which is not counted.

use super::workspace::BatchSize;
use crate::gpu::shader::GradientFormat;
use crate::gpu::structs;
use crate::network::Model;

/// Bytes of a f32 or u32.
const WORD: u64 = 4;

/// One layer's extents.
#[derive(Debug, Clone, Copy)]
struct Layer {
    gates: u64,
    inputs: u64,
    arity: u64,
    /// Logits a gate.
    logits: u64,
}

/// What decides how much a step moves.
#[derive(Debug, Clone)]
pub struct Traffic {
    layers: Vec<Layer>,
    /// 32-sample words of a batch, and of a micro-batch.
    whole: u64,
    words: u64,
    features: u64,
    /// u32 words of a sample's bytes.
    row_words: u64,
    classes: u64,
    gradients: GradientFormat,
}

impl Layer {
    fn pins(self) -> u64 {
        self.gates * self.arity
    }

    /// Entries of a gate's table.
    fn codes(self) -> u64 {
        1 << self.arity
    }

    /// Bytes of all tables, packed.
    fn tables(self) -> u64 {
        self.gates * self.codes().div_ceil(32) * WORD
    }

    fn wiring(self) -> u64 {
        self.pins() * WORD
    }

    /// Features that are read at least: no more than there are, no more than there are pins.
    fn read(self) -> u64 {
        self.inputs.min(self.pins())
    }
}

impl Traffic {
    /// Of steps on batches like `batch`, taken as `size` says.
    pub fn of(model: &Model, batch: &structs::Batch, size: BatchSize, gradients: GradientFormat) -> Self {
        let layer = |l: &crate::network::Layer| Layer {
            gates: l.gates() as u64,
            inputs: l.inputs as u64,
            arity: l.arity as u64,
            logits: l.parametrization.logits(l.arity) as u64,
        };
        Traffic {
            layers: model.layers.iter().map(layer).collect(),
            whole: batch.words.into(),
            words: size.words.into(),
            features: batch.features.into(),
            row_words: batch.row_words.into(),
            classes: batch.classes.into(),
            gradients,
        }
    }

    /// Least bytes of the pass with this label, `kernel` or `kernel layer`; nothing for kernels without a formula.
    pub fn bytes(&self, label: &str) -> Option<u64> {
        let (kernel, layer) = label.split_once(' ').unwrap_or((label, ""));
        let at: Option<usize> = layer.parse().ok();
        let layer = at.and_then(|at| self.layers.get(at)).copied();
        let last = self.layers.last().copied()?;
        // Of one feature: its bits, its real activations, numbers in f32, its gradients.
        let (bits, activations, reals) = (self.words * WORD, self.words * 16 * WORD, self.words * 32 * WORD);
        let gradients = self.words * u64::from(self.gradients.bits()) * WORD;
        let class_gradients = if self.gradients.is_sliced() { reals } else { gradients };
        let samples = self.words * 32;
        let pixels = samples * self.row_words * WORD;
        let whole = self.whole * 32;
        Some(match kernel {
            // Writes sample numbers.
            "select_batch" => whole * WORD,
            // Sample numbers and pixels in, pixels out.
            "augment" => whole * (WORD + 2 * self.row_words * WORD),
            // Sample numbers, pixels and the encoder's table in, bits or real activations out.
            "encode" | "encode_soft" => {
                let table = (self.row_words + 1 + 2 * self.features) * WORD;
                let row = if kernel == "encode" { bits } else { activations };
                samples * WORD + pixels + table + self.features * row
            }
            // Logits in, tables out; real tables are f32.
            "tabulate" => layer?.gates * layer?.logits * WORD + layer?.tables(),
            "tabulate_soft" => layer?.gates * (layer?.logits + layer?.codes()) * WORD,
            // A structure or two.
            "advance" => 2 * size_of::<structs::Step>() as u64 + size_of::<structs::Training>() as u64,
            // Wiring, tables and input bits in, output bits out.
            "forward_hard" => layer?.wiring() + layer?.tables() + (layer?.read() + layer?.gates) * bits,
            // Output bits in, votes out.
            "group_sum" => last.gates * bits + self.classes * reals,
            // Votes, sample numbers and labels in, class gradients out.
            "loss" => self.classes * (reals + class_gradients) + 2 * samples * WORD,
            // Class gradients in and out.
            "slice_gradients" => self.classes * (reals + gradients),
            "backward_hard" | "backward_sliced" => self.backward(at?, bits, gradients)?,
            // Table gradients in; logits and both moments in and out.
            "update" => layer?.gates * (layer?.codes() + 6 * layer?.logits) * WORD,
            // Bits in, real activations out.
            "unpack_bits" => self.features * (bits + activations),
            // Wiring, tables and inputs in, outputs out.
            "forward_soft" => {
                layer?.wiring() + layer?.gates * layer?.codes() * WORD + (layer?.read() + layer?.gates) * activations
            }
            // Outputs in, votes out.
            "group_sum_soft" => last.gates * activations + self.classes * reals,
            "backward_soft" => self.backward_soft(at?, activations, gradients)?,
            _ => return None,
        })
    }

    /// Wiring, input bits and gradient rows in, table gradients out; of layers with consumers also their edges, their
    /// tables and the bits that they read; a layer whose gradients the layer before needs writes them.
    fn backward(&self, at: usize, bits: u64, gradients: u64) -> Option<u64> {
        let layer = *self.layers.get(at)?;
        let last = self.layers.len() - 1;
        let mut bytes = layer.wiring() + layer.read() * bits + layer.gates * layer.codes() * WORD;
        bytes += if at + 1 >= last { self.classes } else { self.layers[at + 1].gates } * gradients;
        if at < last {
            let next = self.layers[at + 1];
            let edges = (layer.gates + 1 + next.pins() * next.arity) * WORD;
            bytes += edges + next.tables() + next.read() * bits;
            if at > 0 {
                bytes += layer.gates * gradients;
            }
        }
        Some(bytes)
    }

    /// Wiring, input activations and gradient rows in, table gradients out; of layers with consumers also the edges, whose
    /// rows these are; every layer but the first reads its tables and writes a row a pin.
    fn backward_soft(&self, at: usize, activations: u64, gradients: u64) -> Option<u64> {
        let layer = *self.layers.get(at)?;
        let mut bytes = layer.wiring() + layer.read() * activations + layer.gates * layer.codes() * WORD;
        bytes += match self.layers.get(at + 1) {
            Some(next) => (layer.gates + 1 + next.pins()) * WORD + next.pins() * gradients,
            None => self.classes * gradients,
        };
        if at > 0 {
            bytes += layer.gates * layer.codes() * WORD + layer.pins() * gradients;
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Encoder;
    use crate::data::{Head, ImageShape};
    use crate::network::{Draw, Initialization, Layer as Drawn, Parametrization, Wiring};

    /// 10 features of 10 bytes, 20, 16 and 12 gates of two inputs, 3 classes, a batch of 33 samples: two words.
    fn traffic(gradients: GradientFormat) -> Traffic {
        let draw = Draw {
            wiring: Wiring::Unique,
            parametrization: Parametrization::IwpSin,
            start: Initialization::Gaussian.into(),
            seed: 1,
        };
        let widths = [10, 20, 16, 12];
        let layers = widths.windows(2).enumerate().map(|(i, w)| Drawn::draw(i, w[0], w[1], 2, draw)).collect();
        let model = Model {
            dataset: "none".into(),
            image: ImageShape { channels: 1, height: 1, width: 10 },
            table: None,
            head: Head::Classes,
            classes: ["a", "b", "c"].map(String::from).to_vec(),
            tau: 1.0,
            encoder: Encoder { pixel: (0..10).collect(), threshold: vec![0; 10] },
            layers,
        };
        let batch = structs::Batch { words: 2, row_words: 3, features: 10, classes: 3, ..bytemuck::Zeroable::zeroed() };
        Traffic::of(&model, &batch, BatchSize::whole(33), gradients)
    }

    #[test]
    fn the_formulas_give_what_is_counted_by_hand() {
        // A feature's bits are 8 bytes, its reals 256, its 8-bit gradients 64, its f32 gradients 256.
        let (sliced, real) = (traffic(GradientFormat::Int8), traffic(GradientFormat::F32));
        let expected = [
            ("select_batch", 64 * 4),
            ("augment", 256 + 2 * 64 * 12),
            ("encode", 256 + 64 * 12 + (4 + 20) * 4 + 10 * 8),
            ("tabulate 0", 20 * 4 * 4 + 20 * 4),
            ("forward_hard 1", 32 * 4 + 16 * 4 + (20 + 16) * 8),
            // 24 pins can read no more than 24 features, and there are 16.
            ("forward_hard 2", 24 * 4 + 12 * 4 + (16 + 12) * 8),
            ("group_sum", 12 * 8 + 3 * 256),
            ("loss", 3 * 512 + 2 * 256),
            ("slice_gradients", 3 * (256 + 64)),
            // Wires, input bits, table gradients; rows of three classes.
            ("backward_sliced 2", 24 * 4 + 16 * 8 + 12 * 16 + 3 * 64),
            // Also 17 offsets and 24 edges of two words, 12 tables, 16 rows of bits that consumers read; rows are kept.
            ("backward_sliced 1", 32 * 4 + 20 * 8 + 16 * 16 + 3 * 64 + (17 + 48) * 4 + 12 * 4 + 16 * 8 + 16 * 64),
            // Rows of 16 consumers; none is kept.
            ("backward_sliced 0", 40 * 4 + 10 * 8 + 20 * 16 + 16 * 64 + (21 + 64) * 4 + 16 * 4 + 20 * 8),
            ("update 2", 12 * (4 + 4 * 2 + 8 * 2) * 4),
            // Real activations are 128 bytes a feature.
            ("unpack_bits", 10 * (8 + 128)),
            ("encode_soft", 256 + 64 * 12 + (4 + 20) * 4 + 10 * 128),
            ("tabulate_soft 2", 12 * (4 + 4) * 4),
            ("forward_soft 1", 32 * 4 + 16 * 16 + (20 + 16) * 128),
            ("group_sum_soft", 12 * 128 + 3 * 256),
        ];
        for (label, bytes) in expected {
            assert_eq!(sliced.bytes(label), Some(bytes), "{label}");
        }
        assert_eq!(real.bytes("loss"), Some(3 * 512 + 2 * 256));
        assert_eq!(real.bytes("backward_hard 2"), Some(24 * 4 + 16 * 8 + 12 * 16 + 3 * 256));
        // Wires, activations, table gradients; rows of classes; its own tables, and a row for each of 24 pins.
        assert_eq!(real.bytes("backward_soft 2"), Some(24 * 4 + 16 * 128 + 12 * 16 + 3 * 256 + 12 * 16 + 24 * 256));
        // 21 offsets and 32 edges, whose rows are read; nothing is sent on.
        let first = 40 * 4 + 10 * 128 + 20 * 16 + (21 + 32) * 4 + 32 * 256;
        assert_eq!(real.bytes("backward_soft 0"), Some(first));
        assert_eq!(sliced.bytes("backward_sliced 3"), None);
        assert_eq!(sliced.bytes("no such kernel"), None);
    }
}
