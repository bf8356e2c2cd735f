//! What a step has to know of a network and its data to be planned: shapes, no contents.

use crate::data::{Dataset, Encoder, ImageShape, Split, Task};
use crate::network::{Conv, Convolution, Form, Learning, Model, Parametrization, Reads, most_readers};
use crate::plan::EncoderTable;
use crate::settings::Settings;
use crate::{Error, Result};

/// The shapes of a network and of the samples it works on.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// A sample's.
    pub image: ImageShape,
    /// Input bits.
    pub features: u32,
    /// Most features that look at one word of a sample's bytes.
    pub most_features: u32,
    /// Outputs: groups of the last layer's gates.
    pub outputs: u32,
    /// What they tell.
    pub task: Task,
    /// Outputs a target of values.
    pub code_bits: u32,
    /// Words that say what is right for a sample.
    pub label_words: u32,
    /// Samples.
    pub samples: u32,
    /// First to last.
    pub layers: Vec<LayerOutline>,
}

/// The shape of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerOutline {
    /// What it makes of its tables.
    pub form: Form,
    /// Which rows it reads.
    pub reads: Reads,
    /// Tables.
    pub gates: u32,
    /// Rows that it reads.
    pub inputs: u32,
    /// Inputs a gate.
    pub arity: usize,
    /// How logits become tables.
    pub parametrization: Parametrization,
    /// Most pins, or leaves of trees, that read one row of the layer before, or, where wires learn, may come to; 0 before it is wired.
    pub most_readers: u32,
}

impl Outline {
    /// Of a network that `settings` will have drawn for `data`, read by `encoder`; not wired yet.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) for a convolution that does not go over what it reads.
    pub fn of_settings(settings: &Settings, data: &Dataset, encoder: &Encoder) -> Result<Self> {
        let mut rows = [encoder.features() as u32; 2];
        let mut layer = |form: Form, reads: Reads, gates: usize| {
            let arity = if form.is_dense() { settings.arity } else { 2 };
            let parametrization = settings.parametrization;
            let inputs = rows[usize::from(reads == Reads::All)];
            let own =
                LayerOutline { form, reads, gates: gates as u32, inputs, arity, parametrization, most_readers: 0 };
            rows = [own.rows(), rows[1] + own.rows()];
            own
        };
        let shapes = over_maps(&settings.convolutions, data.image, encoder.features())?;
        let mut layers: Vec<_> = settings
            .convolutions
            .iter()
            .zip(shapes)
            .map(|(what, conv)| layer(Form::Conv(conv), Reads::Before, what.gates()))
            .collect();
        layers.extend(settings.layers.iter().enumerate().map(|(i, &gates)| {
            let reads_all = i == 0 && !settings.reads.is_empty();
            layer(Form::Dense, if reads_all { Reads::All } else { Reads::Before }, gates)
        }));
        Ok(Outline {
            image: data.image,
            features: encoder.features() as u32,
            most_features: most_features(encoder, data.image),
            outputs: data.classes.len() as u32,
            task: data.head.task(),
            code_bits: data.head.bits(),
            label_words: data.train.targets_a_sample().max(1) as u32,
            samples: data.train.len() as u32,
            layers,
        })
    }

    /// Of `model`, whose wires learn as `learning` says, and the samples of `split`.
    pub fn of_model(model: &Model, learning: Option<&Learning>, split: &Split) -> Self {
        let layer = |(i, l): (usize, &crate::network::Layer)| LayerOutline {
            form: l.form,
            reads: l.reads,
            gates: l.gates() as u32,
            inputs: l.inputs as u32,
            arity: l.arity,
            parametrization: l.parametrization,
            most_readers: match (l.form, learning.and_then(|learning| learning.layers[i].as_ref())) {
                (Form::Dense, Some(candidates)) => candidates.most_readers(l.inputs),
                (Form::Dense, None) => most_readers(&l.wiring, l.inputs),
                (Form::Conv(conv), _) => {
                    let channels: Vec<u32> = l.wiring.iter().map(|&wire| conv.leaf(wire).0 as u32).collect();
                    most_readers(&channels, conv.channels as usize)
                }
            },
        };
        Outline {
            image: model.image,
            features: model.encoder.features() as u32,
            most_features: most_features(&model.encoder, model.image),
            outputs: model.classes.len() as u32,
            task: model.head.task(),
            code_bits: model.head.bits(),
            label_words: split.targets_a_sample().max(1) as u32,
            samples: split.len() as u32,
            layers: model.layers.iter().enumerate().map(layer).collect(),
        }
    }

    /// u32 words of a sample's bytes.
    pub fn row_words(&self) -> u32 {
        self.image.pixels().div_ceil(4) as u32
    }

    /// Rows of the last layer an output.
    pub fn group(&self) -> u32 {
        self.layers.last().map_or(0, LayerOutline::rows) / self.outputs.max(1)
    }

    /// Rows of the widest layer, or input bits where these are more.
    pub fn widest(&self) -> u32 {
        self.layers.iter().map(LayerOutline::rows).fold(self.features, u32::max)
    }

    /// The last layer that reads everything before it, if any does.
    pub fn last_over_all(&self) -> Option<usize> {
        self.layers.iter().rposition(|layer| !layer.reads.is_before())
    }
}

impl LayerOutline {
    /// Rows that it makes: a gate's, or those of its trees' outputs.
    pub fn rows(&self) -> u32 {
        match self.form {
            Form::Dense => self.gates,
            Form::Conv(conv) => self.gates / conv.tree_gates() as u32 * conv.area() as u32,
        }
    }

    /// Pins of all gates.
    pub fn pins(&self) -> u32 {
        self.gates * self.arity as u32
    }

    /// Entries of a gate's table.
    pub fn codes(&self) -> u32 {
        1 << self.arity
    }

    /// u32 words of a gate's table.
    pub fn table_words(&self) -> u32 {
        self.codes().div_ceil(32)
    }

    /// Logits a gate.
    pub fn logits(&self) -> u32 {
        self.parametrization.logits(self.arity) as u32
    }

    /// Choices of its parametrization.
    pub fn selections(&self) -> usize {
        self.gates as usize * self.parametrization.selections(self.arity)
    }

    /// Rows that are read at least: no more than there are, no more than there are pins.
    pub fn read(&self) -> u32 {
        self.inputs.min(self.pins())
    }
}

/// The shapes of `convolutions` one over another, the first over the map of `features` bits that an encoder makes of images.
///
/// # Errors
/// [`Error::Usage`](crate::Error::Usage) for one that does not go over what it reads.
pub fn over_maps(convolutions: &[Convolution], image: ImageShape, features: usize) -> Result<Vec<Conv>> {
    let area = (image.height * image.width).max(1);
    let mut map = [features / area, image.height, image.width].map(|n| n as u32);
    let over = |(i, what): (usize, &Convolution)| {
        let conv = what.over(map).map_err(|problem| Error::usage(format!("layer {i} {problem}")))?;
        let [rows, columns] = conv.outputs();
        map = [what.units, rows as u32, columns as u32];
        Ok(conv)
    };
    convolutions.iter().enumerate().map(over).collect()
}

fn most_features(encoder: &Encoder, image: ImageShape) -> u32 {
    EncoderTable::of(&encoder.pixel, &encoder.threshold, image.pixels().div_ceil(4) as u32).most_features
}
