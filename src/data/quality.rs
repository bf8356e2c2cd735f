//! How good answers are: fractions right, and errors of numbers.

use serde_json::{Value, json};

use super::{Target, Task};

/// How good the answers to a split are.
#[derive(Debug, Clone, PartialEq)]
pub struct Quality {
    /// What networks are judged by, greater being better: the fraction of classes right, the fraction of labels right
    /// over all samples and labels, or the mean over targets of R².
    pub score: f64,
    /// Labels: the fraction of samples with every label right.
    pub exact: Option<f64>,
    /// Values: a line a target.
    pub targets: Vec<TargetQuality>,
}

/// How good the answers for one target are.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TargetQuality {
    /// Its name.
    pub name: String,
    /// Coefficient of determination: 1 − Σ (told − is)² / Σ (is − mean)²; where all are equal, 1 if all are told, else
    /// 0.
    pub r2: f64,
    /// Root of the mean squared error, in the target's units.
    pub rmse: f64,
    /// Mean absolute error, in the target's units.
    pub mae: f64,
}

impl Quality {
    /// Of classes told, beside the `[sample]` classes that are right.
    pub(super) fn of_classes(told: impl Iterator<Item = usize>, labels: &[u8]) -> Self {
        let right = told.zip(labels).filter(|(told, is)| *told == usize::from(**is)).count();
        Quality { score: right as f64 / labels.len() as f64, exact: None, targets: Vec::new() }
    }

    /// Of labels told, beside the `[sample][label]` ones that are right.
    pub(super) fn of_labels(told: impl Iterator<Item = bool>, targets: &[f32], labels: usize) -> Self {
        let right: Vec<bool> = told.zip(targets).map(|(told, &is)| told == (is > 0.5)).collect();
        let share = |right: usize, of: usize| right as f64 / of as f64;
        let whole = right.chunks_exact(labels).filter(|sample| sample.iter().all(|&r| r)).count();
        Quality {
            score: share(right.iter().filter(|&&r| r).count(), right.len()),
            exact: Some(share(whole, right.len() / labels)),
            targets: Vec::new(),
        }
    }

    /// Of targets.
    pub(super) fn of_values(targets: Vec<TargetQuality>) -> Self {
        let score = targets.iter().map(|t| t.r2).sum::<f64>() / targets.len() as f64;
        Quality { score, exact: None, targets }
    }

    /// What is told beside the score, by key: `exact_match`, or `targets`.
    pub fn details(&self) -> Vec<(&'static str, Value)> {
        let line = |t: &TargetQuality| json!({ "name": t.name, "r2": t.r2, "rmse": t.rmse, "mae": t.mae });
        let targets = self.targets.iter().map(line).collect::<Vec<_>>();
        let exact = self.exact.map(|exact| ("exact_match", json!(exact)));
        exact.into_iter().chain((!targets.is_empty()).then(|| ("targets", json!(targets)))).collect()
    }

    /// The same as lines for people.
    pub fn lines(&self) -> Vec<String> {
        let exact = |exact| format!("{} of the samples have every label right", Task::Labels.quality_text(exact));
        let name_width = self.targets.iter().map(|t| t.name.chars().count()).max().unwrap_or(0);
        let line = |t: &TargetQuality| {
            let (rmse, mae) = (number_text(t.rmse), number_text(t.mae));
            format!("{:name_width$}  R² {:.4}  RMSE {rmse}  MAE {mae}", t.name, t.r2)
        };
        self.exact.map(exact).into_iter().chain(self.targets.iter().map(line)).collect()
    }
}

impl Head {
    /// How good `votes`, `[sample][outputs]` of `group` gates an output, are for the samples of `split`.
    pub fn quality(&self, votes: &[f64], outputs: usize, group: usize, split: &Split) -> Quality {
        let rows = votes.chunks_exact(outputs);
        match self {
            Head::Classes => Quality::of_classes(rows.map(most_votes), &split.labels),
            Head::Labels => Quality::of_labels(rows.flatten().map(|&v| is_set(v, group)), &split.targets, outputs),
            Head::Values(values) => {
                let told: Vec<f64> = rows.flat_map(|row| values.fractions(row, group)).collect();
                let width = values.targets.len();
                let of = |(i, target): (usize, &Target)| {
                    let pairs = told.iter().zip(&split.targets).skip(i).step_by(width);
                    TargetQuality::of(target, pairs.map(|(&told, &is)| (told, f64::from(is))))
                };
                Quality::of_values(values.targets.iter().enumerate().map(of).collect())
            }
        }
    }
}

/// A number as people read it: six digits, without zeros at the end.
pub fn number_text(value: f64) -> String {
    match value.abs() {
        size if (1e-4..1e9).contains(&size) => {
            let decimals = (5 - size.log10().floor() as i32).max(0) as usize;
            let text = format!("{value:.decimals$}");
            if decimals > 0 { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
        }
        0.0 => "0".into(),
        _ => format!("{value:.5e}"),
    }
}

impl TargetQuality {
    /// Of pairs of a value told and the right one, both as fractions of the target's range.
    pub(super) fn of(target: &Target, pairs: impl Iterator<Item = (f64, f64)>) -> Self {
        let pairs: Vec<(f64, f64)> = pairs.collect();
        let count = pairs.len() as f64;
        let mean = pairs.iter().map(|(_, is)| is / count).sum::<f64>();
        let squares: f64 = pairs.iter().map(|(told, is)| (told - is).powi(2)).sum();
        let spread: f64 = pairs.iter().map(|(_, is)| (is - mean).powi(2)).sum();
        let r2 = match (squares > 0.0, spread > 0.0) {
            (_, true) => 1.0 - squares / spread,
            (is_wrong, false) => f64::from(u8::from(!is_wrong)),
        };
        let range = target.greatest - target.least;
        let absolute: f64 = pairs.iter().map(|(told, is)| (told - is).abs()).sum();
        TargetQuality {
            name: target.name.clone(),
            r2,
            rmse: (squares / count).sqrt() * range,
            mae: absolute / count * range,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_counted_singly_and_by_sample() {
        // Of three samples of two labels: both right, one right, none right.
        let told = [true, false, true, true, false, false];
        let quality = Quality::of_labels(told.into_iter(), &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0], 2);
        assert_eq!((quality.score, quality.exact), (0.5, Some(1.0 / 3.0)));
    }

    #[test]
    fn errors_are_in_the_targets_units() {
        let target = Target { name: "y".into(), least: 10.0, greatest: 30.0 };
        // Told 10, 20 and 24 where 10, 20 and 30 are right: errors 0, 0 and 6 around a mean of 20.
        let made = TargetQuality::of(&target, [(0.0, 0.0), (0.5, 0.5), (0.7, 1.0)].into_iter());
        assert!((made.r2 - (1.0 - 36.0 / 200.0)).abs() < 1e-12);
        assert!((made.rmse - 12f64.sqrt()).abs() < 1e-12 && (made.mae - 2.0).abs() < 1e-12);
        let alone = |told| TargetQuality::of(&target, [(told, 0.5)].into_iter()).r2;
        assert_eq!((alone(0.5), alone(0.4)), (1.0, 0.0), "one sample has no spread");
    }

    #[test]
    fn numbers_are_short_whatever_their_size() {
        for (value, text) in [
            (12.3456789, "12.3457"),
            (0.00123456789, "0.00123457"),
            (-2.5, "-2.5"),
            (0.0, "0"),
            (20.0, "20"),
            (1234567.0, "1234567"),
        ] {
            assert_eq!(number_text(value), text);
        }
        assert_eq!(number_text(1.5e-20), "1.50000e-20");
    }
}
