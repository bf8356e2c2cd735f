//! A kernel is a compiled variant; a pass is a kernel bound to buffers and given a grid.

use super::Gpu;
use super::shader::Variant;

/// A compiled kernel.
pub struct Kernel {
    variant: Variant,
    pipeline: wgpu::ComputePipeline,
}

impl Kernel {
    /// Compile a variant. Errors reach [`Gpu::check`].
    pub fn new(gpu: &Gpu, variant: Variant) -> Self {
        let source = wgpu::ShaderSource::Wgsl(variant.source().into());
        let module = gpu.shader_module(wgpu::ShaderModuleDescriptor { label: Some(variant.kernel), source });
        let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(variant.kernel),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[],
                zero_initialize_workgroup_memory: false, // every kernel writes what it reads
            },
            cache: None,
        });
        Kernel { variant, pipeline }
    }

    /// What it was compiled for.
    pub fn variant(&self) -> &Variant {
        &self.variant
    }

    /// Bind buffers by binding number, to be run on `grid` workgroups.
    pub fn bind(&self, gpu: &Gpu, label: String, buffers: &[(u32, &wgpu::Buffer)], grid: [u32; 2]) -> Pass {
        let entries: Vec<_> = buffers
            .iter()
            .map(|&(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        let bind_group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(&label),
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        Pass { label, pipeline: self.pipeline.clone(), bind_group, grid }
    }
}

/// One dispatch, ready to be recorded any number of times.
pub struct Pass {
    /// `kernel` or `kernel layer`, for profiles.
    pub label: String,
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    grid: [u32; 2],
}

impl Pass {
    /// Record it into an open compute pass.
    pub fn record(&self, pass: &mut wgpu::ComputePass) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(self.grid[0], self.grid[1], 1);
    }
}
