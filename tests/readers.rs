//! Every reader on damaged files: the seeds of the fuzzers, cut short at every length, each bit flipped, and mixed at
//! random. No panic, no hang, and memory in proportion to the input. An ignored test goes on mixing for ten minutes a reader.

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

/// Feed one input to a reader, and watch.
fn check((name, read): (&str, readers::Reader), input: &[u8]) {
    let (before, began) = (MEMORY.current_usage(), Instant::now());
    MEMORY.reset_peak_usage();
    read(input);
    let taken = MEMORY.peak_usage().saturating_sub(before);
    assert!(taken <= most_bytes(input), "{name}: {taken} bytes for {} bytes {input:?}", input.len());
    assert!(began.elapsed() < Duration::from_secs(10), "{name}: slow on {input:?}");
}

#[test]
fn damaged_files_are_refused_in_time_and_in_memory() {
    for reader in readers::ALL {
        let seeds = seeds(reader.0);
        assert!(!seeds.is_empty(), "{}", reader.0);
        for seed in &seeds {
            assert!((reader.1)(seed), "{}: a seed is no longer a file of its kind; put one into fuzz/seeds", reader.0);
            // Long seeds at about a thousand lengths and bits, short ones at all.
            (0..seed.len()).step_by(seed.len() / 1000 + 1).for_each(|length| check(reader, &seed[..length]));
            for bit in (0..seed.len() * 8).step_by(seed.len() * 8 / 4000 + 1) {
                let mut flipped = seed.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                check(reader, &flipped);
            }
        }
        let mut rng = Philox::new(11, 0);
        (0..MIXED).for_each(|_| check(reader, &mixed(&seeds, &mut rng)));
    }
    readers::clean();
}

/// The same mixing for ten minutes of each reader in turn, a second at a time, from what was mixed before.
#[test]
#[ignore = "takes 80 minutes, or as long as GATEWRIGHT_SOAK_SECONDS says for each, or GATEWRIGHT_SOAK_READER alone"]
fn readers_stand_a_soak() {
    let seconds = std::env::var("GATEWRIGHT_SOAK_SECONDS").map_or(600, |s| s.parse().unwrap());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut rng = Philox::new(now.as_nanos() as u64, 1);
    let mut pools: Vec<_> = readers::ALL.iter().map(|(name, _)| seeds(name)).collect();
    let (mut tried, mut taken) = ([0u64; readers::ALL.len()], [0u64; readers::ALL.len()]);
    let only = std::env::var("GATEWRIGHT_SOAK_READER").ok();
    for second in 0..seconds {
        let chosen =
            |(_, (name, _)): &(usize, (&str, readers::Reader))| only.as_deref().is_none_or(|only| only == *name);
        for (i, reader) in readers::ALL.into_iter().enumerate().filter(chosen) {
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(1) {
                let input = mixed(&pools[i], &mut rng);
                check(reader, &input);
                tried[i] += 1;
                if (reader.1)(&input) {
                    taken[i] += 1;
                    // What is still taken is mixed on, so that damage adds up behind the first checks.
                    if pools[i].len() < 200 && input.len() < 20_000 {
                        pools[i].push(input);
                    }
                }
            }
        }
        if second % 30 == 29 {
            println!("after {} s each: {tried:?} inputs, of which {taken:?} were taken", second + 1);
        }
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
