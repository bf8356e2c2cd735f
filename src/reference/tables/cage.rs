//! CAGE, the confidence-adaptive gradient estimator (Align Forward, Adapt Backward).

use crate::reference::constants::Constants;

/// What it keeps of a network, a layer or a gate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CageState {
    /// Running mean of confidence, c_ema.
    pub mean: f64,
    /// The backward temperature that it asks for, τ_b.
    pub temperature: f64,
}

impl CageState {
    /// Before the first step: the mean of an undecided selection, 1/K.
    pub fn start(constants: &Constants) -> Self {
        CageState { mean: 1.0 / constants.choices, temperature: constants.temperature }
    }

    /// Take in a step's mean confidence: c_ema ← d·c_ema + (1 − d)·c. With CAGE on,
    /// τ_b = τ_max − (τ_max − τ_min) · clamp((c_ema − 1/K)/(1 − 1/K), 0, 1).
    pub fn adapt(&mut self, constants: &Constants, confidence: f64) {
        let decay = constants.cage.map_or(0.99, |cage| cage.decay.into());
        self.mean = decay * self.mean + (1.0 - decay) * confidence;
        self.temperature = match constants.cage {
            None => constants.temperature,
            Some(cage) => {
                let undecided = 1.0 / constants.choices;
                let certainty = ((self.mean - undecided) / (1.0 - undecided)).clamp(0.0, 1.0);
                f64::from(cage.tau_max) - f64::from(cage.tau_max - cage.tau_min) * certainty
            }
        };
    }
}
