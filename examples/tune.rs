use gatewright::data::*;
use gatewright::gpu::shader::GradientFormat;
use gatewright::gpu::*;
use gatewright::random::Philox;
use gatewright::train::*;
fn main() {
    let gpu = Gpu::open(None).unwrap();
    let mut rng = Philox::new(1, 0);
    let n = 256;
    let inputs = 784;
    let split = Split {
        pixels: (0..n * inputs).map(|_| (rng.next_u32() & 1) as u8 * 255).collect(),
        labels: (0..n).map(|_| rng.below(10) as u8).collect(),
    };
    let args: Vec<String> = std::env::args().collect();
    let base = Preset::Quick.settings();
    let gradients = if args.iter().any(|a| a == "bf16") {
        GradientFormat::Bf16
    } else if args.iter().any(|a| a == "int8") {
        GradientFormat::Int8
    } else if args.iter().any(|a| a == "int12") {
        GradientFormat::Int12
    } else {
        GradientFormat::F32
    };
    let init = if args.iter().any(|a| a == "residual") {
        gatewright::network::Initialization::Residual
    } else {
        gatewright::network::Initialization::Gaussian
    };
    let settings = Settings { layers: vec![8000; 6], thresholds: 1, gradients, init, ..base };
    let classes: Vec<String> = (0..10).map(|c| c.to_string()).collect();
    let model = draw_model(&settings, "x", ImageShape { channels: 1, height: 1, width: inputs }, &classes).unwrap();
    let mut tunings = vec![];
    for (workgroup, span, most_lanes, most_workgroups, most_span_words) in
        [(64, 32, 1, 16, 1), (64, 32, 1, 16, 2), (64, 32, 1, 16, 4), (16, 32, 1, 16, 4)]
    {
        tunings.push(Tuning { workgroup, span, most_lanes, vote_lanes: 8, most_span_words, most_workgroups });
    }
    let detail = args.iter().any(|a| a == "detail");
    if detail {
        tunings.truncate(1);
    }
    let mut trainers: Vec<_> =
        tunings.iter().map(|&t| Trainer::with_model(&gpu, &settings, model.clone(), &split, t).unwrap()).collect();
    let mut best = vec![vec![f64::MAX; trainers[0].passes().len()]; trainers.len()];
    for _ in 0..12 {
        for (t, b) in trainers.iter_mut().zip(&mut best) {
            for (x, y) in b.iter_mut().zip(time_passes(&gpu, t.passes()).unwrap()) {
                *x = x.min(y);
            }
        }
    }
    for ((t, b), u) in trainers.iter().zip(&best).zip(&tunings) {
        let mut sums: Vec<(String, f64)> = vec![];
        for (p, s) in t.passes().iter().zip(b) {
            let name = if detail { p.label.clone() } else { p.label.split(' ').next().unwrap().to_string() };
            match sums.iter_mut().find(|x| x.0 == name) {
                Some(x) => x.1 += s,
                None => sums.push((name, *s)),
            }
        }
        println!(
            "{u:?}\n  total {:.2}  {}",
            b.iter().sum::<f64>() * 1e3,
            sums.iter().map(|(n, s)| format!("{n} {:.2}", s * 1e3)).collect::<Vec<_>>().join("  ")
        );
    }
}
