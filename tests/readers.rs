//! Every reader on damaged files: the seeds of the fuzzers, cut short at every length, each bit flipped, and mixed at
//! random. No panic, no hang, and memory in proportion to the input.

#[path = "../fuzz/readers.rs"]
mod readers;

use std::path::Path;
use std::time::{Duration, Instant};

use gatewright::random::Philox;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Inputs made of each reader's seeds at random.
const MIXED: u32 = 3000;

/// A compressed file may hold about a thousand times its size, and vectors grow by doubling.
fn most_bytes(input: &[u8]) -> usize {
    (4 << 20) + 3000 * input.len()
}

#[test]
fn damaged_files_are_refused_in_time_and_in_memory() {
    for (name, read) in readers::ALL {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name}");
        let (mut tried, began) = (0, Instant::now());
        let mut check = |input: &[u8]| {
            let (before, began) = (MEMORY.current_usage(), Instant::now());
            MEMORY.reset_peak_usage();
            read(input);
            let taken = MEMORY.peak_usage().saturating_sub(before);
            assert!(taken <= most_bytes(input), "{name}: {taken} bytes for {} bytes {input:?}", input.len());
            assert!(began.elapsed() < Duration::from_secs(10), "{name}: slow on {input:?}");
            tried += 1;
        };
        for seed in &seeds {
            assert!(read(seed), "{name}: a seed is no longer a file of its kind; put one that is into fuzz/seeds");
            // Long seeds at about a thousand lengths and bits, short ones at all.
            (0..seed.len()).step_by(seed.len() / 1000 + 1).for_each(|length| check(&seed[..length]));
            for bit in (0..seed.len() * 8).step_by(seed.len() * 8 / 4000 + 1) {
                let mut flipped = seed.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                check(&flipped);
            }
        }
        let mut rng = Philox::new(11, 0);
        for _ in 0..MIXED {
            check(&mixed(&seeds, &mut rng));
        }
        println!("{name}: {tried} inputs in {:.1} s", began.elapsed().as_secs_f64());
    }
    readers::clean();
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new("fuzz/seeds").join(name);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// A seed after a few of: a byte replaced, a run of bytes removed, repeated, or taken from another seed, a word made
/// extreme.
fn mixed(seeds: &[Vec<u8>], rng: &mut Philox) -> Vec<u8> {
    let mut input = seeds[rng.below(seeds.len() as u32) as usize].clone();
    for _ in 0..=rng.below(6) {
        let at = rng.below(input.len() as u32 + 1) as usize;
        let end = (at + rng.below(40) as usize).min(input.len());
        match rng.below(5) {
            0 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte = rng.next_u32() as u8),
            1 => drop(input.drain(at..end)),
            2 => drop(input.splice(at..at, input[at..end].to_vec()).collect::<Vec<_>>()),
            3 => {
                let other = &seeds[rng.below(seeds.len() as u32) as usize];
                let from = rng.below(other.len() as u32 + 1) as usize;
                let piece = other[from..].iter().copied().take(end - at).collect::<Vec<_>>();
                drop(input.splice(at..end, piece).collect::<Vec<_>>());
            }
            _ => {
                let extreme = [0, 1, u32::MAX, i32::MAX as u32, 1 << 31, 0x00ff_ffff][rng.below(6) as usize];
                let bytes = if rng.below(2) == 0 { extreme.to_le_bytes() } else { extreme.to_be_bytes() };
                input.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = from);
            }
        }
    }
    input
}
