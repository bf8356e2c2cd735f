//! Train on arrays of one's own and tell classes: `cargo run --release --example own_arrays`.

use gatewright::circuit::{Engine, simplify};
use gatewright::data::memory::{Given, Told, dataset};
use gatewright::data::{ImageShape, Options};
use gatewright::run::{Cpu, Device, Learner, Where};
use gatewright::settings::Settings;

fn main() -> gatewright::Result<()> {
    // Images of 4 x 4 bytes: class 1 where the diagonal is bright.
    let image = ImageShape { channels: 1, height: 4, width: 4 };
    let pixels: Vec<u8> = (0..4096u32 * 16).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let is_bright = |image: &[u8]| [0, 5, 10, 15].iter().filter(|&&pixel| image[pixel] > 127).count() >= 3;
    let of: Vec<u32> = pixels.chunks(16).map(|image| u32::from(is_bright(image))).collect();
    // Classes come in the order of their names.
    let told = Told::Classes { names: vec!["dark".into(), "lit".into()], of: of.clone() };

    // A pixel aside is another picture here, so images stay in place.
    let settings = Settings { layers: vec![400, 400], steps: 600, thresholds: 1, shift: 0, ..Settings::default() };
    let given = Given::Images { image, pixels: pixels.clone() };
    let data = dataset("diagonals", (given, told), None, &Options::default(), settings.thresholds)?;
    let device = Device::Cpu(Cpu::new(&Where::default()));
    let mut learner = Learner::new(&device, &settings, &data)?;
    learner.submit(settings.steps)?;
    let circuit = learner.download()?.netlist().map_err(gatewright::Error::Run)?;

    let (simple, report) = simplify(&circuit);
    let right = Engine::new(&simple).classify(&pixels, true).iter().zip(&of).filter(|(a, b)| a == b).count();
    println!("{right} of {} right, {} gates of {}", of.len(), report.after.gates, report.before.gates);
    Ok(())
}
