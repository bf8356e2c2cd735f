//! Carries a plan out on a device: its buffers, its passes bound to them, submissions, what is written and read.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::adapters::AdapterSummary;
use super::device::{Gpu, building};
use super::ready::Ready;
use super::timing::{Clock, Span, time_passes};
use crate::plan::{Access, Buffer, Contents, Id, Life, Limits, List, Plan, Tuning};
use crate::{Error, Result};

/// Submissions that may be under way before the host waits for the oldest.
const MOST_IN_FLIGHT: usize = 3;

/// What a buffer that the plan leaves open is to hold at first.
pub type Given<'a> = (Id, Cow<'a, [u8]>);

/// Buffers that are brought back time and again, while the device goes on with what was submitted later.
pub struct ReadBack {
    from: Vec<Id>,
    staging: wgpu::Buffer,
    submitted: Option<wgpu::SubmissionIndex>,
}

/// A plan on a device. Its memory is given back when it is dropped.
pub struct Session {
    gpu: Arc<Gpu>,
    plan: Plan,
    /// By id; those of the session that it lies beside come first.
    buffers: Vec<wgpu::Buffer>,
    passes: Vec<Ready>,
    in_flight: Mutex<VecDeque<wgpu::SubmissionIndex>>,
}

impl Session {
    /// Make what `plan` says, holding what is `given`.
    ///
    /// # Errors
    /// [`Error::Usage`] if the device does not take it, before anything is made; [`Error::Gpu`] if memory runs out or a page is
    /// refused; [`Error::Run`] for a mistake in the plan or in what is given.
    pub fn open(gpu: &Arc<Gpu>, plan: Plan, given: &[Given]) -> Result<Self> {
        Self::with(gpu, Vec::new(), plan, given)
    }

    /// The same for a plan that lies [beside](Plan::beside) this session's.
    ///
    /// # Errors
    /// As for [`Session::open`].
    pub fn open_beside(&self, plan: Plan, given: &[Given]) -> Result<Self> {
        Self::with(&self.gpu, self.buffers.clone(), plan, given)
    }

    fn with(gpu: &Arc<Gpu>, beside: Vec<wgpu::Buffer>, plan: Plan, given: &[Given]) -> Result<Self> {
        let sources = plan.check(&gpu.limits())?;
        let _one_at_a_time = building();
        check_given(&plan, given)?;
        let mut usages = vec![wgpu::BufferUsages::empty(); beside.len() + plan.buffers().count()];
        for (pass, source) in plan.passes().iter().zip(&sources) {
            for binding in &source.bindings {
                for (_, id) in pass.binds.iter().filter(|(name, _)| *name == binding.name) {
                    usages[plan.place(*id).0.index()] |= match binding.access {
                        Access::Uniform => wgpu::BufferUsages::UNIFORM,
                        Access::Read | Access::Write => wgpu::BufferUsages::STORAGE,
                    };
                }
            }
        }
        let mut session =
            Session { gpu: gpu.clone(), plan, buffers: beside, passes: Vec::new(), in_flight: Mutex::default() };
        for (id, buffer) in session.plan.buffers() {
            session.buffers.push(match buffer.within {
                Some((whole, _)) => session.buffers[whole.index()].clone(),
                None => gpu.buffer(buffer.name, buffer.size(), usages[id.index()]),
            });
            if let Contents::Bytes(bytes) = &buffer.contents {
                session.write(id, 0, bytes);
            }
        }
        gpu.check()?;
        given.iter().for_each(|(id, bytes)| session.write(*id, 0, bytes));
        for (pass, source) in session.plan.passes().iter().zip(&sources) {
            let pipeline = gpu.pipeline(pass.page.name(), &source.text);
            let of = |name: &str| pass.binds.iter().find(|(n, _)| *n == name).map(|(_, id)| session.binding(*id));
            let entries: Vec<_> = source
                .bindings
                .iter()
                .enumerate()
                .filter_map(|(n, binding)| Some((n, of(&binding.name)?)))
                .map(|(n, resource)| wgpu::BindGroupEntry { binding: n as u32, resource })
                .collect();
            let bind_group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(&pass.label()),
                layout: &pipeline.get_bind_group_layout(0),
                entries: &entries,
            });
            session.passes.push(Ready { pipeline, bind_group, grid: pass.grid });
        }
        gpu.check()?;
        Ok(session)
    }

    /// A buffer, or a part of one, as passes bind it.
    fn binding(&self, id: Id) -> wgpu::BindingResource<'_> {
        let (buffer, part) = (&self.buffers[id.index()], self.plan.buffer(id));
        match part.within {
            None => buffer.as_entire_binding(),
            Some((_, offset)) => {
                let size = std::num::NonZero::new(part.size());
                wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size })
            }
        }
    }

    /// The device.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// What it carries out.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Submit the passes of `list`, `times` times over, as one command buffer.
    ///
    /// # Errors
    /// What the driver has reported so far.
    pub fn submit(&self, list: &List, times: u32) -> Result<()> {
        self.submit_passes((0..times).flat_map(|_| &self.passes[list.range()]))
    }

    /// Submit the passes of `list` once, as up to `portions` command buffers: for what would take longer than a driver lets one
    /// last.
    ///
    /// # Errors
    /// What the driver has reported so far.
    pub fn submit_in(&self, list: &List, portions: usize) -> Result<()> {
        let passes = &self.passes[list.range()];
        passes.chunks(passes.len().div_ceil(portions.max(1)).max(1)).try_for_each(|some| self.submit_passes(some))
    }

    fn submit_passes<'p>(&self, passes: impl IntoIterator<Item = &'p Ready>) -> Result<()> {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            passes.into_iter().for_each(|ready| ready.record(&mut pass));
        }
        let submitted = self.gpu.queue.submit([encoder.finish()]);
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).push_back(submitted);
        self.gpu.check()
    }

    /// Wait for the oldest submissions, where too many are under way.
    ///
    /// # Errors
    /// As for [`Session::finish`].
    pub fn hold_back(&self) -> Result<()> {
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        while in_flight.len() > MOST_IN_FLIGHT {
            let oldest = in_flight.pop_front();
            self.gpu.wait(oldest)?;
        }
        Ok(())
    }

    /// Wait for everything that was submitted.
    ///
    /// # Errors
    /// What the driver has reported; [`Error::DeviceLost`] if it does not answer.
    pub fn finish(&self) -> Result<()> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.gpu.wait(None)
    }

    /// Write `values` from byte `at` of a buffer on, before anything submitted later.
    pub fn write<T: bytemuck::Pod>(&self, id: Id, at: u64, values: &[T]) {
        self.gpu.write(&self.buffers[id.index()], self.plan.place(id).1 + at, bytemuck::cast_slice(values));
    }

    /// Copy a whole buffer to byte `at` of another, after everything submitted so far.
    pub fn copy(&self, from: Id, to: Id, at: u64) {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        let (bytes, begin) = (self.plan.buffer(from).bytes, |id| self.plan.place(id).1);
        let [source, target] = [from, to].map(|id: Id| &self.buffers[id.index()]);
        encoder.copy_buffer_to_buffer(source, begin(from), target, begin(to) + at, bytes);
        self.gpu.queue.submit([encoder.finish()]);
    }

    /// Wait for everything submitted, then bring the first `count` elements of a buffer back.
    ///
    /// # Errors
    /// As for [`Session::finish`].
    pub fn read<T: bytemuck::Pod>(&self, id: Id, count: usize) -> Result<Vec<T>> {
        self.gpu.read(&self.buffers[id.index()], self.plan.place(id).1, count)
    }

    /// Have room on the host for what these buffers hold, one behind the other, to be brought back time and again.
    ///
    /// # Errors
    /// [`Error::Gpu`] if there is no memory for it.
    pub fn read_back(&self, from: Vec<Id>) -> Result<ReadBack> {
        let bytes = from.iter().map(|&id| self.plan.buffer(id).bytes).sum();
        let staging = self.gpu.staging(bytes);
        self.gpu.check()?;
        Ok(ReadBack { from, staging, submitted: None })
    }

    /// Begin to bring back what the buffers of `to` hold after everything submitted so far.
    pub fn begin_read(&self, to: &mut ReadBack) {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        let mut end = 0;
        for &id in &to.from {
            let (source, bytes) = (&self.buffers[id.index()], self.plan.buffer(id).bytes);
            encoder.copy_buffer_to_buffer(source, self.plan.place(id).1, &to.staging, end, bytes);
            end += bytes;
        }
        to.submitted = Some(self.gpu.queue.submit([encoder.finish()]));
        to.staging.slice(..).map_async(wgpu::MapMode::Read, |_| {});
    }

    /// Wait for what [`Session::begin_read`] began, and for nothing that was submitted later.
    ///
    /// # Errors
    /// As for [`Session::finish`].
    pub fn end_read<T: bytemuck::Pod>(&self, from: &mut ReadBack) -> Result<Vec<T>> {
        self.gpu.wait(from.submitted.take())?;
        let read = self.gpu.mapped(&from.staging)?;
        from.staging.unmap();
        Ok(read)
    }

    /// Run the passes of `list` once, in order, and return when each one ran.
    ///
    /// # Errors
    /// [`Error::Gpu`] if there are more passes than can be timed at once; as for [`Session::finish`].
    pub fn time(&self, list: &List, clock: Clock) -> Result<Vec<Span>> {
        self.finish()?;
        time_passes(&self.gpu, &self.passes[list.range()], clock)
    }

    /// Wait for all steps, then bring back every buffer whose life is `State`: its key, its bytes.
    ///
    /// # Errors
    /// As for [`Session::finish`].
    pub fn state(&self) -> Result<Vec<(String, Vec<u8>)>> {
        self.finish()?;
        self.plan.states().map(|(id, buffer)| Ok((buffer.key(), self.read(id, buffer.bytes as usize)?))).collect()
    }

    /// Go on from what [`Session::state`] brought back, `of` a key and so many bytes.
    ///
    /// # Errors
    /// A sentence of `of`, which has not what is asked for; nothing is changed then.
    pub fn restore<'s>(
        &self,
        of: impl Fn(&str, u64) -> std::result::Result<&'s [u8], String>,
    ) -> std::result::Result<(), String> {
        let contents: Vec<(Id, &[u8])> = self
            .plan
            .states()
            .map(|(id, buffer)| Ok((id, of(&buffer.key(), buffer.bytes)?)))
            .collect::<std::result::Result<_, String>>()?;
        contents.into_iter().for_each(|(id, bytes)| self.write(id, 0, bytes));
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for (id, buffer) in self.plan.wholes() {
            if self.buffers.len() > id.index() {
                self.gpu.forget(buffer.name, buffer.size());
            }
        }
    }
}

/// Every open buffer is given contents of its size, once, and no other buffer is.
fn check_given(plan: &Plan, given: &[Given]) -> Result<()> {
    let wrong = |buffer: &Buffer, what: String| Err(Error::Run(format!("{} {what}; please report it", buffer.told())));
    for (id, buffer) in plan.buffers() {
        let bytes: Vec<usize> = given.iter().filter(|(other, _)| *other == id).map(|(_, bytes)| bytes.len()).collect();
        let is_open = buffer.contents == Contents::Given;
        match bytes[..] {
            [] if !is_open => {}
            [one] if is_open && one as u64 == buffer.bytes => {}
            _ => return wrong(buffer, format!("takes {} bytes and is given {bytes:?}", buffer.bytes)),
        }
    }
    Ok(())
}

impl Plan {
    /// The buffers that checkpoints hold.
    fn states(&self) -> impl Iterator<Item = (Id, &Buffer)> {
        self.buffers().filter(|(_, buffer)| buffer.life == Life::State)
    }
}

impl Gpu {
    /// What plans are checked against.
    pub fn limits(&self) -> Limits {
        let limits = self.device.limits();
        Limits {
            buffer_bytes: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
            is_software: self.adapter.is_software(),
        }
    }

    /// `tuning` as far as this device goes along: lanes that share a gate exchange within subgroups only where that was tried.
    ///
    /// # Errors
    /// [`Error::Gpu`] if trying fails.
    pub fn settle(self: &Arc<Self>, tuning: Tuning) -> Result<Tuning> {
        let exchange = tuning.subgroups && tuning.most_lanes > 1 && self.shares_subgroups(tuning.most_lanes)?;
        Ok(Tuning { subgroups: exchange, ..tuning })
    }
}

impl Tuning {
    /// For an adapter.
    pub fn for_adapter(adapter: &AdapterSummary) -> Self {
        if adapter.is_software() { Tuning::SOFTWARE } else { Tuning::HARDWARE }
    }
}
