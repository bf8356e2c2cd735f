//! A pass of a plan, compiled and bound.

/// A pass that can be recorded any number of times.
pub struct Ready {
    /// Compiled.
    pub pipeline: wgpu::ComputePipeline,
    /// Bound.
    pub bind_group: wgpu::BindGroup,
    /// Workgroups.
    pub grid: [u32; 2],
}

impl Ready {
    /// Record it into an open compute pass.
    pub fn record(&self, pass: &mut wgpu::ComputePass) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(self.grid[0], self.grid[1], 1);
    }
}
