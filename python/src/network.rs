//! A trained network, which never changes.

use std::path::PathBuf;
use std::sync::OnceLock;

use gatewright::circuit::{Engine, Netlist, Simplification, export, simplify};
use gatewright::data::memory::{extent, is_taken};
use gatewright::data::{Encoder, Head, ImageShape};
use gatewright::network::{Conv, Form, Layer, Model, Parametrization, Reads};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use serde_json::json;

use crate::errors::{refused, told};
use crate::given::{bytes, samples};

/// A layer's wiring, tables, parametrization, logits, and, of a convolution, its shape as JSON.
type Part<'py> =
    (PyReadonlyArray2<'py, u32>, PyReadonlyArray1<'py, u64>, String, PyReadonlyArray2<'py, f32>, Option<String>);

/// A trained network, discretized: it turns bytes into votes.
#[pyclass(frozen, module = "gatewright._gatewright")]
pub struct Network {
    model: Model,
    circuit: Netlist,
    simple: OnceLock<(Netlist, Simplification)>,
    engine: OnceLock<Engine>,
}

impl Network {
    fn of(model: Model) -> Result<Self, String> {
        let circuit = model.netlist()?;
        Ok(Network { model, circuit, simple: OnceLock::new(), engine: OnceLock::new() })
    }

    fn simple(&self) -> &(Netlist, Simplification) {
        self.simple.get_or_init(|| simplify(&self.circuit))
    }

    fn engine(&self) -> &Engine {
        self.engine.get_or_init(|| Engine::new(&self.simple().0))
    }

    /// Run `work` on the engine and the samples' bytes, without the interpreter, and without a copy where an array holds the
    /// bytes as they are read.
    fn on_bytes<T: Send>(&self, x: &Bound<PyAny>, work: impl FnOnce(&Engine, &[u8]) -> T + Send) -> PyResult<T> {
        let py = x.py();
        if let Some(array) = bytes(x)
            && let Ok((image, false)) = extent(array.shape())
            && self.model.table.is_none()
            && is_taken(image, self.model.image)
        {
            let bytes = array.as_slice()?;
            return Ok(py.detach(|| work(self.engine(), bytes)));
        }
        let given = samples(x)?;
        py.detach(|| {
            let bytes = given.encode(self.model.image, self.model.table.as_ref())?;
            Ok(work(self.engine(), &bytes))
        })
        .map_err(told)
    }
}

#[pymethods]
impl Network {
    /// Of the bytes of a model file.
    #[staticmethod]
    fn from_bytes(bytes: &[u8]) -> PyResult<Self> {
        Model::from_bytes(bytes).and_then(Self::of).map_err(refused)
    }

    /// Of its parts: the extent of an image (channels, rows, columns); of each input bit, the byte that it looks at and what
    /// that is greater than; of each layer, wiring [gates, k] uint32 (of a convolution [trees, leaves]), tables [gates] uint64, a parametrization, logits
    /// [gates, n] float32, which are left out where they do not give the tables, and None or the shape of a convolution as JSON, all
    /// as in the model file (docs/MODEL_FORMAT.md); names of classes; tau.
    #[staticmethod]
    fn from_parts(
        dataset: String,
        image: (usize, usize, usize),
        pixel: PyReadonlyArray1<u32>,
        threshold: PyReadonlyArray1<u8>,
        layers: Vec<Part>,
        classes: Vec<String>,
        tau: f32,
    ) -> PyResult<Self> {
        let encoder = Encoder { pixel: pixel.as_array().to_vec(), threshold: threshold.as_array().to_vec() };
        let mut inputs = encoder.features();
        let mut made = Vec::with_capacity(layers.len());
        for (number, (wiring, tables, parametrization, logits, conv)) in layers.iter().enumerate() {
            let conv: Option<Conv> = (conv.as_ref().map(|conv| serde_json::from_str(conv)).transpose())
                .map_err(|problem| refused(format!("layer {number}: {problem}")))?;
            let arity = if conv.is_some() { 2 } else { wiring.shape()[1] };
            let parametrization: Parametrization = word("parametrization", parametrization)?;
            let tables = tables.as_array().to_vec();
            let logits: Vec<f32> = logits.as_array().iter().copied().collect();
            let per_gate = if parametrization.can_have(arity) { parametrization.logits(arity) } else { 0 };
            let gives = logits.len() == tables.len() * per_gate
                && per_gate > 0
                && logits.chunks_exact(per_gate).zip(&tables).all(|(l, &table)| parametrization.hard_table(l) == table);
            let layer = Layer {
                form: conv.map_or(Form::Dense, Form::Conv),
                reads: Reads::Before,
                inputs,
                arity,
                wiring: wiring.as_array().iter().copied().collect(),
                tables,
                parametrization: if gives { parametrization } else { Parametrization::IwpSin },
                logits: if gives { logits } else { Vec::new() },
            };
            layer.check().map_err(|problem| refused(format!("layer {number} {problem}")))?;
            inputs = layer.outputs();
            made.push(layer);
        }
        let (channels, height, width) = image;
        let image = ImageShape { channels, height, width };
        Self::of(Model { dataset, image, table: None, classes, head: Head::Classes, tau, encoder, layers: made })
            .map_err(refused)
    }

    /// Of a model file.
    #[staticmethod]
    fn load(path: PathBuf) -> PyResult<Self> {
        let model = Model::load(&path).map_err(told)?;
        Self::of(model).map_err(|problem| told(gatewright::Error::input(&path, problem)))
    }

    /// The bytes of its model file.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.model.to_bytes().map_err(told)?))
    }

    /// Write its model file: the old file or the new one is there, never a half.
    fn save(&self, path: PathBuf) -> PyResult<()> {
        self.model.save(&path).map_err(told)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let bytes = slf.get().to_bytes(slf.py())?;
        Ok((slf.get_type().getattr("from_bytes")?, (bytes,)))
    }

    /// Names of the outputs, in order.
    #[getter]
    fn outputs(&self) -> Vec<String> {
        self.model.classes.clone()
    }

    /// `classes`, `labels` or `values`.
    #[getter]
    fn task(&self) -> &'static str {
        self.model.head.task().name()
    }

    /// Names of the targets of a network that tells values.
    #[getter]
    fn targets(&self) -> Vec<String> {
        match &self.model.head {
            Head::Values(values) => values.targets.iter().map(|target| target.name.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// What it was trained on.
    #[getter]
    fn dataset(&self) -> &str {
        &self.model.dataset
    }

    /// Group-sum temperature: an output's score is its votes / tau.
    #[getter]
    fn tau(&self) -> f32 {
        self.model.tau
    }

    /// Gates of the last layer that vote for an output.
    #[getter]
    fn group(&self) -> usize {
        self.model.group()
    }

    /// Gates of each layer.
    #[getter]
    fn layers(&self) -> Vec<usize> {
        self.model.layers.iter().map(|layer| layer.gates()).collect()
    }

    /// Channels, rows and columns of an image; a row of a table is an image of one row.
    #[getter]
    fn image(&self) -> (usize, usize, usize) {
        (self.model.image.channels, self.model.image.height, self.model.image.width)
    }

    /// Names of the columns that it reads; none where it takes images.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.model.table.iter().flat_map(|table| &table.columns).map(|column| column.name.clone()).collect()
    }

    /// Votes [n, outputs] uint32 of samples, on all cores if `parallel`.
    #[pyo3(signature = (x, parallel = true))]
    fn votes<'py>(&self, x: &Bound<'py, PyAny>, parallel: bool) -> PyResult<Bound<'py, PyArray2<u32>>> {
        let votes = self.on_bytes(x, |engine, bytes| engine.counts(bytes, parallel))?;
        let outputs = self.model.classes.len();
        let samples = votes.len() / outputs;
        PyArray1::from_vec(x.py(), votes).reshape([samples, outputs])
    }

    /// The class [n] uint32 of each sample: of the most votes, the first among equals.
    #[pyo3(signature = (x, parallel = true))]
    fn classify<'py>(&self, x: &Bound<'py, PyAny>, parallel: bool) -> PyResult<Bound<'py, PyArray1<u32>>> {
        let classes = self.on_bytes(x, |engine, bytes| engine.classify(bytes, parallel))?;
        Ok(PyArray1::from_vec(x.py(), classes))
    }

    /// What votes [n, outputs] say in the targets' own units, [n, targets] float64.
    fn values<'py>(&self, votes: PyReadonlyArray2<'py, u32>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let Head::Values(head) = &self.model.head else { return Err(refused("this network tells no values")) };
        let outputs = self.model.classes.len();
        if votes.shape()[1] != outputs {
            return Err(refused(format!("there are votes of {} outputs, and it has {outputs}", votes.shape()[1])));
        }
        let counts: Vec<f64> = votes.as_array().iter().map(|&v| v.into()).collect();
        let values = counts.chunks_exact(outputs).flat_map(|votes| head.values(votes, self.model.group())).collect();
        PyArray1::from_vec(votes.py(), values).reshape([votes.shape()[0], head.targets.len()])
    }

    /// The bytes [n, bytes] uint8 that the network reads of samples.
    fn encode<'py>(&self, x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray2<u8>>> {
        let (given, width) = (samples(x)?, self.model.image.pixels());
        let bytes = given.encode(self.model.image, self.model.table.as_ref()).map_err(told)?;
        let rows = bytes.len() / width;
        PyArray1::from_vec(x.py(), bytes).reshape([rows, width])
    }

    /// What is left of the circuit when nothing needless is kept: a dict of counts before and after, as JSON.
    fn simplified(&self, py: Python) -> String {
        py.detach(|| {
            let (_, report) = self.simple();
            json!({ "gates": report.before.gates, "live_gates": report.after.gates, "report": report }).to_string()
        })
    }

    /// The circuit's files in a format, (name, bytes) each; the first is the circuit itself. `origin` is for a comment.
    #[pyo3(signature = (format, name, origin, outputs, inputs, pipeline, as_trained))]
    #[allow(clippy::too_many_arguments)]
    fn export<'py>(
        &self,
        py: Python<'py>,
        format: &str,
        name: String,
        origin: String,
        outputs: &str,
        inputs: &str,
        pipeline: u32,
        as_trained: bool,
    ) -> PyResult<Vec<(String, Bound<'py, PyBytes>)>> {
        let options = export::Options {
            name,
            origin,
            outputs: word("outputs", outputs)?,
            inputs: word("inputs", inputs)?,
            pipeline,
            table: self.model.table.clone(),
            head: self.model.head.clone(),
            group: self.model.group(),
        };
        let format = word("format", format)?;
        let files = py.detach(|| {
            let circuit = if as_trained { &self.circuit } else { &self.simple().0 };
            export::export(circuit, format, &options)
        });
        let files = files.map_err(told)?;
        Ok(files.into_iter().map(|file| (file.name, PyBytes::new(py, &file.bytes))).collect())
    }

    /// What it is made of: `pixel` and `threshold` of every input bit, and `layers`, each a dict of `wiring` [gates, k]
    /// uint32 (of a convolution [trees, leaves]), `tables` [gates] uint64, `parametrization` and `logits` [gates, n] float32, and,
    /// of a convolution, `conv`, its shape as JSON, all as in the model file.
    fn parts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let parts = PyDict::new(py);
        parts.set_item("pixel", self.model.encoder.pixel.to_pyarray(py))?;
        parts.set_item("threshold", self.model.encoder.threshold.to_pyarray(py))?;
        let layer = |layer: &Layer| {
            if !layer.reads.is_before() {
                return Err(refused(
                    "this network has a layer that reads everything before it; docs/MODEL_FORMAT.md tells how its file is read",
                ));
            }
            let made = PyDict::new(py);
            let mut wires = [layer.gates(), layer.arity];
            if let Form::Conv(conv) = &layer.form {
                wires = [layer.gates() / conv.tree_gates(), conv.leaves()];
                made.set_item("conv", json!(conv).to_string())?;
            }
            made.set_item("wiring", layer.wiring.to_pyarray(py).reshape(wires)?)?;
            made.set_item("tables", layer.tables.to_pyarray(py))?;
            made.set_item("parametrization", layer.parametrization.name())?;
            let per_gate = layer.logits.len() / layer.gates().max(1);
            made.set_item("logits", layer.logits.to_pyarray(py).reshape([layer.gates(), per_gate])?)?;
            Ok::<_, PyErr>(made)
        };
        parts.set_item("layers", self.model.layers.iter().map(layer).collect::<PyResult<Vec<_>>>()?)?;
        Ok(parts)
    }

    fn __repr__(&self) -> String {
        let layers: Vec<String> = self.model.layers.iter().map(|layer| layer.gates().to_string()).collect();
        format!("<Network of {} gates, told {}>", layers.join(" + "), self.task())
    }
}

/// A word of a few, as the command line takes them.
fn word<T: serde::de::DeserializeOwned>(keyword: &str, said: &str) -> PyResult<T> {
    serde_json::from_value(json!(said)).map_err(|problem| refused(format!("{keyword}: {problem}")))
}
