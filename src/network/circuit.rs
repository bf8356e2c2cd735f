//! A trained network as a circuit.

use super::Model;
use crate::circuit::{Lut, MAX_ARITY, Netlist, Signal, Vote};

impl Model {
    /// The circuit of a trained network, gate for gate: nothing is simplified away.
    ///
    /// # Errors
    /// A sentence, if the parts of the model do not fit together.
    pub fn netlist(&self) -> std::result::Result<Netlist, String> {
        self.check()?;
        let features = self.encoder.features() as Signal;
        let mut luts = Vec::with_capacity(self.gates());
        let (mut first_input, mut first_output) = (0, features);
        for (l, layer) in self.layers.iter().enumerate() {
            for (table, wires) in layer.luts() {
                let mut pins = [0; MAX_ARITY];
                pins.iter_mut().zip(wires).for_each(|(pin, wire)| *pin = first_input + wire);
                luts.push(Lut::new(table, &pins[..wires.len()], l as u32));
            }
            first_input = first_output;
            first_output += layer.gates() as Signal;
        }
        let last = first_input..first_output;
        let votes: Vec<Vec<Vote>> = (0..self.classes.len())
            .map(|class| {
                let group = self.group();
                last.clone().skip(class * group).take(group).map(|signal| Vote { signal, inverted: false }).collect()
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
