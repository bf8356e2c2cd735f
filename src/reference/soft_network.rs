//! The relaxed network, whole: real activations, tables from logits at a temperature, loss and every gradient.

use super::{backward_soft, forward_soft, group_sum_soft, loss, parametrization, tabulate_soft};
use crate::network::Layer;

/// A network as one differentiable function of its logits and its inputs.
#[derive(Debug, Clone)]
pub struct SoftNetwork {
    /// Wiring, arity and parametrization; its own logits and tables are not looked at.
    pub layers: Vec<Layer>,
    /// `[layer][gate][logit]`
    pub logits: Vec<Vec<Vec<f64>>>,
    /// `[layer][gate][logit]`, added in every selection.
    pub noise: Vec<Vec<Vec<f64>>>,
    /// Of every selection.
    pub temperature: f64,
    /// Classes that share the last layer.
    pub classes: usize,
    /// Of the group sum.
    pub tau: f64,
}

/// Derivatives of one sample's loss.
#[derive(Debug, Clone)]
pub struct SoftGradients {
    /// `[inputs]`
    pub inputs: Vec<f64>,
    /// `[layer][gate][logit]`
    pub logits: Vec<Vec<Vec<f64>>>,
}

impl SoftNetwork {
    /// Cross-entropy of one sample, `inputs` `[inputs]`.
    pub fn loss(&self, inputs: &[f64], label: usize) -> f64 {
        let activations = self.activations(&self.tables(), inputs);
        loss(&self.votes(&activations), label, self.tau, 1).loss
    }

    /// Derivatives of [`SoftNetwork::loss`] by every logit and input.
    pub fn gradients(&self, inputs: &[f64], label: usize) -> SoftGradients {
        let tables = self.tables();
        let activations = self.activations(&tables, inputs);
        let by_votes = loss(&self.votes(&activations), label, self.tau, 1).gradient;
        let group = activations[self.layers.len()].len() / self.classes;
        let mut by_outputs: Vec<f64> = by_votes.iter().flat_map(|&g| std::iter::repeat_n(g, group)).collect();
        let mut by_logits = Vec::new();
        for (i, layer) in self.layers.iter().enumerate().rev() {
            let adjoints = backward_soft(layer, &tables[i], &activations[i], &by_outputs);
            let gates = self.logits[i].iter().zip(&self.noise[i]).zip(&adjoints.tables);
            let gradients = gates.map(|((z, noise), s)| {
                parametrization::logit_gradients(layer.parametrization, z, noise, s, self.temperature)
            });
            by_logits.push(gradients.collect());
            by_outputs = adjoints.inputs;
        }
        by_logits.reverse();
        SoftGradients { inputs: by_outputs, logits: by_logits }
    }

    /// `[layer][gate][code]`
    fn tables(&self) -> Vec<Vec<Vec<f64>>> {
        let layers = self.layers.iter().zip(&self.logits).zip(&self.noise);
        layers
            .map(|((layer, logits), noise)| tabulate_soft(layer.parametrization, logits, noise, self.temperature))
            .collect()
    }

    /// The inputs, then each layer's outputs.
    fn activations(&self, tables: &[Vec<Vec<f64>>], inputs: &[f64]) -> Vec<Vec<f64>> {
        let mut activations = vec![inputs.to_vec()];
        for (layer, tables) in self.layers.iter().zip(tables) {
            activations.push(forward_soft(layer, tables, &activations[activations.len() - 1]));
        }
        activations
    }

    fn votes(&self, activations: &[Vec<f64>]) -> Vec<f64> {
        group_sum_soft(&activations[self.layers.len()], self.classes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{forward_hard, input_gradients, selection_noise, tables_of_bits};
    use super::*;
    use crate::network::{Draw, Initialization, Parametrization, Wiring};
    use crate::random::Philox;

    const INPUTS: usize = 8;

    fn network(
        parametrization: Parametrization,
        arity: usize,
        temperature: f64,
        noisy: bool,
        rng: &mut Philox,
    ) -> SoftNetwork {
        let draw = Draw { wiring: Wiring::Random, parametrization, start: Initialization::Gaussian.into(), seed: 11 };
        let layers = [(INPUTS, 7), (7, 9), (9, 6)];
        let layers: Vec<Layer> =
            layers.iter().enumerate().map(|(i, &(inputs, gates))| Layer::draw(i, inputs, gates, arity, draw)).collect();
        // Where there is a derivative: away from cos z = 0, where the sine's slope is bounded by LEAST_COSINE, and inside the
        // clamp, past which the gradient goes straight through.
        let mut logit = |noise: f64| loop {
            let z = rng.normal();
            let smooth = match parametrization {
                Parametrization::IwpSin => z.cos().abs() > 0.2,
                Parametrization::IwpClamp => (z + noise).abs() < 0.9 * temperature,
                _ => true,
            };
            if smooth {
                return z;
            }
        };
        let count = parametrization.logits(arity);
        let gates = |l: &Layer| 0..l.gates();
        let noise: Vec<Vec<Vec<f64>>> = layers
            .iter()
            .map(|l| {
                let draw = |gate| match noisy {
                    true => selection_noise(parametrization, count, 1, 0, gate),
                    false => vec![0.0; count],
                };
                gates(l).map(draw).collect()
            })
            .collect();
        let logits = noise.iter().map(|l| l.iter().map(|n| n.iter().map(|&n| logit(n)).collect()).collect()).collect();
        SoftNetwork { layers, logits, noise, temperature, classes: 3, tau: 0.7 }
    }

    /// A central difference over ±h errs by h²/6 of the third derivative and by the loss's rounding over h: with
    /// h = 1e-5, losses near 1 and third derivatives up to some thousands (temperature 0.3), by less than 1e-6.
    #[test]
    fn gradients_are_the_central_differences_of_the_loss() {
        let mut rng = Philox::new(2, 0);
        let cases = Parametrization::ALL.into_iter().flat_map(|p| (1..=6).map(move |arity| (p, arity)));
        for (parametrization, arity) in cases.filter(|(p, arity)| p.can_have(*arity)) {
            for (temperature, noisy) in [(0.3, false), (1.0, false), (1.0, true), (3.0, true)] {
                let network = network(parametrization, arity, temperature, noisy, &mut rng);
                let inputs: Vec<f64> = (0..INPUTS).map(|_| rng.uniform()).collect();
                let label = rng.below(3) as usize;
                let gradients = network.gradients(&inputs, label);
                let h = 1e-5;
                let check = |what: String, analytic: f64, above: f64, below: f64| {
                    let difference = (above - below) / (2.0 * h);
                    let case = format!("{parametrization:?}, k {arity}, temperature {temperature}, {what}");
                    assert!((analytic - difference).abs() < 1e-6, "{case}: {analytic} against {difference}");
                };
                for i in 0..INPUTS {
                    let at = |value: f64| {
                        let mut moved = inputs.clone();
                        moved[i] = value;
                        network.loss(&moved, label)
                    };
                    check(format!("input {i}"), gradients.inputs[i], at(inputs[i] + h), at(inputs[i] - h));
                }
                for (layer, gates) in network.logits.iter().enumerate() {
                    for (gate, logits) in gates.iter().enumerate() {
                        for logit in 0..logits.len() {
                            let at = |by: f64| {
                                let mut moved = network.clone();
                                moved.logits[layer][gate][logit] += by;
                                moved.loss(&inputs, label)
                            };
                            let analytic = gradients.logits[layer][gate][logit];
                            check(format!("logit {layer} {gate} {logit}"), analytic, at(h), at(-h));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn on_bits_the_soft_gate_is_the_hard_one_and_so_is_its_input_gradient() {
        let mut rng = Philox::new(3, 0);
        for arity in 1..=6 {
            let draw = Draw {
                wiring: Wiring::Random,
                parametrization: Parametrization::IwpSin,
                start: Initialization::Gaussian.into(),
                seed: 5,
            };
            let layer = Layer::draw(0, INPUTS, 20, arity, draw);
            let bits: Vec<bool> = (0..INPUTS).map(|_| rng.below(2) == 1).collect();
            let real: Vec<f64> = bits.iter().map(|&b| f64::from(u8::from(b))).collect();
            let tables = tables_of_bits(&layer.tables, arity);
            let gradients: Vec<f64> = (0..20).map(|_| rng.normal()).collect();
            let hard: Vec<f64> = forward_hard(&layer, &bits).into_iter().map(|b| f64::from(u8::from(b))).collect();
            assert_eq!(forward_soft(&layer, &tables, &real), hard);
            let soft = backward_soft(&layer, &tables, &real, &gradients).inputs;
            assert_eq!(soft, input_gradients(&layer, &bits, &gradients));
        }
    }
}
