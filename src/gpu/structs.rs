//! Host twins of the structures in `shaders/shared/structs.wgsl`; a test compares them with naga's layout.

use bytemuck::{Pod, Zeroable};

/// One layer at one batch size.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[allow(missing_docs)] // described where the shaders read them
pub struct Layer {
    pub gates: u32,
    pub inputs: u32,
    pub words: u32,
    pub group: u32,
    pub first_partial: u32,
    pub first_gate: u32,
    pub index: u32,
    pub pad: u32,
}

/// A batch, or a micro-batch of it: which samples, and their extent.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[allow(missing_docs)]
pub struct Batch {
    pub samples: u32,
    pub size: u32,
    pub words: u32,
    pub first: u32,
    pub row_words: u32,
    pub features: u32,
    pub key0: u32,
    pub key1: u32,
    pub classes: u32,
    pub shard: u32,
    pub width: u32,
    pub height: u32,
    pub shift: u32,
    pub flip: u32,
    pub least_side: u32,
    pub ring: u32,
    pub offset: u32,
    pub pad: [u32; 3],
}

/// What does not change during a run.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[allow(missing_docs)]
pub struct Training {
    pub learning_rate: f32,
    pub final_fraction: f32,
    pub warmup_steps: u32,
    pub total_steps: u32,
    pub beta1: f32,
    pub beta2: f32,
    pub epsilon: f32,
    pub weight_decay: f32,
    pub group_tau: f32,
    pub temperature: f32,
    pub cage: u32,
    pub cage_tau_min: f32,
    pub cage_tau_max: f32,
    pub cage_decay: f32,
    pub choices: f32,
    pub selections: f32,
    pub partials: u32,
    pub samples: u32,
    pub batch: u32,
    pub slice_scale: f32,
    pub key0: u32,
    pub key1: u32,
    pub layers: u32,
    pub group: u32,
}

/// CAGE for one layer or one gate.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[allow(missing_docs)]
pub struct Cage {
    pub mean: f32,
    pub temperature: f32,
    pub selections: f32,
}

/// What changes every step.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[allow(missing_docs)]
pub struct Step {
    pub step: u32,
    pub temperature: f32,
    pub learning_rate: f32,
    pub confidence: f32,
    pub confidence_mean: f32,
    pub beta1_power: f32,
    pub beta2_power: f32,
    pub epoch: u32,
    pub position: u32,
    pub pad: [u32; 3],
}
