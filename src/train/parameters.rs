//! The network on the GPU: wiring, logits, tables and the optimizer's moments of each layer.

use crate::Result;
use crate::gpu::Gpu;
use crate::network::{Consumers, Layer, Model};

/// One layer's buffers.
pub struct LayerParameters {
    /// Gates.
    pub gates: u32,
    /// Features of the layer before.
    pub inputs: u32,
    /// Inputs a gate.
    pub arity: usize,
    /// `[gates][arity]` u32.
    pub wiring: wgpu::Buffer,
    /// `[inputs + 1]` u32, where each input's edges begin in this buffer, then `[gates · arity][arity]` u32, the edges.
    pub edges: wgpu::Buffer,
    /// Most pins that read one input.
    pub most_consumers: u32,
    /// `[gates][⌈2^arity / 32⌉]` u32.
    pub tables: wgpu::Buffer,
    /// `[gates][logits]` f32.
    pub logits: wgpu::Buffer,
    /// `[gates][logits]` of (first, second) moment, f32.
    pub moments: wgpu::Buffer,
    /// `[gates][2^arity]` f32.
    pub table_gradients: wgpu::Buffer,
}

/// The whole network's buffers.
pub struct Parameters {
    /// First to last.
    pub layers: Vec<LayerParameters>,
}

impl Parameters {
    /// Upload a checked model's wiring and logits, with moments at zero; tables are made by the first step.
    pub fn upload(gpu: &Gpu, model: &Model) -> Self {
        Parameters { layers: model.layers.iter().map(|layer| upload_layer(gpu, layer)).collect() }
    }

    /// Bring logits and tables back into `model`.
    pub fn download(&self, gpu: &Gpu, model: &mut Model) -> Result<()> {
        for (layer, buffers) in model.layers.iter_mut().zip(&self.layers) {
            let words = (1usize << layer.arity).div_ceil(32);
            let tables: Vec<u32> = gpu.read(&buffers.tables, layer.gates() * words)?;
            layer.tables =
                tables.chunks_exact(words).map(|w| w.iter().rev().fold(0, |t, &x| (t << 32) | u64::from(x))).collect();
            let count = layer.gates() * layer.parametrization.logits(layer.arity);
            layer.logits = gpu.read(&buffers.logits, count)?;
        }
        Ok(())
    }
}

fn upload_layer(gpu: &Gpu, layer: &Layer) -> LayerParameters {
    let (gates, arity) = (layer.gates(), layer.arity);
    let logits = (gates * layer.parametrization.logits(arity)) as u64;
    let consumers = Consumers::of(&layer.wiring, layer.inputs, arity);
    LayerParameters {
        gates: gates as u32,
        inputs: layer.inputs as u32,
        arity,
        wiring: gpu.storage_of("wiring", &layer.wiring),
        edges: gpu.storage_of("edges", &edges(layer, &consumers)),
        most_consumers: consumers.offsets.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0),
        tables: gpu.storage("tables", (gates * (1usize << arity).div_ceil(32) * 4) as u64),
        logits: gpu.storage_of("logits", &layer.logits),
        moments: gpu.storage("moments", logits * 8),
        table_gradients: gpu.storage("table gradients", (gates * (4 << arity)) as u64),
    }
}

/// Everything the backward pass asks of a consumer in one record: `gate << 3 | pin`, then the gate's other wires.
fn edges(layer: &Layer, consumers: &Consumers) -> Vec<u32> {
    let arity = layer.arity;
    let first = consumers.offsets.len() as u32;
    let mut edges: Vec<u32> = consumers.offsets.iter().map(|&pins| first + pins * arity as u32).collect();
    for &at in &consumers.pins {
        let (gate, pin) = (at as usize / arity, at as usize % arity);
        edges.push((gate << 3 | pin) as u32);
        let wires = &layer.wiring[gate * arity..(gate + 1) * arity];
        edges.extend(wires.iter().enumerate().filter(|&(p, _)| p != pin).map(|(_, &w)| w));
    }
    edges
}
