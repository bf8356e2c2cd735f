//! Bytes to bits.

use crate::data::Encoder;

/// `[features]` input bits of one sample's bytes.
pub fn encode(encoder: &Encoder, bytes: &[u8]) -> Vec<bool> {
    (0..encoder.features()).map(|f| bytes[encoder.pixel[f] as usize] > encoder.threshold[f]).collect()
}
