//! Settings that are one of several words, and CAGE's constants.

use serde::{Deserialize, Serialize};

use crate::plan::CageScope;

/// How gates are selected forward and differentiated backward (Align Forward, Adapt Backward). With g the selection noise,
/// drawn once a gate and step, the table weights of the forward pass, and those whose derivative the logits get:
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The selected gate, argmax z, forward; softmax(z/τ) backward.
    HardSt,
    /// A sampled gate, argmax(z + g), forward; softmax((z + g)/τ) backward.
    GumbelSt,
    /// The mixture softmax(z/τ) both ways.
    SoftMix,
    /// The noisy mixture softmax((z + g)/τ) both ways.
    SoftGumbel,
}

impl Method {
    /// Whether the forward pass uses mixtures, and so real activations.
    pub fn is_soft(self) -> bool {
        matches!(self, Method::SoftMix | Method::SoftGumbel)
    }

    /// Whether selections are noisy.
    pub fn is_noisy(self) -> bool {
        matches!(self, Method::GumbelSt | Method::SoftGumbel)
    }
}

/// What the first layer reads in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum InputKind {
    /// The encoder's bits.
    Bits,
    /// Pixels as they are, byte / 255; the soft methods only.
    Soft,
}

/// Which places of a window a gradient goes to that comes to their OR. An OR of bits that are often 1 hardly ever depends on one
/// of them alone, so its derivative as such starves what is before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum PoolGradient {
    /// Every place whose change alone changes the OR.
    Exact,
    /// The first that is 1; the first of all where all are 0.
    First,
    /// The first that is 1; where all are 0 a pseudo-random one.
    Any,
}

/// How the learning rate moves over the steps, after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// It stays.
    Constant,
    /// Half a cosine from `lr` down to `lr · lr-final`.
    Cosine,
}

/// Which network of a run becomes its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Select {
    /// That of the last step.
    Last,
    /// That of the evaluation with the best held-out accuracy of the hard network.
    Best,
}

/// CAGE's constants (Align Forward, Adapt Backward).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cage {
    /// Backward temperature of a certain network.
    pub tau_min: f32,
    /// Backward temperature of an undecided network.
    pub tau_max: f32,
    /// Decay a step of confidence's running mean.
    pub decay: f32,
    /// Whose confidence sets a gate's temperature.
    pub scope: CageScope,
}

impl Default for Cage {
    /// The paper's constants; its scope is unknown, so the network's.
    fn default() -> Self {
        Cage { tau_min: 0.5, tau_max: 3.0, decay: 0.99, scope: CageScope::Network }
    }
}
