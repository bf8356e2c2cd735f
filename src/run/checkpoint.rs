//! A checkpoint file: all that a run needs to go on exactly. The format is described in docs/CHECKPOINTS.md.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::metrics::Metrics;
use crate::data::Split;
use crate::network::Model;
use crate::settings::Overrides;
use crate::train::{State, Tensor};
use crate::{Error, Result};

/// Version of the file format that this program writes, and the only one it reads.
pub const FORMAT_VERSION: u32 = 1;

/// The first bytes of every checkpoint.
const MAGIC: &[u8; 8] = b"GWCHECK\n";

/// Bytes before the tensors: [`MAGIC`], then the SHA-256 of all that follows.
const PREFIX: usize = MAGIC.len() + 32;

/// The single key of the tensors' metadata; its value is [`Header`] as JSON.
const METADATA_KEY: &str = "gatewright";

/// A run at rest between two steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Where the run stands, and what it is a run of.
    pub header: Header,
    /// The trainer's buffers.
    pub state: State,
}

/// What a checkpoint says beside its tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`FORMAT_VERSION`] of the writer.
    pub format_version: u32,
    /// Version of the program that wrote it.
    pub program: String,
    /// Name of the adapter that it was written on.
    pub adapter: String,
    /// Every setting, as `config.toml` has them.
    pub settings: Overrides,
    /// What cannot be told from settings.
    pub identity: Identity,
    /// Steps done.
    pub step: u32,
    /// Seconds since the first step, over all sittings.
    pub seconds: f64,
    /// Of these, seconds in steps.
    pub stepping_seconds: f64,
    /// Every evaluation so far.
    pub metrics: Vec<Metrics>,
}

/// Fingerprints of what a run must find unchanged, SHA-256 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Of the training samples that are left after validation samples were held out.
    pub data: String,
    /// Of the encoder and the wiring.
    pub network: String,
}

impl Identity {
    /// Of a run of `model` on `train`.
    pub fn of(model: &Model, train: &Split) -> Self {
        let mut network = Sha256::new();
        network.update(bytemuck::cast_slice::<u32, u8>(&model.encoder.pixel));
        network.update(&model.encoder.threshold);
        for layer in &model.layers {
            if !layer.form.is_dense() {
                network.update(format!("{:?}", layer.form));
            }
            if !layer.reads.is_before() {
                network.update(format!("{:?}", layer.reads));
            }
            network.update((layer.gates() as u64).to_le_bytes());
            network.update(bytemuck::cast_slice::<u32, u8>(&layer.wiring));
        }
        Identity { data: Self::of_samples(train), network: hexadecimal(&network.finalize()) }
    }

    /// Of training samples alone: [`Identity::data`].
    pub fn of_samples(train: &Split) -> String {
        let mut data = Sha256::new();
        data.update(&train.labels);
        data.update(&train.pixels);
        data.update(bytemuck::cast_slice::<f32, u8>(&train.targets));
        hexadecimal(&data.finalize())
    }

    /// Compare with what a resumed run `found`; the error is a sentence.
    pub fn check(&self, found: &Identity) -> std::result::Result<(), String> {
        if self.data != found.data {
            return Err(
                "the training samples are not those that it began with; name the data set as it was by --data".into()
            );
        }
        if self.network != found.network {
            return Err("this program draws another network than the one that it began with; use the gatewright that \
                        began it, and the model that --convolutions-from named then"
                .into());
        }
        Ok(())
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl Checkpoint {
    /// The file's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let header =
            serde_json::to_string(&self.header).map_err(|e| Error::Run(format!("cannot describe the run: {e}")))?;
        let metadata = HashMap::from([(METADATA_KEY.to_string(), header)]);
        let views = self.state.tensors.iter().map(|Tensor { name, bytes }| {
            TensorView::new(Dtype::U32, vec![bytes.len() / 4], bytes)
                .map(|view| (name.as_str(), view))
                .map_err(|e| Error::Run(format!("cannot write tensor {name}: {e}")))
        });
        let tensors = safetensors::serialize(views.collect::<Result<Vec<_>>>()?, Some(metadata))
            .map_err(|e| Error::Run(format!("cannot write a checkpoint: {e}")))?;
        let mut bytes = Vec::with_capacity(PREFIX + tensors.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&Sha256::digest(&tensors));
        bytes.extend_from_slice(&tensors);
        Ok(bytes)
    }

    /// Read and check a checkpoint file.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that is torn, damaged, foreign or of another version; [`Error::Io`] if it cannot be
    /// read.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        Self::from_bytes(&bytes).map_err(|problem| Error::input(path, problem))
    }

    /// Read and check a checkpoint's bytes; the error is a sentence.
    pub fn from_bytes(bytes: &[u8]) -> std::result::Result<Self, String> {
        if !bytes.starts_with(&MAGIC[..bytes.len().min(MAGIC.len())]) {
            return Err("this is no checkpoint of gatewright".into());
        }
        let Some((prefix, tensors)) = bytes.split_at_checked(PREFIX) else {
            return Err(format!("this checkpoint is torn: it ends after {} bytes", bytes.len()));
        };
        if prefix[MAGIC.len()..] != Sha256::digest(tensors)[..] {
            return Err("this checkpoint is torn or damaged: its checksum does not fit its content".into());
        }
        let (_, metadata) = SafeTensors::read_metadata(tensors).map_err(|e| format!("its tensors are broken: {e}"))?;
        let header = metadata
            .metadata()
            .as_ref()
            .and_then(|m| m.get(METADATA_KEY))
            .ok_or("this checkpoint has no \"gatewright\" metadata")?;
        let version: Version = serde_json::from_str(header).map_err(|e| format!("its header cannot be read: {e}"))?;
        if version.format_version != FORMAT_VERSION {
            return Err(format!(
                "its format version is {}, this program reads version {FORMAT_VERSION}; use the gatewright that wrote it",
                version.format_version
            ));
        }
        let header: Header = serde_json::from_str(header).map_err(|e| format!("its header cannot be read: {e}"))?;
        let tensors = SafeTensors::deserialize(tensors).map_err(|e| format!("its tensors cannot be read: {e}"))?;
        let state = State {
            tensors: tensors
                .tensors()
                .into_iter()
                .map(|(name, view)| Tensor { name, bytes: view.data().to_vec() })
                .collect(),
        };
        Ok(Checkpoint { header, state })
    }
}

/// Only the version, so that a header of another version is told from a broken one.
#[derive(Deserialize)]
struct Version {
    format_version: u32,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::settings::Settings;

    fn checkpoint() -> Checkpoint {
        let metrics = Metrics { step: 10, accuracy: 1.0 / 3.0, temperature: 0.1, ..Metrics::default() };
        Checkpoint {
            header: Header {
                format_version: FORMAT_VERSION,
                program: "0".into(),
                adapter: "abacus".into(),
                settings: Settings::deep().spelled_out(),
                identity: Identity { data: "d".into(), network: "n".into() },
                step: 12,
                seconds: 0.1 + 0.2,
                stepping_seconds: 0.25,
                metrics: vec![metrics],
            },
            state: State {
                tensors: vec![
                    Tensor { name: "a".into(), bytes: (0..40).collect() },
                    Tensor { name: "b".into(), bytes: vec![255; 4] },
                    Tensor { name: "none".into(), bytes: Vec::new() },
                ],
            },
        }
    }

    #[test]
    fn what_is_written_is_read_to_the_bit() {
        let written = checkpoint();
        let mut read = Checkpoint::from_bytes(&written.to_bytes().unwrap()).unwrap();
        read.state.tensors.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(read, written);
        assert_eq!(read.state.tensor("a", 40), Ok(&written.state.tensors[0].bytes[..]));
        assert!(read.state.tensor("a", 44).unwrap_err().contains("40 bytes where this run has 44"));
        assert!(read.state.tensor("c", 4).unwrap_err().contains("no tensor c"));
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_refused() {
        let bytes = checkpoint().to_bytes().unwrap();
        for length in 0..bytes.len() {
            assert!(Checkpoint::from_bytes(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Checkpoint::from_bytes(&flipped).is_err(), "bit {bit}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(Checkpoint::from_bytes(&longer).unwrap_err().contains("torn or damaged"));
    }

    #[test]
    fn another_version_is_told_from_a_damaged_file() {
        let mut other = checkpoint();
        other.header.format_version = 9;
        assert!(Checkpoint::from_bytes(&other.to_bytes().unwrap()).unwrap_err().contains("version is 9"));
        assert!(Checkpoint::from_bytes(b"PK\x03\x04").unwrap_err().contains("no checkpoint"));
        assert!(Checkpoint::from_bytes(b"GWCHE").unwrap_err().contains("torn"));
    }

    /// Any evaluation that a run may record: every number finite, down to the smallest.
    fn any_metrics() -> impl Strategy<Value = Metrics> {
        let real = || any::<f64>().prop_filter("finite", |x| x.is_finite());
        let single = || any::<f32>().prop_filter("finite", |x| x.is_finite());
        (any::<u32>(), real(), real(), single(), single(), proptest::collection::vec(real(), 0..4)).prop_map(
            |(step, seconds, accuracy, temperature, confidence, gradient_norms)| Metrics {
                step,
                seconds,
                accuracy,
                temperature,
                confidence,
                gradient_norms,
                ..Metrics::default()
            },
        )
    }

    /// Any state: tensors of any names, sizes and bytes, those of NaN among them.
    fn any_checkpoint() -> impl Strategy<Value = Checkpoint> {
        let words = proptest::collection::vec(any::<u32>(), 0..60);
        let tensors = proptest::collection::btree_map("[a-z0-9.é\"\\\\]{1,12}", words, 0..6);
        let metrics = proptest::collection::vec(any_metrics(), 0..4);
        (any::<u32>(), "\\PC{0,20}", tensors, metrics).prop_map(|(step, adapter, tensors, metrics)| {
            let tensors = tensors
                .into_iter()
                .map(|(name, words)| Tensor { name, bytes: words.iter().flat_map(|w| w.to_le_bytes()).collect() });
            let (plain, state) = (checkpoint(), State { tensors: tensors.collect() });
            Checkpoint { header: Header { step, adapter, metrics, ..plain.header }, state }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_state_is_read_as_written_and_refused_damaged(
            written in any_checkpoint(),
            at in any::<proptest::sample::Index>(),
            bit in 0..8u32,
        ) {
            let bytes = written.to_bytes().unwrap();
            let mut read = Checkpoint::from_bytes(&bytes).unwrap();
            read.state.tensors.sort_by(|a, b| a.name.cmp(&b.name));
            prop_assert_eq!(&read, &written);

            let at = at.index(bytes.len());
            let mut flipped = bytes.clone();
            flipped[at] ^= 1u8 << bit;
            for damaged in [&bytes[..at], &flipped] {
                let told = Checkpoint::from_bytes(damaged).unwrap_err();
                prop_assert!(told.starts_with("this ") && told.contains("checkpoint"), "{}", told);
            }
        }
    }
}
