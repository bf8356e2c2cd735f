// Structures shared with the host; their twins are in src/plan/uniforms.rs, compared field by field in a test.

// One layer at one batch size.
struct Layer {
    gates: u32,        // rows of this layer: its gates, or the outputs of its trees
    inputs: u32,       // features of the layer before
    words: u32,        // 32-sample words a feature: ceil(batch / 32)
    group: u32,        // rows of the last layer an output: a class, a label, or a bit of a value
}

// Where a layer's tables lie beside those of others.
struct LayerTables {
    gates: u32,        // gates of this layer
    slot: u32,         // place of the first of them
    first_gate: u32,   // gates of the layers before
    first_partial: u32, // where its confidence partial sums begin
    index: u32,        // of this layer, the first being 0; those that are not trained come after all that are
}

// A batch, or a micro-batch of it: which samples, and their extent.
struct Batch {
    samples: u32,      // samples in the set it is picked from
    size: u32,         // samples of it
    words: u32,        // 32-sample words: ceil(size / 32)
    first: u32,        // evaluation: first sample of the batch
    row_words: u32,    // u32 words of bytes a sample: ceil(pixels / 4)
    key0: u32,         // seed of the permutations
    key1: u32,
    classes: u32,
    shard: u32,        // samples a shard of pixels
    width: u32,        // pixels a row of an image
    height: u32,       // rows of an image
    shift: u32,        // augmentation: pixels an image may move each way
    flip: u32,         // augmentation: 1 if half of the images are mirrored
    least_side: u32,   // augmentation: least side of the part that is shown, in 2^-14 of the image's
    ring: u32,         // steps whose samples are on the device at once, in order; 0: all samples are
    offset: u32,       // micro-batch: place of its first sample in the step's batch, a multiple of 32
}

// What does not change during a run.
struct Training {
    learning_rate: f32,
    final_fraction: f32,  // cosine: the last rate as a fraction of the first
    warmup_steps: u32,
    total_steps: u32,     // 0: the rate stays constant
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    weight_decay: f32,
    group_tau: f32,       // the group sum's temperature
    temperature: f32,     // of selection, backward, where CAGE does not set it
    cage: u32,            // 1: CAGE sets the backward temperature
    cage_tau_min: f32,
    cage_tau_max: f32,
    cage_decay: f32,
    choices: f32,         // K, choices a selection: 2 (input-wise) or 16
    selections: f32,      // selections of all layers that are trained, over which confidence is averaged
    partials: u32,        // confidence partial sums of these
    samples: u32,         // training samples
    batch: u32,           // samples a step
    slice_scale: f32,     // sliced gradients: integer units a unit of gradient
    key0: u32,            // seed of selection noise
    key1: u32,
    layers: u32,          // that are trained
    group: u32,           // as in Layer
    wire_rate: f32,       // rate of wires that learn, as a multiple of the learning rate
    wire_every: u32,      // steps from one that scores wires to the next
    wire_until: u32,      // from so many steps on wires stay; 0: none learns
    pad0: u32,
}

// CAGE for one layer or one gate.
struct Cage {
    mean: f32,            // running mean of its confidence
    temperature: f32,     // the backward temperature that it asks for
    selections: f32,      // selections that its confidence is averaged over
}

// What changes every step; written by `advance` alone.
struct Step {
    step: u32,            // steps begun
    temperature: f32,     // of this step's backward pass: tau_b, or the fixed one
    learning_rate: f32,
    confidence: f32,      // mean confidence of this step's selections
    confidence_mean: f32, // its running mean
    beta1_power: f32,     // beta1^step
    beta2_power: f32,
    epoch: u32,           // of the next batch's first sample
    position: u32,        // of the next batch's first sample in its epoch
    wire_beta1_power: f32, // beta1^n after n steps that scored wires
    wire_beta2_power: f32,
    pad0: u32,
}
