//! A trained network as a circuit.

use super::Model;
use crate::circuit::{Netlist, Signal, Vote};

impl Model {
    /// The circuit of a trained network, gate for gate: nothing is simplified away.
    ///
    /// # Errors
    /// A sentence, if the parts of the model do not fit together.
    pub fn netlist(&self) -> std::result::Result<Netlist, String> {
        self.check()?;
        let features = self.encoder.features() as Signal;
        let mut luts = Vec::with_capacity(self.gates());
        let mut signals: Vec<Signal> = (0..features).collect();
        for (l, layer) in self.layers.iter().enumerate() {
            signals = layer.circuit(&signals, l as u32, features as usize, &mut luts);
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
            luts,
            classes: self.classes.clone(),
            offsets: vec![0; votes.len()],
            votes,
        })
    }
}
