//! From the training rows to columns: which are numbers, which are words, and where their thresholds lie.

use std::collections::BTreeMap;

use super::{Cell, Column, ColumnCoding, Rows};
use crate::data::Note;
use crate::data::options::EncoderKind;
use crate::{Error, Result};

/// Words that a column may tell apart.
const MOST_WORDS: usize = 255;
/// Thresholds that a byte can count.
const MOST_THRESHOLDS: usize = 254;

/// Learn the coding of the column `at`, called `name`, from the rows `train` of `rows`.
///
/// Whether it holds numbers is decided by all rows; every threshold and word comes from the training rows alone. Without
/// a `kind`, numbers get a distributive thermometer, two words one bit and more words one bit each. With it comes what to say
/// of numbers that look as if they stood for missing ones.
///
/// # Errors
/// [`Error::Usage`] for a kind that the column cannot have, and for more words than can be told apart.
pub fn learn(
    rows: &Rows,
    train: &[usize],
    at: usize,
    name: &str,
    kind: Option<EncoderKind>,
    thresholds: usize,
) -> Result<(Column, Option<Note>)> {
    let mut note = None;
    let refused = |problem: String| Err(Error::usage(format!("column \"{name}\" {problem}")));
    let numeric = (0..rows.len()).all(|row| match rows.cell(row, at) {
        Cell::Missing => true,
        cell => cell.number().is_some(),
    });
    let missing = train.iter().any(|&row| rows.cell(row, at) == Cell::Missing);
    // Columns without a kind of their own take the general one only if it suits them.
    let words = |train: &[usize]| {
        let mut words: BTreeMap<String, usize> = BTreeMap::new();
        for &row in train {
            if let Some(text) = rows.cell(row, at).text() {
                *words.entry(text.into_owned()).or_default() += 1;
            }
        }
        in_order(words.into_keys().collect())
    };
    let kind = match kind {
        Some(kind @ (EncoderKind::OneHot | EncoderKind::Binary)) => kind,
        Some(_) if !numeric => return refused("holds words; one-hot and binary are for words".into()),
        Some(kind) => kind,
        None if numeric => EncoderKind::Distributive,
        None if words(train).len() == 2 => EncoderKind::Binary,
        None => EncoderKind::OneHot,
    };
    let coding = match kind {
        EncoderKind::OneHot => {
            let values = words(train);
            if values.len() > MOST_WORDS {
                return refused(format!(
                    "holds {} different words, and {MOST_WORDS} can be told apart; leave it out by --ignore",
                    values.len()
                ));
            }
            ColumnCoding::OneHot { values }
        }
        EncoderKind::Binary => match <[String; 2]>::try_from(words(train)) {
            Ok(values) => ColumnCoding::Binary { values },
            Err(values) => return refused(format!("holds {} different values; binary takes two", values.len())),
        },
        EncoderKind::Uniform | EncoderKind::Distributive | EncoderKind::Gaussian => {
            let mut numbers: Vec<f64> = Vec::with_capacity(train.len());
            numbers.extend(train.iter().filter_map(|&row| rows.cell(row, at).number()).filter(|n| n.is_finite()));
            numbers.sort_by(f64::total_cmp);
            note = stand_in(&numbers, name);
            let count = thresholds.min(MOST_THRESHOLDS);
            let mut thresholds = match kind {
                EncoderKind::Uniform => uniform(&numbers, count),
                EncoderKind::Gaussian => gaussian(&numbers, count),
                _ => distributive(&numbers, count),
            };
            thresholds.retain(|t| t.is_finite());
            // No threshold tells -0 from 0, and equal ones are one.
            thresholds.iter_mut().for_each(|t| *t += 0.0);
            thresholds.dedup();
            ColumnCoding::Thermometer { thresholds }
        }
    };
    Ok((Column { name: name.into(), at, missing, coding }, note))
}

/// A number that looks as if it stood for a missing one: a row of nines, said more than once, that lies farther from all
/// others than these from each other.
fn stand_in(sorted: &[f64], name: &str) -> Option<Note> {
    let nines = |x: f64| [99.0, 999.0, 9999.0, 99_999.0].contains(&x.abs());
    let of = |value: f64, others: &[f64]| {
        let count = sorted.len() - others.len();
        let (&least, &greatest) = (others.first()?, others.last()?);
        let far = (value - least).abs().min((value - greatest).abs()) > greatest - least;
        (nines(value) && count > 1 && least < greatest && far).then(|| {
            Note::warning(format!(
                "column \"{name}\" holds {value} in {count} training rows, far from its other numbers, which go from {least} \
                 to {greatest}; it is read as a number: leave the cells empty if it stands for a missing one"
            ))
        })
    };
    let (&first, &last) = (sorted.first()?, sorted.last()?);
    let low = of(first, &sorted[sorted.partition_point(|&x| x <= first)..]);
    low.or_else(|| of(last, &sorted[..sorted.partition_point(|&x| x < last)]))
}

/// Numbers by value if all are, else by letters.
pub fn in_order(mut words: Vec<String>) -> Vec<String> {
    let numbers: Option<Vec<f64>> = words.iter().map(|w| w.parse().ok()).collect();
    match numbers {
        Some(numbers) => {
            let mut both: Vec<(f64, String)> = numbers.into_iter().zip(words).collect();
            both.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
            both.into_iter().map(|(_, word)| word).collect()
        }
        None => {
            words.sort();
            words
        }
    }
}

/// `least + (greatest − least) · i / (count + 1)` for i = 1..count.
fn uniform(sorted: &[f64], count: usize) -> Vec<f64> {
    let (Some(&least), Some(&greatest)) = (sorted.first(), sorted.last()) else { return Vec::new() };
    if least == greatest {
        return Vec::new();
    }
    // Halves, so that the distance of two huge numbers is finite.
    let step = (greatest / 2.0 - least / 2.0) / (count + 1) as f64;
    (1..=count).map(|i| least + step * i as f64 + step * i as f64).collect()
}

/// Midway between neighbouring values, at the quantiles i / (count + 1) where there are more values than thresholds: with
/// at most `count` thresholds, all values are told apart.
fn distributive(sorted: &[f64], count: usize) -> Vec<f64> {
    let between = |i: usize| sorted[i - 1] / 2.0 + sorted[i] / 2.0;
    let gaps: Vec<usize> = (1..sorted.len()).filter(|&i| sorted[i] > sorted[i - 1]).collect();
    if gaps.len() <= count {
        return gaps.into_iter().map(between).collect();
    }
    let mut chosen: Vec<usize> = Vec::with_capacity(count);
    for i in 1..=count {
        // The gap nearest to the quantile; a gap chosen already is not taken twice.
        let quantile = sorted.len() as f64 * i as f64 / (count + 1) as f64;
        let after = gaps.partition_point(|&gap| (gap as f64) < quantile);
        let near = [after.checked_sub(1), Some(after)].into_iter().flatten().filter(|&g| g < gaps.len());
        let distance = |g: usize| (gaps[g] as f64 - quantile).abs();
        if let Some(gap) = near.min_by(|&a, &b| distance(a).total_cmp(&distance(b))) {
            chosen.push(gaps[gap]);
        }
    }
    chosen.dedup();
    chosen.into_iter().map(between).collect()
}

/// `mean + deviation · Φ⁻¹(i / (count + 1))` for i = 1..count.
fn gaussian(sorted: &[f64], count: usize) -> Vec<f64> {
    let samples = sorted.len() as f64;
    let mean = sorted.iter().map(|x| x / samples).sum::<f64>();
    let variance = sorted.iter().map(|x| (x - mean) * (x - mean) / samples).sum::<f64>();
    if sorted.is_empty() || variance == 0.0 {
        return Vec::new();
    }
    (1..=count).map(|i| mean + variance.sqrt() * normal_quantile(i as f64 / (count + 1) as f64)).collect()
}

/// Φ⁻¹(p) for 0 < p < 1, to about 10⁻⁹ (Acklam's rational approximation).
pub(crate) fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -39.69683028665376,
        220.9460984245205,
        -275.9285104469687,
        138.357751867269,
        -30.66479806614716,
        2.506628277459239,
    ];
    const B: [f64; 5] =
        [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572];
    const C: [f64; 6] = [
        -0.007784894002430293,
        -0.3223964580411365,
        -2.400758277161838,
        -2.549732539343734,
        4.374664141464968,
        2.938163982698783,
    ];
    const D: [f64; 4] = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416];
    let horner = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        horner(&C, q) / (horner(&D, q) * q + 1.0)
    };
    if p < 0.02425 {
        tail(p)
    } else if p > 1.0 - 0.02425 {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        let r = q * q;
        horner(&A, r) * q / (horner(&B, r) * r + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::cells::{Cells, Separator};
    use super::*;

    fn numbers(values: &[f64]) -> Rows {
        Rows::Numbers { values: values.to_vec(), width: 1 }
    }

    fn thresholds(values: &[f64], kind: EncoderKind, count: usize) -> Vec<f64> {
        let train: Vec<usize> = (0..values.len()).collect();
        match learn(&numbers(values), &train, 0, "x", Some(kind), count).unwrap().0.coding {
            ColumnCoding::Thermometer { thresholds } => thresholds,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn uniform_thresholds_are_evenly_spread() {
        assert_eq!(thresholds(&[8.0, 0.0, 1.0], EncoderKind::Uniform, 3), [2.0, 4.0, 6.0]);
        assert!(thresholds(&[8.0, 8.0], EncoderKind::Uniform, 3).is_empty());
        assert_eq!(thresholds(&[-f64::MAX, f64::MAX], EncoderKind::Uniform, 1), [0.0]);
    }

    #[test]
    fn distributive_thresholds_lie_between_values_at_quantiles() {
        // Few values: every one is told from its neighbours.
        assert_eq!(thresholds(&[3.0, 1.0, 1.0, 2.0], EncoderKind::Distributive, 7), [1.5, 2.5]);
        // Quarters of 0..99 lie at 25, 50 and 75 values, whatever their sizes.
        let squares: Vec<f64> = (0..100).map(|i| f64::from(i * i)).collect();
        let expected = [25, 50, 75].map(|i: i32| f64::from((i - 1) * (i - 1) + i * i) / 2.0);
        assert_eq!(thresholds(&squares, EncoderKind::Distributive, 3), expected);
        // Half of the values are one: its quantiles fall together.
        let zeros: Vec<f64> = (0..100).map(|i| f64::from((i - 50).max(0))).collect();
        let made = thresholds(&zeros, EncoderKind::Distributive, 3);
        assert_eq!(made, [0.5, 24.5], "51 zeros and 49 others; the third quartile lies after 75 values");
    }

    #[test]
    fn gaussian_thresholds_lie_at_normal_quantiles() {
        // Mean 2, deviation 2; Φ⁻¹(1/4) = -0.6744897501960817.
        let made = thresholds(&[0.0, 4.0], EncoderKind::Gaussian, 3);
        let expected = [2.0 - 2.0 * 0.6744897501960817, 2.0, 2.0 + 2.0 * 0.6744897501960817];
        assert!(made.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-8), "{made:?}");
        assert!(thresholds(&[4.0, 4.0], EncoderKind::Gaussian, 3).is_empty());
        // Published: Φ⁻¹(0.975) and Φ⁻¹(0.001).
        assert!((normal_quantile(0.975) - 1.959963984540054).abs() < 1e-8);
        assert!((normal_quantile(0.001) + 3.090232306167813).abs() < 1e-8);
    }

    #[test]
    fn only_training_rows_are_learned_from_and_what_is_not_finite_is_not() {
        let rows = numbers(&[1.0, f64::INFINITY, 2.0, f64::NAN, 1000.0]);
        let (column, note) = learn(&rows, &[0, 1, 2], 0, "x", None, 9).unwrap();
        assert_eq!((column.coding, column.missing), (ColumnCoding::Thermometer { thresholds: vec![1.5] }, false));
        assert!(note.is_none());
        let (column, _) = learn(&rows, &[0, 2, 3], 0, "x", None, 9).unwrap();
        assert!(column.missing);
    }

    #[test]
    fn rows_of_nines_far_from_all_else_are_told_of() {
        let told = |values: &[f64]| stand_in(values, "len").map(|note| note.text);
        let low = told(&[-999.0, -999.0, 1.0, 3.0, 7.0]).unwrap();
        assert!(low.contains("\"len\" holds -999 in 2 training rows") && low.contains("from 1 to 7"), "{low}");
        assert!(told(&[0.5, 1.0, 2.0, 9999.0, 9999.0]).unwrap().contains("9999 in 2"));
        assert!(told(&[-999.0, 1.0, 3.0]).is_none(), "once may be a measurement");
        assert!(told(&[50.0, 80.0, 99.0, 99.0]).is_none(), "near the others");
        assert!(told(&[-998.0, -998.0, 1.0, 3.0]).is_none() && told(&[99.0, 99.0]).is_none() && told(&[]).is_none());
    }

    #[test]
    fn kinds_that_do_not_fit_are_refused() {
        let rows = Rows::Text(Cells::cut(b"a\nb\nc\n1\n".to_vec(), Separator::Byte(b','), 1).unwrap().0);
        let of = |train: &[usize], kind| learn(&rows, train, 0, "x", kind, 3);
        assert!(of(&[0, 1, 2], Some(EncoderKind::Gaussian)).unwrap_err().to_string().contains("words"));
        assert!(of(&[0, 1, 2], Some(EncoderKind::Binary)).unwrap_err().to_string().contains("3 different values"));
        assert_eq!(of(&[0, 1], None).unwrap().0.coding, ColumnCoding::Binary { values: ["a".into(), "b".into()] });
        let three = ColumnCoding::OneHot { values: ["a", "b", "c"].map(String::from).to_vec() };
        assert_eq!(of(&[2, 0, 1], None).unwrap().0.coding, three);
        let many: Vec<f64> = (0..256).map(f64::from).collect();
        let all: Vec<usize> = (0..256).collect();
        let told = learn(&numbers(&many), &all, 0, "x", Some(EncoderKind::OneHot), 3).unwrap_err().to_string();
        assert!(told.contains("256 different words") && told.contains("--ignore"), "{told}");
    }

    #[test]
    fn words_that_are_numbers_are_put_in_their_order() {
        let words = |words: &[&str]| in_order(words.iter().map(|w| w.to_string()).collect());
        assert_eq!(words(&["10", "9", "-1"]), ["-1", "9", "10"]);
        assert_eq!(words(&["10", "9", "x"]), ["10", "9", "x"]);
    }
}
