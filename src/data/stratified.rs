//! Test samples, drawn from each class alike, for data that comes without.

use crate::random::Philox;
use crate::{Error, Result};

/// Stream of the seed that draws test samples; `hold_out` draws from the one above, layers from the low ones.
const STREAM: u32 = u32::MAX - 1;

/// Draw `fraction` of every class, rounded to whole samples, as test samples; `classes` is `[sample]`.
///
/// Returns the numbers of the training and of the test samples, each in order; `seed` alone decides which is which.
///
/// # Errors
/// [`Error::Usage`] if either would be empty.
pub(super) fn split(classes: &[u32], fraction: f64, seed: u64) -> Result<(Vec<usize>, Vec<usize>)> {
    let mut order: Vec<usize> = (0..classes.len()).collect();
    Philox::new(seed, STREAM).shuffle(&mut order);
    let count = classes.iter().max().map_or(0, |&last| last as usize + 1);
    let mut of_class = vec![0usize; count];
    classes.iter().for_each(|&class| of_class[class as usize] += 1);
    let mut wanted: Vec<usize> = of_class.iter().map(|&n| (n as f64 * fraction).round() as usize).collect();
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for sample in order {
        let wanted = &mut wanted[classes[sample] as usize];
        if *wanted > 0 {
            *wanted -= 1;
            test.push(sample);
        } else {
            train.push(sample);
        }
    }
    if train.is_empty() || test.is_empty() {
        return Err(Error::usage(format!(
            "a test fraction of {fraction} leaves {} of {} samples to train on and {} to test; change --test-fraction, \
             or name test samples by --test",
            train.len(),
            classes.len(),
            test.len()
        )));
    }
    train.sort_unstable();
    test.sort_unstable();
    Ok((train, test))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_gives_its_share_and_the_seed_decides_which() {
        // 50 of class 0, 20 of class 1, 2 of class 2.
        let classes: Vec<u32> = (0..72).map(|i| u32::from(i >= 50) + u32::from(i >= 70)).collect();
        let (train, test) = split(&classes, 0.2, 3).unwrap();
        let of = |class| test.iter().filter(|&&s| classes[s] == class).count();
        assert_eq!((of(0), of(1), of(2)), (10, 4, 0));
        let mut all = [&train[..], &test].concat();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..72) && train.is_sorted() && test.is_sorted());
        assert_eq!(split(&classes, 0.2, 3).unwrap().1, test);
        assert_ne!(split(&classes, 0.2, 4).unwrap().1, test);
        assert!(split(&[0, 1, 2], 0.2, 0).unwrap_err().to_string().contains("--test-fraction"));
        assert!(split(&[], 0.2, 0).is_err());
    }
}
