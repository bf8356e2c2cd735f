//! A network in training, wherever that is: what a run asks of a trainer of shaders or of the CPU's.

use super::device::{Cpu, Device};
use crate::cpu::{self, Constants};
use crate::data::{Dataset, Split};
use crate::gpu::{Clock, Span};
use crate::network::Model;
use crate::plan::Tuning;
use crate::ranks::Ranks;
use crate::settings::Settings;
use crate::train::{
    Bandwidth, Evaluation, Evaluator, HISTORY, Mode, Profile, Progress, State, Tensor, Trainer, draw_for,
    learn_encoder, learning,
};
use crate::{Error, Result};

/// A network in training.
pub enum Learner<'a> {
    /// By shaders.
    Gpu(Box<Trainer>),
    /// By the CPU.
    Cpu(Box<OnCpu<'a>>),
}

/// A network in training on the CPU.
pub struct OnCpu<'a> {
    cpu: &'a Cpu,
    settings: Settings,
    trainer: cpu::Trainer<'a>,
}

/// A split that a network in training is judged by.
pub enum Judge<'a> {
    /// On the learner's GPU.
    Gpu(Box<Evaluator>),
    /// In memory.
    Cpu(&'a Split),
}

impl<'a> Learner<'a> {
    /// Draw a network for `data`, to be trained on `device` as `settings` say.
    ///
    /// # Errors
    /// [`Error::Usage`] if they do not fit each other or the device.
    pub fn new(device: &'a Device, settings: &Settings, data: &'a Dataset) -> Result<Self> {
        Self::of_rank(device, settings, data, &Ranks::alone())
    }

    /// The same as one of `ranks`, which share every batch. All of them do the same steps at the same time.
    ///
    /// # Errors
    /// As for [`Learner::new`] and [`Ranks::share`].
    pub fn of_rank(device: &'a Device, settings: &Settings, data: &'a Dataset, ranks: &Ranks) -> Result<Self> {
        match device {
            Device::Gpu(gpu) => {
                let tuning = Tuning::for_adapter(&gpu.adapter);
                Ok(Learner::Gpu(Box::new(Trainer::of_rank(gpu, settings, data, tuning, ranks.clone())?)))
            }
            Device::Cpu(_) => {
                let model = draw_for(settings, data, learn_encoder(settings, data)?)?;
                let mut learner = Self::with_model(device, settings, model, &data.train)?;
                if let Learner::Cpu(own) = &mut learner {
                    own.trainer.join(ranks.clone())?;
                }
                Ok(learner)
            }
        }
    }

    /// Train `model` on from its logits, with fresh moments.
    pub fn with_model(device: &'a Device, settings: &Settings, model: Model, train: &'a Split) -> Result<Self> {
        match device {
            Device::Gpu(gpu) => {
                let tuning = Tuning::for_adapter(&gpu.adapter);
                Ok(Learner::Gpu(Box::new(Trainer::with_model(gpu, settings, model, train, tuning)?)))
            }
            Device::Cpu(cpu) => {
                if let Some([why, instead]) = Cpu::refuses(settings) {
                    return Err(Error::usage(format!(
                        "{why}; {instead}, or name a GPU by --adapter, or --adapter llvmpipe"
                    )));
                }
                let constants = Constants::of(settings, model.table.is_some())?;
                let learning = learning(settings, &model);
                let trainer = cpu::Trainer::new(constants, model, train, cpu.threads, cpu.simd())?;
                let trainer = match learning {
                    Some(learning) => trainer.learning(learning),
                    None => trainer,
                };
                Ok(Learner::Cpu(Box::new(OnCpu { cpu, settings: settings.clone(), trainer })))
            }
        }
    }

    /// What it trains by.
    pub fn settings(&self) -> &Settings {
        match self {
            Learner::Gpu(trainer) => trainer.settings(),
            Learner::Cpu(own) => &own.settings,
        }
    }

    /// The network's shape; its wiring, logits and tables are those of the last [`Learner::download`].
    pub fn model(&self) -> &Model {
        match self {
            Learner::Gpu(trainer) => trainer.model(),
            Learner::Cpu(own) => own.trainer.model(),
        }
    }

    /// Steps begun so far.
    pub fn steps(&self) -> u32 {
        match self {
            Learner::Gpu(trainer) => trainer.steps(),
            Learner::Cpu(own) => own.trainer.step().step,
        }
    }

    /// Bytes of what it trains in: the device's buffers, or memory beside the samples.
    pub fn bytes(&self) -> u64 {
        match self {
            Learner::Gpu(trainer) => trainer.gpu().peak_bytes(),
            Learner::Cpu(own) => own.trainer.bytes(),
        }
    }

    /// Have `count` steps done; a GPU may still be at them when this returns.
    pub fn submit(&mut self, count: u32) -> Result<()> {
        match self {
            Learner::Gpu(trainer) => trainer.submit(count),
            Learner::Cpu(own) => own.trainer.run(count),
        }
    }

    /// Wait for every step.
    pub fn finish(&mut self) -> Result<()> {
        match self {
            Learner::Gpu(trainer) => trainer.finish(),
            Learner::Cpu(_) => Ok(()),
        }
    }

    /// Have all that is trained here, with all ranks: those of the CPU share the update, and each has what it updated alone. Whatever
    /// reads what is trained fails before this is done; one rank has it always.
    ///
    /// # Errors
    /// As [`Ranks::begin_sum`].
    pub fn gather(&mut self) -> Result<()> {
        match self {
            Learner::Gpu(_) => Ok(()),
            Learner::Cpu(own) => own.trainer.gather(),
        }
    }

    /// Whether there is nothing to [gather](Learner::gather).
    pub fn is_whole(&self) -> bool {
        match self {
            Learner::Gpu(_) => true,
            Learner::Cpu(own) => own.trainer.is_whole(),
        }
    }

    /// What all ranks must have to the same bits.
    pub fn common(&mut self) -> Result<Vec<u8>> {
        match self {
            Learner::Gpu(trainer) => {
                let layers = &trainer.download()?.layers;
                Ok(layers.iter().flat_map(|layer| bytemuck::cast_slice(&layer.logits).to_vec()).collect())
            }
            Learner::Cpu(own) => Ok(own.whole()?.common()),
        }
    }

    /// Wait for all steps, then tell of those since step `since` (the last 4,096 at most).
    ///
    /// # Errors
    /// [`Error::Diverged`] if the loss or the network's confidence is not finite.
    pub fn progress(&mut self, since: u32) -> Result<Progress> {
        match self {
            Learner::Gpu(trainer) => trainer.progress(since),
            Learner::Cpu(own) => own.progress(since),
        }
    }

    /// `[layers]`: the Euclidean norm of the loss's gradient by each layer's table entries at the last step.
    pub fn gradient_norms(&mut self) -> Result<Vec<f64>> {
        match self {
            Learner::Gpu(trainer) => trainer.gradient_norms(),
            Learner::Cpu(own) => {
                Ok(own.whole()?.table_gradients().iter().map(|entries| norm(entries.iter())).collect())
            }
        }
    }

    /// `[layers]`: the Euclidean norm of Adam's first moments of each layer's logits.
    pub fn first_moment_norms(&mut self) -> Result<Vec<f64>> {
        match self {
            Learner::Gpu(trainer) => trainer.first_moment_norms(),
            Learner::Cpu(own) => {
                let first = |moments: &Vec<[f32; 2]>| norm(moments.iter().map(|[first, _]| first));
                Ok(own.whole()?.moments().iter().map(first).collect())
            }
        }
    }

    /// `[layers][gates][samples]` outputs at the last step, bits as zeros and ones.
    ///
    /// # Errors
    /// [`Error::Usage`] if the batch was cut into micro-batches, which leave only the last one's.
    pub fn outputs(&mut self) -> Result<Vec<Vec<Vec<f64>>>> {
        match self {
            Learner::Gpu(trainer) => trainer.outputs(),
            Learner::Cpu(own) => own.trainer.outputs().ok_or_else(|| {
                Error::usage("the CPU takes a batch by 128 samples at a time; choose a --batch of 128 or less")
            }),
        }
    }

    /// The layer, in the order of the backward pass, whose numbers are no longer finite, and which numbers these are.
    pub fn first_not_finite(&mut self) -> Result<Option<(usize, &'static str)>> {
        match self {
            Learner::Gpu(trainer) => trainer.first_not_finite(),
            Learner::Cpu(own) => {
                let moments = own.whole()?.moments();
                let broken = moments.iter().rposition(|layer| layer.as_flattened().iter().any(|x| !x.is_finite()));
                if let Some(layer) = broken {
                    return Ok(Some((layer, "gradients")));
                }
                let logits = &own.trainer.download().layers;
                Ok(logits.iter().rposition(|l| l.logits.iter().any(|z| !z.is_finite())).map(|layer| (layer, "logits")))
            }
        }
    }

    /// Wait for all steps, then take what the next ones need.
    pub fn state(&mut self) -> Result<State> {
        match self {
            Learner::Gpu(trainer) => trainer.state(),
            Learner::Cpu(own) => {
                let tensors = own.whole()?.state().into_iter().map(|(name, bytes)| Tensor { name, bytes });
                Ok(State { tensors: tensors.collect() })
            }
        }
    }

    /// Go on from `state` as the learner that it was taken from would have.
    ///
    /// # Errors
    /// A sentence, if it is no state of a network like this one; nothing is changed then.
    pub fn restore(&mut self, state: &State) -> std::result::Result<(), String> {
        match self {
            Learner::Gpu(trainer) => trainer.restore(state),
            Learner::Cpu(own) => own.trainer.restore(|name, bytes| state.tensor(name, bytes)),
        }
    }

    /// Bring logits and tables back: the discretized network.
    pub fn download(&mut self) -> Result<&Model> {
        match self {
            Learner::Gpu(trainer) => trainer.download(),
            Learner::Cpu(own) => Ok(own.whole()?.download()),
        }
    }

    /// Seconds that the host takes to record and submit a step, in the mean; none where it does the work itself.
    pub fn host_seconds_a_step(&self) -> Option<f64> {
        match self {
            Learner::Gpu(trainer) => Some(trainer.host_seconds_a_step()),
            Learner::Cpu(_) => None,
        }
    }

    /// The bytes that a whole step moves at least, if that is known of every pass.
    pub fn least_bytes(&self) -> Option<u64> {
        match self {
            Learner::Gpu(trainer) => trainer.least_bytes(),
            Learner::Cpu(own) => Some(own.trainer.passes().iter().map(|pass| pass.bytes).sum()),
        }
    }

    /// What the device does at best.
    pub fn bandwidth(&self) -> Result<Bandwidth> {
        match self {
            Learner::Gpu(trainer) => Bandwidth::measure(trainer.gpu(), Clock::best(trainer.gpu())),
            Learner::Cpu(own) => Ok(own.cpu.bandwidth()),
        }
    }

    /// A profile of its steps, none timed yet.
    pub fn profile(&self) -> Profile {
        match self {
            Learner::Gpu(trainer) => Profile::new(trainer, Clock::best(trainer.gpu())),
            Learner::Cpu(own) => {
                let passes = own.trainer.passes().into_iter().map(|pass| (pass.kernel, pass.label(), Some(pass.bytes)));
                Profile::of("wall time of every pass", passes)
            }
        }
    }

    /// Do the next step and time its passes.
    pub fn time_step(&mut self, profile: &mut Profile) -> Result<()> {
        match self {
            Learner::Gpu(trainer) => profile.time_step(trainer),
            Learner::Cpu(own) => profile.take(|| {
                let mut start = 0.0;
                let span = |(_, time): (String, std::time::Duration)| {
                    let span = Span { start, seconds: time.as_secs_f64() };
                    start += span.seconds;
                    span
                };
                Ok(own.trainer.timed_step()?.into_iter().map(span).collect())
            }),
        }
    }
}

fn norm<'x>(values: impl Iterator<Item = &'x f32>) -> f64 {
    values.map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

impl<'a> Judge<'a> {
    /// Make `split` ready to judge `learner` by.
    pub fn new(learner: &Learner, split: &'a Split) -> Result<Self> {
        match learner {
            Learner::Gpu(trainer) => Ok(Judge::Gpu(Box::new(Evaluator::new(trainer, split)?))),
            Learner::Cpu(_) if split.is_empty() => Err(Error::usage("there is no sample to work on")),
            Learner::Cpu(_) => Ok(Judge::Cpu(split)),
        }
    }

    /// Evaluate the learner's network as it is now.
    pub fn run(&self, learner: &mut Learner, mode: Mode) -> Result<Evaluation> {
        match (self, learner) {
            (Judge::Gpu(evaluator), Learner::Gpu(trainer)) => evaluator.run(trainer, mode),
            (Judge::Cpu(split), Learner::Cpu(own)) => own.evaluate(split, mode),
            _ => Err(Error::Run("a network is judged on another device than it is trained on".into())),
        }
    }
}

impl<'a> OnCpu<'a> {
    /// The trainer, with all that it has trained.
    fn whole(&mut self) -> Result<&mut cpu::Trainer<'a>> {
        match self.trainer.is_whole() {
            true => Ok(&mut self.trainer),
            false => Err(Error::Run("what other ranks have trained was to be read before it was gathered".into())),
        }
    }

    fn progress(&mut self, since: u32) -> Result<Progress> {
        self.whole()?;
        let state = self.trainer.step();
        let first = since.max(state.step.saturating_sub(HISTORY));
        let steps: Vec<[f32; 2]> = (first..state.step).map(|step| self.trainer.history(step)).collect();
        Progress::of(&state, &steps, &self.trainer.temperatures())
    }

    fn evaluate(&mut self, split: &Split, mode: Mode) -> Result<Evaluation> {
        let made = self.whole()?.evaluate(split, mode);
        let model = self.trainer.model();
        let outputs = model.classes.len();
        let votes: Vec<f64> = made.votes.iter().map(|&v| v.into()).collect();
        let first_best = |votes: &[f32]| (1..outputs).fold(0, |best, c| if votes[c] > votes[best] { c } else { best });
        let predictions = match model.head.is_classes() {
            true => made.votes.chunks_exact(outputs).map(|votes| first_best(votes) as u8).collect(),
            false => Vec::new(),
        };
        let quality = model.head.quality(&votes, outputs, model.group(), split);
        Ok(Evaluation {
            loss: made.losses.iter().map(|&l| f64::from(l)).sum::<f64>() / split.len() as f64,
            accuracy: quality.score,
            quality,
            predictions,
            votes: made.votes,
        })
    }
}
