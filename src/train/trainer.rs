//! A network in training on one device: steps, state, read-back.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::augmentation::Augmentation;
use super::memory_plan::{DataShape, Extents, MemoryPlan};
use super::parameters::Parameters;
use super::samples::{Samples, Stream};
use super::state::{State, Tensor};
use super::step::{MOST_PARTIALS, PassMaker, SoftTables, Source, StepBuffers};
use super::traffic::Traffic;
use super::tuning::Tuning;
use super::workspace::{Augmented, EncoderTable, Gradients, SoftBuffers, Workspace};
use crate::data::Encoder;
use crate::data::{Dataset, Head, ImageShape, Split};
use crate::gpu::shader::{CageScope, HISTORY};
use crate::gpu::{Clock, Gpu, Pass, Span, structs, time_passes};
use crate::network::{Draw, Layer, Model};
use crate::settings::{Schedule, Settings};
use crate::{Error, Result};

/// Submissions that may be under way before the host waits for the oldest.
const MOST_IN_FLIGHT: usize = 3;

/// A network, its optimizer and its training samples on a device.
pub struct Trainer<'a> {
    gpu: &'a Gpu,
    settings: Settings,
    model: Model,
    pub(super) tuning: Tuning,
    pub(super) parameters: Parameters,
    pub(super) encoder: EncoderTable,
    pub(super) buffers: StepBuffers,
    /// Where the training samples do not stay on the device.
    stream: Option<Stream>,
    /// Logits to tables without noise, and, where the method has it, with the next step's.
    tabulate: [Vec<Pass>; 2],
    step: Vec<Pass>,
    traffic: Traffic,
    pub(super) outputs: Outputs,
    submitted: u32,
    /// Steps recorded by [`Trainer::submit`], and the time that the host took for it.
    recorded: (u32, Duration),
    in_flight: VecDeque<wgpu::SubmissionIndex>,
}

/// Where a step leaves each layer's outputs.
pub(super) struct Outputs {
    /// `[layers]` rows of gates.
    pub layers: Vec<wgpu::Buffer>,
    /// 32-sample words of a row.
    pub words: u32,
    /// Whether they are real activations, not bits.
    pub are_real: bool,
}

/// What the last steps were like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Steps done.
    pub step: u32,
    /// Mean training loss over the steps since the last report.
    pub loss: f64,
    /// Mean training accuracy over the same.
    pub accuracy: f64,
    /// Backward temperature: τ_b, or the fixed one; the mean where layers or gates have their own.
    pub temperature: f32,
    /// The least and the greatest backward temperature of a layer or gate.
    pub temperature_range: [f32; 2],
    /// Mean confidence of the last step's selections; of soft methods, which do not select, of the logits as they are now.
    pub confidence: f32,
    /// Its running mean, which CAGE looks at; of soft methods the same number.
    pub confidence_mean: f32,
    /// Learning rate of the last step.
    pub learning_rate: f32,
}

/// Draw a fresh network for images of this shape and encoding.
///
/// # Errors
/// [`Error::Usage`] if the classes cannot share the last layer or a layer is narrower than its gates' inputs.
pub fn draw_model(
    settings: &Settings,
    name: &str,
    image: ImageShape,
    classes: &[String],
    encoder: Encoder,
) -> Result<Model> {
    settings.check_classes(classes.len())?;
    let draw = Draw {
        wiring: settings.wiring,
        parametrization: settings.parametrization,
        start: settings.start,
        seed: settings.seed,
    };
    let mut inputs = encoder.features();
    let mut layers = Vec::new();
    for (i, &gates) in settings.layers.iter().enumerate() {
        if inputs < settings.arity {
            return Err(Error::usage(format!(
                "layer {i} has {inputs} inputs and its gates need {}; widen the layer before",
                settings.arity
            )));
        }
        layers.push(Layer::draw(i, inputs, gates, settings.arity, draw));
        inputs = gates;
    }
    Ok(Model {
        dataset: name.into(),
        image,
        table: None,
        head: Head::Classes,
        classes: classes.to_vec(),
        tau: settings.tau,
        encoder,
        layers,
    })
}

impl<'a> Trainer<'a> {
    /// Draw a network for `data` and put it and the training samples on the device.
    ///
    /// # Errors
    /// [`Error::Usage`] before anything is made, if a buffer would be larger than the device takes.
    pub fn new(gpu: &'a Gpu, settings: &Settings, data: &Dataset) -> Result<Self> {
        Self::tuned(gpu, settings, data, Tuning::for_adapter(&gpu.adapter))
    }

    /// [`Trainer::new`] with kernels shaped, and samples kept, as `tuning` says.
    pub fn tuned(gpu: &'a Gpu, settings: &Settings, data: &Dataset, tuning: Tuning) -> Result<Self> {
        let encoder = Encoder::learn(data, settings.input.encoder_kind()?, settings.thresholds)?;
        let encoder = encoder.without_rare(&data.train.pixels, data.image, settings.rare, settings.arity);
        MemoryPlan::check(settings, &Extents::of(gpu, &encoder, DataShape::of(data)))?;
        let drawn = draw_model(settings, &data.name, data.image, &data.classes, encoder)?;
        let model = Model { table: data.table.clone(), head: data.head.clone(), ..drawn };
        Self::with_model(gpu, settings, model, &data.train, tuning)
    }

    /// Train `model` on from its logits, with fresh moments.
    pub fn with_model(gpu: &'a Gpu, settings: &Settings, model: Model, train: &Split, tuning: Tuning) -> Result<Self> {
        let stream = if Samples::fit(gpu, train, model.image, tuning.most_resident_bytes) {
            None
        } else {
            Some(Stream::new(gpu, train, model.image, settings.batch, settings.seed)?)
        };
        let resident;
        let samples = match &stream {
            Some(stream) => &stream.samples,
            None => {
                resident = Samples::upload(gpu, train, model.image)?;
                &resident
            }
        };
        let parameters = Parameters::upload(gpu, &model);
        let encoder = EncoderTable::upload(gpu, &model.encoder, samples.row_words);
        let shape = DataShape {
            image: model.image,
            outputs: model.classes.len(),
            label_words: train.targets_a_sample().max(1),
            samples: train.len(),
        };
        let plan = MemoryPlan::check(settings, &Extents::of(gpu, &model.encoder, shape))?;
        let (batch, seed) = (plan.batch, settings.seed);
        let augmentation = Augmentation::of(settings);
        if augmentation.is_some() && model.table.is_some() {
            return Err(Error::usage(
                "rows of a table cannot be moved; leave out --shift, --flip, --rotate and --resized-crop",
            ));
        }
        let workspace = Workspace::new(gpu, &model, &parameters, samples, batch, seed, augmentation.as_ref());
        let augmented = augmentation.as_ref().map(|how| Augmented::new(gpu, &workspace, how));
        let gradients = Gradients::new(gpu, &model, workspace.words, settings.gradients, settings.method.is_soft());
        let constants = constants(settings, &model, samples.count);
        let state = structs::Step {
            step: 0,
            temperature: settings.temperature,
            learning_rate: 0.0,
            confidence: 0.0,
            confidence_mean: 1.0 / constants.choices,
            beta1_power: 1.0,
            beta2_power: 1.0,
            epoch: 0,
            position: 0,
            pad: [0; 3],
        };
        let step = gpu.buffer("step", 48, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::UNIFORM);
        gpu.write(&step, &[state]);
        let buffers = StepBuffers {
            training: gpu.uniform("training", &constants),
            step,
            partials: gpu.storage("confidence partials", u64::from(constants.partials) * 4),
            history: gpu.storage("history", u64::from(HISTORY) * 8),
            cages: cages(gpu, settings, &model, constants.choices),
            head: model.head.clone(),
            spread: spread(gpu, &model, train),
        };
        let (method, scope) = (settings.method, settings.cage_scope());
        let exchange = tuning.subgroups && tuning.most_lanes > 1 && gpu.shares_subgroups(tuning.most_lanes)?;
        let tuning = Tuning { subgroups: exchange, ..tuning };
        let mut make = PassMaker::new(gpu, tuning);
        let mut tabulated = |noise, scope| make.tabulate(&model, &parameters, &workspace, &buffers, noise, scope);
        let sampled = if method.is_noisy() { tabulated(true, CageScope::Network) } else { Vec::new() };
        let tabulate = [tabulated(false, CageScope::Network), sampled];
        // Soft steps need no hard tables, and no confidence, for CAGE does not go with them.
        let tabulate_step = if method.is_soft() { Vec::new() } else { tabulated(method.is_noisy(), scope) };
        let source = Source { samples, encoder: &encoder, augmented: augmented.as_ref() };
        let mut step = make.pick(&workspace, &source, &buffers.step, true);
        step.extend(tabulate_step);
        let soft = method.is_soft().then(|| SoftBuffers::for_training(gpu, &workspace, &model));
        if let Some(soft) = &soft {
            let tables = SoftTables::Mixed { noise: method.is_noisy() };
            step.extend(make.tabulate_soft(&model, &parameters, &workspace, &buffers, soft, tables));
        }
        step.push(make.advance(&buffers, settings));
        for (n, batch) in workspace.micro_batches.iter().enumerate() {
            let added = n > 0;
            match &soft {
                Some(soft) => {
                    step.extend(make.activate(&workspace, batch, &source, soft, settings.input_kind));
                    step.extend(make.forward_soft(&parameters, &workspace, soft));
                }
                None => {
                    step.push(make.encode(&workspace, batch, &source));
                    step.extend(make.forward_hard(&parameters, &workspace));
                }
            }
            step.push(make.loss(&workspace, batch, &gradients, samples, &buffers, settings));
            if settings.gradients.is_sliced() {
                step.push(make.slice_gradients(&workspace, batch, &gradients, &buffers, settings));
            }
            step.extend(match &soft {
                Some(soft) => make.backward_soft(&parameters, &workspace, &gradients, soft, settings, added)?,
                None => make.backward(&parameters, &workspace, &gradients, &buffers, settings, added)?,
            });
        }
        step.extend(make.update(&model, &parameters, &workspace, &buffers, settings));
        gpu.check()?;
        let outputs = Outputs {
            layers: soft.as_ref().map_or(&workspace.outputs, |soft| &soft.outputs).clone(),
            words: workspace.words,
            are_real: soft.is_some(),
        };
        let traffic = Traffic::of(&model, &workspace.batch, batch, settings.gradients);
        Ok(Trainer {
            gpu,
            settings: settings.clone(),
            model,
            tuning,
            parameters,
            encoder,
            buffers,
            stream,
            tabulate,
            step,
            traffic,
            outputs,
            submitted: 0,
            recorded: (0, Duration::ZERO),
            in_flight: VecDeque::new(),
        })
    }

    /// The device it trains on.
    pub fn gpu(&self) -> &'a Gpu {
        self.gpu
    }

    /// The network's shape and wiring; its logits and tables are those of the last [`Trainer::download`].
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What it trains by.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Steps submitted so far.
    pub fn steps(&self) -> u32 {
        self.submitted
    }

    /// The passes of one step, in order.
    pub fn passes(&self) -> &[Pass] {
        &self.step
    }

    /// The bytes that the passes of a step move at least.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The bytes that a whole step moves at least, if that is known of every pass.
    pub fn least_bytes(&self) -> Option<u64> {
        self.step.iter().map(|pass| self.traffic.bytes(&pass.label)).sum()
    }

    /// Run one step alone and time its passes.
    pub fn timed_step(&mut self, clock: Clock) -> Result<Vec<Span>> {
        self.finish()?;
        self.stream_ahead(1);
        let spans = time_passes(self.gpu, &self.step, clock)?;
        self.submitted += 1;
        Ok(spans)
    }

    /// Seconds that the host takes to record and submit a step, in the mean.
    pub fn host_seconds_a_step(&self) -> f64 {
        self.recorded.1.as_secs_f64() / f64::from(self.recorded.0.max(1))
    }

    /// Submit `count` steps as one command buffer, or as many as a ring of streamed samples needs; waits only if too many
    /// submissions are under way.
    pub fn submit(&mut self, count: u32) -> Result<()> {
        let most = self.stream.as_ref().map_or(count, |stream| stream.samples.ring);
        let until = self.submitted + count;
        while self.submitted < until {
            self.submit_at_once(most.min(until - self.submitted))?;
        }
        Ok(())
    }

    /// Bring the samples of the next `count` steps to the device, where they do not stay there.
    fn stream_ahead(&self, count: u32) {
        if let Some(stream) = &self.stream {
            (self.submitted..self.submitted + count).for_each(|step| stream.fill(self.gpu, step));
        }
    }

    fn submit_at_once(&mut self, count: u32) -> Result<()> {
        let began = Instant::now();
        self.stream_ahead(count);
        let steps = (0..count).flat_map(|_| &self.step);
        self.in_flight.push_back(self.gpu.submit(steps));
        self.recorded = (self.recorded.0 + count, self.recorded.1 + began.elapsed());
        self.submitted += count;
        if self.in_flight.len() > MOST_IN_FLIGHT {
            let oldest = self.in_flight.pop_front();
            self.gpu.wait(oldest)?;
        }
        self.gpu.check()
    }

    /// Wait for every submitted step.
    pub fn finish(&mut self) -> Result<()> {
        self.in_flight.clear();
        self.gpu.wait(None)
    }

    /// Wait for all steps, then tell of those since step `since` (the last 4,096 at most).
    ///
    /// # Errors
    /// [`Error::Diverged`] if the loss or the network's confidence is not finite.
    pub fn progress(&mut self, since: u32) -> Result<Progress> {
        self.finish()?;
        let state: Vec<structs::Step> = self.gpu.read(&self.buffers.step, 1)?;
        let history: Vec<[f32; 2]> = self.gpu.read(&self.buffers.history, HISTORY as usize)?;
        let mut state = state[0];
        if self.settings.method.is_soft() {
            state.confidence = self.confidence()?;
            state.confidence_mean = state.confidence;
        }
        let first = since.max(state.step.saturating_sub(HISTORY));
        let steps: Vec<_> = (first..state.step).map(|s| (s, history[(s % HISTORY) as usize])).collect();
        if !state.confidence_mean.is_finite() || steps.iter().any(|(_, h)| !h[0].is_finite()) {
            return Err(Error::Diverged(format!("training stopped being finite by step {}", state.step)));
        }
        let mean = |i: usize| steps.iter().map(|(_, h)| f64::from(h[i])).sum::<f64>() / steps.len().max(1) as f64;
        let mut temperatures = Vec::new();
        for (buffer, layer) in self.buffers.cages.iter().zip(&self.model.layers) {
            let scope = self.settings.cage_scope();
            let count = if scope == CageScope::Layer { self.model.layers.len() } else { layer.gates() };
            let cages: Vec<structs::Cage> = self.gpu.read(buffer, count)?;
            temperatures.extend(cages.into_iter().map(|cage| cage.temperature));
        }
        if temperatures.is_empty() {
            temperatures.push(state.temperature);
        }
        let total: f64 = temperatures.iter().map(|&t| f64::from(t)).sum();
        Ok(Progress {
            step: state.step,
            loss: mean(0),
            accuracy: mean(1),
            temperature: (total / temperatures.len() as f64) as f32,
            temperature_range: [
                temperatures.iter().copied().fold(f32::INFINITY, f32::min),
                temperatures.iter().copied().fold(f32::NEG_INFINITY, f32::max),
            ],
            confidence: state.confidence,
            confidence_mean: state.confidence_mean,
            learning_rate: state.learning_rate,
        })
    }

    /// Mean confidence of the selections as the logits are now.
    fn confidence(&self) -> Result<f32> {
        self.tabulate(false);
        let partials: Vec<f32> =
            self.gpu.read(&self.buffers.partials, self.model.layers.len() * MOST_PARTIALS as usize)?;
        Ok((partials.iter().map(|&c| f64::from(c)).sum::<f64>() / selections(&self.model) as f64) as f32)
    }

    /// Every buffer that a step changes and a later step, or a report of one, reads: name, buffer, bytes.
    fn state_buffers(&self) -> Vec<(String, &wgpu::Buffer, u64)> {
        let mut buffers = vec![
            ("step".to_string(), &self.buffers.step, size_of::<structs::Step>() as u64),
            ("history".to_string(), &self.buffers.history, u64::from(HISTORY) * 8),
        ];
        for (i, (layer, of)) in self.parameters.layers.iter().zip(&self.model.layers).enumerate() {
            let logits = (of.gates() * of.parametrization.logits(of.arity) * 4) as u64;
            buffers.push((format!("layers.{i}.logits"), &layer.logits, logits));
            buffers.push((format!("layers.{i}.moments"), &layer.moments, 2 * logits));
        }
        buffers.extend(self.buffers.cages.iter().enumerate().map(|(i, c)| (format!("cages.{i}"), c, c.size())));
        buffers
    }

    /// Wait for all steps, then bring back what the next ones need.
    pub fn state(&mut self) -> Result<State> {
        self.finish()?;
        let tensors = self.state_buffers().into_iter().map(|(name, buffer, bytes)| {
            self.gpu.read::<u8>(buffer, bytes as usize).map(|bytes| Tensor { name, bytes })
        });
        Ok(State { tensors: tensors.collect::<Result<_>>()? })
    }

    /// Go on from `state` as the trainer that it was taken from would have.
    ///
    /// # Errors
    /// A sentence, if it is no state of a network like this one; nothing is changed then.
    pub fn restore(&mut self, state: &State) -> std::result::Result<(), String> {
        let buffers = self.state_buffers();
        let contents: Vec<&[u8]> =
            buffers.iter().map(|(name, _, bytes)| state.tensor(name, *bytes)).collect::<std::result::Result<_, _>>()?;
        let step: structs::Step = bytemuck::pod_read_unaligned(contents[0]);
        for ((_, buffer, _), content) in buffers.iter().zip(&contents) {
            self.gpu.write(buffer, content);
        }
        self.submitted = step.step;
        Ok(())
    }

    /// Make the tables of the logits as they are now, with the next step's selection noise if `noise`; a step uses those of
    /// its beginning.
    pub fn tabulate(&self, noise: bool) {
        self.gpu.submit(&self.tabulate[usize::from(noise)]);
    }

    /// Bring logits and tables back: the discretized network.
    pub fn download(&mut self) -> Result<&Model> {
        self.finish()?;
        self.tabulate(false);
        self.parameters.download(self.gpu, &mut self.model)?;
        Ok(&self.model)
    }
}

/// Selections of a whole network.
fn selections(model: &Model) -> usize {
    model.layers.iter().map(|l| l.gates() * l.parametrization.selections(l.arity)).sum()
}

/// The run's constants as the shaders read them.
fn constants(settings: &Settings, model: &Model, samples: u32) -> structs::Training {
    let choices = model.layers[0].parametrization.choices(model.layers[0].arity);
    let cage = settings.cage;
    let [key0, key1] = crate::random::key(settings.seed);
    structs::Training {
        learning_rate: settings.lr,
        final_fraction: settings.lr_final,
        warmup_steps: settings.warmup,
        total_steps: match settings.schedule {
            Schedule::Constant => 0,
            Schedule::Cosine => settings.steps,
        },
        beta1: settings.beta1,
        beta2: settings.beta2,
        epsilon: settings.epsilon,
        weight_decay: settings.weight_decay,
        group_tau: settings.tau,
        temperature: settings.temperature,
        cage: u32::from(cage.is_some()),
        cage_tau_min: cage.map_or(0.0, |c| c.tau_min),
        cage_tau_max: cage.map_or(0.0, |c| c.tau_max),
        cage_decay: cage.map_or(0.99, |c| c.decay),
        choices: choices as f32,
        selections: selections(model) as f32,
        partials: model.layers.len() as u32 * MOST_PARTIALS,
        samples,
        batch: settings.batch,
        slice_scale: slice_scale(settings),
        key0,
        key1,
        layers: model.layers.len() as u32,
        group: model.group() as u32,
    }
}

/// CAGE's state of each layer or gate, where that is its scope: running means at 1/K.
fn cages(gpu: &Gpu, settings: &Settings, model: &Model, choices: f32) -> Vec<wgpu::Buffer> {
    let start = |selections: usize| structs::Cage {
        mean: 1.0 / choices,
        temperature: settings.temperature,
        selections: selections as f32,
    };
    let per_gate = |l: &Layer| l.parametrization.selections(l.arity);
    match settings.cage_scope() {
        CageScope::Network => Vec::new(),
        CageScope::Layer => {
            let layers: Vec<_> = model.layers.iter().map(|l| start(l.gates() * per_gate(l))).collect();
            vec![gpu.storage_of("cage", &layers)]
        }
        CageScope::Gate => {
            model.layers.iter().map(|l| gpu.storage_of("cage", &vec![start(per_gate(l)); l.gates()])).collect()
        }
    }
}

/// `[targets]` 1 / variance over the training samples, where values are told; a constant one counts as of variance 1.
fn spread(gpu: &Gpu, model: &Model, train: &Split) -> Option<wgpu::Buffer> {
    let inverse = |variance: f64| if variance > 0.0 { (1.0 / variance) as f32 } else { 1.0 };
    let is_told = matches!(model.head, Head::Values(_));
    is_told.then(|| {
        let spread: Vec<f32> = train.target_variances().into_iter().map(inverse).collect();
        gpu.storage_of("spread", &spread)
    })
}

/// Integer units a unit of gradient: a class gradient is at most 1 / (τ · batch), and gets a quarter of the range; the
/// rest is for sums.
fn slice_scale(settings: &Settings) -> f32 {
    if !settings.gradients.is_sliced() {
        return 1.0;
    }
    (1u32 << (settings.gradients.bits() - 3)) as f32 * settings.tau * settings.batch as f32
}
