//! Bytes to real activations, pixels as they are.

use crate::data::Encoder;

/// `[features]` activations of one sample: feature f is `pixels[pixel(f)] / 255`.
pub fn encode_soft(encoder: &Encoder, pixels: &[u8]) -> Vec<f64> {
    encoder.pixel.iter().map(|&pixel| f64::from(pixels[pixel as usize]) / 255.0).collect()
}
