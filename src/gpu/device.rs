//! The open device, and what can go wrong with it.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::adapters::{self, AdapterSummary};
use crate::{Error, Result};

/// An open device and its queue.
pub struct Gpu {
    /// The device.
    pub device: wgpu::Device,
    /// Its queue.
    pub queue: wgpu::Queue,
    /// The adapter it was opened on.
    pub adapter: AdapterSummary,
    allocated: Mutex<Allocated>,
    /// By source: what was compiled.
    pipelines: Mutex<HashMap<String, wgpu::ComputePipeline>>,
    trouble: Trouble,
    checked: bool,
    /// Whether kernels are compiled and none is run.
    pub(super) compiles_only: bool,
}

/// Memory in use.
#[derive(Default)]
struct Allocated {
    /// By label: buffers made and not forgotten, and their bytes together.
    by_label: BTreeMap<String, (u64, u64)>,
    /// Most bytes at once so far.
    peak: u64,
}

/// The first error that the driver reported by a callback and nobody has been told of yet.
#[derive(Clone, Default)]
struct Trouble(Arc<Mutex<Option<Error>>>);

impl Trouble {
    fn note(&self, error: Error) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// A lost device explains every error after it.
    fn note_loss(&self, error: Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Memory that ran out, `wanted` for something.
fn out_of_memory(wanted: &str) -> Error {
    Error::Gpu(format!(
        "the GPU is out of memory{wanted}; use a smaller --batch or fewer gates, or close what else uses its memory"
    ))
}

/// A device that went away; wgpu gives a device up too where there is no memory for a write to it.
fn loss(message: &str) -> Error {
    if message.starts_with("Out of memory") {
        return out_of_memory("");
    }
    let message = message.trim().trim_end_matches('.');
    let reason = if message.is_empty() { String::new() } else { format!(" ({message})") };
    Error::DeviceLost(format!("the GPU was lost{reason}; check its driver and start again"))
}

/// A command that wgpu's validation refused; wgpu tells it as a tree of lines.
fn refused(tree: &str) -> Error {
    let is_told = |line: &&str| !["", "Validation Error", "Caused by:"].contains(line);
    let told: Vec<_> = tree.lines().map(|line| line.trim().trim_end_matches('.')).filter(is_told).collect();
    Error::Gpu(format!(
        "the GPU refused a command ({}); this is a mistake of gatewright or of the driver, please report it with the \
         output of `gatewright devices`",
        told.join(": ")
    ))
}

/// Held where devices and pipelines are made: threads that make some at the same time crash in wgpu 30 on Windows.
pub(super) fn building() -> MutexGuard<'static, ()> {
    static BUILDING: Mutex<()> = Mutex::new(());
    BUILDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long the host waits for a submission before it holds the device for lost. Submissions are made to last 50 ms.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long it waits for the first, a copy of a few bytes. A GPU that others use may have to be waited for.
const FIRST_PATIENCE: Duration = Duration::from_secs(60);

impl Gpu {
    /// Open the adapter numbered or named `choice` (a part of its name, any case), or that which `WGPU_ADAPTER_NAME` names, or
    /// the best, and see that it does what it is given.
    ///
    /// # Errors
    /// [`Error::Gpu`] if there is none, it cannot be opened or does nothing, [`Error::Usage`] if none is named so.
    pub fn open(choice: Option<&str>) -> Result<Arc<Self>> {
        let gpu = Self::open_with(choice, false, false)?;
        gpu.check_works()?;
        Ok(gpu)
    }

    /// The same for compiling only, where a driver may be without its GPU. Every kernel is named on stderr before it is compiled,
    /// so that what drivers say of it there can be told apart. Nothing may be waited for.
    ///
    /// # Errors
    /// As for [`Gpu::open`].
    pub fn open_to_compile(choice: Option<&str>) -> Result<Arc<Self>> {
        Self::open_with(choice, false, true)
    }

    /// Open the best adapter under wgpu's default limits, with no optional feature and every shader access checked:
    /// what the least capable device offers. For tests.
    pub fn open_plain() -> Result<Arc<Self>> {
        Self::open_with(None, true, false)
    }

    fn open_with(choice: Option<&str>, plain: bool, compiles_only: bool) -> Result<Arc<Self>> {
        let _one_at_a_time = building();
        let adapter = &adapters::choose(choice)?;
        let required_limits = if plain { wgpu::Limits::default() } else { adapters::required(adapter)? };
        let useful =
            wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES | wgpu::Features::SUBGROUP;
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("gatewright"),
            required_features: if plain { wgpu::Features::empty() } else { adapter.features() & useful },
            required_limits,
            memory_hints: wgpu::MemoryHints::Performance,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).map_err(|e| {
            let (name, reason) = (adapter.get_info().name, e.to_string());
            Error::Gpu(format!(
                "cannot open {name} ({}); close what else uses it, or choose another by --adapter",
                reason.trim_end_matches('.')
            ))
        })?;
        let trouble = Trouble::default();
        let errors = trouble.clone();
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| {
            errors.note(match e {
                wgpu::Error::OutOfMemory { .. } => out_of_memory(""),
                e => refused(&e.to_string()),
            });
        }));
        let losses = trouble.clone();
        device.set_device_lost_callback(move |_, message| losses.note_loss(loss(&message)));
        let adapter = AdapterSummary::of(adapter);
        Ok(Arc::new(Gpu {
            device,
            queue,
            adapter,
            allocated: Default::default(),
            pipelines: Default::default(),
            trouble,
            checked: plain,
            compiles_only,
        }))
    }

    /// Have a few bytes copied, and look whether they were: a driver that takes work and does not do it would have training go
    /// on for ever, or on nothing.
    fn check_works(&self) -> Result<()> {
        let told: [u32; 4] = [0x6761_7465, 0x7772_6967, 0x6874_2e2e, 0x0a0a_0a0a];
        let label = "first copy";
        let buffer = self.buffer(label, size_of_val(&told) as u64, wgpu::BufferUsages::STORAGE);
        self.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(&told));
        let found: Vec<u32> = self.read_within(&buffer, 0, told.len(), FIRST_PATIENCE)?;
        self.forget(label, buffer.size());
        if found == told {
            return Ok(());
        }
        Err(Error::Gpu(format!(
            "{} takes work and does not do it: a copy of {} bytes brought others back; check its driver, or choose another \
             by --adapter",
            self.adapter.name,
            size_of_val(&told)
        )))
    }

    /// The first error that the driver has reported, if any.
    pub fn check(&self) -> Result<()> {
        self.trouble.take().map_or(Ok(()), Err)
    }

    /// Compile a source, unless it was compiled before. What goes wrong is told by [`Gpu::check`].
    pub(super) fn pipeline(&self, name: &str, source: &str) -> wgpu::ComputePipeline {
        let mut pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = pipelines.get(source) {
            return pipeline.clone();
        }
        if self.compiles_only {
            eprintln!("kernel {name}");
        }
        let wgsl = wgpu::ShaderSource::Wgsl(source.into());
        let descriptor = wgpu::ShaderModuleDescriptor { label: Some(name), source: wgsl };
        let module = if self.checked {
            self.device.create_shader_module(descriptor)
        } else {
            // SAFETY: the pages are this crate's own; wiring and sample numbers are validated on the host before upload,
            // loops have fixed bounds, and divisors are sizes that are never 0. The same pages run checked in tests.
            unsafe { self.device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
        };
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(name),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[],
                zero_initialize_workgroup_memory: false, // every page writes what it reads
            },
            cache: None,
        });
        pipelines.insert(source.to_string(), pipeline.clone());
        pipeline
    }

    /// Make a buffer; where there is no memory for it, [`Gpu::check`] tells.
    fn make(&self, descriptor: &wgpu::BufferDescriptor) -> wgpu::Buffer {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = self.device.create_buffer(descriptor);
        if pollster::block_on(scope.pop()).is_some() {
            let mib = |bytes: u64| bytes.div_ceil(1 << 20);
            self.trouble.note(out_of_memory(&format!(
                " where {} MiB were wanted for {:?} beside the {} MiB that this program has",
                mib(descriptor.size),
                descriptor.label.unwrap_or("a buffer"),
                mib(self.allocated_bytes())
            )));
        }
        buffer
    }

    /// A buffer of `bytes`, zeroed. What goes wrong is told by [`Gpu::check`].
    pub(super) fn buffer(&self, label: &str, bytes: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        let size = bytes.next_multiple_of(16).max(16);
        let buffer = self.make(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage: usage | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let mut allocated = self.allocated.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, total) = allocated.by_label.entry(label.to_string()).or_insert((0, 0));
        *count += 1;
        *total += size;
        let bytes = allocated.by_label.values().map(|(_, bytes)| bytes).sum();
        allocated.peak = allocated.peak.max(bytes);
        buffer
    }

    /// Write `bytes` to byte `at` of `buffer` before anything submitted later. Sizes that are no multiple of 4 bytes are
    /// padded with zeros.
    pub(super) fn write(&self, buffer: &wgpu::Buffer, at: u64, bytes: &[u8]) {
        if bytes.len().is_multiple_of(4) {
            self.queue.write_buffer(buffer, at, bytes);
        } else {
            let mut padded = bytes.to_vec();
            padded.resize(bytes.len().next_multiple_of(4), 0);
            self.queue.write_buffer(buffer, at, &padded);
        }
    }

    /// Bytes of all buffers in use on this device.
    pub fn allocated_bytes(&self) -> u64 {
        self.allocations().values().map(|(_, bytes)| bytes).sum()
    }

    /// The most that these have been.
    pub fn peak_bytes(&self) -> u64 {
        self.allocated.lock().unwrap_or_else(PoisonError::into_inner).peak
    }

    /// Buffers in use by label, and their bytes together.
    pub fn allocations(&self) -> BTreeMap<String, (u64, u64)> {
        self.allocated.lock().unwrap_or_else(PoisonError::into_inner).by_label.clone()
    }

    /// Count a buffer of `bytes` made under this label no more; its memory goes with the last handle to it.
    pub(super) fn forget(&self, label: &str, bytes: u64) {
        let mut allocated = self.allocated.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((count, total)) = allocated.by_label.get_mut(label) {
            *count -= 1;
            *total -= bytes;
        }
        allocated.by_label.retain(|_, (count, _)| *count > 0);
    }

    /// Wait for everything submitted, then bring `count` elements of `buffer` from byte `at` on back.
    pub(super) fn read<T: bytemuck::Pod>(&self, buffer: &wgpu::Buffer, at: u64, count: usize) -> Result<Vec<T>> {
        self.read_within(buffer, at, count, PATIENCE)
    }

    fn read_within<T: bytemuck::Pod>(
        &self,
        buffer: &wgpu::Buffer,
        at: u64,
        count: usize,
        patience: Duration,
    ) -> Result<Vec<T>> {
        let bytes = ((count * size_of::<T>()) as u64).next_multiple_of(4);
        if bytes == 0 {
            return Ok(Vec::new());
        }
        let staging = self.staging(bytes);
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, at, &staging, 0, bytes);
        self.queue.submit([encoder.finish()]);
        staging.slice(..).map_async(wgpu::MapMode::Read, |_| {});
        self.wait_within(None, patience)?;
        let mut all: Vec<T> = self.mapped(&staging)?;
        all.truncate(count);
        Ok(all)
    }

    /// A buffer of `bytes` that the host reads. What goes wrong is told by [`Gpu::check`].
    pub(super) fn staging(&self, bytes: u64) -> wgpu::Buffer {
        self.make(&wgpu::BufferDescriptor {
            label: Some("read-back"),
            size: bytes,
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        })
    }

    /// What a buffer of [`Gpu::staging`] holds, that is mapped.
    pub(super) fn mapped<T: bytemuck::Pod>(&self, staging: &wgpu::Buffer) -> Result<Vec<T>> {
        let view = staging
            .slice(..)
            .get_mapped_range()
            .map_err(|e| Error::Gpu(format!("cannot read results back from the GPU: {e}")))?;
        Ok(bytemuck::pod_collect_to_vec(&view[..view.len() / size_of::<T>() * size_of::<T>()]))
    }

    /// Wait for a submission, or for all.
    ///
    /// # Errors
    /// The first error that the driver has reported; [`Error::DeviceLost`] if it does not answer.
    pub(super) fn wait(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        self.wait_within(submission, PATIENCE)
    }

    fn wait_within(&self, submission: Option<wgpu::SubmissionIndex>, patience: Duration) -> Result<()> {
        let until = wgpu::PollType::Wait { submission_index: submission, timeout: Some(patience) };
        // Where a device is lost while it is waited for, wgpu panics, after it has called back.
        let polled = catch_unwind(AssertUnwindSafe(|| self.device.poll(until)));
        self.check()?;
        match polled {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(wgpu::PollError::Timeout)) => {
                // Closing the queue would wait once more, and without end.
                std::mem::forget(self.queue.clone());
                Err(Error::DeviceLost(format!(
                    "the GPU has not answered for {} seconds; check its driver and start again",
                    patience.as_secs()
                )))
            }
            Ok(Err(e)) => Err(Error::Gpu(format!("waiting for the GPU failed: {e}"))),
            Err(_) => Err(loss("")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_one_sentence() {
        let tree = "Validation Error\n\nCaused by:\n  In Queue::write_buffer\n    Copy would end up overrunning.\n\n";
        let told = refused(tree).to_string();
        assert!(told.contains("(In Queue::write_buffer: Copy would end up overrunning); this is"), "{told}");
        assert!(loss("Device is lost").to_string().contains("the GPU was lost (Device is lost); check"));
        assert!(loss("").to_string().contains("the GPU was lost; check"));
        assert!(matches!(loss("Out of memory"), Error::Gpu(_)));
    }
}
