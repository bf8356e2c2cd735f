//! Table gradients to logit gradients, then Adam.

use super::advance::Step;
use super::parametrization;
use crate::network::Parametrization;
use crate::reference::constants::Constants;

/// Adam's running means of a logit's gradient and of its square.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    /// Of the gradient.
    pub first: f64,
    /// Of its square.
    pub second: f64,
}

/// Update one gate's logits from its `[codes]` table gradients, at a backward temperature and with the `[logits]` noise of
/// the step's selection.
#[allow(clippy::too_many_arguments)] // the kernel's bindings
pub fn update(
    constants: &Constants,
    step: &Step,
    parametrization: Parametrization,
    temperature: f64,
    noise: &[f64],
    table_gradients: &[f64],
    logits: &mut [f64],
    moments: &mut [Moments],
) {
    let gradients = parametrization::logit_gradients(parametrization, logits, noise, table_gradients, temperature);
    for ((logit, moments), gradient) in logits.iter_mut().zip(moments).zip(gradients) {
        moments.first = constants.beta1 * moments.first + (1.0 - constants.beta1) * gradient;
        moments.second = constants.beta2 * moments.second + (1.0 - constants.beta2) * gradient * gradient;
        *logit = adam(constants, step, *logit, *moments);
    }
}

/// Where Adam (Kingma and Ba 2015, algorithm 1) puts a logit by moments that are up to date, with the decoupled weight
/// decay of Loshchilov and Hutter 2019.
pub fn adam(constants: &Constants, step: &Step, logit: f64, moments: Moments) -> f64 {
    let first = moments.first / (1.0 - step.beta1_power);
    let second = moments.second / (1.0 - step.beta2_power);
    let decayed = logit - step.learning_rate * constants.weight_decay * logit;
    decayed - step.learning_rate * first / (second.sqrt() + constants.epsilon)
}
