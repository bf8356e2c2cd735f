//! Which adapters there are, which is chosen, and what is asked of it.

use std::path::Path;

use serde::Serialize;

use crate::{Error, Result};

/// What the `devices` command and run summaries say of an adapter.
#[derive(Debug, Clone, Serialize)]
pub struct AdapterSummary {
    /// The driver's name for it.
    pub name: String,
    /// vulkan, metal or dx12.
    pub backend: String,
    /// discrete, integrated, virtual or software.
    pub kind: String,
    /// Driver and its version.
    pub driver: String,
    /// Optional features that make gatewright faster, as far as the adapter has them.
    pub features: Vec<String>,
    /// Largest buffer binding, bytes.
    pub max_binding_bytes: u64,
    /// Largest buffer, bytes.
    pub max_buffer_bytes: u64,
    /// Largest workgroup, lanes.
    pub max_workgroup_lanes: u32,
    /// Workgroup memory, bytes.
    pub workgroup_memory_bytes: u32,
    /// Fewest and most lanes of a subgroup. Drivers choose for each kernel by its registers, so only the fewest can be relied on.
    pub subgroup_lanes: [u32; 2],
}

impl AdapterSummary {
    pub(super) fn of(adapter: &wgpu::Adapter) -> Self {
        let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
        let wanted = [
            ("subgroups", wgpu::Features::SUBGROUP),
            ("f16", wgpu::Features::SHADER_F16),
            ("timestamps", wgpu::Features::TIMESTAMP_QUERY),
            ("timestamps inside passes", wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES),
        ];
        AdapterSummary {
            name: info.name.clone(),
            backend: info.backend.to_string(),
            kind: match info.device_type {
                wgpu::DeviceType::DiscreteGpu => "discrete",
                wgpu::DeviceType::IntegratedGpu => "integrated",
                wgpu::DeviceType::VirtualGpu => "virtual",
                wgpu::DeviceType::Cpu => "software",
                wgpu::DeviceType::Other => "other",
            }
            .into(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().into(),
            features: wanted.iter().filter(|(_, f)| features.contains(*f)).map(|(n, _)| n.to_string()).collect(),
            max_binding_bytes: limits.max_storage_buffer_binding_size,
            max_buffer_bytes: limits.max_buffer_size,
            max_workgroup_lanes: limits.max_compute_invocations_per_workgroup,
            workgroup_memory_bytes: limits.max_compute_workgroup_storage_size,
            subgroup_lanes: [info.subgroup_min_size, info.subgroup_max_size],
        }
    }

    /// Whether the CPU plays the GPU.
    pub fn is_software(&self) -> bool {
        self.kind == "software"
    }
}

/// The backends that kernels are written for.
fn backends() -> Result<wgpu::Backends> {
    let ours = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    let Some(wanted) = wgpu::Backends::from_env() else { return Ok(ours) };
    if (wanted & ours).is_empty() {
        return Err(Error::usage(format!(
            "WGPU_BACKEND is \"{}\" and must name vulkan, metal or dx12, or several, separated by commas",
            std::env::var("WGPU_BACKEND").unwrap_or_default()
        )));
    }
    Ok(wanted & ours)
}

/// Every adapter that wgpu shows under `flags`, best first: discrete, integrated, virtual, other, software.
fn found(flags: wgpu::InstanceFlags) -> Result<Vec<wgpu::Adapter>> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: backends()?,
        flags,
        backend_options: wgpu::BackendOptions::from_env_or_default(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let mut adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    adapters.sort_by_key(|a| match a.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    Ok(adapters)
}

/// What wgpu's users expect to switch by their environment: `WGPU_ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER`, `WGPU_VALIDATION` and
/// others.
fn flags() -> wgpu::InstanceFlags {
    wgpu::InstanceFlags::empty().with_env()
}

/// Every adapter, best first: discrete, integrated, virtual, other, software.
///
/// # Errors
/// [`Error::Usage`] if `WGPU_BACKEND` names no backend that gatewright has.
pub fn adapters() -> Result<Vec<AdapterSummary>> {
    Ok(found(flags())?.iter().map(AdapterSummary::of).collect())
}

/// Which of the adapters of these names is meant: that numbered or named `choice`, a part of its name in any case; or that named by
/// `WGPU_ADAPTER_NAME`; or the first.
///
/// # Errors
/// [`Error::Usage`] if there is none of that number or name.
pub fn chosen(names: &[&str], choice: Option<&str>) -> Result<usize> {
    let variable = std::env::var("WGPU_ADAPTER_NAME").ok().filter(|name| !name.is_empty());
    let (asked, by_number, of) = match (choice, &variable) {
        (Some(choice), _) => (choice, choice.parse().ok().filter(|n| *n < names.len()), ""),
        (None, Some(name)) => (name.as_str(), None, ", as WGPU_ADAPTER_NAME asks"),
        (None, None) => return Ok(0),
    };
    let by_name = || names.iter().position(|name| name.to_lowercase().contains(&asked.to_lowercase()));
    by_number.or_else(by_name).ok_or_else(|| {
        let known: Vec<_> = names.iter().enumerate().map(|(i, name)| format!("{i} {name}")).collect();
        Error::usage(format!(
            "no adapter is numbered or named `{asked}`{of}; there are: {}; `cpu` trains without one",
            known.join(", ")
        ))
    })
}

/// The adapter that is [`chosen`].
pub(super) fn choose(choice: Option<&str>) -> Result<wgpu::Adapter> {
    let mut adapters = found(flags())?;
    if adapters.is_empty() {
        return Err(no_adapter());
    }
    let infos: Vec<_> = adapters.iter().map(wgpu::Adapter::get_info).collect();
    let names: Vec<_> = infos.iter().map(|info| info.name.as_str()).collect();
    let at = chosen(&names, choice)?;
    Ok(adapters.swap_remove(at))
}

/// The limits that kernels are written for, and buffers as large as the adapter has them. Of what no kernel uses, such as textures,
/// no more is asked than the adapter offers: small GPUs have less of it than wgpu asks for by default.
///
/// # Errors
/// [`Error::Gpu`] if the adapter offers less than kernels use.
pub(super) fn required(adapter: &wgpu::Adapter) -> Result<wgpu::Limits> {
    let (offered, most) = (adapter.limits(), wgpu::Limits::default());
    for (what, used, has) in [
        (
            "lanes a workgroup",
            most.max_compute_invocations_per_workgroup,
            offered.max_compute_invocations_per_workgroup,
        ),
        ("lanes a workgroup in a row", most.max_compute_workgroup_size_x, offered.max_compute_workgroup_size_x),
        (
            "bytes of workgroup memory",
            most.max_compute_workgroup_storage_size,
            offered.max_compute_workgroup_storage_size,
        ),
        (
            "workgroups a dispatch",
            most.max_compute_workgroups_per_dimension,
            offered.max_compute_workgroups_per_dimension,
        ),
        (
            "storage buffers a kernel",
            most.max_storage_buffers_per_shader_stage,
            offered.max_storage_buffers_per_shader_stage,
        ),
    ] {
        if has < used {
            return Err(Error::Gpu(format!(
                "{} offers {has} {what}, and kernels need {used}; choose another by --adapter",
                adapter.get_info().name
            )));
        }
    }
    Ok(wgpu::Limits {
        max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
        max_buffer_size: offered.max_buffer_size,
        ..most.or_worse_values_from(&offered)
    })
}

/// The sentence for a machine without any driver.
pub fn no_adapter() -> Error {
    let advice = advice(&[]);
    let advice = if advice.is_empty() {
        "install your GPU's driver, or a software one: on Debian and Ubuntu `apt-get install mesa-vulkan-drivers`, on Fedora \
         `dnf install mesa-vulkan-drivers`, on Arch `pacman -S vulkan-swrast`; macOS and Windows bring theirs with the system"
            .into()
    } else {
        advice.join("; ")
    };
    Error::Gpu(format!("no Vulkan, Metal or DX12 adapter was found; {advice}"))
}

/// What should be known of a machine whose adapters are these: a card that no driver serves, drivers that were passed over, a slow
/// compiler. A sentence each, without a full stop.
pub fn advice(adapters: &[AdapterSummary]) -> Vec<String> {
    let mut advice = Vec::new();
    let names: Vec<_> = adapters.iter().map(|a| a.name.as_str()).collect();
    advice.extend(nvidia_without_vulkan(&names, Path::new("/dev")));
    let allowed = flags() | wgpu::InstanceFlags::ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER;
    if allowed != flags() {
        let all = found(allowed).unwrap_or_default();
        let of = |a: &AdapterSummary| (a.name.clone(), a.backend.clone(), a.driver.clone());
        for hidden in all.iter().map(AdapterSummary::of).filter(|h| !adapters.iter().any(|a| of(a) == of(h))) {
            advice.push(format!(
                "{} ({}, {}) was passed over, for its driver does not claim to conform to the standard; set \
                 WGPU_ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER=1 to use it all the same",
                hidden.name, hidden.backend, hidden.driver
            ));
        }
    }
    if adapters.iter().any(|a| a.backend == "dx12") && !has_dxc() {
        advice.push(
            "dxcompiler.dll was not found, so under DX12 kernels are compiled by FXC, which takes minutes for some and refuses others; put \
             dxcompiler.dll (github.com/microsoft/DirectXShaderCompiler/releases) beside gatewright.exe or into a folder of PATH"
                .into(),
        );
    }
    advice
}

/// Whether a card of the machine goes unused, for one who has just been given another adapter: a sentence without a full stop.
pub fn unused_card() -> Option<String> {
    let dev = Path::new("/dev");
    nvidia_without_vulkan(&[], dev)?;
    let adapters = adapters().ok()?;
    let names: Vec<_> = adapters.iter().map(|a| a.name.as_str()).collect();
    nvidia_without_vulkan(&names, dev)
}

/// Where the kernel's driver shows an NVIDIA card under `dev` and no adapter is one: Vulkan's part is missing.
fn nvidia_without_vulkan(names: &[&str], dev: &Path) -> Option<String> {
    let is_there = ["nvidia0", "nvidiactl"].iter().any(|name| dev.join(name).exists());
    let is_served = names.iter().any(|name| name.to_lowercase().contains("nvidia"));
    (is_there && !is_served).then(|| {
        "an NVIDIA card is there, but not its Vulkan driver: in a container set NVIDIA_DRIVER_CAPABILITIES=all and have \
         libvulkan1 (and libegl1) installed, elsewhere install the part of the driver that has libGLX_nvidia.so.0"
            .into()
    })
}

/// Whether Windows would find DXC.
fn has_dxc() -> bool {
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf));
    let path = std::env::var_os("PATH").unwrap_or_default();
    beside.into_iter().chain(std::env::split_paths(&path)).any(|folder| folder.join("dxcompiler.dll").exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_are_chosen_by_number_and_by_part_of_a_name() {
        let names = ["AMD Radeon RX 7900", "NVIDIA RTX 3050", "llvmpipe"];
        for (choice, at) in [("1", 1), ("nvidia", 1), ("LLVM", 2), ("7900", 0)] {
            assert_eq!(chosen(&names, Some(choice)).unwrap(), at, "{choice}");
        }
        assert_eq!(chosen(&names, None).unwrap(), 0);
        let told = chosen(&names, Some("intel")).unwrap_err().to_string();
        assert!(told.contains("`intel`") && told.contains("0 AMD Radeon RX 7900, 1 NVIDIA RTX 3050"), "{told}");
    }

    #[test]
    fn a_card_without_its_driver_is_told_of() {
        let dev = tempfile::tempdir().unwrap();
        assert_eq!(nvidia_without_vulkan(&[], dev.path()), None);
        std::fs::write(dev.path().join("nvidiactl"), "").unwrap();
        let told = nvidia_without_vulkan(&[], dev.path()).unwrap();
        assert!(told.contains("NVIDIA_DRIVER_CAPABILITIES=all"), "{told}");
    }
}
