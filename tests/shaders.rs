//! Every kernel in every form that a run can ask for, by naga, spirv-val and Tint: it validates, translates to SPIR-V, MSL and
//! HLSL, keeps to wgpu's default limits, and lays its structures out as the host does.

mod compilers;

use std::mem::offset_of;
use std::path::Path;
use std::process::Command;

use gatewright::gpu::shader::{GradientFormat, Variant};
use gatewright::gpu::structs;
use naga::back::{hlsl, msl, spv};
use naga::proc::Layouter;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ScalarKind, TypeInner};

fn parse(variant: &Variant) -> Module {
    naga::front::wgsl::parse_str(&variant.source())
        .unwrap_or_else(|e| panic!("{variant:?}: {}", e.emit_to_string(&variant.source())))
}

/// Validate with no capability beyond WGSL's own, so that no optional feature is asked for, but subgroups where the variant is
/// for devices that have them. (Packing f16 is WGSL's own; naga counts it apart for the sake of old OpenGL.)
fn validated(variant: &Variant) -> (Module, ModuleInfo) {
    let module = parse(variant);
    let optional = match variant {
        Variant { subgroups: true, .. } => Capabilities::SUBGROUP,
        Variant { gradients: GradientFormat::F16, .. } => Capabilities::SHADER_FLOAT16_IN_FLOAT32,
        _ => Capabilities::empty(),
    };
    let info = Validator::new(ValidationFlags::all(), optional)
        .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
        .subgroup_operations(naga::valid::SubgroupOperationSet::all())
        .validate(&module)
        .unwrap_or_else(|e| panic!("{variant:?}: {}", e.emit_to_string(&variant.source())));
    (module, info)
}

fn layout(module: &Module) -> Layouter {
    let mut layouter = Layouter::default();
    layouter.update(module.to_ctx()).unwrap();
    layouter
}

#[test]
fn every_variant_translates_to_spirv_msl_and_hlsl() {
    let folder = tempfile::tempdir().unwrap();
    let dump = std::env::var_os(compilers::DUMP).map(std::path::PathBuf::from);
    if let Some(dump) = &dump {
        std::fs::create_dir_all(dump).unwrap();
    }
    let mut files = Vec::new();
    for (i, variant) in Variant::all().iter().enumerate() {
        let (module, info) = validated(variant);

        // Subgroups came with Vulkan 1.1 and SPIR-V 1.3.
        let lang_version = if variant.subgroups { (1, 3) } else { (1, 0) };
        let options = spv::Options { lang_version, ..Default::default() };
        let words = spv::write_vec(&module, &info, &options, None).unwrap();
        let file = folder.path().join(format!("{i}.spv"));
        std::fs::write(&file, bytemuck::cast_slice(&words)).unwrap();
        files.push((file, variant.source()));

        let options = msl::Options { lang_version: (2, 4), ..Default::default() };
        let (text, _) = msl::write_string(&module, &info, &options, &msl::PipelineOptions::default()).unwrap();
        assert!(text.contains("kernel void"), "{variant:?}");

        let (options, pipeline) = (hlsl_options(), hlsl::PipelineOptions::default());
        let mut hlsl = String::new();
        hlsl::Writer::new(&mut hlsl, &options, &pipeline).write(&module, &info, None).unwrap();
        assert!(hlsl.contains("[numthreads("), "{variant:?}");
        let twice = compilers::defined_twice(&hlsl);
        assert!(twice.is_empty(), "HLSL would be refused, for it defines twice: {twice:?}\n{variant:?}");

        if let Some(dump) = &dump {
            let name = format!("{i:04}-{}", variant.kernel.replace('/', "-"));
            let files = [("wgsl", variant.source()), ("hlsl", hlsl), ("metal", text)];
            for (extension, text) in files {
                std::fs::write(dump.join(format!("{name}.{extension}")), text).unwrap();
            }
            std::fs::write(dump.join(format!("{name}.spv")), bytemuck::cast_slice(&words)).unwrap();
        }
    }

    if Command::new("spirv-val").arg("--version").output().is_err() {
        assert!(!compilers::tools_are_required(), "spirv-val is missing; on Debian `apt-get install spirv-tools`");
        println!("spirv-val is missing (Debian: spirv-tools), so the SPIR-V was not checked by it");
        return;
    }
    for (file, source) in files {
        let output = Command::new("spirv-val").args(["--target-env", "vulkan1.1"]).arg(&file).output().unwrap();
        assert!(output.status.success(), "{}\n{source}", String::from_utf8_lossy(&output.stderr));
    }
}

/// As wgpu gives it to DXC and FXC, as far as that decides what functions there are.
fn hlsl_options() -> hlsl::Options {
    hlsl::Options { shader_model: hlsl::ShaderModel::V6_0, ..Default::default() }
}

#[test]
fn every_variant_is_accepted_by_tint() {
    let folder = tempfile::tempdir().unwrap();
    let variants = Variant::all();
    for (i, variant) in variants.iter().enumerate() {
        let name = format!("{i:04}-{}.wgsl", variant.kernel.replace('/', "-"));
        std::fs::write(folder.path().join(name), variant.source()).unwrap();
    }
    // WGSL has no order between * and |, which naga lets pass: proof that Tint looked.
    let control = "@compute @workgroup_size(1) fn main() { var a = 1u; a = a * 2u | 3u; }";
    std::fs::write(folder.path().join("control.wgsl"), control).unwrap();
    let Some((accepted, complaints)) = compilers::tint(folder.path()) else { return };
    println!("{accepted} of {} sources are accepted by Tint", variants.len());
    assert!(accepted == variants.len() && complaints.contains("control.wgsl:"), "{complaints}");
}

#[test]
fn hlsl_that_defines_a_function_twice_is_found() {
    let overloads = "int f(int a) {\n    return a;\n}\n\nint f(uint a) {\n    return f(int(a));\n}\n";
    assert!(compilers::defined_twice(overloads).is_empty());
    // The fault of naga 30 that this is for: an alias and an array of its shape, each of which makes a helper of one name.
    let source = "alias Six = array<u32, 6>;
        @group(0) @binding(0) var<storage, read_write> out: array<u32>;
        @compute @workgroup_size(1) fn main() {
            for (var i = 0u; i < 2u; i++) { var a: Six; var b: array<u32, 6>; a[i] = 1u; b[i] = 2u; out[i] = a[0] + b[1]; }
        }";
    let module = naga::front::wgsl::parse_str(source).unwrap();
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module).unwrap();
    let mut text = String::new();
    let (options, pipeline) = (hlsl_options(), hlsl::PipelineOptions::default());
    hlsl::Writer::new(&mut text, &options, &pipeline).write(&module, &info, None).unwrap();
    assert_eq!(compilers::defined_twice(&text).len(), 2, "the typedef and the function of one name:\n{text}");
}

#[test]
fn every_variant_keeps_to_wgpus_default_limits() {
    let limits = wgpu::Limits::default();
    for variant in Variant::all() {
        let module = parse(&variant);
        let layouts = layout(&module);
        let variables = || module.global_variables.iter().map(|(_, variable)| variable);
        let storage = variables().filter(|v| matches!(v.space, AddressSpace::Storage { .. })).count();
        assert!(
            storage <= limits.max_storage_buffers_per_shader_stage as usize,
            "{storage} storage buffers: {variant:?}"
        );
        let workgroup = variables().filter(|v| v.space == AddressSpace::WorkGroup);
        let bytes: u32 = workgroup.map(|v| layouts[v.ty].size.next_multiple_of(16)).sum();
        assert!(bytes <= limits.max_compute_workgroup_storage_size, "{bytes} bytes of workgroup memory: {variant:?}");
        assert_eq!(module.entry_points.len(), 1);
        let [x, y, z] = module.entry_points[0].workgroup_size;
        assert!(x * y * z <= limits.max_compute_invocations_per_workgroup, "{x} x {y} x {z}: {variant:?}");
        assert!(variables().all(|v| v.binding.as_ref().is_none_or(|b| b.group == 0)), "one bind group: {variant:?}");
    }
}

/// A host field: name, offset, and what WGSL calls its type; padding that is an array here is several fields there.
type Field<'a> = (&'a str, usize, &'static str);

/// A host structure's fields with their offsets, typed by the compiler.
macro_rules! fields {
    ($host:ty { $($field:ident),+ }) => {{
        fn wgsl_type<T: 'static>(_: impl Fn(&$host) -> T) -> &'static str {
            let known = [("u32", std::any::TypeId::of::<u32>()), ("f32", std::any::TypeId::of::<f32>())];
            known.into_iter().find(|(_, id)| *id == std::any::TypeId::of::<T>()).map_or("padding", |(name, _)| name)
        }
        let fields: Vec<Field<'static>> =
            vec![$((stringify!($field), offset_of!($host, $field), wgsl_type(|s: &$host| s.$field))),+];
        (size_of::<$host>(), fields)
    }};
}

#[test]
fn host_structures_are_laid_out_as_the_shaders() {
    let source = include_str!("../shaders/shared/structs.wgsl");
    let module = naga::front::wgsl::parse_str(source).unwrap();
    let layouts = layout(&module);
    let hosts = [
        ("Layer", fields!(structs::Layer { gates, inputs, words, group, first_partial, first_gate, index, pad })),
        (
            "Batch",
            fields!(structs::Batch {
                samples,
                size,
                words,
                first,
                row_words,
                features,
                key0,
                key1,
                classes,
                shard,
                width,
                height,
                shift,
                flip,
                least_side,
                ring,
                offset,
                pad
            }),
        ),
        (
            "Training",
            fields!(structs::Training {
                learning_rate,
                final_fraction,
                warmup_steps,
                total_steps,
                beta1,
                beta2,
                epsilon,
                weight_decay,
                group_tau,
                temperature,
                cage,
                cage_tau_min,
                cage_tau_max,
                cage_decay,
                choices,
                selections,
                partials,
                samples,
                batch,
                slice_scale,
                key0,
                key1,
                layers,
                group
            }),
        ),
        ("Cage", fields!(structs::Cage { mean, temperature, selections })),
        (
            "Step",
            fields!(structs::Step {
                step,
                temperature,
                learning_rate,
                confidence,
                confidence_mean,
                beta1_power,
                beta2_power,
                epoch,
                position,
                pad
            }),
        ),
    ];
    let mut compared = 0;
    for (handle, ty) in module.types.iter() {
        let TypeInner::Struct { members, span } = &ty.inner else { continue };
        let name = ty.name.as_deref().unwrap();
        let (_, (size, fields)) =
            hosts.iter().find(|(host, _)| *host == name).unwrap_or_else(|| panic!("{name} has no host twin"));
        assert_eq!(*size, *span as usize, "size of {name}");
        assert_eq!(*size, layouts[handle].size as usize, "size of {name}");
        let told = |name: &str| !name.starts_with("pad");
        let members: Vec<Field> = members
            .iter()
            .map(|m| {
                let kind = match module.types[m.ty].inner {
                    TypeInner::Scalar(naga::Scalar { kind: ScalarKind::Uint, width: 4 }) => "u32",
                    TypeInner::Scalar(naga::Scalar { kind: ScalarKind::Float, width: 4 }) => "f32",
                    _ => panic!("{name} has a field that is neither u32 nor f32"),
                };
                (m.name.as_deref().unwrap(), m.offset as usize, kind)
            })
            .collect();
        let (shader, host): (Vec<_>, Vec<_>) = (
            members.iter().copied().filter(|m| told(m.0)).collect(),
            fields.iter().copied().filter(|f| told(f.0)).collect(),
        );
        assert_eq!(host, shader, "fields of {name}");
        // Padding fills the end on both sides.
        let end = shader.last().map_or(0, |last| last.1 + 4);
        let first_pad = |fields: &[Field]| fields.iter().find(|f| !told(f.0)).map(|f| f.1);
        assert!(first_pad(&members).is_none_or(|at| at == end) && first_pad(fields).is_none_or(|at| at == end));
        compared += 1;
    }
    assert_eq!(compared, hosts.len(), "every host structure has its shader twin");
}

/// Lines under shaders/ that no variant holds are dead.
#[test]
fn every_line_of_every_shader_is_part_of_some_variant() {
    let sources: Vec<String> = Variant::all().iter().map(Variant::source).collect();
    let lines: std::collections::HashSet<&str> = sources.iter().flat_map(|source| source.lines()).collect();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(lines.contains(text.lines().next().unwrap()), "{} is in no variant", path.display());
            for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
                assert!(lines.contains(line), "{}: no variant holds `{line}`", path.display());
            }
        }
    }
    assert!(files >= 20, "{files} files were found");
}
