//! How large a batch a device takes at once, and what to do where it does not take the network.

use super::batch::BatchSize;
use super::outline::Outline;
use super::step::StepPlan;
use crate::plan::{Limits, Tuning};
use crate::ranks::Ranks;
use crate::settings::Settings;
use crate::{Error, Result};

/// The plan of steps of `settings`, if every buffer of it can be made and bound: of this one of `ranks`' share of the batch, with
/// micro-batches as large as the settings allow and fit.
///
/// # Errors
/// [`Error::Usage`] with the largest micro-batch that fits, or else the widest layers that do; as [`Ranks::share`].
pub fn fitting_plan(
    settings: &Settings,
    outline: &Outline,
    tuning: Tuning,
    limits: Limits,
    ranks: &Ranks,
) -> Result<StepPlan> {
    let own = ranks.share(settings.batch)?;
    let plan = |outline: &Outline, most: u32| {
        let size = BatchSize::in_micro_batches(settings.batch, own.clone(), most.next_multiple_of(32));
        StepPlan::make(settings, outline, tuning, limits, size)
    };
    // What cannot be planned at all does not fit either.
    let fits = |outline: &Outline, most: u32| plan(outline, most).is_ok_and(|p| p.plan.too_large(&limits).is_none());
    let most = settings.micro_batch.unwrap_or(settings.batch).min(own.end - own.start);
    let wanted = plan(outline, most)?;
    let Some(problem) = wanted.plan.too_large(&limits) else { return Ok(wanted) };
    let words = greatest(u64::from(most.div_ceil(32)), |words| fits(outline, words as u32 * 32)) as u32;
    match settings.micro_batch {
        None if words > 0 => return plan(outline, words * 32),
        Some(_) if words > 0 => {
            let largest = plan(outline, words * 32)?.size.words * 32;
            return Err(Error::usage(format!("{problem}; --micro-batch {largest} is the largest that fits")));
        }
        _ => {}
    }
    let narrowed = |width: u64| {
        let mut rows = [outline.features; 2];
        let layers = outline.layers.iter().map(|layer| {
            let gates = if layer.form.is_dense() { layer.gates.min(width as u32) } else { layer.gates };
            let inputs = rows[usize::from(!layer.reads.is_before())];
            let own = super::outline::LayerOutline { gates, inputs, ..*layer };
            rows = [own.rows(), rows[1] + own.rows()];
            own
        });
        Outline { layers: layers.collect(), ..outline.clone() }
    };
    let outputs = u64::from(outline.outputs.max(1));
    let widest = outline.layers.iter().map(|layer| layer.gates).max().unwrap_or(0);
    let width = greatest(u64::from(widest) / outputs, |n| fits(&narrowed(n * outputs), 32)) * outputs;
    let problem = plan(outline, 32)?.plan.too_large(&limits).unwrap_or(problem);
    Err(Error::usage(if width > 0 {
        format!("{problem}; layers of {width} gates are the largest that fit")
    } else {
        format!("{problem}; use fewer samples or thresholds")
    }))
}

/// The greatest number up to `most` for which `holds`, which holds for all smaller ones too; 0 if there is none.
fn greatest(most: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if holds(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::super::outline::LayerOutline;
    use super::*;
    use crate::data::{ImageShape, Task};
    use crate::network::{Form, Reads};
    use crate::plan::Plan;

    /// wgpu's default limits.
    const LIMITS: Limits = Limits { buffer_bytes: 128 << 20, is_software: false };

    fn settings(batch: u32) -> Settings {
        Settings { batch, ..Settings::deep() }
    }

    /// MNIST's bits to these layers.
    fn outline(layers: &[usize], samples: u32) -> Outline {
        let (mut inputs, settings) = (784, Settings::deep());
        let layer = |&gates: &usize| LayerOutline {
            form: Form::Dense,
            reads: Reads::Before,
            gates: gates as u32,
            inputs: std::mem::replace(&mut inputs, gates as u32),
            arity: settings.arity,
            parametrization: settings.parametrization,
            most_readers: 0,
        };
        Outline {
            image: ImageShape { channels: 1, height: 28, width: 28 },
            features: 784,
            most_features: 4,
            outputs: 10,
            task: Task::Classes,
            code_bits: 1,
            label_words: 1,
            samples,
            layers: layers.iter().map(layer).collect(),
        }
    }

    fn fitted(settings: &Settings, layers: &[usize]) -> Result<StepPlan> {
        fitting_plan(settings, &outline(layers, 60_000), Tuning::HARDWARE, LIMITS, &Ranks::alone())
    }

    fn told(settings: &Settings, layers: &[usize]) -> String {
        fitted(settings, layers).err().unwrap().to_string()
    }

    #[test]
    fn five_million_gates_fit_a_gibibyte_and_every_default_limit() {
        let bytes = fitted(&settings(128), &[1_024_000; 5]).unwrap().plan.bytes();
        assert!(bytes < 1 << 30, "{bytes} bytes");
        // Per gate 8 wiring, 20 edges, which the first layer has none of, 4 table, 16 logits, 32 moments, 16 table gradients, 16 outputs;
        // two planes of 128 bytes a gate; a sample's 784 bytes and label.
        let gates = 92 * 5_120_000 + 20 * 4_096_000;
        let rest = bytes - (gates + 2 * 128 * 1_024_000 + 60_000 * 788);
        assert!(rest < 100_000, "{rest} bytes unaccounted for");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_does() {
        // 1,024,000 gates · 512 bytes in a plane; 128 MiB / 1,024,000 = 131 samples.
        let wide = Settings { micro_batch: Some(512), ..settings(512) };
        let told_of = told(&wide, &[1_024_000; 5]);
        assert!(told_of.contains("gradient plane of layer") && told_of.contains("--micro-batch 128 is"), "{told_of}");
        assert!(told_of.contains("500.0 MiB") && told_of.contains("128.0 MiB"), "{told_of}");
        // Moments are 32 bytes a gate, and so is a plane of a micro-batch of 32: 4,194,304 gates, in tens.
        let told_of = told(&settings(64), &[1 << 26; 3]);
        assert!(told_of.contains("layers of 4194300 gates are"), "{told_of}");
        fitted(&settings(32), &[4_194_300; 3]).unwrap();
        told(&settings(32), &[4_194_310; 3]);
    }

    #[test]
    fn a_batch_that_does_not_fit_is_cut_evenly() {
        let size = |layers: &[usize], batch| fitted(&settings(batch), layers).unwrap().size;
        let whole = |samples, words| BatchSize { samples, own: [0, samples], words };
        assert_eq!(size(&[1_024_000; 5], 128), whole(128, 4));
        assert_eq!(size(&[1_024_000; 5], 512), whole(512, 4));
        // 5 words in two parts, of 3 and 2.
        assert_eq!(size(&[1_024_000; 5], 130), whole(130, 3));
        assert_eq!(BatchSize::in_micro_batches(33, 0..33, 32), whole(33, 1));
        assert_eq!(BatchSize::in_micro_batches(1, 0..1, 32), whole(1, 1));
        let forced = Settings { micro_batch: Some(64), ..settings(512) };
        assert_eq!(fitted(&forced, &[100]).unwrap().size, whole(512, 2));
    }

    #[test]
    fn a_step_of_several_ranks_is_cut_where_sums_are_exchanged() {
        let of = |settings: &Settings, rank: usize| {
            let outline = outline(&[100, 64, 50], 60_000);
            fitting_plan(settings, &outline, Tuning::HARDWARE, LIMITS, &Ranks::threads(3)[rank]).unwrap()
        };
        // 130 samples are 5 words: 2, 2 and 1, of which the last has 2 samples.
        let sizes: Vec<_> = (0..3).map(|rank| of(&settings(130), rank).size).collect();
        assert_eq!(sizes.iter().map(|size| size.own).collect::<Vec<_>>(), [[0, 64], [64, 128], [128, 130]]);
        assert_eq!(sizes.iter().map(|size| size.words).collect::<Vec<_>>(), [2, 2, 1]);
        let micro = Settings { micro_batch: Some(32), ..settings(130) };
        for step in [of(&settings(130), 1), of(&micro, 1)] {
            let labels = |part: &crate::plan::List| -> Vec<String> {
                step.plan.passes_of(part).iter().map(|pass| pass.label()).collect()
            };
            let parts: Vec<Vec<String>> = step.cuts.iter().map(labels).collect();
            assert_eq!(parts.concat(), labels(&step.step));
            let ends: Vec<&str> = parts[..3].iter().map(|part| part.last().unwrap().as_str()).collect();
            assert_eq!(ends, ["backward_sliced 2", "backward_sliced 1", "backward_sliced 0"]);
            assert_eq!(parts[3], ["weigh_sums", "update"]);
        }
        let real = Settings { gradients: crate::plan::GradientFormat::F32, ..settings(130) };
        assert_eq!(of(&real, 0).plan.passes_of(&of(&real, 0).cuts[3]).len(), 1);
        assert!(fitted(&settings(130), &[100]).unwrap().cuts.is_empty());
    }

    /// Bytes of each buffer of this name.
    fn bytes(plan: &Plan, name: &str) -> Vec<u64> {
        plan.buffers().filter(|(_, buffer)| buffer.name == name).map(|(_, buffer)| buffer.bytes).collect()
    }

    #[test]
    fn samples_that_do_not_fit_are_streamed_or_sharded() {
        let plan = |samples, tuning| {
            fitting_plan(&settings(128), &outline(&[100], samples), tuning, LIMITS, &Ranks::alone()).unwrap().plan
        };
        // A step's 128 images are 100,352 bytes, and 64 MiB hold 668 of them; 256 are enough.
        let streamed = plan(700_000, Tuning::HARDWARE);
        assert_eq!(bytes(&streamed, "streamed pixels"), [256 * 100_352]);
        assert_eq!((bytes(&streamed, "streamed labels"), bytes(&streamed, "pixels")), (vec![256 * 128 * 4], vec![]));
        // So it is where the tuning keeps nothing on the device, and the plan then tells what is made.
        let none = Tuning { most_resident_bytes: 0, ..Tuning::HARDWARE };
        assert_eq!(bytes(&plan(1000, none), "streamed pixels"), [256 * 100_352]);
        // 171,196 rows of 784 bytes fit a buffer, so there are four of 50,001 rows, the last one three short.
        let sharded = plan(200_001, Tuning::HARDWARE);
        assert_eq!(bytes(&sharded, "pixels"), [50_001 * 784, 50_001 * 784, 50_001 * 784, 49_998 * 784]);
    }

    #[test]
    fn tables_lie_side_by_side_as_far_as_a_buffer_goes() {
        let plan = |layers: &[usize]| fitted(&settings(128), layers).unwrap().plan;
        let wholes = |plan: &Plan, name: &str| -> Vec<u64> {
            plan.wholes().filter(|(_, buffer)| buffer.name == name).map(|(_, buffer)| buffer.bytes).collect()
        };
        let passes = |plan: &Plan, name: &str| plan.passes().iter().filter(|p| p.page.name() == name).count();
        // Places for 64 gates each: 4 * 4 bytes of logits a gate.
        let small = plan(&[100, 64, 50]);
        assert_eq!(wholes(&small, "logits"), [(128 + 64 + 64) * 16]);
        assert_eq!(bytes(&small, "logits"), [256 * 16, 100 * 16, 64 * 16, 50 * 16]);
        assert_eq!(passes(&small, "update"), 1);
        // 32 bytes of moments a gate: 4,194,304 gates in 128 MiB.
        let wide = plan(&[1_024_000; 5]);
        assert_eq!(wholes(&wide, "moments"), [4_096_000 * 32, 1_024_000 * 32]);
        assert_eq!(passes(&wide, "update"), 2);
    }

    #[test]
    fn wires_that_learn_are_planned_with_what_lists_their_readers_anew() {
        use crate::settings::LearnedLayers;
        let learning = |which: &str| Settings { learn_wiring: which.parse().unwrap(), candidates: 5, ..settings(128) };
        let plan = |settings: &Settings| fitted(settings, &[300, 500, 70]).unwrap();
        let labels = |step: &StepPlan| -> Vec<String> {
            let passes = step.plan.passes_of(&step.step).iter().map(|pass| pass.label());
            passes.skip_while(|label| label != "update").collect()
        };
        let first = plan(&learning("first"));
        assert_eq!(labels(&first), ["update", "move_wires 0"]);
        assert!(bytes(&first.plan, "possible readers").is_empty());
        let last = plan(&learning("2"));
        assert_eq!(labels(&last), ["update", "move_wires 2", "count_readers 2", "list_readers 2"]);
        let all = Settings { learn_wiring: LearnedLayers::All, ..learning("2") };
        let listed =
            ["move_wires 1", "count_readers 1", "list_readers 1", "move_wires 2", "count_readers 2", "list_readers 2"];
        assert_eq!(labels(&plan(&all))[2..], listed);
        // Of 300 and 500 inputs where their lists begin, and one more; 500 · 2 and 70 · 2 pins, five candidates each; a word for 256 inputs.
        assert_eq!(bytes(&plan(&all).plan, "possible readers"), [(301 + 5000) * 4, (501 + 700) * 4]);
        assert_eq!(bytes(&plan(&all).plan, "reader totals"), [8, 8]);
        // The lists, the pins' wires, where lists begin of 500 inputs, and two totals; edges too.
        let least =
            |label: &str| last.plan.passes().iter().find(|pass| pass.label() == label).unwrap().least_bytes.unwrap();
        assert_eq!(least("count_readers 2"), (501 + 700 + 140 + 501 + 2) * 4);
        assert_eq!(least("list_readers 2"), (501 + 700 + 140 + 2 * 501 + 2 + 280) * 4);

        // What might come to read one output is more than a software driver adds up, whatever reads it at first.
        let mut popular = outline(&[300, 500, 70], 60_000);
        popular.layers[1].most_readers = 100_000;
        let limits = Limits { is_software: true, ..LIMITS };
        let told = |settings: &Settings| {
            let plan = fitting_plan(settings, &popular, Tuning::SOFTWARE, limits, &Ranks::alone());
            plan.err().unwrap().to_string()
        };
        assert!(told(&all).contains("one output of layer 0 may come to be read by 100000 gates"), "{}", told(&all));
        assert!(told(&learning("first")).contains("one output of layer 0 is read by 100000 gates"));
    }

    #[test]
    fn what_is_frozen_has_no_way_back_and_is_collected_for_what_reads_it() {
        use crate::network::{Convolution, TreeChannels};
        use crate::settings::{FrozenLayers, LearnedLayers};
        let settings =
            Settings { freeze: FrozenLayers::Convolutions, learn_wiring: LearnedLayers::None, ..settings(128) };
        let mut outline = outline(&[300, 50], 1000);
        let what =
            Convolution { units: 6, kernel: [3, 3], stride: 1, pad: 0, depth: 1, channels: TreeChannels::One, pool: 1 };
        // Trees of one gate, at 26 x 26 places.
        let form = Form::Conv(what.over([1, 28, 28]).unwrap());
        outline.layers.insert(0, LayerOutline { form, gates: 6, inputs: 784, ..outline.layers[0] });
        outline.layers[1] = LayerOutline { reads: Reads::All, inputs: 784 + 6 * 676, ..outline.layers[1] };
        let of = |settings: &Settings, outline: &Outline, ranks: &Ranks| {
            fitting_plan(settings, outline, Tuning::HARDWARE, LIMITS, ranks).unwrap()
        };
        let labels = |step: &StepPlan, list: &crate::plan::List| -> Vec<String> {
            step.plan.passes_of(list).iter().map(|pass| pass.label()).collect()
        };
        let step = of(&settings, &outline, &Ranks::alone());
        assert_eq!(
            labels(&step, &step.step),
            [
                "advance",
                "encode",
                "collect_rows 0",
                "forward_hard 0",
                "collect_rows 1",
                "forward_hard 1",
                "forward_hard 2",
                "group_sum",
                "loss",
                "backward_sliced 2",
                "backward_sliced 1",
                "update 1"
            ]
        );
        assert_eq!(labels(&step, &step.begin), ["tabulate 0", "tabulate 1"]);
        assert_eq!(bytes(&step.plan, "rows"), [(784 + 6 * 676) * 16]);
        let collected = step.plan.passes().iter().find(|pass| pass.label() == "collect_rows 1").unwrap();
        assert_eq!(collected.least_bytes, Some(2 * 6 * 676 * 16));
        // Edges of the last layer alone, for the one before; 301 lists, 100 pins of two words.
        assert_eq!(bytes(&step.plan, "edges"), [(301 + 200) * 4]);
        // Two parts that ranks exchange, and what follows.
        let shared = of(&settings, &outline, &Ranks::threads(2)[0]);
        let ends: Vec<String> = shared.cuts.iter().map(|part| labels(&shared, part).pop().unwrap()).collect();
        assert_eq!(ends, ["backward_sliced 2", "backward_sliced 1", "update 1"]);
        // A layer that reads everything before a trained one would send it nothing.
        let freeze = FrozenLayers::Of(vec![2]);
        let told = fitting_plan(&Settings { freeze, ..settings }, &outline, Tuning::HARDWARE, LIMITS, &Ranks::alone());
        assert!(told.err().unwrap().to_string().contains("layer 0 is trained"));
    }

    #[test]
    fn an_evaluation_that_does_not_fit_is_refused() {
        use super::super::evaluation::EvaluationPlan;
        let (settings, tuning) = (settings(128), Tuning::HARDWARE);
        let training = fitting_plan(&settings, &outline(&[100], 1000), tuning, LIMITS, &Ranks::alone()).unwrap();
        let evaluated = |outline: &Outline, network: &StepPlan| {
            EvaluationPlan::make(&settings, outline, tuning, LIMITS, (&network.plan, &network.network))
        };
        let small = ImageShape { channels: 1, height: 1, width: 4 };
        // Two words are kept of each sample: 160 MB, where four shards of pixels and labels fit.
        let many = Outline { image: small, ..outline(&[100], 20_000_000) };
        let told = evaluated(&many, &training).err().unwrap().to_string();
        assert!(told.contains("would need") && told.contains("fewer samples"), "{told}");
        let wide = fitted(&settings, &[1_024_000; 5]).unwrap();
        evaluated(&outline(&[1_024_000; 5], 60_000), &wide).unwrap();
    }

    /// 10 features of 10 bytes, 20, 16 and 12 gates of two inputs, 3 classes.
    fn least(settings: Settings, label: &str) -> u64 {
        let small = outline(&[20, 16, 12], 100);
        let mut layers = small.layers.clone();
        layers[0].inputs = 10;
        let image = ImageShape { channels: 1, height: 1, width: 10 };
        let small = Outline { image, features: 10, most_features: 4, outputs: 3, layers, ..small };
        let settings = Settings { cage: None, ..settings };
        let plan = fitting_plan(&settings, &small, Tuning::HARDWARE, LIMITS, &Ranks::alone()).unwrap().plan;
        let pass = plan.passes().iter().find(|pass| pass.label() == label).unwrap_or_else(|| panic!("no {label}"));
        pass.least_bytes.unwrap()
    }

    #[test]
    fn least_bytes_are_what_is_counted_by_hand() {
        use crate::plan::GradientFormat::{F32, Int8};
        use crate::settings::{InputKind, Method};
        // Two words.
        let base = settings(33);
        let sliced = Settings { gradients: Int8, shift: 1, ..base.clone() };
        let real = Settings { gradients: F32, ..base.clone() };
        let soft = Settings { method: Method::SoftMix, gradients: F32, ..base.clone() };
        let pixels = Settings { input_kind: InputKind::Soft, ..soft.clone() };
        // A feature's bits are 8 bytes, its reals 256, its 8-bit gradients 64, its f32 gradients 256.
        for (label, bytes) in [
            // Sample numbers; what changes in a step, in and out, and what does not in a run: 12 and 28 numbers.
            ("advance", 64 * 4 + (2 * 12 + 28) * 4),
            ("augment", 256 + 2 * 64 * 12),
            ("encode", 256 + 64 * 12 + (4 + 20) * 4 + 10 * 8),
            ("tabulate", 48 * 4 * 4 + 48 * 4),
            ("forward_hard 1", 32 * 4 + 16 * 4 + (20 + 16) * 8),
            // 24 pins can read no more than 24 features, and there are 16.
            ("forward_hard 2", 24 * 4 + 12 * 4 + (16 + 12) * 8),
            ("group_sum", 12 * 8 + 3 * 256),
            ("loss", 3 * 512 + 2 * 256 + 3 * (256 + 64)),
            // Wires, input bits, table gradients; rows of three classes.
            ("backward_sliced 2", 24 * 4 + 16 * 8 + 12 * 16 + 3 * 64),
            // Also 17 offsets and 24 edges of two words, 12 tables, 16 rows of bits that consumers read; rows are kept.
            ("backward_sliced 1", 32 * 4 + 20 * 8 + 16 * 16 + 3 * 64 + (17 + 48) * 4 + 12 * 4 + 16 * 8 + 16 * 64),
            // Rows of 16 consumers; none is kept.
            ("backward_sliced 0", 40 * 4 + 10 * 8 + 20 * 16 + 16 * 64 + (21 + 64) * 4 + 16 * 4 + 20 * 8),
            ("update", 48 * (4 + 4 * 2 + 8 * 2 + 1) * 4),
        ] {
            assert_eq!(least(sliced.clone(), label), bytes, "{label}");
        }
        assert_eq!(least(real.clone(), "loss"), 3 * 512 + 2 * 256);
        // 258 words of gradients are sliced by a pass of their own.
        let large = Settings { batch: 86 * 32, ..sliced };
        assert_eq!(least(large.clone(), "slice_gradients"), 258 * (128 + 32));
        assert_eq!(least(large, "loss"), 258 * 256 + 2 * 86 * 128);
        assert_eq!(least(real, "backward_hard 2"), 24 * 4 + 16 * 8 + 12 * 16 + 3 * 256);
        // Real activations are 128 bytes a feature.
        for (label, bytes) in [
            ("unpack_bits", 10 * (8 + 128)),
            ("update", 48 * (4 + 4 * 2 + 8 * 2 + 4) * 4),
            ("forward_soft 1", 32 * 4 + 16 * 16 + (20 + 16) * 128),
            ("group_sum_soft", 12 * 128 + 3 * 256),
            // Wires, activations, table gradients; rows of classes; its own tables, and a row for each of 24 pins.
            ("backward_soft 2", 24 * 4 + 16 * 128 + 12 * 16 + 3 * 256 + 12 * 16 + 24 * 256),
            // 21 offsets and 32 edges, whose rows are read; nothing is sent on.
            ("backward_soft 0", 40 * 4 + 10 * 128 + 20 * 16 + (21 + 32) * 4 + 32 * 256),
        ] {
            assert_eq!(least(soft.clone(), label), bytes, "{label}");
        }
        assert_eq!(least(pixels, "encode"), 256 + 64 * 12 + (4 + 20) * 4 + 10 * 128);
    }
}
