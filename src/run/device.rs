//! What a network is trained on: a GPU by shaders, or this machine's own cores.

use std::sync::Arc;

use crate::cpu::{self, Simd};
use crate::data::counted;
use crate::gpu::{self, AdapterSummary, Gpu};
use crate::settings::{InputKind, Settings};
use crate::{Error, Result};

/// What `--adapter` calls the machine's own cores.
pub const CPU: &str = "cpu";

/// Where a user wants to train.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct Where {
    /// Adapter, by number or name, or cpu (see `devices`); `train` and `profile` share batches over several, parted by commas, or
    /// over `all` GPUs [default: the best GPU, without one the CPU]
    #[cfg_attr(feature = "cli", arg(long))]
    pub adapter: Option<String>,
    /// Threads that the CPU trains on [default: all]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024)))]
    pub threads: Option<u16>,
    /// Ranks of this machine, which share its cores; 0 is one.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub sharing: usize,
}

/// What a network is trained on.
pub enum Device {
    /// Shaders on a GPU, or on a driver that plays one.
    Gpu(Arc<Gpu>),
    /// This machine's own cores.
    Cpu(Cpu),
}

/// This machine's own cores.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Cpu {
    /// `CPU (model)`.
    pub name: String,
    /// Threads to be used.
    pub threads: usize,
    /// Names of the vector instructions to be used.
    pub instructions: &'static str,
    #[serde(skip)]
    simd: Simd,
}

impl From<Arc<Gpu>> for Device {
    fn from(gpu: Arc<Gpu>) -> Self {
        Device::Gpu(gpu)
    }
}

impl Cpu {
    /// With as many threads as `asked`, or as run at once, shared by the ranks of this machine.
    pub fn new(asked: &Where) -> Self {
        let all = std::thread::available_parallelism().map_or(1, usize::from);
        let all = (all / asked.sharing.max(1)).max(1);
        let simd = Simd::available()[0];
        Cpu {
            name: format!("CPU ({})", model_name().unwrap_or_else(|| std::env::consts::ARCH.into())),
            threads: asked.threads.map_or(all, usize::from),
            instructions: simd.name(),
            simd,
        }
    }

    /// The instructions to be used.
    pub fn simd(&self) -> Simd {
        self.simd
    }

    /// Why it does not train by these settings, if it does not, and what it does train by: two sentences without their ends.
    pub fn refuses(settings: &Settings) -> Option<[&'static str; 2]> {
        match settings.method.is_soft() {
            true if settings.input_kind == InputKind::Soft => {
                Some(["networks that read pixels as they are, are trained by shaders only", "choose --input-kind bits"])
            }
            false if !settings.gradients.is_sliced() => Some([
                "hard methods with gradients in f32, bf16 and f16 are trained by shaders only",
                "choose --gradients int8, int12 or int16",
            ]),
            _ => None,
        }
    }
}

/// What Linux calls the processor.
fn model_name() -> Option<String> {
    let told = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let (_, name) = told.lines().find(|line| line.starts_with("model name"))?.split_once(':')?;
    Some(name.trim().to_string()).filter(|name| !name.is_empty())
}

/// Which of these adapters, best first, is taken where nobody names one; `None` is the CPU, which trains by the settings
/// unless it `refuses`. The sentence is what a user should be told of the choice.
fn by_itself(adapters: &[AdapterSummary], refuses: Option<[&str; 2]>) -> Result<(Option<usize>, Option<String>)> {
    match (adapters.first(), refuses) {
        (Some(first), _) if !first.is_software() => Ok((Some(0), None)),
        (_, None) => Ok((None, None)),
        (Some(first), Some([why, _])) => {
            Ok((Some(0), Some(format!("there is no GPU, and {why}; {} plays one, slowly", first.name))))
        }
        (None, Some([why, instead])) => Err(Error::usage(format!(
            "{why}, and there is no GPU driver; {instead}, which the CPU trains, or see `gatewright devices`"
        ))),
    }
}

impl Where {
    /// Whether it is the CPU that is named.
    fn names_cpu(&self) -> bool {
        self.adapter.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(CPU))
    }

    /// Refuse `settings` that the CPU does not train by, where it is named. What is opened is checked so too.
    ///
    /// # Errors
    /// [`Error::Usage`] with what it does train by.
    pub fn check(&self, settings: &Settings) -> Result<()> {
        match Cpu::refuses(settings) {
            Some([why, instead]) if self.names_cpu() => Err(Error::usage(format!(
                "{why}; {instead}, or name a GPU by --adapter, or a software driver by --adapter llvmpipe"
            ))),
            _ => Ok(()),
        }
    }
}

impl Device {
    /// Open what `asked` names: `cpu`, or an adapter. Where it names none: the best real GPU; without one the CPU, or, where
    /// that does not train by `settings`, software Vulkan. The sentence is what a user should be told of the choice.
    ///
    /// # Errors
    /// [`Error::Usage`] for what is not there or does not go together, [`Error::Gpu`] if a device cannot be opened.
    pub fn open(asked: &Where, settings: &Settings) -> Result<(Self, Option<String>)> {
        asked.check(settings)?;
        if asked.names_cpu() {
            return Ok((Device::Cpu(Cpu::new(asked)), None));
        }
        let is_named = asked.adapter.is_some() || std::env::var("WGPU_ADAPTER_NAME").is_ok_and(|name| !name.is_empty());
        let (chosen, note) =
            if is_named { (Some(0), None) } else { by_itself(&gpu::adapters()?, Cpu::refuses(settings))? };
        if chosen.is_none() {
            return Ok((Device::Cpu(Cpu::new(asked)), note));
        }
        if asked.threads.is_some() {
            return Err(Error::usage("--threads is for training on the CPU; add --adapter cpu"));
        }
        Ok((Device::Gpu(Gpu::open(asked.adapter.as_deref())?), note))
    }

    /// Whether the CPU is what trains where nobody says otherwise, these being the adapters.
    pub fn is_cpu_by_itself(adapters: &[AdapterSummary]) -> bool {
        let is_named = std::env::var("WGPU_ADAPTER_NAME").is_ok_and(|name| !name.is_empty());
        !is_named && by_itself(adapters, None).is_ok_and(|(chosen, _)| chosen.is_none())
    }

    /// Its name, as checkpoints and summaries have it.
    pub fn name(&self) -> &str {
        match self {
            Device::Gpu(gpu) => &gpu.adapter.name,
            Device::Cpu(cpu) => &cpu.name,
        }
    }

    /// vulkan, metal, dx12 or cpu.
    pub fn backend(&self) -> &str {
        match self {
            Device::Gpu(gpu) => &gpu.adapter.backend,
            Device::Cpu(_) => CPU,
        }
    }

    /// Driver and its version, or vector instructions and threads.
    pub fn driver(&self) -> String {
        match self {
            Device::Gpu(gpu) => gpu.adapter.driver.clone(),
            Device::Cpu(cpu) => cpu.told(),
        }
    }

    /// Whether two devices of these names make the same bits: the CPUs do, on every machine.
    pub fn are_alike(one: &str, other: &str) -> bool {
        one == other || [one, other].iter().all(|name| name.starts_with("CPU ("))
    }
}

impl Cpu {
    /// `AVX2, 2 threads`.
    pub fn told(&self) -> String {
        format!("{}, {}", self.instructions, counted(self.threads, "thread"))
    }

    /// What its memory does at best, and how long threads take to meet.
    pub fn bandwidth(&self) -> crate::train::Bandwidth {
        let (copy, dispatch) = cpu::measure(self.threads);
        crate::train::Bandwidth { copy, dispatch }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Method;

    fn adapter(name: &str, kind: &str) -> AdapterSummary {
        AdapterSummary {
            name: name.into(),
            backend: "vulkan".into(),
            kind: kind.into(),
            driver: String::new(),
            features: Vec::new(),
            max_binding_bytes: 0,
            max_buffer_bytes: 0,
            max_workgroup_lanes: 0,
            workgroup_memory_bytes: 0,
            subgroup_lanes: [0; 2],
        }
    }

    #[test]
    fn a_gpu_is_chosen_before_the_cpu_and_that_before_a_driver_that_plays_one() {
        let (real, played) = (adapter("RTX", "discrete"), adapter("llvmpipe", "software"));
        let both = [real, played.clone()];
        assert_eq!(by_itself(&both, None).unwrap(), (Some(0), None));
        assert_eq!(by_itself(&both, Some(["no", "else"])).unwrap(), (Some(0), None));
        assert_eq!(by_itself(std::slice::from_ref(&played), None).unwrap(), (None, None));
        assert_eq!(by_itself(&[], None).unwrap(), (None, None));
        let (chosen, told) =
            by_itself(&[played], Some(["such networks are trained by shaders only", "choose others"])).unwrap();
        assert!(chosen == Some(0) && told.unwrap().contains("llvmpipe plays one"));
        assert!(by_itself(&[], Some(["such networks are trained by shaders only", "choose others"])).is_err());
    }

    #[test]
    fn what_the_cpu_does_not_train_is_refused_with_what_does() {
        let asked = Where { adapter: Some("CPU".into()), threads: Some(3), ..Where::default() };
        let soft =
            Settings { method: Method::SoftMix, gradients: crate::plan::GradientFormat::F32, ..Settings::deep() };
        let settings = Settings { input_kind: InputKind::Soft, ..soft.clone() };
        let told = Device::open(&asked, &settings).err().unwrap().to_string();
        assert!(told.contains("pixels as they are") && told.contains("--adapter llvmpipe"), "{told}");
        assert!(Device::open(&asked, &soft).unwrap().1.is_none());
        let (device, note) = Device::open(&asked, &crate::settings::Settings::deep()).unwrap();
        assert!(device.driver().ends_with("3 threads") && device.backend() == "cpu" && note.is_none());
        let named = Where { adapter: Some("llvmpipe".into()), threads: Some(3), ..Where::default() };
        assert!(Device::open(&named, &settings).err().unwrap().to_string().contains("--threads"));
    }
}
