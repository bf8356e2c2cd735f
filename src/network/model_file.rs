//! `model.safetensors`: a trained network whole, wiring and all. The format is described in docs/MODEL_FORMAT.md.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::{Form, Layer, Parametrization, Reads};
use crate::data::Encoder;
use crate::data::{Head, ImageShape, Table};
use crate::{Error, Result};

/// Version of the file format that this program writes, and the only one it reads.
pub const FORMAT_VERSION: u32 = 1;

/// The single key of the file's metadata; its value is [`Header`] as JSON. One key, so that the bytes written do not
/// depend on a hash map's order.
const METADATA_KEY: &str = "gatewright";

/// A network as it is saved: everything that turns bytes into a class.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// What it was trained on, for reports.
    pub dataset: String,
    /// Extent of an input image.
    pub image: ImageShape,
    /// The columns that an image's bytes come from, where it is a row of a table.
    pub table: Option<Table>,
    /// Names of the outputs, as of [`crate::data::Dataset::classes`]; the last layer's gates are split evenly over them, in
    /// order.
    pub classes: Vec<String>,
    /// How votes are read.
    pub head: Head,
    /// Group-sum temperature τ: the score of a class is its count of ones / τ.
    pub tau: f32,
    /// From bytes to input bits.
    pub encoder: Encoder,
    /// First to last.
    pub layers: Vec<Layer>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format_version: u32,
    dataset: String,
    image: ImageShape,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table: Option<Table>,
    classes: Vec<String>,
    #[serde(default, skip_serializing_if = "Head::is_classes")]
    head: Head,
    tau: f32,
    layers: Vec<LayerHeader>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerHeader {
    #[serde(default, skip_serializing_if = "Form::is_dense")]
    form: Form,
    #[serde(default, skip_serializing_if = "Reads::is_before")]
    reads: Reads,
    inputs: usize,
    gates: usize,
    arity: usize,
    parametrization: Parametrization,
}

impl Model {
    /// Number of gates over all layers.
    pub fn gates(&self) -> usize {
        self.layers.iter().map(Layer::gates).sum()
    }

    /// Number of trained parameters over all layers.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(|l| l.gates() * l.parametrization.logits(l.arity)).sum()
    }

    /// Whether some layer reads more than the layer before it.
    pub fn reads_all(&self) -> bool {
        self.layers.iter().any(|layer| !layer.reads.is_before())
    }

    /// The parts of layer `layer`'s wires that go to the input bits, and to the outputs of each layer before it, if it reads them all.
    pub fn shares_of_sources(&self, layer: usize) -> Option<Vec<f64>> {
        let own = self.layers.get(layer).filter(|own| !own.reads.is_before())?;
        let all = own.wiring.len().max(1) as f64;
        let share = |rows: &Range<usize>| {
            own.wiring.iter().filter(|&&wire| rows.contains(&(wire as usize))).count() as f64 / all
        };
        Some(self.rows()[..=layer].iter().map(share).collect())
    }

    /// `[layers + 1]`: the rows of the input bits, and of each layer's outputs, where all lie one after the other.
    pub fn rows(&self) -> Vec<Range<usize>> {
        let counts = std::iter::once(self.encoder.features()).chain(self.layers.iter().map(Layer::outputs));
        let mut end = 0;
        counts
            .map(|count| {
                end += count;
                end - count..end
            })
            .collect()
    }

    /// Gates of the last layer, or rows of it where these are more, that vote for one output.
    pub fn group(&self) -> usize {
        self.layers.last().map_or(0, Layer::outputs) / self.classes.len().max(1)
    }

    /// The file's bytes; the same model gives the same bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = vec![
            ("encoder.pixel".into(), Dtype::U32, vec![self.encoder.features()], le_bytes(&self.encoder.pixel)),
            ("encoder.threshold".into(), Dtype::U8, vec![self.encoder.features()], self.encoder.threshold.clone()),
        ];
        for (i, layer) in self.layers.iter().enumerate() {
            let gates = layer.gates();
            let width = table_bytes(layer.arity);
            let tables = layer.tables.iter().flat_map(|t| t.to_le_bytes().into_iter().take(width)).collect();
            let shape = wiring_shape(&layer.form, gates, layer.arity);
            tensors.push((format!("layers.{i}.wiring"), Dtype::U32, shape.to_vec(), le_bytes(&layer.wiring)));
            tensors.push((format!("layers.{i}.tables"), Dtype::U8, vec![gates, width], tables));
            if !layer.logits.is_empty() {
                let shape = vec![gates, layer.parametrization.logits(layer.arity)];
                tensors.push((format!("layers.{i}.logits"), Dtype::F32, shape, le_bytes(&layer.logits)));
            }
        }
        let header = Header {
            format_version: FORMAT_VERSION,
            dataset: self.dataset.clone(),
            image: self.image,
            table: self.table.clone(),
            classes: self.classes.clone(),
            head: self.head.clone(),
            tau: self.tau,
            layers: self
                .layers
                .iter()
                .map(|l| LayerHeader {
                    form: l.form,
                    reads: l.reads,
                    inputs: l.inputs,
                    gates: l.gates(),
                    arity: l.arity,
                    parametrization: l.parametrization,
                })
                .collect(),
        };
        let header =
            serde_json::to_string(&header).map_err(|e| Error::Run(format!("cannot describe the model: {e}")))?;
        let metadata = HashMap::from([(METADATA_KEY.to_string(), header)]);
        let views: Result<Vec<_>> = tensors
            .iter()
            .map(|(name, dtype, shape, data)| {
                let view = TensorView::new(*dtype, shape.clone(), data);
                view.map(|v| (name.clone(), v)).map_err(|e| Error::Run(format!("cannot write tensor {name}: {e}")))
            })
            .collect();
        safetensors::serialize(views?, Some(metadata)).map_err(|e| Error::Run(format!("cannot write the model: {e}")))
    }

    /// Write aside, then rename: `path` holds the old file or the new one, never a half.
    pub fn save(&self, path: &Path) -> Result<()> {
        crate::files::write_whole(path, &self.to_bytes()?)
    }

    /// Read and check a model file.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that is torn, of another format or version, or inconsistent in shapes, dtypes,
    /// wiring range or table width; [`Error::Io`] if it cannot be read.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        Self::from_bytes(&bytes).map_err(|problem| Error::input(path, problem))
    }

    /// Read and check a model file's bytes; the error is a sentence.
    pub fn from_bytes(bytes: &[u8]) -> std::result::Result<Self, String> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)
            .map_err(|e| format!("this is no whole safetensors file ({e}); train or copy the model anew"))?;
        let header = metadata
            .metadata()
            .as_ref()
            .and_then(|m| m.get(METADATA_KEY))
            .ok_or("this safetensors file has no \"gatewright\" metadata; it was not written by gatewright")?;
        let version: Version = serde_json::from_str(header).map_err(|e| format!("its metadata cannot be read: {e}"))?;
        if version.format_version != FORMAT_VERSION {
            return Err(format!(
                "its format version is {}, this program reads version {FORMAT_VERSION}; use the gatewright that wrote it",
                version.format_version
            ));
        }
        let header: Header = serde_json::from_str(header).map_err(|e| format!("its metadata cannot be read: {e}"))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| format!("its tensors cannot be read: {e}"))?;
        let model = Model {
            dataset: header.dataset,
            image: header.image,
            table: header.table,
            classes: header.classes,
            head: header.head,
            tau: header.tau,
            encoder: read_encoder(&tensors)?,
            layers: header
                .layers
                .iter()
                .enumerate()
                .map(|(i, l)| read_layer(&tensors, i, l))
                .collect::<std::result::Result<_, _>>()?,
        };
        model.check()?;
        Ok(model)
    }

    /// Check that the parts fit together; the error is a sentence.
    pub fn check(&self) -> std::result::Result<(), String> {
        let pixels = [self.image.channels, self.image.height, self.image.width]
            .iter()
            .try_fold(1usize, |n, &x| n.checked_mul(x))
            .filter(|n| (1..=1 << 28).contains(n))
            .ok_or("its image shape has no pixels or more than 2^28")?;
        if let Some(table) = &self.table {
            table.check()?;
            if table.bytes() != pixels {
                return Err(format!("its columns give {} bytes, its image has {pixels}", table.bytes()));
            }
        }
        self.head.check(self.classes.len())?;
        if !(self.tau.is_finite() && self.tau > 0.0) {
            return Err(format!("its group-sum τ is {}, it must be positive", self.tau));
        }
        if self.encoder.pixel.len() != self.encoder.threshold.len() {
            return Err("encoder.pixel and encoder.threshold differ in length".into());
        }
        if let Some(p) = self.encoder.pixel.iter().find(|&&p| p as usize >= pixels) {
            return Err(format!("its encoder reads pixel {p} of an image of {pixels}"));
        }
        let mut features = self.encoder.features();
        let mut all = features;
        for (i, layer) in self.layers.iter().enumerate() {
            let given = if layer.reads == Reads::All { all } else { features };
            if layer.inputs != given {
                return Err(format!("layer {i} expects {} inputs but is given {given}", layer.inputs));
            }
            layer.check().map_err(|problem| format!("layer {i} {problem}"))?;
            features = layer.outputs();
            all = all.saturating_add(features);
        }
        let classes = self.classes.len();
        if self.layers.is_empty() || classes == 0 || features == 0 || !features.is_multiple_of(classes) {
            return Err(format!("its last layer's {features} gates cannot be shared evenly by {classes} classes"));
        }
        Ok(())
    }
}

/// Only the version, so that a header of another version is told from a broken one.
#[derive(Deserialize)]
struct Version {
    format_version: u32,
}

/// Of a dense layer a row a gate, of a convolution a row a tree. A shape that no tree can have is refused later, by the layer's check.
fn wiring_shape(form: &Form, gates: usize, arity: usize) -> [usize; 2] {
    match form {
        Form::Dense => [gates, arity],
        Form::Conv(conv) => {
            let leaves = 1usize << conv.depth.min(16);
            [gates / (leaves - 1).max(1), leaves]
        }
    }
}

fn read_encoder(tensors: &SafeTensors) -> std::result::Result<Encoder, String> {
    let pixel = tensor(tensors, "encoder.pixel", Dtype::U32, None)?;
    let features = pixel.shape().iter().product();
    let threshold = tensor(tensors, "encoder.threshold", Dtype::U8, Some(&[features]))?;
    Ok(Encoder { pixel: u32s(pixel.data()), threshold: threshold.data().to_vec() })
}

fn read_layer(tensors: &SafeTensors, i: usize, header: &LayerHeader) -> std::result::Result<Layer, String> {
    let LayerHeader { form, reads, inputs, gates, arity, parametrization } = *header;
    if !parametrization.can_have(arity) {
        return Err(format!("layer {i} has {} gates of {arity} inputs, which is not possible", parametrization.name()));
    }
    let width = table_bytes(arity);
    let wiring = tensor(tensors, &format!("layers.{i}.wiring"), Dtype::U32, Some(&wiring_shape(&form, gates, arity)))?;
    let tables = tensor(tensors, &format!("layers.{i}.tables"), Dtype::U8, Some(&[gates, width]))?;
    let name = format!("layers.{i}.logits");
    let logits = match tensors.tensor(&name) {
        Err(_) => Vec::new(),
        Ok(_) => {
            let view = tensor(tensors, &name, Dtype::F32, Some(&[gates, parametrization.logits(arity)]))?;
            u32s(view.data()).into_iter().map(f32::from_bits).collect()
        }
    };
    let tables = tables
        .data()
        .chunks_exact(width)
        .map(|bytes| bytes.iter().rev().fold(0u64, |table, &b| (table << 8) | u64::from(b)));
    let (wiring, tables) = (u32s(wiring.data()), tables.collect());
    Ok(Layer { form, reads, inputs, arity, wiring, tables, parametrization, logits })
}

/// A tensor that must be there, of this dtype and shape (`None`: of one dimension).
fn tensor<'a>(
    tensors: &SafeTensors<'a>,
    name: &str,
    dtype: Dtype,
    shape: Option<&[usize]>,
) -> std::result::Result<TensorView<'a>, String> {
    let view = tensors.tensor(name).map_err(|_| format!("tensor {name} is missing"))?;
    if view.dtype() != dtype {
        return Err(format!("tensor {name} is {:?}, it must be {dtype:?}", view.dtype()));
    }
    let fits = shape.map_or(view.shape().len() == 1, |shape| view.shape() == shape);
    if !fits {
        return Err(format!("tensor {name} has shape {:?}, expected {:?}", view.shape(), shape.unwrap_or(&[0])));
    }
    Ok(view)
}

/// Bytes a table of `arity` inputs takes in the file: its 2^arity bits, at least one byte.
fn table_bytes(arity: usize) -> usize {
    (1usize << arity).div_ceil(8)
}

fn le_bytes<T: bytemuck::Pod>(values: &[T]) -> Vec<u8> {
    const { assert!(cfg!(target_endian = "little"), "tensors are written little-endian") };
    bytemuck::cast_slice(values).to_vec()
}

fn u32s(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Draw, Initialization, Wiring};

    fn model(arity: usize) -> Model {
        let image = ImageShape { channels: 1, height: 3, width: 5 };
        let encoder = Encoder::thermometer(image, 2).unwrap();
        let draw = Draw {
            wiring: Wiring::Unique,
            parametrization: Parametrization::IwpSin,
            start: Initialization::Gaussian.into(),
            seed: 4,
        };
        let layers = vec![Layer::draw(0, 30, 33, arity, draw), Layer::draw(1, 33, 6, arity, draw)];
        Model {
            dataset: "toy".into(),
            image,
            table: None,
            head: Head::Classes,
            classes: vec!["no".into(), "yes".into()],
            tau: 2.5,
            encoder,
            layers,
        }
    }

    #[test]
    fn what_is_saved_is_loaded_for_every_arity() {
        for arity in 1..=6 {
            let model = model(arity);
            let bytes = model.to_bytes().unwrap();
            assert_eq!(bytes, model.to_bytes().unwrap(), "the same model gives the same bytes");
            assert_eq!(Model::from_bytes(&bytes).unwrap(), model);
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = model(2).to_bytes().unwrap();
        for length in 0..bytes.len() {
            assert!(Model::from_bytes(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
        }
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        let told = |change: &dyn Fn(&mut Model)| {
            let mut model = model(2);
            change(&mut model);
            Model::from_bytes(&model.to_bytes().unwrap()).unwrap_err()
        };
        assert!(told(&|m| m.layers[1].wiring[5] = 33).contains("layer 1 has gate 2, which reads input 33"));
        assert!(told(&|m| m.encoder.pixel[3] = 15).contains("pixel 15"));
        assert!(told(&|m| m.tau = -1.0).contains("τ"));
        assert!(told(&|m| m.classes.truncate(0)).contains("classes"));
        assert!(told(&|m| m.layers[0].tables[0] = 16).contains("table bits"));
        assert!(told(&|m| m.layers[1].inputs = 30).contains("layer 1"));
        assert!(told(&|m| m.image.height = 0).contains("pixels"));
    }

    #[test]
    fn another_version_is_told_from_a_broken_file() {
        let bytes = model(2).to_bytes().unwrap();
        let at = bytes.windows(16).position(|w| w == b"format_version\\\"").unwrap() + 17;
        let mut other = bytes.clone();
        other[at] = b'9';
        assert!(Model::from_bytes(&other).unwrap_err().contains("version is 9"));
    }
}
