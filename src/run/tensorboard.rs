//! TensorBoard's event files: records of `Event` messages (tensorflow/core/util/event.proto), framed as TFRecords.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::metrics::Metrics;
use crate::{Error, Result, files};

/// What every event file's name begins with.
const NAME: &str = "events.out.tfevents.";

/// An event file that grows by every evaluation.
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Begin a file in `folder` with the evaluations made so far, in place of those that were there.
    pub fn create(folder: &Path, recorded: &[Metrics]) -> Result<Self> {
        for entry in std::fs::read_dir(folder).map_err(|e| Error::io("read", folder, e))? {
            let entry = entry.map_err(|e| Error::io("read", folder, e))?;
            if entry.file_name().to_string_lossy().starts_with(NAME) {
                std::fs::remove_file(entry.path()).map_err(|e| Error::io("remove", entry.path(), e))?;
            }
        }
        let now = now();
        let path = folder.join(format!("{NAME}{:010}.gatewright", now as u64));
        let mut bytes = record(&message(now, 0, &[field_bytes(3, b"brain.Event:2")]));
        let last = recorded.last().map_or(0.0, |m| m.seconds);
        for metrics in recorded {
            bytes.extend(record(&event(now - (last - metrics.seconds), metrics)));
        }
        files::write_whole(&path, &bytes)?;
        let file = OpenOptions::new().append(true).open(&path).map_err(|e| Error::io("open", &path, e))?;
        Ok(EventFile { path, file })
    }

    /// Append an evaluation.
    pub fn append(&mut self, metrics: &Metrics) -> Result<()> {
        self.file.write_all(&record(&event(now(), metrics))).map_err(|e| Error::io("write", &self.path, e))
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

/// An `Event` with every number of an evaluation as a scalar called by its key; those of a list are numbered.
fn event(wall_time: f64, metrics: &Metrics) -> Vec<u8> {
    let mut values = Vec::new();
    let mut add = |tag: &str, value: &Value| {
        if let Some(value) = value.as_f64() {
            let scalar = [field_bytes(1, tag.as_bytes()), field_f32(2, value as f32)].concat();
            values.push(field_bytes(1, &scalar));
        }
    };
    if let Ok(Value::Object(keys)) = serde_json::to_value(metrics) {
        for (key, value) in keys.iter().filter(|(key, _)| *key != "step") {
            match value {
                Value::Array(list) => list.iter().enumerate().for_each(|(i, v)| add(&format!("{key}/{i}"), v)),
                value => add(key, value),
            }
        }
    }
    message(wall_time, metrics.step, &[field_bytes(5, &values.concat())])
}

/// An `Event`: wall time (field 1, double), step (field 2, varint), and what it tells.
fn message(wall_time: f64, step: u32, what: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![1 << 3 | 1];
    bytes.extend(wall_time.to_le_bytes());
    bytes.push(2 << 3);
    bytes.extend(varint(step.into()));
    bytes.extend(what.concat());
    bytes
}

fn field_bytes(field: u8, content: &[u8]) -> Vec<u8> {
    [vec![field << 3 | 2], varint(content.len() as u64), content.to_vec()].concat()
}

fn field_f32(field: u8, value: f32) -> Vec<u8> {
    [&[field << 3 | 5][..], &value.to_le_bytes()].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 128 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A TFRecord: length, its checksum, content, its checksum.
fn record(content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), content, &masked(content)].concat()
}

/// TFRecord's masked CRC-32C.
fn masked(bytes: &[u8]) -> [u8; 4] {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// CRC-32C (Castagnoli), a bit at a time: there are a few hundred bytes an evaluation.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_published_ones() {
        // RFC 3720, appendix B.4, and the customary check value.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    #[test]
    fn numbers_are_varints() {
        // Protocol Buffers' own examples.
        assert_eq!(varint(1), [1]);
        assert_eq!(varint(150), [0x96, 0x01]);
        assert_eq!(varint(300), [0xac, 0x02]);
    }

    #[test]
    fn a_resumed_run_has_one_file_with_every_evaluation_once() {
        let dir = tempfile::tempdir().unwrap();
        let at = |step| Metrics { step, accuracy: 0.5, gradient_norms: vec![1.0, 2.0], ..Metrics::default() };
        let mut first = EventFile::create(dir.path(), &[]).unwrap();
        (1..=3).for_each(|step| first.append(&at(step)).unwrap());
        let mut second = EventFile::create(dir.path(), &[at(1), at(2)]).unwrap();
        second.append(&at(3)).unwrap();
        let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(files.len(), 1);
        let bytes = std::fs::read(&files[0]).unwrap();
        let (mut rest, mut records) = (&bytes[..], 0);
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            assert_eq!(rest[8..12], masked(&rest[..8]));
            assert_eq!(rest[12 + length..16 + length], masked(&rest[12..12 + length]));
            rest = &rest[16 + length..];
            records += 1;
        }
        assert_eq!(records, 4, "the version and three evaluations");
    }
}
