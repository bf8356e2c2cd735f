//! A trained network as a circuit.

use super::Model;
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
        let inputs = stages.last().map_or(self.encoder.features(), Stage::outputs);
        let mut luts = Vec::new();
        let mut signals: Vec<Signal> = (0..inputs as Signal).collect();
        for (l, layer) in self.layers.iter().enumerate().skip(stages.len()) {
            signals = layer.circuit(&signals, l as u32, inputs, &mut luts);
        }
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
