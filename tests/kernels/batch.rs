//! Which samples, moved, as bits or real activations.

use super::*;

#[test]
fn advance_takes_every_training_sample_once_an_epoch() {
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (samples, size) in [(1, 1), (1, 33), (5, 31), (5, 129), (33, 32), (100, 33), (1000, 128), (1001, 100)] {
            let seed = 0x0123_4567_89ab_cdef ^ samples as u64;
            let [key0, key1] = key(seed);
            let batch = uniforms::Batch { key0, key1, ..batch_of(samples, size, 2) };
            let constants = Constants { samples: samples as u32, batch: size as u32, ..constants() };
            let batch_uniform = Held::one(&batch);
            let training = Held::one(&training(&constants, 0));
            let partials = Held::zeros(4);
            let step = Held::one(&state(0, 0, 0));
            let chosen = Held::zeros(u64::from(batch.words) * 128);
            let mut twin = Step::start(&constants);
            let mut seen = Vec::new();
            while seen.len() < 3 * samples {
                let buffers = [
                    ("batch", &batch_uniform),
                    ("chosen", &chosen),
                    ("training", &training),
                    ("partials", &partials),
                    ("step", &step),
                ];
                bench.run(pages::advance(CageScope::Network, [64, 256][samples % 2]), &buffers, [1, 1]);
                let padded: Vec<u32> = bench.read(&chosen, batch.words as usize * 32);
                let (batch, past) = padded.split_at(size);
                let expected = reference::select_batch(seed, samples as u32, size as u32, twin.epoch, twin.position);
                assert_eq!(batch, expected, "{samples} samples, batch {size}, step {}", twin.step);
                assert!(past.iter().all(|&sample| sample < samples as u32), "what pads a batch must be a sample");
                seen.extend_from_slice(batch);
                reference::advance(&constants, 0.0, &mut twin);
            }
            for epoch in 0..3 {
                let mut order = seen[epoch * samples..(epoch + 1) * samples].to_vec();
                order.sort_unstable();
                assert!(order.iter().copied().eq(0..samples as u32), "epoch {epoch} of {samples} by {size}");
            }
        }
    }
}

#[test]
fn select_batch_takes_evaluation_samples_in_order() {
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (samples, size) in [(1, 32), (33, 32), (100, 96), (64, 64)] {
            for first in (0..samples).step_by(size) {
                let batch = uniforms::Batch { first: first as u32, ..batch_of(samples, size, 2) };
                let chosen = Held::zeros(u64::from(batch.words) * 128);
                let buffers = [("batch", &Held::one(&batch)), ("chosen", &chosen)];
                bench.run(Page::of("batch/select_batch"), &buffers, [batch.words.div_ceil(2), 1]);
                let padded: Vec<u32> = bench.read(&chosen, size);
                let expected = reference::evaluation_batch(samples as u32, size as u32, first as u32);
                let (batch, past) = padded.split_at(expected.len());
                assert_eq!(batch, expected);
                assert!(past.iter().all(|&sample| sample < samples as u32));
            }
        }
    }
}

#[test]
fn augment_moves_each_image_as_its_twin_does() {
    let settings =
        |shift, flip, rotate, resized_crop| Settings { shift, flip, rotate, resized_crop, ..Settings::deep() };
    let ways = [
        settings(1, false, 0.0, 1.0),
        settings(9, false, 0.0, 1.0),
        settings(0, true, 0.0, 1.0),
        settings(0, false, 15.0, 1.0),
        settings(0, false, 0.0, 0.1),
        settings(2, true, 45.0, 0.5),
    ];
    let mut rng = Philox::new(21, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (i, (channels, height, width)) in [(1, 1, 1), (1, 5, 7), (3, 6, 4), (1, 28, 28)].into_iter().enumerate() {
            for (j, way) in ways.iter().enumerate() {
                let augmentation = Augmentation::of(way).unwrap();
                let size = [1, 33, 64][j % 3];
                let image = ImageShape { channels, height, width };
                let (pixels, samples, words) = (image.pixels(), size + 5, usize::div_ceil(size, 32));
                let row_words = pixels.div_ceil(4);
                let rows: Vec<Vec<u8>> =
                    (0..samples).map(|_| (0..pixels).map(|_| rng.below(256) as u8).collect()).collect();
                let mut padded = vec![0u8; samples * row_words * 4];
                for (to, from) in padded.chunks_exact_mut(row_words * 4).zip(&rows) {
                    to[..pixels].copy_from_slice(from);
                }
                let chosen: Vec<u32> = (0..words * 32).map(|_| rng.below(samples as u32)).collect();
                let (seed, step) = (77 + i as u64, 5);
                let [key0, key1] = key(seed);
                let batch = uniforms::Batch {
                    row_words: row_words as u32,
                    width: width as u32,
                    height: height as u32,
                    shift: augmentation.shift,
                    flip: u32::from(augmentation.flip),
                    least_side: augmentation.least_side,
                    key0,
                    key1,
                    ..batch_of(samples, size, 2)
                };
                let made = Held::zeros((words * 32 * row_words * 4) as u64);
                let turns = Held::of(&augmentation.turns_table());
                let [batch, chosen_buffer, padded] = [Held::one(&batch), Held::of(&chosen), Held::of(&padded)];
                let step_buffer = Held::one(&state(step + 1, 0, 0));
                let mut buffers = vec![
                    ("batch", &batch),
                    ("chosen", &chosen_buffer),
                    ("pixels", &padded),
                    ("step", &step_buffer),
                    ("augmented", &made),
                ];
                if augmentation.is_warped() {
                    buffers.push(("turns", &turns));
                }
                let page = pages::augment(augmentation.is_warped()).flag("SHARDS", false);
                bench.run(page, &buffers, [3, 1]);
                let made: Vec<u8> = bench.read(&made, words * 32 * row_words * 4);
                for (place, made) in made.chunks_exact(row_words * 4).enumerate() {
                    let movement = reference::movement(seed, step, place as u32, image, &augmentation);
                    let expected = reference::augment(&rows[chosen[place] as usize], image, movement);
                    assert_eq!(made[..pixels], expected, "place {place} of {size}, {image:?}, {movement:?}");
                }
            }
        }
    }
}

#[test]
fn encode_makes_the_encoders_bits() {
    let mut rng = Philox::new(1, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (i, (pixels, features)) in [(1, 1), (3, 7), (5, 33), (8, 130), (785, 1001)].into_iter().enumerate() {
            for (j, size) in [1, 31, 32, 33, 100, 129].into_iter().enumerate() {
                let (samples, words, row_words) = (size + 3, usize::div_ceil(size, 32), usize::div_ceil(pixels, 4));
                let encoder = Encoder {
                    pixel: (0..features).map(|_| rng.below(pixels as u32)).collect(),
                    threshold: (0..features).map(|_| rng.below(256) as u8).collect(),
                };
                let rows: Vec<Vec<u8>> =
                    (0..samples).map(|_| (0..pixels).map(|_| rng.below(256) as u8).collect()).collect();
                let chosen: Vec<u32> = (0..words * 32).map(|_| rng.below(samples as u32)).collect();

                // Features of a word of pixels stand together; `offsets` says where each word's begin.
                let mut order: Vec<usize> = (0..features).collect();
                order.sort_by_key(|&f| encoder.pixel[f] / 4);
                let offsets: Vec<u32> = (0..=row_words as u32)
                    .map(|word| encoder.pixel.iter().filter(|&&pixel| pixel / 4 < word).count() as u32)
                    .collect();
                let entries: Vec<[u32; 2]> = order
                    .iter()
                    .map(|&f| [f as u32, (encoder.pixel[f] % 4) << 8 | u32::from(encoder.threshold[f])])
                    .collect();

                let shards = (i + j) % 2 == 1;
                let shard = if shards { samples.div_ceil(4) } else { samples };
                let batch =
                    uniforms::Batch { row_words: row_words as u32, shard: shard as u32, ..batch_of(samples, size, 2) };
                let upload = |rows: &[Vec<u8>]| {
                    let mut bytes = vec![0u8; rows.len() * row_words * 4];
                    for (to, from) in bytes.chunks_exact_mut(row_words * 4).zip(rows) {
                        to[..pixels].copy_from_slice(from);
                    }
                    Held::of(&bytes)
                };
                let shard_buffers: Vec<_> = (0..if shards { 4 } else { 1 })
                    .map(|n| upload(&rows[(n * shard).min(samples)..((n + 1) * shard).min(samples)]))
                    .collect();
                let bits = Held::zeros((features * words * 4) as u64);
                let (batch, chosen_buffer) = (Held::one(&batch), Held::of(&chosen));
                let (offsets, entries) = (Held::of(&offsets), Held::of(&entries));
                let mut buffers = vec![
                    ("batch", &batch),
                    ("chosen", &chosen_buffer),
                    ("offsets", &offsets),
                    ("features", &entries),
                    ("bits", &bits),
                ];
                buffers.extend(["pixels", "pixels1", "pixels2", "pixels3"].into_iter().zip(&shard_buffers));
                let page = |real| Page::of("batch/encode").flag("REAL", real).flag("SHARDS", shards);
                let groups = if j % 2 == 0 { 1 } else { (row_words * words).div_ceil(64) as u32 };
                bench.run(page(false), &buffers, [groups, 1]);

                let made = transposed(&unpack(&bench.read(&bits, features * words), words, size));
                for (s, made) in made.iter().enumerate() {
                    let expected = reference::encode(&encoder, &rows[chosen[s] as usize]);
                    assert_eq!(*made, expected, "{pixels} pixels, {features} features, sample {s} of {size}");
                }

                let activations = Held::zeros((features * words * 64) as u64);
                buffers[4] = ("activations", &activations);
                bench.run(page(true), &buffers, [groups, 1]);
                let made = load_activations(&bench.read(&activations, features * words * 16), words);
                for (s, made) in transposed(&made).iter().take(size).enumerate() {
                    assert_eq!(
                        *made,
                        reference::encode_soft(&encoder, &rows[chosen[s] as usize]),
                        "bytes / 255 are exact"
                    );
                }
            }
        }
    }
}

#[test]
fn unpack_bits_makes_zeros_and_ones() {
    let mut rng = Philox::new(6, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (features, words, groups) in [(7, 1, 1), (33, 4, 1), (130, 5, 3), (1001, 2, 99)] {
            let bits: Vec<u32> = (0..features * words).map(|_| rng.next_u32()).collect();
            let activations = Held::zeros((features * words * 64) as u64);
            let layer = Held::one(&extents(1, features, words, 1));
            let buffers = [("layer", &layer), ("bits", &Held::of(&bits)), ("activations", &activations)];
            bench.run(Page::of("batch/unpack_bits"), &buffers, [groups, 1]);
            let made = load_activations(&bench.read(&activations, features * words * 16), words);
            assert_eq!(made.concat(), reference::unpack_bits(&bits));
        }
    }
}
