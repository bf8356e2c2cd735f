//! How numbers lie in buffers, and how far a temperature reaches: what settings choose and pages are built for.

/// How gradient planes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum GradientFormat {
    /// 4 bytes a gate and sample.
    F32,
    /// 2 bytes a gate and sample: f32's range with 8 bits of precision; sums are still made in f32.
    Bf16,
    /// 2 bytes a gate and sample: 11 bits of precision for gradients from 1.5e-8 to 16 in size; sums are still made in f32.
    /// Needs no optional feature: WGSL packs pairs of f16 everywhere.
    F16,
    /// Half a byte: bit-sliced integers of 4 bits, for networks of which the last layer alone is trained, whose gradients are nowhere
    /// added up but in sums.
    Int4,
    /// 1 byte: bit-sliced integers of 8 bits, stochastically rounded; sums are exact.
    Int8,
    /// 1.5 bytes: bit-sliced integers of 12 bits.
    Int12,
    /// 2 bytes: bit-sliced integers of 16 bits.
    Int16,
}

impl GradientFormat {
    /// Bits a gate and sample.
    pub fn bits(self) -> u32 {
        match self {
            GradientFormat::F32 => 32,
            GradientFormat::Bf16 | GradientFormat::F16 | GradientFormat::Int16 => 16,
            GradientFormat::Int12 => 12,
            GradientFormat::Int8 => 8,
            GradientFormat::Int4 => 4,
        }
    }

    /// Whether a gate and sample takes half a word, as bf16 or f16.
    pub fn is_half(self) -> bool {
        matches!(self, GradientFormat::Bf16 | GradientFormat::F16)
    }

    /// Whether planes hold bit-sliced integers.
    pub fn is_sliced(self) -> bool {
        matches!(self, GradientFormat::Int4 | GradientFormat::Int8 | GradientFormat::Int12 | GradientFormat::Int16)
    }
}

/// Integer units a unit of gradient, integers having `bits` bits: a class gradient is at most 1 / (τ · batch), and gets a
/// quarter of the range; the rest is for sums, of which [`GradientFormat::Int4`] has none, so that it gets all.
pub fn slice_scale(bits: u32, tau: f32, batch: u32) -> f32 {
    let most = if bits == GradientFormat::Int4.bits() { 7 } else { 1u32 << (bits - 3) };
    most as f32 * tau * batch as f32
}

/// Whether sums of integers of `bits` bits, one of each sample of a batch, always fit 16 bits.
pub fn sums_are_short(bits: u32, batch: u32) -> bool {
    u64::from(batch) << (bits - 1) <= 1 << 15
}

/// Whose confidence sets a gate's backward temperature under CAGE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum CageScope {
    /// The whole network's.
    Network,
    /// Its layer's.
    Layer,
    /// Its own.
    Gate,
}
