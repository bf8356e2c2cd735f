//! A trained network as a circuit.

use super::{Layer, Model};
use crate::circuit::{Netlist, Signal, Stage, Vote};

impl Model {
    /// The circuit of a trained network, gate for gate: nothing is simplified away. Convolutions stay whole, but for those
    /// behind a dense layer, which are written out place by place.
    ///
    /// # Errors
    /// A sentence, if the parts of the model do not fit together.
    pub fn netlist(&self) -> std::result::Result<Netlist, String> {
        self.check()?;
        let stages: Vec<Stage> = self.layers.iter().zip(0..).map_while(|(layer, l)| layer.stage(l)).collect();
        let inputs = self.encoder.features() + stages.iter().map(Stage::outputs).sum::<usize>();
        let mut luts = Vec::new();
        // Of everything so far, first to last, of which a layer reads all or what is last.
        let mut signals: Vec<Signal> = (0..inputs as Signal).collect();
        for (l, layer) in self.layers.iter().enumerate().skip(stages.len()) {
            let read = &signals[signals.len() - layer.inputs..];
            let given = layer.circuit(read, l as u32, inputs, &mut luts);
            signals.extend(given);
        }
        let signals = &signals[signals.len() - self.layers.last().map_or(0, Layer::outputs)..];
        let votes: Vec<Vec<Vote>> = (0..self.classes.len())
            .map(|class| {
                let group = self.group();
                let own = signals.iter().skip(class * group).take(group);
                own.map(|&signal| Vote { signal, inverted: false }).collect()
            })
            .collect();
        Ok(Netlist {
            image: self.image,
            encoder: self.encoder.clone(),
            stages,
            luts,
            classes: self.classes.clone(),
            offsets: vec![0; votes.len()],
            votes,
        })
    }
}
