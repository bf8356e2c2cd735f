//! The loop: steps, evaluations and checkpoints until the last step or a stop.

use std::time::{Duration, Instant};

use super::checkpoint::{Checkpoint, FORMAT_VERSION, Header, Identity};
use super::checkpoints::{self, Clock};
use super::folder::RunFolder;
use super::learner::{Judge, Learner};
use super::metrics::best;
use super::modes::evaluate;
use super::options::Options;
use super::reporter::Reporter;
use super::together::Lead;
use crate::train::Profile;
use crate::{Error, Result};

/// Time one submission should take: long enough to hide the host, far below a GPU watchdog's patience.
const SUBMISSION: Duration = Duration::from_millis(50);

/// Of so many steps a profile times one.
const STEPS_A_PROFILED_ONE: u32 = 100;

/// A run between its first step and its last, in one sitting on one device.
pub struct Stepping<'a, 'd> {
    /// What is trained.
    pub trainer: &'a mut Learner<'d>,
    /// The device's name.
    pub device: &'a str,
    /// The other ranks.
    pub lead: &'a Lead<'a>,
    /// What it is judged by.
    pub evaluator: &'a Judge<'a>,
    /// Whether that is held out, and no part of what is trained on.
    pub is_held_out: bool,
    /// Where all is recorded.
    pub folder: &'a mut RunFolder,
    /// How it is kept.
    pub options: &'a Options,
    /// Whom it is told.
    pub report: &'a mut dyn Reporter,
    /// What checkpoints are of.
    pub identity: Identity,
    /// Time spent.
    pub time: Time,
    /// Where the time of steps goes, if that is asked for.
    pub profile: Option<Profile>,
}

/// Time that a run has taken, over all its sittings.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    /// Seconds before this sitting.
    before: f64,
    /// When this sitting began.
    began: Instant,
    /// Seconds in steps, without evaluations, over all sittings.
    pub stepping: f64,
}

impl Time {
    /// Go on after so many seconds, of which so many in steps.
    pub fn from(before: f64, stepping: f64) -> Self {
        Time { before, began: Instant::now(), stepping }
    }

    /// Seconds since the first step, without breaks between sittings.
    pub fn seconds(&self) -> f64 {
        self.before + self.began.elapsed().as_secs_f64()
    }
}

impl Stepping<'_, '_> {
    /// Run all steps that are left, with their evaluations and checkpoints.
    ///
    /// # Errors
    /// [`Error::Stopped`] if the user stopped it, with a checkpoint written.
    pub fn run(&mut self) -> Result<()> {
        let (steps, every, batch) =
            (self.trainer.settings().steps, self.trainer.settings().eval_every, self.trainer.settings().batch);
        let mut clock = Clock::new(self.options.cadence, self.trainer.steps());
        let mut pace = Pace { chunk: 1, steps_to_wait: 20, estimated: false };
        loop {
            let evaluated = self.folder.recorded().last().map_or(0, |m| m.step);
            if evaluated >= steps || (evaluated == self.trainer.steps() && self.is_patience_over()) {
                return Ok(());
            }
            let (first, from) = (self.trainer.steps(), Instant::now());
            let until = u64::from(first.max(evaluated + 1)).next_multiple_of(every.into()).min(steps.into()) as u32;
            self.step_until(until, &mut clock, &mut pace)?;
            self.trainer.finish()?;
            let spent = from.elapsed().as_secs_f64();
            self.time.stepping += spent;
            let rate = f64::from(until - first) * f64::from(batch) / spent;
            self.lead.compare(self.trainer)?;
            let metrics = evaluate(self.trainer, self.evaluator, evaluated, self.time.seconds(), rate)?;
            if let Err(e) = self.folder.record(&metrics) {
                self.report.warn(&format!("{e}; training goes on"));
            }
            self.report.evaluated(&metrics);
            let is_best = self.is_held_out && best(self.folder.recorded()).is_some_and(|m| m.step == until);
            let is_stopped = self.is_stopped() && until < steps;
            if is_stopped || is_best || clock.is_due(until) || until == steps || self.is_patience_over() {
                let is_written = self.checkpoint(&mut clock, self.time.stepping)?;
                if is_stopped {
                    return Err(self.stopped(until, is_written));
                }
            }
        }
    }

    /// Whether the last evaluations, as many as the settings allow, have all been no better than one before them.
    fn is_patience_over(&self) -> bool {
        let recorded = self.folder.recorded();
        let Some((patience, best)) = self.trainer.settings().patience.zip(best(recorded)) else { return false };
        recorded.iter().filter(|m| m.step > best.step).count() >= patience as usize
    }

    fn is_stopped(&self) -> bool {
        self.options.stop.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Submit steps until `until` are done, with the checkpoints that fall due before. A stop at `until` itself waits for the
    /// evaluation there, which a resumed run could not make up for: the last step's gradients are in no checkpoint.
    fn step_until(&mut self, until: u32, clock: &mut Clock, pace: &mut Pace) -> Result<()> {
        let began = Instant::now();
        while self.trainer.steps() < until {
            let (at, before) = (Instant::now(), self.trainer.steps());
            let next = until.min(clock.next_step().max(before + 1));
            self.advance(pace.chunk.min(next - before))?;
            if pace.chunk == 1 || !pace.estimated {
                self.trainer.finish()?;
            }
            let done = self.trainer.steps();
            self.report.step(done);
            let per_step = at.elapsed().as_secs_f64() / f64::from(done - before);
            pace.chunk = chunk_for(per_step);
            pace.steps_to_wait = pace.steps_to_wait.saturating_sub(done - before);
            let left = self.trainer.settings().steps - done;
            if !pace.estimated && (pace.steps_to_wait == 0 || left == 0) {
                pace.estimated = true;
                let own = self.time.seconds() - self.folder.seconds_before;
                self.report.estimate(own + per_step * f64::from(left) * 1.05);
            }
            let is_stopped = self.is_stopped();
            if done < until && (is_stopped || clock.is_due(done)) {
                self.trainer.finish()?;
                let stepping = self.time.stepping + began.elapsed().as_secs_f64();
                let is_written = self.checkpoint(clock, stepping)?;
                if is_stopped {
                    return Err(self.stopped(done, is_written));
                }
            }
        }
        Ok(())
    }

    /// Run the next `most` steps, or fewer; with a profile, one of [`STEPS_A_PROFILED_ONE`] alone and timed.
    fn advance(&mut self, most: u32) -> Result<()> {
        let Some(profile) = &mut self.profile else {
            return self.lead.steps(most, || self.trainer.submit(most));
        };
        // Not the first of them: a driver may compile kernels while it runs the run's first step.
        let since = (self.trainer.steps() + STEPS_A_PROFILED_ONE / 2) % STEPS_A_PROFILED_ONE;
        let count = if since == 0 { 1 } else { most.min(STEPS_A_PROFILED_ONE - since) };
        let trainer = &mut *self.trainer;
        let own = || if since == 0 { trainer.time_step(profile) } else { trainer.submit(count) };
        self.lead.steps(count, own)
    }

    /// Write a checkpoint, or tell why it could not be written and go on; returns whether it was.
    fn checkpoint(&mut self, clock: &mut Clock, stepping_seconds: f64) -> Result<bool> {
        self.lead.gather(self.trainer)?;
        let state = self.trainer.state()?;
        let checkpoint = Checkpoint {
            header: Header {
                format_version: FORMAT_VERSION,
                program: env!("CARGO_PKG_VERSION").into(),
                adapter: self.device.to_string(),
                settings: self.trainer.settings().spelled_out(),
                identity: self.identity.clone(),
                step: self.trainer.steps(),
                seconds: self.time.seconds(),
                stepping_seconds,
                metrics: self.folder.recorded().to_vec(),
            },
            state,
        };
        let written = checkpoints::write(
            self.folder.path(),
            &checkpoint,
            self.options.cadence.keep_checkpoints,
            self.is_held_out,
        );
        clock.tried(checkpoint.header.step, written.is_ok());
        match written {
            Ok(path) => self.folder.last_checkpoint = Some(path),
            Err(e) => {
                let last = match &self.folder.last_checkpoint {
                    Some(path) => format!("the checkpoint before it, {}, is whole", path.display()),
                    None => "there is no checkpoint yet".into(),
                };
                self.report.warn(&format!("{e}; {last}, training goes on, and a checkpoint is tried again soon"));
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn stopped(&self, step: u32, is_written: bool) -> Error {
        let loss = if is_written { "" } else { ", but no checkpoint could be written of that step" };
        let folder = self.folder.path().display();
        Error::Stopped(format!("stopped after step {step}{loss}; go on by: gatewright train --resume {folder}"))
    }
}

/// How many steps go into a submission, found out by the first ones.
struct Pace {
    chunk: u32,
    /// Steps until the time that a run takes can be estimated.
    steps_to_wait: u32,
    estimated: bool,
}

/// Steps a submission, for a step of `seconds`.
fn chunk_for(seconds: f64) -> u32 {
    ((SUBMISSION.as_secs_f64() / seconds.max(1e-6)) as u32).clamp(1, 256)
}
