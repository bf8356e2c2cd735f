//! `train`: a run as the command line has it, told to Python as it goes.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gatewright::Error;
use gatewright::data::memory;
use gatewright::run::{self, Beginning, Device, Metrics, Options, Place, Reporter, Where};
use gatewright::settings::{Chosen, Overrides, Preset};
use pyo3::prelude::*;

use crate::errors::{keywords, refused, told};
use crate::given::{samples, truth};
use crate::settings::said;

/// Train a network and leave a run folder; returns the summary as JSON.
///
/// x, y, names: samples, what is right for each, and what that is called. test: another (x, y), or None. settings: JSON, a
/// key a setting. folder: an empty one, or that of a run to go on with if `resume`. report: an object with the methods
/// stage(text), begin(steps, text), step(step), evaluated(metrics as JSON), warn(text), of which the first exception ends the run after
/// the steps that are under way.
#[pyfunction]
#[pyo3(signature = (x, y, names, test, name, settings, adapter, threads, folder, resume, report))]
#[allow(clippy::too_many_arguments)]
pub fn train(
    py: Python,
    x: &Bound<PyAny>,
    y: &Bound<PyAny>,
    names: Vec<String>,
    test: Option<(Bound<PyAny>, Bound<PyAny>)>,
    name: &str,
    settings: &str,
    adapter: Option<String>,
    threads: Option<u16>,
    folder: PathBuf,
    resume: bool,
    report: Py<PyAny>,
) -> PyResult<String> {
    let mut flags = said(settings)?;
    let given = samples(x)?;
    if flags.preset.is_none() && !matches!(given, memory::Given::Images { .. }) {
        flags.preset = Some(Preset::Table);
    }
    let told_of = truth(y, names.clone())?;
    let test = test.map(|(x, y)| Ok::<_, PyErr>((samples(&x)?, truth(&y, names)?))).transpose()?;
    let asked = Where { adapter, threads, ..Where::default() };
    let stop = Arc::new(AtomicBool::new(false));
    let place = if resume { Place::Resume(folder) } else { Place::New(Some(folder)) };
    let options = Options { place, stop: stop.clone(), ..Options::default() };
    let mut reporter = ToPython { object: report, stop, raised: None };
    let trained = py.detach(|| {
        let (settings, data) = Chosen::from(flags).open_by(&Overrides::default(), |settings| {
            memory::dataset(name, (given, told_of), test, &settings.input, settings.thresholds)
        })?;
        for note in data.notes.iter().filter(|note| note.is_warning) {
            reporter.warn(&note.text);
        }
        let open = || Device::open(&asked, &settings).map(|(device, _)| device);
        run::run(&open, &settings, data, &options, &mut reporter)?.json()
    });
    match (trained, reporter.raised) {
        (_, Some(raised)) => Err(raised),
        (trained, None) => trained.map_err(|error| match error {
            Error::Input { problem, path } if path == "X" => refused(format!("X: {problem}")),
            error => told(error),
        }),
    }
}

/// A Python object that is told what a run does.
struct ToPython {
    object: Py<PyAny>,
    stop: Arc<AtomicBool>,
    /// The first exception.
    raised: Option<PyErr>,
}

impl ToPython {
    /// Do `what`, unless something was raised already; look for signals, too, Ctrl-C among them.
    fn tell(&mut self, what: impl FnOnce(&Bound<PyAny>) -> PyResult<()>) {
        if self.raised.is_some() {
            return;
        }
        let told = Python::attach(|py| {
            py.check_signals()?;
            what(self.object.bind(py))
        });
        if let Err(raised) = told {
            self.raised = Some(raised);
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Reporter for ToPython {
    fn stage(&mut self, what: &str) {
        let what = keywords(what);
        self.tell(|object| object.call_method1("stage", (what,)).map(drop));
    }

    fn begin(&mut self, run: &Beginning) {
        let gates: usize = run.layers.iter().sum();
        let text = format!(
            "{gates} gates in {} layers on {} input bits, trained on {} ({})",
            run.layers.len(),
            run.features,
            run.adapter,
            run.backend
        );
        let steps = run.steps;
        self.tell(|object| object.call_method1("begin", (steps, text)).map(drop));
    }

    fn estimate(&mut self, _seconds: f64) {}

    fn step(&mut self, step: u32) {
        self.tell(|object| object.call_method1("step", (step,)).map(drop));
    }

    fn evaluated(&mut self, metrics: &Metrics) {
        let json = serde_json::to_string(metrics).unwrap_or_default();
        self.tell(|object| object.call_method1("evaluated", (json,)).map(drop));
    }

    fn warn(&mut self, message: &str) {
        let message = keywords(message);
        self.tell(|object| object.call_method1("warn", (message,)).map(drop));
    }
}
