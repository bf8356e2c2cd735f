//! A network in training on one device: steps, state, read-back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::augmentation::Augmentation;
use super::exchange::Exchange;
use super::fit::fitting_plan;
use super::learning::learning;
use super::outline::{Outline, over_maps};
use super::samples::Stream;
use super::state::{State, Tensor};
use super::step::StepPlan;
use super::tables::from_words;
use super::votes::HISTORY;
use crate::data::{Dataset, Encoder, Head, ImageShape, Split};
use crate::gpu::{Clock, Gpu, Session, Span};
use crate::network::{Draw, Initialization, Layer, Model, Sources};
use crate::plan::{Id, Pass, Plan, Tuning, uniforms};
use crate::ranks::Ranks;
use crate::settings::Settings;
use crate::{Error, Result};

/// A network, its optimizer and its training samples on a device.
pub struct Trainer {
    settings: Settings,
    model: Model,
    tuning: Tuning,
    pub(super) session: Session,
    pub(super) step: StepPlan,
    /// Where the training samples do not stay on the device.
    stream: Option<Stream>,
    /// Where other ranks take the rest of every batch.
    exchange: Option<Exchange>,
    submitted: u32,
    /// Whether the device holds the tables that the next step begins with.
    is_begun: bool,
    /// Submissions that a step takes: 1, or more for a long one, or one that no one has timed.
    portions: usize,
    /// Steps recorded by [`Trainer::submit`], and the time that the host took for it.
    recorded: (u32, Duration),
}

/// A step that takes longer is cut into several submissions.
const LONG: Duration = Duration::from_millis(500);

/// What each of these should take in the mean; passes differ, and the longest may take several times that.
const PORTION: Duration = Duration::from_millis(100);

/// Submissions for a step of `passes` that took `time`.
fn portions(time: Duration, passes: usize) -> usize {
    if time <= LONG { 1 } else { (time.as_secs_f64() / PORTION.as_secs_f64()).ceil().min(passes as f64) as usize }
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

impl Progress {
    /// At `state`, after steps of these mean losses and qualities, each backward temperature being among `temperatures`.
    ///
    /// # Errors
    /// [`Error::Diverged`] if the loss or the network's confidence is not finite.
    pub fn of(state: &uniforms::Step, steps: &[[f32; 2]], temperatures: &[f32]) -> Result<Self> {
        if !state.confidence_mean.is_finite() || steps.iter().any(|h| !h[0].is_finite()) {
            return Err(Error::Diverged(format!("training stopped being finite by step {}", state.step)));
        }
        let mean = |i: usize| steps.iter().map(|h| f64::from(h[i])).sum::<f64>() / steps.len().max(1) as f64;
        let total: f64 = temperatures.iter().map(|&t| f64::from(t)).sum();
        Ok(Progress {
            step: state.step,
            loss: mean(0),
            accuracy: mean(1),
            temperature: (total / temperatures.len().max(1) as f64) as f32,
            temperature_range: [
                temperatures.iter().copied().fold(f32::INFINITY, f32::min),
                temperatures.iter().copied().fold(f32::NEG_INFINITY, f32::max),
            ],
            confidence: state.confidence,
            confidence_mean: state.confidence_mean,
            learning_rate: state.learning_rate,
        })
    }
}

/// The encoder of a fresh network for `data`.
///
/// # Errors
/// [`Error::Usage`] for an encoder that the data cannot have, or that leaves no bit.
pub fn learn_encoder(settings: &Settings, data: &Dataset) -> Result<Encoder> {
    let encoder = Encoder::learn(data, settings.input.encoder_kind()?, settings.thresholds)?;
    if !settings.convolutions.is_empty() {
        if data.table.is_some() {
            return Err(Error::usage(format!("{} has rows, not images, so there is nothing to convolve", data.name)));
        }
        // Maps are whole: no bit is left out.
        return Ok(encoder.by_maps(data.image));
    }
    encoder.without_rare(data, settings.rare, settings.arity)
}

/// Draw a fresh network for `data`, encoded by `encoder`, its convolutions those of another network if the settings say so.
///
/// # Errors
/// As for [`draw_model`]; [`Error::Input`] if the other network cannot be read, or has other convolutions or input bits.
pub fn draw_for(settings: &Settings, data: &Dataset, encoder: Encoder) -> Result<Model> {
    let drawn = draw_model(settings, &data.name, data.image, &data.classes, encoder)?;
    let mut model = Model { table: data.table.clone(), head: data.head.clone(), ..drawn };
    if let Some(path) = settings.convolutions_model()? {
        let other = Model::load(&path)?;
        take_convolutions(&mut model, &other, settings.convolutions.len())
            .map_err(|problem| Error::input(&path, problem))?;
    }
    Ok(model)
}

/// Put the first `count` layers of `other` in the place of those of `model`; the error is a sentence.
fn take_convolutions(model: &mut Model, other: &Model, count: usize) -> std::result::Result<(), String> {
    if (other.image, &other.encoder) != (model.image, &model.encoder) {
        return Err("its input bits are others; train it anew from the same data with the same --thresholds".into());
    }
    for (i, layer) in model.layers.iter_mut().enumerate().take(count) {
        let found = other.layers.get(i).filter(|found| {
            let shape =
                |layer: &Layer| (layer.form, layer.arity, layer.inputs, layer.tables.len(), layer.parametrization);
            shape(found) == shape(layer)
        });
        let Some(found) = found else {
            return Err(format!(
                "its layer {i} is no convolution as --layers names it, or has another --parametrization; name it as `inspect` does"
            ));
        };
        if found.logits.len() != layer.logits.len() {
            return Err("it was written without logits, which its convolutions are taken by".into());
        }
        layer.clone_from(found);
    }
    Ok(())
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
    for (i, conv) in over_maps(&settings.convolutions, image, inputs)?.into_iter().enumerate() {
        // What is never trained passes on what it reads.
        let start = if settings.is_frozen(i) { Initialization::Residual.into() } else { settings.start };
        let layer = Layer::draw_conv(i, &settings.convolutions[i], conv, Draw { start, ..draw });
        inputs = layer.outputs();
        layers.push(layer);
    }
    for (i, &gates) in (layers.len()..).zip(&settings.layers) {
        if inputs < settings.arity {
            return Err(Error::usage(format!(
                "layer {i} has {inputs} inputs and its gates need {}; widen the layer before",
                settings.arity
            )));
        }
        layers.push(match i {
            _ if i == settings.convolutions.len() && !settings.reads.is_empty() => {
                let sources = Sources::new(encoder.features(), &layers, &settings.reads);
                Layer::draw_over(i, &sources, gates, settings.arity, draw)
            }
            0 => Layer::draw_first(&encoder, image, gates, settings.arity, draw),
            _ => Layer::draw(i, inputs, gates, settings.arity, draw),
        });
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

impl Trainer {
    /// Draw a network for `data` and put it and the training samples on the device.
    ///
    /// # Errors
    /// [`Error::Usage`] before anything is made, if a buffer would be larger than the device takes.
    pub fn new(gpu: &Arc<Gpu>, settings: &Settings, data: &Dataset) -> Result<Self> {
        Self::tuned(gpu, settings, data, Tuning::for_adapter(&gpu.adapter))
    }

    /// [`Trainer::new`] with passes shaped, and samples kept, as `tuning` says.
    ///
    /// # Errors
    /// As for [`Trainer::new`].
    pub fn tuned(gpu: &Arc<Gpu>, settings: &Settings, data: &Dataset, tuning: Tuning) -> Result<Self> {
        Self::of_rank(gpu, settings, data, tuning, Ranks::alone())
    }

    /// The same as one of `ranks`, which share every batch. All of them do the same steps at the same time.
    ///
    /// # Errors
    /// As for [`Trainer::new`] and [`Ranks::share`].
    pub fn of_rank(gpu: &Arc<Gpu>, settings: &Settings, data: &Dataset, tuning: Tuning, ranks: Ranks) -> Result<Self> {
        let encoder = learn_encoder(settings, data)?;
        // Whether it fits is known by its shapes, before it is drawn.
        fitting_plan(settings, &Outline::of_settings(settings, data, &encoder)?, tuning, gpu.limits(), &ranks)?;
        let model = draw_for(settings, data, encoder)?;
        Self::sharing(gpu, settings, model, &data.train, tuning, ranks)
    }

    /// Train `model` on from its logits, with fresh moments.
    ///
    /// # Errors
    /// [`Error::Usage`] if it, or the samples, do not fit the device or one another.
    pub fn with_model(
        gpu: &Arc<Gpu>,
        settings: &Settings,
        model: Model,
        train: &Split,
        tuning: Tuning,
    ) -> Result<Self> {
        Self::sharing(gpu, settings, model, train, tuning, Ranks::alone())
    }

    fn sharing(
        gpu: &Arc<Gpu>,
        settings: &Settings,
        model: Model,
        train: &Split,
        tuning: Tuning,
        ranks: Ranks,
    ) -> Result<Self> {
        Augmentation::of_samples(settings, model.table.is_some())?;
        let tuning = gpu.settle(tuning)?;
        let learning = learning(settings, &model);
        let outline = Outline::of_model(&model, learning.as_ref(), train);
        let mut step = fitting_plan(settings, &outline, tuning, gpu.limits(), &ranks)?;
        let plan = std::mem::take(&mut step.plan);
        let session = Session::open(gpu, plan, &step.contents(&model, learning.as_ref(), train))?;
        let is_streamed = step.samples.residence.ring > 0;
        let [first, end] = step.size.own;
        let taken = (settings.batch, first..end);
        let stream = is_streamed.then(|| Stream::new(train, model.image.pixels(), taken, settings.seed, &step.samples));
        let exchange = Exchange::new(&session, &step, settings, ranks)?;
        let (settings, recorded) = (settings.clone(), (0, Duration::ZERO));
        let portions = session.plan().passes_of(&step.step).len();
        Ok(Trainer {
            settings,
            model,
            tuning,
            session,
            step,
            stream,
            exchange,
            submitted: 0,
            is_begun: false,
            portions,
            recorded,
        })
    }

    /// The device it trains on.
    pub fn gpu(&self) -> &Arc<Gpu> {
        self.session.gpu()
    }

    /// The network's shape; its wiring, logits and tables are those of the last [`Trainer::download`].
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What it trains by.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How its passes are shaped.
    pub fn tuning(&self) -> Tuning {
        self.tuning
    }

    /// Its buffers and passes.
    pub fn plan(&self) -> &Plan {
        self.session.plan()
    }

    /// The passes of one step, in order.
    pub fn passes(&self) -> &[Pass] {
        self.plan().passes_of(&self.step.step)
    }

    /// Where several ranks share a batch: after how many of these they exchange what they have summed, and the bytes that are brought
    /// back and written for that.
    pub fn exchanged(&self) -> Option<(usize, u64)> {
        let before = self.step.cuts.iter().rev().skip(1);
        let after = before.map(|part| self.plan().passes_of(part).len()).sum();
        self.exchange.as_ref()?;
        let layers = self.step.network.tables.layers.iter().zip(&self.step.network.tables.trained);
        let trained = layers.filter(|(_, trained)| **trained).map(|(tables, _)| tables.gradients);
        let gradients = trained.map(|gradients| self.plan().buffer(gradients).bytes);
        Some((after, 2 * gradients.sum::<u64>()))
    }

    /// The bytes that a whole step moves at least, if that is known of every pass.
    pub fn least_bytes(&self) -> Option<u64> {
        self.passes().iter().map(|pass| pass.least_bytes).sum()
    }

    /// Steps submitted so far.
    pub fn steps(&self) -> u32 {
        self.submitted
    }

    /// Run one step alone and time its passes, and, [after](Trainer::exchanged) so many of them, the exchange of ranks.
    ///
    /// # Errors
    /// As for [`Trainer::submit`].
    pub fn timed_step(&mut self, clock: Clock) -> Result<Vec<Span>> {
        self.begin()?;
        self.finish()?;
        self.stream_ahead(1);
        let spans = match &mut self.exchange {
            Some(exchange) => exchange.timed_step(&self.session, &self.step, clock, self.submitted)?,
            None => self.session.time(&self.step.step, clock)?,
        };
        self.submitted += 1;
        self.share_history(1)?;
        Ok(spans)
    }

    /// Seconds that the host takes to record and submit a step, in the mean.
    pub fn host_seconds_a_step(&self) -> f64 {
        self.recorded.1.as_secs_f64() / f64::from(self.recorded.0.max(1))
    }

    /// Submit `count` steps as one command buffer, or as many as a ring of streamed samples needs; waits only if too many
    /// submissions are under way. The first step is submitted pass by pass and waited for, and so is, in as many portions as its
    /// time asks for, every one that is long: Windows ends a submission after two seconds. Where ranks share batches, each step waits
    /// for all of them.
    ///
    /// # Errors
    /// As for [`Trainer::finish`] and [`Ranks::begin_sum`].
    pub fn submit(&mut self, count: u32) -> Result<()> {
        let most = self.stream.as_ref().map_or(count, Stream::ring);
        let until = self.submitted + count;
        self.begin()?;
        while self.submitted < until {
            let began = Instant::now();
            if self.portions > 1 || self.exchange.is_some() {
                self.stream_ahead(1);
                match &mut self.exchange {
                    Some(exchange) => exchange.step(&self.session, &self.step, self.portions, self.submitted)?,
                    None => self.session.submit_in(&self.step.step, self.portions)?,
                }
                self.submitted += 1;
                if self.portions > 1 {
                    self.finish()?;
                    self.portions = portions(began.elapsed(), self.passes().len());
                }
                self.session.hold_back()?;
                continue;
            }
            let count = most.min(until - self.submitted);
            self.stream_ahead(count);
            self.session.submit(&self.step.step, count)?;
            self.recorded = (self.recorded.0 + count, self.recorded.1 + began.elapsed());
            self.submitted += count;
            self.session.hold_back()?;
        }
        self.share_history(count)
    }

    /// Add up what the last `count` steps were like over all ranks that share batches.
    fn share_history(&self, count: u32) -> Result<()> {
        self.exchange
            .as_ref()
            .map_or(Ok(()), |exchange| exchange.share_history(&self.session, self.step.history, self.submitted, count))
    }

    /// Make the tables that the next step begins with, where they are not what the one before has left.
    fn begin(&mut self) -> Result<()> {
        if !self.is_begun {
            self.session.submit(&self.step.begin, 1)?;
            self.is_begun = true;
        }
        Ok(())
    }

    /// Bring the samples of the next `count` steps to the device, where they do not stay there.
    fn stream_ahead(&self, count: u32) {
        if let Some(stream) = &self.stream {
            (self.submitted..self.submitted + count).for_each(|step| stream.fill(&self.session, step));
        }
    }

    /// Wait for every submitted step.
    ///
    /// # Errors
    /// [`Error::Gpu`] and [`Error::DeviceLost`] as the driver tells.
    pub fn finish(&mut self) -> Result<()> {
        self.session.finish()
    }

    /// Wait for all steps, then tell of those since step `since` (the last 4,096 at most).
    ///
    /// # Errors
    /// [`Error::Diverged`] if the loss or the network's confidence is not finite.
    pub fn progress(&mut self, since: u32) -> Result<Progress> {
        self.finish()?;
        let shared = self.step.network.tables.clone();
        let state: Vec<uniforms::Step> = self.session.read(shared.step, 1)?;
        let history: Vec<[f32; 2]> = self.session.read(self.step.history, HISTORY as usize)?;
        let mut state = state[0];
        if self.settings.method.is_soft() {
            state.confidence = self.confidence()?;
            state.confidence_mean = state.confidence;
        }
        let first = since.max(state.step.saturating_sub(HISTORY));
        let steps: Vec<_> = (first..state.step).map(|s| history[(s % HISTORY) as usize]).collect();
        let mut temperatures = Vec::new();
        for &cages in &shared.cages {
            let count = self.plan().buffer(cages).bytes as usize / size_of::<uniforms::Cage>();
            let cages: Vec<uniforms::Cage> = self.session.read(cages, count)?;
            temperatures.extend(cages.into_iter().map(|cage| cage.temperature));
        }
        if temperatures.is_empty() {
            temperatures.push(state.temperature);
        }
        Progress::of(&state, &steps, &temperatures)
    }

    /// Mean confidence of the selections as the logits are now.
    fn confidence(&mut self) -> Result<f32> {
        self.tabulate(false)?;
        let partials: Vec<f32> = read_all(&self.session, self.step.network.tables.partials)?;
        let selections: usize =
            self.model.layers.iter().map(|l| l.gates() * l.parametrization.selections(l.arity)).sum();
        Ok((partials.iter().map(|&c| f64::from(c)).sum::<f64>() / selections as f64) as f32)
    }

    /// Wait for all steps, then bring back what the next ones need.
    ///
    /// # Errors
    /// As for [`Trainer::finish`].
    pub fn state(&mut self) -> Result<State> {
        let tensors = self.session.state()?;
        Ok(State { tensors: tensors.into_iter().map(|(name, bytes)| Tensor { name, bytes }).collect() })
    }

    /// Go on from `state` as the trainer that it was taken from would have.
    ///
    /// # Errors
    /// A sentence, if it is no state of a network like this one; nothing is changed then.
    pub fn restore(&mut self, state: &State) -> std::result::Result<(), String> {
        let begun = state.tensor("step", size_of::<uniforms::Step>() as u64)?;
        let begun: uniforms::Step = bytemuck::pod_read_unaligned(begun);
        let mut relisted = Vec::new();
        for (wires, layer) in self.step.network.wires.iter().zip(&mut self.model.layers) {
            let Some(id) = wires.learned() else { continue };
            let buffer = self.session.plan().buffer(id);
            let wiring = bytemuck::pod_collect_to_vec(state.tensor(&buffer.key(), buffer.bytes)?);
            if wiring.iter().any(|&wire: &u32| wire as usize >= layer.inputs) {
                return Err(format!("its tensor {} has wires that lead nowhere", buffer.key()));
            }
            let layer = Layer { wiring, ..layer.clone() };
            relisted.extend(wires.relisted(&layer));
        }
        self.session.restore(|name, bytes| state.tensor(name, bytes))?;
        relisted.iter().for_each(|(id, edges)| self.session.write(*id, 0, edges));
        (self.submitted, self.is_begun) = (begun.step, false);
        Ok(())
    }

    /// Make hard tables of the logits as they are now, with the next step's selection noise if `noise`.
    ///
    /// # Errors
    /// As for [`Trainer::finish`].
    pub fn tabulate(&mut self, noise: bool) -> Result<()> {
        // Steps on real activations have tables of their own.
        let method = self.settings.method;
        self.is_begun = if method.is_soft() { self.is_begun } else { noise == method.is_noisy() };
        self.session.submit(&self.step.tabulate[usize::from(noise)], 1)
    }

    /// Bring wires, logits and tables back: the discretized network.
    ///
    /// # Errors
    /// As for [`Trainer::finish`].
    pub fn download(&mut self) -> Result<&Model> {
        self.finish()?;
        self.tabulate(false)?;
        let network = &self.step.network;
        for (layer, (wires, tables)) in
            self.model.layers.iter_mut().zip(network.wires.iter().zip(&network.tables.layers))
        {
            if let Some(wiring) = wires.learned() {
                layer.wiring = read_all(&self.session, wiring)?;
            }
            let words: Vec<u32> = read_all(&self.session, tables.bits)?;
            layer.tables = from_words(layer, &words);
            layer.logits = read_all(&self.session, tables.logits)?;
        }
        Ok(&self.model)
    }

    /// `[layers]`: the Euclidean norm of the loss's gradient by each layer's table entries at the last step.
    ///
    /// # Errors
    /// As for [`Trainer::finish`].
    pub fn gradient_norms(&mut self) -> Result<Vec<f64>> {
        self.of_layers(|tables| tables.gradients, |entries| norm(entries.iter().copied()))
    }

    /// `[layers][gates][2^arity]` table gradients of the last step.
    ///
    /// # Errors
    /// As for [`Trainer::finish`].
    pub fn table_gradients(&mut self) -> Result<Vec<Vec<f32>>> {
        self.of_layers(|tables| tables.gradients, <[f32]>::to_vec)
    }

    /// `[layers]`: the Euclidean norm of Adam's first moments of each layer's logits.
    ///
    /// # Errors
    /// As for [`Trainer::finish`].
    pub fn first_moment_norms(&mut self) -> Result<Vec<f64>> {
        self.of_layers(|tables| tables.moments, |moments| norm(moments.iter().step_by(2).copied()))
    }

    /// The layer, in the order of the backward pass, whose numbers are no longer finite, and which numbers these are.
    ///
    /// # Errors
    /// As for [`Trainer::finish`].
    pub fn first_not_finite(&mut self) -> Result<Option<(usize, &'static str)>> {
        // Moments are the logits' gradients, averaged.
        type Which = fn(&super::tables::Tables) -> Id;
        let kinds: [(Which, _); 3] =
            [(|t| t.gradients, "gradients"), (|t| t.moments, "gradients"), (|t| t.logits, "logits")];
        for (buffer, what) in kinds {
            let broken = self.of_layers(buffer, |values| values.iter().any(|x| !x.is_finite()))?;
            if let Some(layer) = broken.iter().rposition(|&broken| broken) {
                return Ok(Some((layer, what)));
            }
        }
        Ok(None)
    }

    /// `[layers]`: what the numbers in one of each layer's buffers are to `of`, when all steps are done.
    fn of_layers<T>(
        &mut self,
        buffer: impl Fn(&super::tables::Tables) -> Id,
        of: impl Fn(&[f32]) -> T,
    ) -> Result<Vec<T>> {
        self.finish()?;
        let layers = self.step.network.tables.layers.iter();
        layers.map(|tables| Ok(of(&read_all(&self.session, buffer(tables))?))).collect()
    }
}

/// The whole of a buffer.
fn read_all<T: bytemuck::Pod>(session: &Session, id: Id) -> Result<Vec<T>> {
    session.read(id, session.plan().buffer(id).bytes as usize / size_of::<T>())
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_steps_are_cut_into_submissions_of_a_tenth_of_a_second() {
        let of = |milliseconds, passes| portions(Duration::from_millis(milliseconds), passes);
        assert_eq!([of(3, 30), of(500, 30), of(501, 30), of(2_000, 30), of(60_000, 30)], [1, 1, 6, 20, 30]);
    }
}
