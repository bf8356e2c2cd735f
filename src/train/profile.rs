//! Where the time of training steps goes: by kernel and layer, beside what the adapter could do.

use std::fmt::Write;
use std::time::Instant;

use serde_json::{Value, json};

use super::bandwidth::Bandwidth;
use super::exchange::EXCHANGE;
use super::trainer::Trainer;
use crate::Result;
use crate::gpu::{Clock, Span};

/// Timed steps that a trace shows; later ones only count.
const STEPS_TRACED: usize = 20;

/// Timed steps of a trainer.
pub struct Profile {
    clock: Option<Clock>,
    /// What its times are.
    note: &'static str,
    began: Instant,
    /// `[pass]`
    passes: Vec<PassTimes>,
    /// Host seconds since `began` and the spans `[pass]` of the first timed steps.
    traced: Vec<(f64, Vec<Span>)>,
    steps: u32,
    /// Seconds of the host that the timed steps took.
    spent: f64,
    bandwidth: Option<Bandwidth>,
    pace: Option<Pace>,
}

/// The times of one pass of a step.
struct PassTimes {
    kernel: &'static str,
    label: String,
    bytes: Option<u64>,
    least: f64,
    total: f64,
}

/// How fast steps are that nobody times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Seconds a step, with many in a submission.
    pub step: f64,
    /// Seconds that the host takes to record and submit a step; none where it does the work itself.
    pub host: Option<f64>,
}

/// What holds a step up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The kernels' own work.
    Gpu,
    /// Beginning kernels: they are too small for their number.
    Dispatch,
    /// Recording and submitting them.
    Host,
}

impl Bound {
    /// Of a step whose kernels take `gpu` seconds together, in `passes` dispatches of `dispatch` seconds when idle, and
    /// that the host needs `host` seconds to record. The host is what holds up if it takes longer than the kernels;
    /// beginning kernels is, if idle ones would take half as long.
    pub fn of(gpu: f64, passes: usize, dispatch: f64, host: f64) -> Self {
        if host > gpu {
            Bound::Host
        } else if dispatch * passes as f64 > gpu / 2.0 {
            Bound::Dispatch
        } else {
            Bound::Gpu
        }
    }

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Bound::Gpu => "gpu",
            Bound::Dispatch => "dispatch",
            Bound::Host => "host",
        }
    }
}

impl Profile {
    /// Of the steps of `trainer`, none timed yet.
    pub fn new(trainer: &Trainer, clock: Clock) -> Self {
        let of = |pass: &crate::plan::Pass| (pass.page.name(), pass.label(), pass.least_bytes);
        let mut passes: Vec<_> = trainer.passes().iter().map(of).collect();
        if let Some((after, bytes)) = trainer.exchanged() {
            passes.insert(after, (EXCHANGE, EXCHANGE.into(), Some(bytes)));
        }
        Profile { clock: Some(clock), ..Self::of(clock.note(), passes.into_iter()) }
    }

    /// Of steps of these passes, each with its kernel's name, its own, and the bytes that it moves at least, none timed yet;
    /// `note` says what their times are.
    pub fn of(note: &'static str, passes: impl Iterator<Item = (&'static str, String, Option<u64>)>) -> Self {
        let of = |(kernel, label, bytes)| PassTimes { kernel, label, bytes, least: f64::INFINITY, total: 0.0 };
        Profile {
            clock: None,
            note,
            began: Instant::now(),
            passes: passes.map(of).collect(),
            traced: Vec::new(),
            steps: 0,
            spent: 0.0,
            bandwidth: None,
            pace: None,
        }
    }

    /// Run the trainer's next step and time its passes.
    pub fn time_step(&mut self, trainer: &mut Trainer) -> Result<()> {
        trainer.finish()?;
        let clock = self.clock.unwrap_or(Clock::Host);
        self.take(|| trainer.timed_step(clock))
    }

    /// Take in the times of a step's passes, which `run` runs.
    pub fn take(&mut self, run: impl FnOnce() -> Result<Vec<Span>>) -> Result<()> {
        let at = self.began.elapsed().as_secs_f64();
        let spans = run()?;
        self.spent += self.began.elapsed().as_secs_f64() - at;
        for (pass, span) in self.passes.iter_mut().zip(&spans) {
            pass.least = pass.least.min(span.seconds);
            pass.total += span.seconds;
        }
        self.steps += 1;
        if self.traced.len() < STEPS_TRACED {
            self.traced.push((at, spans));
        }
        Ok(())
    }

    /// Say what the adapter can do, for the shares of it.
    pub fn set_bandwidth(&mut self, bandwidth: Bandwidth) {
        self.bandwidth = Some(bandwidth);
    }

    /// Say how fast untimed steps are, for what holds them up.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = Some(pace);
    }

    /// Steps timed.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// What timing costs a run in which untimed steps are as fast as told: the fraction of its time that timed steps take
    /// beyond what they would take untimed. 0 before the pace is told.
    pub fn overhead(&self, steps: u32) -> f64 {
        let Some(pace) = self.pace else { return 0.0 };
        let beyond = self.spent - f64::from(self.steps) * pace.step;
        (beyond / (f64::from(steps) * pace.step + beyond)).max(0.0)
    }

    /// Seconds of all passes of a step, the least of each.
    fn gpu_seconds(&self) -> f64 {
        self.passes.iter().map(|p| p.least).sum()
    }

    fn bound(&self) -> Option<Bound> {
        let (bandwidth, host) = (self.bandwidth?, self.pace?.host?);
        Some(Bound::of(self.gpu_seconds(), self.passes.len(), bandwidth.dispatch, host))
    }

    /// Each kernel with its passes, in the order of a step.
    fn kernels(&self) -> Vec<(&str, Vec<&PassTimes>)> {
        let mut kernels: Vec<(&str, Vec<&PassTimes>)> = Vec::new();
        for pass in &self.passes {
            match kernels.iter_mut().find(|(kernel, _)| *kernel == pass.kernel) {
                Some((_, passes)) => passes.push(pass),
                None => kernels.push((pass.kernel, vec![pass])),
            }
        }
        kernels
    }

    fn row(&self, label: &str, passes: &[&PassTimes]) -> Row {
        let seconds: f64 = passes.iter().map(|p| p.least).sum();
        let bytes = passes.iter().map(|p| p.bytes).sum::<Option<u64>>();
        let per_second = bytes.map(|b| b as f64 / seconds.max(1e-9));
        Row {
            label: label.to_string(),
            calls: passes.len(),
            seconds,
            mean: passes.iter().map(|p| p.total).sum::<f64>() / f64::from(self.steps.max(1)),
            share: seconds / self.gpu_seconds(),
            bytes,
            per_second,
            of_copy: per_second.zip(self.bandwidth).map(|(rate, b)| rate / b.copy),
        }
    }

    /// The report as text.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "{} timed steps, by {}; the least of each pass", self.steps, self.note);
        let _ = writeln!(
            out,
            "{:<22}{:>6}{:>11}{:>8}{:>14}{:>9}{:>9}",
            "kernel, layer", "calls", "ms a step", "share", "least bytes", "GB/s", "of copy"
        );
        let kernels = self.kernels();
        for (kernel, passes) in &kernels {
            self.row(kernel, passes).write(&mut out);
        }
        let all: Vec<&PassTimes> = self.passes.iter().collect();
        self.row("step", &all).write(&mut out);
        let _ = writeln!(out);
        for (_, passes) in kernels.iter().filter(|(_, passes)| passes.len() > 1) {
            for pass in passes {
                self.row(&pass.label, &[pass]).write(&mut out);
            }
        }
        let _ = writeln!(out);
        if let Some(b) = self.bandwidth {
            let _ = writeln!(
                out,
                "a copy kernel reads and writes {:.2} GB/s here; an idle dispatch takes {:.2} µs",
                b.copy * 1e-9,
                b.dispatch * 1e6
            );
        }
        if let Some(pace) = self.pace {
            let _ = write!(out, "untimed, a step takes {:.3} ms", pace.step * 1e3);
            if let Some(host) = pace.host {
                let _ = write!(out, ", of which the host records and submits for {:.1} µs", host * 1e6);
            }
            let _ = writeln!(out);
        }
        if let Some(bound) = self.bound() {
            let why = match bound {
                Bound::Gpu => "by the kernels' own work",
                Bound::Dispatch => "by dispatches: idle kernels alone would take more than half of the time",
                Bound::Host => "by the host: it takes longer to record a step than the kernels to run it",
            };
            let _ = writeln!(out, "the step is held up {why}");
        }
        out
    }

    /// The report as JSON.
    pub fn json(&self) -> Value {
        let rows = |rows: Vec<Row>| rows.iter().map(Row::json).collect::<Vec<_>>();
        let all: Vec<&PassTimes> = self.passes.iter().collect();
        json!({
            "clock": self.note,
            "timed_steps": self.steps,
            "step": self.row("step", &all).json(),
            "kernels": rows(self.kernels().iter().map(|(kernel, passes)| self.row(kernel, passes)).collect()),
            "passes": rows(self.passes.iter().map(|pass| self.row(&pass.label, &[pass])).collect()),
            "copy_bytes_per_s": self.bandwidth.map(|b| b.copy),
            "dispatch_us": self.bandwidth.map(|b| b.dispatch * 1e6),
            "untimed_step_ms": self.pace.map(|p| p.step * 1e3),
            "host_us_per_step": self.pace.and_then(|p| p.host).map(|host| host * 1e6),
            "bound": self.bound().map(Bound::name),
        })
    }

    /// The first timed steps in Chrome's trace format, which chrome://tracing and ui.perfetto.dev open.
    pub fn trace(&self, adapter: &str) -> Value {
        let name = |what: &str, tid: u32, name: &str| json!({ "ph": "M", "name": what, "pid": 1, "tid": tid, "args": { "name": name } });
        let mut events = vec![
            name("process_name", 1, &format!("gatewright on {adapter}")),
            name("thread_name", 1, "steps"),
            name("thread_name", 2, "kernels"),
        ];
        for (number, (at, spans)) in self.traced.iter().enumerate() {
            let us = |seconds: f64| (at + seconds) * 1e6;
            let end = spans.last().map_or(0.0, |s| s.start + s.seconds);
            events.push(json!({
                "ph": "X", "name": format!("timed step {number}"), "cat": "step", "pid": 1, "tid": 1,
                "ts": us(0.0), "dur": end * 1e6,
            }));
            for (pass, span) in self.passes.iter().zip(spans) {
                events.push(json!({
                    "ph": "X", "name": pass.label, "cat": "kernel", "pid": 1, "tid": 2,
                    "ts": us(span.start), "dur": span.seconds * 1e6,
                    "args": { "least_bytes": pass.bytes },
                }));
            }
        }
        json!({ "traceEvents": events, "displayTimeUnit": "ms" })
    }
}

/// One line of a report.
struct Row {
    label: String,
    calls: usize,
    seconds: f64,
    mean: f64,
    share: f64,
    bytes: Option<u64>,
    per_second: Option<f64>,
    of_copy: Option<f64>,
}

impl Row {
    fn write(&self, out: &mut String) {
        let told = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        let _ = writeln!(
            out,
            "{:<22}{:>6}{:>11.4}{:>6.1} %{:>14}{:>9}{:>9}",
            self.label,
            self.calls,
            self.seconds * 1e3,
            self.share * 100.0,
            told(self.bytes.map(|b| b.to_string())),
            told(self.per_second.map(|r| format!("{:.2}", r * 1e-9))),
            told(self.of_copy.map(|s| format!("{:.1} %", s * 100.0))),
        );
    }

    fn json(&self) -> Value {
        json!({
            "label": self.label,
            "calls": self.calls,
            "ms": self.seconds * 1e3,
            "ms_mean": self.mean * 1e3,
            "share": self.share,
            "bytes_min": self.bytes,
            "gb_per_s": self.per_second.map(|r| r * 1e-9),
            "share_of_copy": self.of_copy,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_a_step_up_follows_from_its_times() {
        assert_eq!(Bound::of(1e-3, 30, 1e-6, 1e-4), Bound::Gpu);
        assert_eq!(Bound::of(5e-5, 30, 1e-6, 1e-5), Bound::Dispatch);
        assert_eq!(Bound::of(5e-5, 30, 1e-6, 6e-5), Bound::Host);
    }

    #[test]
    fn overhead_is_what_timed_steps_take_beyond_untimed_ones() {
        let mut profile = Profile {
            clock: None,
            note: "",
            began: Instant::now(),
            passes: Vec::new(),
            traced: Vec::new(),
            steps: 2,
            spent: 0.06,
            bandwidth: None,
            pace: None,
        };
        assert_eq!(profile.overhead(100), 0.0);
        // 100 steps of 10 ms, two of which took 30 ms: 40 ms of 1,040.
        profile.set_pace(Pace { step: 0.01, host: None });
        assert!((profile.overhead(100) - 0.04 / 1.04).abs() < 1e-12);
    }
}
