//! The circuit as plain data: input features, convolutions, look-up tables in topological order, and the votes of each class.

use std::borrow::Cow;
use std::ops::Range;

use super::{Lut, MAX_ARITY, Signal, Stage};
use crate::data::{Encoder, ImageShape};

/// One vote for a class: a signal, or its complement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vote {
    /// The signal that votes.
    pub signal: Signal,
    /// True if the vote is cast where the signal is 0.
    pub inverted: bool,
}

/// A Boolean circuit that counts votes: the score of class `c` is `offsets[c]` + the number of votes in `votes[c]`
/// that are cast, the predicted class is the one with the greatest score, the first among equals.
///
/// Signals `0..inputs()` are the encoder's features and after them the maps that convolutions give, first to last, each
/// `[channel][row][column]`; signal `inputs() + i` is the output of LUT `i`.
///
/// It holds only what decides the result: no logits, no temperature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Netlist {
    /// Extent of an input image; the encoder reads its bytes.
    pub image: ImageShape,
    /// Feature `f` is the bit `byte[pixel[f]] > threshold[f]`.
    pub encoder: Encoder,
    /// Convolutions: the first reads the features as a map, every other the map that the one before it gives.
    pub stages: Vec<Stage>,
    /// LUT `i` drives signal `inputs() + i` and reads only signals before it.
    pub luts: Vec<Lut>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// `[class]`: who votes for it; a signal listed twice votes twice.
    pub votes: Vec<Vec<Vote>>,
    /// `[class]`: votes that are always cast.
    pub offsets: Vec<u32>,
}

impl Netlist {
    /// Number of input features, live or not.
    pub fn features(&self) -> usize {
        self.encoder.features()
    }

    /// Number of signals that are no LUT's: features, and bits of all maps.
    pub fn inputs(&self) -> usize {
        self.features() + self.stages.iter().map(Stage::outputs).sum::<usize>()
    }

    /// `[stages + 1]`: the signals of the features, and of the map that each convolution gives.
    pub fn maps(&self) -> Vec<Range<usize>> {
        let counts = std::iter::once(self.features()).chain(self.stages.iter().map(Stage::outputs));
        let mut end = 0;
        counts
            .map(|count| {
                end += count;
                end - count..end
            })
            .collect()
    }

    /// Number of signals: inputs and LUTs.
    pub fn signals(&self) -> usize {
        self.inputs() + self.luts.len()
    }

    /// The signal that LUT `i` drives.
    pub fn output_of(&self, i: usize) -> Signal {
        (self.inputs() + i) as Signal
    }

    /// Number of gates, those of a convolution counted once.
    pub fn gates(&self) -> usize {
        self.stages.iter().map(Stage::gates).sum::<usize>() + self.luts.len()
    }

    /// Gates evaluated for a sample, those of a convolution at every place. The ORs of pools are not counted.
    pub fn applications(&self) -> usize {
        self.stages.iter().map(|stage| stage.gates() * stage.places()).sum::<usize>() + self.luts.len()
    }

    /// The same circuit with its convolutions written out place by place.
    pub fn flat(&self) -> Cow<'_, Netlist> {
        if self.stages.is_empty() {
            return Cow::Borrowed(self);
        }
        let (features, inputs) = (self.features(), self.inputs());
        let (mut luts, mut signals): (Vec<Lut>, Vec<Signal>) = (Vec::new(), (0..features as Signal).collect());
        for (stage, map) in self.stages.iter().zip(self.maps()) {
            signals.extend(stage.unroll(&signals[map], features, &mut luts));
        }
        let after = features + luts.len();
        let renumbered =
            |s: Signal| signals.get(s as usize).copied().unwrap_or((after + s as usize - inputs) as Signal);
        for lut in &self.luts {
            let mut lut = *lut;
            lut.pins[..lut.arity as usize].iter_mut().for_each(|s| *s = renumbered(*s));
            luts.push(lut);
        }
        let of_class = |votes: &Vec<Vote>| votes.iter().map(|v| Vote { signal: renumbered(v.signal), ..*v }).collect();
        Cow::Owned(Netlist {
            image: self.image,
            encoder: self.encoder.clone(),
            stages: Vec::new(),
            luts,
            classes: self.classes.clone(),
            votes: self.votes.iter().map(of_class).collect(),
            offsets: self.offsets.clone(),
        })
    }

    /// The greatest score that any class can have.
    pub fn max_count(&self) -> u32 {
        self.votes.iter().zip(&self.offsets).map(|(v, o)| v.len() as u32 + o).max().unwrap_or(0)
    }

    /// `[signal]`: how many pins and votes read it.
    pub fn fan_out(&self) -> Vec<u32> {
        let mut readers = vec![0; self.signals()];
        for lut in &self.luts {
            lut.inputs().iter().for_each(|&s| readers[s as usize] += 1);
        }
        self.votes.iter().flatten().for_each(|v| readers[v.signal as usize] += 1);
        readers
    }

    /// `[feature]`: how many pins and votes read it, those of a convolution counted at every place.
    pub fn use_of_features(&self) -> Vec<u32> {
        let mut readers = self.fan_out();
        readers.truncate(self.features());
        if let Some(stage) = self.stages.first() {
            readers.iter_mut().zip(stage.use_of_map()).for_each(|(readers, of_stage)| *readers += of_stage);
        }
        readers
    }

    /// `[signal]`: gates on the longest path from a feature, 0 for features and constants' inputs.
    pub fn levels(&self) -> Vec<u32> {
        let mut levels = Vec::with_capacity(self.signals());
        levels.resize(self.features(), 0);
        let mut of_channels = vec![0; self.stages.first().map_or(0, |stage| stage.channels)];
        for stage in &self.stages {
            of_channels = stage.levels(&of_channels);
            levels.extend(of_channels.iter().flat_map(|&level| std::iter::repeat_n(level, stage.grid.area())));
        }
        for lut in &self.luts {
            let deepest = lut.inputs().iter().map(|&s| levels[s as usize]).max().unwrap_or(0);
            levels.push(deepest + u32::from(lut.arity > 0));
        }
        levels
    }

    /// Gates on the longest path from a feature to a vote.
    pub fn depth(&self) -> u32 {
        let levels = self.levels();
        self.votes.iter().flatten().map(|v| levels[v.signal as usize]).max().unwrap_or(0)
    }

    /// Check that the parts fit together; the error is a sentence.
    pub fn check(&self) -> std::result::Result<(), String> {
        if let Some(p) = self.encoder.pixel.iter().find(|&&p| p as usize >= self.image.pixels()) {
            return Err(format!("its encoder reads pixel {p} of an image of {}", self.image.pixels()));
        }
        let mut bits = self.features();
        for (i, stage) in self.stages.iter().enumerate() {
            stage.check().map_err(|problem| format!("convolution {i} {problem}"))?;
            if stage.inputs() != bits {
                return Err(format!("convolution {i} reads a map of {} bits, but is given {bits}", stage.inputs()));
            }
            bits = stage.outputs();
        }
        for (i, lut) in self.luts.iter().enumerate() {
            if lut.arity as usize > MAX_ARITY || lut.table & !lut.mask() != 0 {
                return Err(format!("gate {i} has a table that does not fit its {} inputs", lut.arity));
            }
            if let Some(s) = lut.inputs().iter().find(|&&s| s as usize >= self.inputs() + i) {
                return Err(format!("gate {i} reads signal {s}, which no earlier gate drives"));
            }
        }
        if self.votes.len() != self.classes.len() || self.offsets.len() != self.classes.len() {
            return Err("its votes and offsets do not match its classes".into());
        }
        match self.votes.iter().flatten().find(|v| v.signal as usize >= self.signals()) {
            Some(v) => Err(format!("signal {} votes, but there are only {}", v.signal, self.signals())),
            None => Ok(()),
        }
    }
}
