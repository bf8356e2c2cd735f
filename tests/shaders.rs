//! Every page in every form that a run can ask for, by naga, spirv-val and Tint: it validates, reads and writes as it declares, translates
//! to SPIR-V, MSL and HLSL, keeps to wgpu's default limits, and lays its structures out as the host does. The forms come from plans:
//! settings, networks, batches and tunings, as training, evaluations and circuits plan them.

mod common;
mod compilers;

use std::collections::HashSet;
use std::process::Command;
use std::sync::OnceLock;

use gatewright::data::{ImageShape, Task};
use gatewright::gpu::plan_circuit;
use gatewright::network::{Convolution, Form, Parametrization, Reads, TreeChannels, WireRule};
use gatewright::plan::{Access, CageScope, FILES, GradientFormat, Limits, Page, Plan, Source, Tuning, uniforms};
use gatewright::settings::{Cage, FrozenLayers, InputKind, Layers, LearnedLayers, Method, PoolGradient, Settings};
use gatewright::train::{BatchSize, EvaluationPlan, LayerOutline, Outline, StepPlan};
use naga::back::{hlsl, msl, spv};
use naga::proc::Layouter;
use naga::valid::{Capabilities, GlobalUse, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ScalarKind, TypeInner};

/// A device that takes anything.
const LIMITS: Limits = Limits { buffer_bytes: 1 << 40, is_software: false };

/// A page and what it is put together to.
struct Made {
    page: Page,
    source: Source,
}

fn outline(arities: &[usize], parametrization: Parametrization, task: Task, code_bits: u32) -> Outline {
    let layer = |(i, &arity): (usize, &usize)| LayerOutline {
        form: Form::Dense,
        reads: Reads::Before,
        gates: 960,
        inputs: if i == 0 { 50 } else { 960 },
        arity,
        parametrization,
        most_readers: 3,
    };
    Outline {
        image: ImageShape { channels: 1, height: 5, width: 5 },
        features: 50,
        most_features: 8,
        outputs: 16,
        task,
        code_bits,
        label_words: 1,
        samples: 4000,
        layers: arities.iter().enumerate().map(layer).collect(),
    }
}

/// Two convolutions, the first with stride `stride`, and two dense layers.
fn convolved(depth: u32, pool: u32, stride: u32, pad: u32) -> Outline {
    let dense = outline(&[2, 2], Parametrization::IwpSin, Task::Classes, 1);
    let mut map = [2, 12, 11];
    let mut inputs = map.iter().product();
    let mut layers = Vec::new();
    for (units, stride) in [(20, stride), (30, 1)] {
        let channels = TreeChannels::Two;
        let what = Convolution { units, kernel: [2, 2], stride, pad, depth, channels, pool };
        let form = Form::Conv(what.over(map).unwrap());
        let own = LayerOutline { form, gates: what.gates() as u32, inputs, ..dense.layers[0] };
        let Form::Conv(conv) = form else { unreachable!() };
        map = [units, conv.outputs()[0] as u32, conv.outputs()[1] as u32];
        inputs = own.rows();
        layers.push(own);
    }
    layers.push(LayerOutline { inputs, ..dense.layers[0] });
    layers.push(dense.layers[1]);
    let image = ImageShape { channels: 2, height: 12, width: 11 };
    Outline { image, features: 264, layers, ..dense }
}

/// The plans of training and of an evaluation beside it.
fn plans(settings: &Settings, outline: &Outline, tuning: Tuning, words: u32, limits: Limits) -> [Plan; 2] {
    let size = BatchSize { words, ..BatchSize::whole(settings.batch) };
    let step = StepPlan::make(settings, outline, tuning, limits, size).unwrap();
    let network = (&step.plan, &step.network);
    let evaluation = EvaluationPlan::make(settings, outline, tuning, limits, network).unwrap();
    [step.plan, evaluation.plan]
}

/// The pages of the plans of a table of settings.
fn all() -> &'static [Made] {
    static ALL: OnceLock<Vec<Made>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut made = plans_of_training();
        for tuning in [Tuning::SOFTWARE, Tuning::HARDWARE] {
            made.extend((0..=6).map(|max_arity| {
                let shape = common::Shape { pixels: 9, features: 20, gates: 300, classes: 3, max_arity, seed: 1 };
                plan_circuit(&common::random_netlist(shape), &tuning)
            }));
            made.extend((0..9).map(|seed| plan_circuit(&common::random_convolved(1 + seed as u32 % 4, seed), &tuning)));
        }
        let mut seen = HashSet::new();
        let pages = made.iter().flat_map(|plan| plan.passes()).map(|pass| pass.page.clone());
        let more = [4, 16].map(|lanes| {
            let page = Page::of("device/probe_subgroups").number("WORKGROUP", 256).number("LANES", lanes);
            page.flag("LANES_SHARE", true).flag("SUBGROUPS", true)
        });
        let pages = pages.chain(more).chain([Page::of("device/copy").number("WORKGROUP", 256)]);
        let pages: Vec<Page> = pages.filter(|page| seen.insert(page.clone())).collect();
        pages.into_iter().map(|page| Made { source: page.assemble().unwrap(), page }).collect()
    })
}

fn plans_of_training() -> Vec<Plan> {
    use GradientFormat::{Bf16, F16, F32, Int4, Int8, Int12, Int16};
    let base = Settings { batch: 256, cage: None, ..Settings::deep() };
    let moved = |shift, flip| Settings { shift, flip, ..base.clone() };
    let exchanging = Tuning { subgroups: true, ..Tuning::HARDWARE };
    let sharing = Tuning { subgroups: false, ..Tuning::HARDWARE };
    let sine = |arities: &[usize]| outline(arities, Parametrization::IwpSin, Task::Classes, 1);
    let mut made = Vec::new();
    // Where ranks share batches, at once and in shares.
    for gradients in [F32, Int8, Int12, Int16] {
        for tuning in [Tuning::SOFTWARE, exchanging, sharing] {
            for words in [4, 3] {
                let size = BatchSize { own: [128, 256], words, ..BatchSize::whole(256) };
                let settings = Settings { gradients, shift: 1, ..base.clone() };
                let step = StepPlan::make(&settings, &sine(&[2, 3, 2]), tuning, LIMITS, size).unwrap();
                made.push(step.plan);
            }
        }
    }
    for tuning in [Tuning::SOFTWARE, exchanging, sharing] {
        let size = BatchSize { own: [128, 256], words: 3, ..BatchSize::whole(256) };
        let settings = Settings { gradients: Int4, learn_wiring: LearnedLayers::First, ..base.clone() };
        made.push(StepPlan::make(&settings, &sine(&[2]), tuning, LIMITS, size).unwrap().plan);
    }
    let mut add = |settings: &Settings, outline: &Outline, tuning: Tuning, words: u32| {
        made.extend(plans(settings, outline, tuning, words, LIMITS));
    };
    // Every format and method, at once and in shares, in the shapes of every kind of device.
    for gradients in [F32, Bf16, F16, Int8, Int12, Int16] {
        for method in [Method::HardSt, Method::GumbelSt, Method::SoftMix, Method::SoftGumbel] {
            if method.is_soft() && gradients.is_sliced() {
                continue;
            }
            let settings = Settings { gradients, method, ..base.clone() };
            for tuning in [Tuning::SOFTWARE, exchanging, sharing] {
                for words in [8, 3] {
                    add(&settings, &sine(&[2, 2, 2]), tuning, words);
                }
            }
        }
    }
    // Every arity, reading and read by others, with every parametrization and scope.
    for arity in 1..=6usize {
        for gradients in [F32, Int8] {
            for method in [Method::HardSt, Method::SoftMix] {
                let settings = Settings { gradients, method, ..base.clone() };
                for tuning in
                    [Tuning::SOFTWARE, sharing].into_iter().filter(|_| !(method.is_soft() && gradients == Int8))
                {
                    add(&settings, &sine(&[arity, 7 - arity, arity, arity]), tuning, 8);
                }
            }
        }
        for parametrization in Parametrization::ALL.into_iter().filter(|p| p.can_have(arity)) {
            for method in [Method::HardSt, Method::GumbelSt, Method::SoftMix, Method::SoftGumbel] {
                for scope in [CageScope::Network, CageScope::Layer, CageScope::Gate] {
                    let gradients = if method.is_soft() { F32 } else { Int8 };
                    let cage = (!method.is_soft()).then_some(Cage { scope, ..Cage::default() });
                    let settings = Settings { gradients, method, cage, ..base.clone() };
                    add(&settings, &outline(&[arity; 2], parametrization, Task::Classes, 1), Tuning::SOFTWARE, 8);
                }
            }
        }
    }
    // Convolutions of every depth, pool and rule, in every kind of number, at once and in shares.
    for (n, (depth, pool, stride, pad)) in
        [(1, 1, 2, 0), (2, 2, 1, 1), (3, 1, 1, 1), (1, 3, 1, 2), (2, 1, 1, 0)].into_iter().enumerate()
    {
        for (m, gradients) in [Int8, Int12, Int16, F32, Bf16, F16].into_iter().enumerate() {
            for method in [Method::HardSt, Method::SoftMix] {
                if method.is_soft() && gradients.is_sliced() {
                    continue;
                }
                let pool_gradient = [PoolGradient::Any, PoolGradient::First, PoolGradient::Exact][(n + m) % 3];
                let settings = Settings { gradients, method, pool_gradient, ..base.clone() };
                for (tuning, words) in [(Tuning::SOFTWARE, 8), (Tuning::SOFTWARE, 3), (exchanging, 8), (sharing, 3)] {
                    add(&settings, &convolved(depth, pool, stride, pad), tuning, words);
                }
            }
        }
    }
    // Wires that learn, of layers that read outputs' gradients, and of some that keep their own, first and later.
    for arity in 2..=6 {
        for gradients in [Int4, Int8] {
            let settings = Settings { gradients, learn_wiring: LearnedLayers::First, ..base.clone() };
            for (tuning, words) in [(Tuning::SOFTWARE, 3), (exchanging, 8), (sharing, 8)] {
                add(&settings, &sine(&[arity]), tuning, words);
            }
        }
        for (gradients, wiring_rule) in [(Int8, WireRule::Dwn), (Int12, WireRule::Acc), (Int16, WireRule::Dwn)] {
            let settings = Settings { gradients, wiring_rule, learn_wiring: LearnedLayers::All, ..base.clone() };
            for layers in [&[arity][..], &[arity, 2], &[2, arity, arity]] {
                for (tuning, words) in [(Tuning::SOFTWARE, 8), (Tuning::HARDWARE, 3)] {
                    add(&settings, &sine(layers), tuning, words);
                }
            }
        }
    }
    for (gradients, wiring_rule) in [(F32, WireRule::Dwn), (Bf16, WireRule::Acc), (F16, WireRule::Dwn)] {
        let settings = Settings { gradients, wiring_rule, learn_wiring: LearnedLayers::All, ..base.clone() };
        for (tuning, words) in [(Tuning::SOFTWARE, 8), (Tuning::HARDWARE, 3)] {
            add(&settings, &sine(&[2, 6, 3]), tuning, words);
        }
    }
    // Above convolutions that are frozen, of which a layer reads every map.
    for (gradients, method) in [(Int8, Method::HardSt), (Int16, Method::GumbelSt)] {
        let mut pyramid = convolved(2, 2, 1, 1);
        let all = 264 + pyramid.layers[0].rows() + pyramid.layers[1].rows();
        pyramid.layers[2] = LayerOutline { reads: Reads::All, inputs: all, ..pyramid.layers[2] };
        let what = "conv 20 2x2; conv 30 2x2; 960 reads 1:2:3".parse::<Layers>().unwrap();
        let (learn_wiring, freeze) = (LearnedLayers::All, FrozenLayers::Convolutions);
        let convolutions = what.convolutions;
        let settings = Settings { gradients, method, convolutions, learn_wiring, freeze, ..base.clone() };
        let real = Settings { gradients: F32, learn_wiring: LearnedLayers::None, ..settings.clone() };
        for (tuning, words) in [(Tuning::SOFTWARE, 8), (Tuning::HARDWARE, 3)] {
            add(&settings, &pyramid, tuning, words);
            add(&real, &pyramid, tuning, words);
        }
    }
    for (task, code_bits) in [(Task::Labels, 1), (Task::Values, 1), (Task::Values, 16)] {
        for gradients in [F32, Bf16, F16, Int8] {
            let settings = Settings { gradients, ..base.clone() };
            for words in [8, 3] {
                add(&settings, &outline(&[2; 3], Parametrization::IwpSin, task, code_bits), Tuning::SOFTWARE, words);
            }
        }
    }
    // Where gradients of outputs are too many for the workgroup that makes them.
    for gradients in [Int4, Int8, Int12, Int16] {
        let layers: &[usize] = if gradients == Int4 { &[2] } else { &[2; 2] };
        add(&Settings { gradients, batch: 1024, ..base.clone() }, &sine(layers), Tuning::SOFTWARE, 32);
    }
    // Where images are moved, where pixels are input, where samples lie in shards, where outputs have many gates.
    let soft = Settings { method: Method::SoftMix, gradients: F32, input_kind: InputKind::Soft, ..base.clone() };
    for settings in [moved(2, false), moved(0, true), soft] {
        add(&settings, &sine(&[2; 3]), Tuning::SOFTWARE, 8);
    }
    let shards = Limits { buffer_bytes: 2 << 20, ..LIMITS };
    let soft = Settings { method: Method::SoftMix, gradients: F32, input_kind: InputKind::Soft, ..base.clone() };
    let mut wide = sine(&[2; 2]);
    wide.layers[1].gates = 16 * 40_000;
    for method in [Method::HardSt, Method::SoftMix] {
        let settings = Settings { method, gradients: F32, ..base.clone() };
        add(&settings, &wide, Tuning::SOFTWARE, 8);
    }
    let mut small = sine(&[2; 2]);
    small.image = ImageShape { channels: 1, height: 40, width: 40 };
    small.layers.iter_mut().for_each(|layer| layer.gates = 16);
    small.layers[1].inputs = 16;
    for settings in [moved(2, false), moved(0, true), soft, base] {
        made.extend(plans(&Settings { batch: 32, ..settings }, &small, Tuning::SOFTWARE, 1, shards));
    }
    made
}

fn parse(made: &Made) -> Module {
    naga::front::wgsl::parse_str(&made.source.text)
        .unwrap_or_else(|e| panic!("{:?}: {}", made.page, e.emit_to_string(&made.source.text)))
}

/// Validate with no capability beyond WGSL's own, so that no optional feature is asked for, but subgroups where the page is
/// for devices that have them. (Packing f16 is WGSL's own; naga counts it apart for the sake of old OpenGL.)
fn validated(made: &Made) -> (Module, ModuleInfo) {
    let module = parse(made);
    let mut optional = Capabilities::empty();
    optional.set(Capabilities::SUBGROUP, made.page.holds("SUBGROUPS"));
    optional.set(Capabilities::SHADER_FLOAT16_IN_FLOAT32, made.page.holds("GRADIENT_F16"));
    let info = Validator::new(ValidationFlags::all(), optional)
        .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
        .subgroup_operations(naga::valid::SubgroupOperationSet::all())
        .validate(&module)
        .unwrap_or_else(|e| panic!("{:?}: {}", made.page, e.emit_to_string(&made.source.text)));
    (module, info)
}

fn layout(module: &Module) -> Layouter {
    let mut layouter = Layouter::default();
    layouter.update(module.to_ctx()).unwrap();
    layouter
}

/// What is bound is used, what is declared as read is read, and what is declared as written is written.
#[test]
fn every_page_uses_its_bindings_as_it_declares_them() {
    for made in all() {
        let (module, info) = validated(made);
        let uses = info.get_entry_point(0);
        for (n, binding) in made.source.bindings.iter().enumerate() {
            let bound = |v: &naga::GlobalVariable| v.binding.as_ref().is_some_and(|b| b.binding as usize == n);
            let (handle, variable) = module.global_variables.iter().find(|(_, v)| bound(v)).unwrap();
            assert_eq!(variable.name.as_deref(), Some(binding.name.as_str()), "{:?}", made.page);
            let used = uses[handle];
            let what = format!("{} of {:?} is used by {used:?}", binding.name, made.page);
            match binding.access {
                Access::Uniform => assert!(!used.is_empty() && variable.space == AddressSpace::Uniform, "{what}"),
                // An array's length may be all that is asked of it beside its elements.
                Access::Read => {
                    assert!(used.contains(GlobalUse::READ) && !used.contains(GlobalUse::WRITE), "{what}");
                }
                Access::Write => assert!(used.contains(GlobalUse::WRITE), "{what}"),
            }
        }
        assert_eq!(
            module.global_variables.iter().filter(|(_, v)| v.binding.is_some()).count(),
            made.source.bindings.len()
        );
    }
}

#[test]
fn every_page_translates_to_spirv_msl_and_hlsl() {
    let folder = tempfile::tempdir().unwrap();
    let dump = std::env::var_os(compilers::DUMP).map(std::path::PathBuf::from);
    if let Some(dump) = &dump {
        std::fs::create_dir_all(dump).unwrap();
    }
    let mut files = Vec::new();
    for (i, made) in all().iter().enumerate() {
        let (module, info) = validated(made);

        // Subgroups came with Vulkan 1.1 and SPIR-V 1.3.
        let lang_version = if made.page.holds("SUBGROUPS") { (1, 3) } else { (1, 0) };
        let options = spv::Options { lang_version, ..Default::default() };
        let words = spv::write_vec(&module, &info, &options, None).unwrap();
        let file = folder.path().join(format!("{i}.spv"));
        std::fs::write(&file, bytemuck::cast_slice(&words)).unwrap();
        files.push((file, &made.source.text));

        let options = msl::Options { lang_version: (2, 4), ..Default::default() };
        let (text, _) = msl::write_string(&module, &info, &options, &msl::PipelineOptions::default()).unwrap();
        assert!(text.contains("kernel void"), "{:?}", made.page);

        let (options, pipeline) = (hlsl_options(), hlsl::PipelineOptions::default());
        let mut hlsl = String::new();
        hlsl::Writer::new(&mut hlsl, &options, &pipeline).write(&module, &info, None).unwrap();
        assert!(hlsl.contains("[numthreads("), "{:?}", made.page);
        let twice = compilers::defined_twice(&hlsl);
        assert!(twice.is_empty(), "HLSL would be refused, for it defines twice: {twice:?}\n{:?}", made.page);

        if let Some(dump) = &dump {
            let name = format!("{i:04}-{}", made.page.name());
            let files = [("wgsl", made.source.text.clone()), ("hlsl", hlsl), ("metal", text)];
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

/// As wgpu has it for DXC, of pages that run unchecked.
fn hlsl_options() -> hlsl::Options {
    hlsl::Options {
        shader_model: hlsl::ShaderModel::V6_0,
        restrict_indexing: false,
        force_loop_bounding: false,
        zero_initialize_workgroup_memory: false,
        ..Default::default()
    }
}

#[test]
fn every_page_is_accepted_by_tint() {
    let folder = tempfile::tempdir().unwrap();
    for (i, made) in all().iter().enumerate() {
        let name = format!("{i:04}-{}.wgsl", made.page.name());
        std::fs::write(folder.path().join(name), made.source.text.clone()).unwrap();
    }
    // WGSL has no order between * and |, which naga lets pass: proof that Tint looked.
    let control = "@compute @workgroup_size(1) fn main() { var a = 1u; a = a * 2u | 3u; }";
    std::fs::write(folder.path().join("control.wgsl"), control).unwrap();
    let Some((accepted, complaints)) = compilers::tint(folder.path()) else { return };
    println!("{accepted} of {} sources are accepted by Tint", all().len());
    assert!(accepted == all().len() && complaints.contains("control.wgsl:"), "{complaints}");
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
fn every_page_keeps_to_wgpus_default_limits() {
    let limits = wgpu::Limits::default();
    for made in all() {
        let (module, page) = (parse(made), &made.page);
        let layouts = layout(&module);
        let variables = || module.global_variables.iter().map(|(_, variable)| variable);
        let storage = variables().filter(|v| matches!(v.space, AddressSpace::Storage { .. })).count();
        assert!(storage <= limits.max_storage_buffers_per_shader_stage as usize, "{storage} storage buffers: {page:?}");
        let workgroup = variables().filter(|v| v.space == AddressSpace::WorkGroup);
        let bytes: u32 = workgroup.map(|v| layouts[v.ty].size.next_multiple_of(16)).sum();
        assert!(bytes <= limits.max_compute_workgroup_storage_size, "{bytes} bytes of workgroup memory: {page:?}");
        assert_eq!(module.entry_points.len(), 1);
        let [x, y, z] = module.entry_points[0].workgroup_size;
        assert!(x * y * z <= limits.max_compute_invocations_per_workgroup, "{x} x {y} x {z}: {page:?}");
    }
}

/// A host structure: its name, its size and its fields.
type Host<'a> = (&'a str, usize, &'a [(&'static str, usize, &'static str)]);

#[test]
fn host_structures_are_laid_out_as_the_shaders() {
    let module = naga::front::wgsl::parse_str(include_str!("../shaders/shared/structs.wgsl")).unwrap();
    let layouts = layout(&module);
    let hosts: [Host; 6] = [
        ("Layer", size_of::<uniforms::Layer>(), uniforms::Layer::FIELDS),
        ("LayerTables", size_of::<uniforms::LayerTables>(), uniforms::LayerTables::FIELDS),
        ("Batch", size_of::<uniforms::Batch>(), uniforms::Batch::FIELDS),
        ("Training", size_of::<uniforms::Training>(), uniforms::Training::FIELDS),
        ("Cage", size_of::<uniforms::Cage>(), uniforms::Cage::FIELDS),
        ("Step", size_of::<uniforms::Step>(), uniforms::Step::FIELDS),
    ];
    let mut compared = 0;
    for (handle, ty) in module.types.iter() {
        let TypeInner::Struct { members, span } = &ty.inner else { continue };
        let name = ty.name.as_deref().unwrap();
        let (_, size, fields) =
            hosts.iter().find(|(host, ..)| *host == name).unwrap_or_else(|| panic!("{name} has no host twin"));
        assert_eq!(*size, *span as usize, "size of {name}");
        assert_eq!(*size, layouts[handle].size as usize, "size of {name}");
        let members: Vec<(&str, usize, &str)> = members
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
        // Padding, which is at the end, is an array here and several fields there.
        let told = |fields: &[(&'static str, usize, &'static str)]| -> Vec<(String, usize, String)> {
            let told = fields.iter().take_while(|f| !f.0.starts_with("pad"));
            told.map(|f| (f.0.to_string(), f.1, f.2.to_string())).collect()
        };
        let shader: Vec<_> = members
            .iter()
            .take_while(|m| !m.0.starts_with("pad"))
            .map(|m| (m.0.to_string(), m.1, m.2.to_string()))
            .collect();
        assert_eq!(told(fields), shader, "fields of {name}");
        compared += 1;
    }
    assert_eq!(compared, hosts.len(), "every host structure has its shader twin");
}

/// Lines under shaders/ that no page holds are dead.
#[test]
fn every_line_of_every_shader_is_part_of_some_page() {
    let unnumbered = |line: &str| line.split_once(") var<").map_or(line.to_string(), |(_, rest)| format!("var<{rest}"));
    let lines: HashSet<String> =
        all().iter().flat_map(|made| made.source.text.lines().map(unnumbered).collect::<Vec<_>>()).collect();
    for (name, text) in FILES {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(lines.contains(line), "{name}: no page holds `{line}`");
        }
    }
    assert!(FILES.len() >= 20, "{} files were found", FILES.len());
}
