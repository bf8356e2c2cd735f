//! Host twins of the structures in `shaders/shared/structs.wgsl`, where their fields are described; a test compares them with
//! naga's layout.

use bytemuck::{Pod, Zeroable};

/// A structure with its fields' names, offsets and types, for the test that compares it with the shaders'.
macro_rules! uniform {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
        #[allow(missing_docs)]
        pub struct $name {
            $(pub $field: $type),+
        }

        impl $name {
            /// (name, offset, type) of every field.
            pub const FIELDS: &[(&'static str, usize, &'static str)] =
                &[$((stringify!($field), std::mem::offset_of!($name, $field), stringify!($type))),+];
        }
    };
}

uniform! {
    /// One layer at one batch size.
    Layer {
        gates: u32,
        inputs: u32,
        words: u32,
        group: u32,
    }
}

uniform! {
    /// Where a layer's tables lie beside those of others.
    LayerTables {
        gates: u32,
        slot: u32,
        first_gate: u32,
        first_partial: u32,
        index: u32,
    }
}

uniform! {
    /// A batch, or a micro-batch of it: which samples, and their extent.
    Batch {
        samples: u32,
        size: u32,
        words: u32,
        first: u32,
        row_words: u32,
        key0: u32,
        key1: u32,
        classes: u32,
        shard: u32,
        width: u32,
        height: u32,
        shift: u32,
        flip: u32,
        least_side: u32,
        ring: u32,
        offset: u32,
    }
}

uniform! {
    /// What does not change during a run.
    Training {
        learning_rate: f32,
        final_fraction: f32,
        warmup_steps: u32,
        total_steps: u32,
        beta1: f32,
        beta2: f32,
        epsilon: f32,
        weight_decay: f32,
        group_tau: f32,
        temperature: f32,
        cage: u32,
        cage_tau_min: f32,
        cage_tau_max: f32,
        cage_decay: f32,
        choices: f32,
        selections: f32,
        partials: u32,
        samples: u32,
        batch: u32,
        slice_scale: f32,
        key0: u32,
        key1: u32,
        layers: u32,
        group: u32,
        wire_rate: f32,
        wire_every: u32,
        wire_until: u32,
        pad: u32,
    }
}

uniform! {
    /// CAGE for one layer or one gate.
    Cage {
        mean: f32,
        temperature: f32,
        selections: f32,
    }
}

uniform! {
    /// What changes every step.
    Step {
        step: u32,
        temperature: f32,
        learning_rate: f32,
        confidence: f32,
        confidence_mean: f32,
        beta1_power: f32,
        beta2_power: f32,
        epoch: u32,
        position: u32,
        wire_beta1_power: f32,
        wire_beta2_power: f32,
        pad: u32,
    }
}

impl Step {
    /// Before the first step, at this backward temperature, selections being among `choices` choices.
    pub fn first(temperature: f32, choices: f32) -> Self {
        Step {
            step: 0,
            temperature,
            learning_rate: 0.0,
            confidence: 0.0,
            confidence_mean: 1.0 / choices,
            beta1_power: 1.0,
            beta2_power: 1.0,
            epoch: 0,
            position: 0,
            wire_beta1_power: 1.0,
            wire_beta2_power: 1.0,
            pad: 0,
        }
    }
}

impl Cage {
    /// The same of one layer or gate, with so many selections.
    pub fn first(temperature: f32, choices: f32, selections: usize) -> Self {
        Cage { mean: 1.0 / choices, temperature, selections: selections as f32 }
    }
}
