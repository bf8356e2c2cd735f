//! From bytes to bits: which pixel each input bit looks at, and from which value on it is set.

use super::table::normal_quantile;
use super::{Dataset, EncoderKind, ImageShape, Table};
use crate::{Error, Result};

/// Input feature `f` of the network is the bit `byte[pixel[f]] > threshold[f]`.
///
/// Thermometers, one-hot codes of bytes and plain binary inputs are all tables of this kind; the shaders, the circuit
/// and the exporters know only this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoder {
    /// `[features]`: index of the byte in `[channel][row][column]`.
    pub pixel: Vec<u32>,
    /// `[features]`: the bit is set where the byte is greater.
    pub threshold: Vec<u8>,
}

impl Encoder {
    /// The uniform thermometer: feature `T·p + (i − 1)` is `x_p > i/(T + 1)` for i = 1..T, x = byte/255.
    ///
    /// In whole numbers, `byte/255 > i/(T+1)` holds exactly when `byte > ⌊255·i/(T+1)⌋`.
    pub fn thermometer(image: ImageShape, thresholds: usize) -> Result<Self> {
        if !(1..=255).contains(&thresholds) {
            return Err(Error::usage(format!("--thresholds takes 1 to 255, not {thresholds}")));
        }
        let levels = (1..=thresholds).map(|i| (255 * i / (thresholds + 1)) as u8);
        let (pixel, threshold) = (0..image.pixels() as u32).flat_map(|p| levels.clone().map(move |t| (p, t))).unzip();
        Ok(Encoder { pixel, threshold })
    }

    /// What the training samples of `data` suggest: a table's columns know their bits; images get a thermometer of
    /// `thresholds` thresholds, the same for all pixels, or with a `kind` other than uniform for all of a channel.
    pub fn learn(data: &Dataset, kind: Option<EncoderKind>, thresholds: usize) -> Result<Self> {
        match (&data.table, kind) {
            (Some(table), _) => Ok(Self::of_table(table)),
            (None, None | Some(EncoderKind::Uniform)) => Self::thermometer(data.image, thresholds),
            (None, Some(kind)) => {
                Self::thermometer(data.image, thresholds)?;
                channel_thermometers(data, kind, thresholds)
            }
        }
    }

    /// The same features map by map, `[channel][threshold][row][column]`, each pixel having as many.
    pub fn by_maps(self, image: ImageShape) -> Self {
        let area = (image.height * image.width).max(1);
        let maps = self.features() / image.pixels().max(1);
        let mut order: Vec<usize> = (0..self.features()).collect();
        order.sort_by_key(|&f| (self.pixel[f] as usize / area, f % maps.max(1), self.pixel[f]));
        Encoder {
            pixel: order.iter().map(|&f| self.pixel[f]).collect(),
            threshold: order.iter().map(|&f| self.threshold[f]).collect(),
        }
    }

    /// Every bit of a table's columns, in their order.
    pub fn of_table(table: &Table) -> Self {
        let (pixel, threshold) = table.bits().iter().map(|bit| (bit.byte, bit.threshold)).unzip();
        Encoder { pixel, threshold }
    }

    /// Without the features that tell nothing of the training samples of `data`: of those that are set, or unset, in less
    /// than `fraction` of them, the ones that do not tell targets apart either (see [`Telling`]). At least `keep` features
    /// stay, those that vary most; `fraction` 0 keeps every feature.
    ///
    /// # Errors
    /// [`Error::Usage`] if fewer than `keep` features, the inputs of a gate, differ between samples.
    pub fn without_rare(self, data: &Dataset, fraction: f64, keep: usize) -> Result<Self> {
        let samples = data.train.len();
        if samples == 0 {
            return Ok(self);
        }
        let sets = self.counts(data, &mut (0..samples).map(|sample| (sample, 1.0)));
        let minority: Vec<usize> = sets.iter().map(|&set| (set as usize).min(samples - set as usize)).collect();
        let varying = minority.iter().filter(|&&n| n > 0).count();
        if varying < keep {
            return Err(Error::usage(format!(
                "{}: {varying} of its {} input bits differ between the training samples, and a gate takes {keep}; add \
                 columns or samples that differ, or --thresholds",
                data.name,
                self.features()
            )));
        }
        if fraction <= 0.0 {
            return Ok(self);
        }
        let is_frequent = |f: usize| minority[f] as f64 >= fraction * samples as f64;
        let telling = Telling::of(&self, data, &sets, &minority, &is_frequent);
        let mut kept: Vec<usize> = (0..self.features()).filter(|&f| is_frequent(f) || telling.is_kept[f]).collect();
        if kept.len() < keep {
            kept = (0..self.features()).collect();
            kept.sort_by_key(|&f| std::cmp::Reverse(minority[f]));
            kept.truncate(keep);
            kept.sort_unstable();
        }
        Ok(Encoder {
            pixel: kept.iter().map(|&f| self.pixel[f]).collect(),
            threshold: kept.iter().map(|&f| self.threshold[f]).collect(),
        })
    }

    /// How many features are not among those of `kept`, whose order is the same, and what the first of them tells.
    pub fn beyond(&self, kept: &Encoder, data: &Dataset) -> Option<(usize, String)> {
        let mut of_kept = kept.pixel.iter().zip(&kept.threshold).peekable();
        let of_all = self.pixel.iter().zip(&self.threshold);
        let mut left = of_all.enumerate().filter(|(_, bit)| of_kept.next_if_eq(bit).is_none()).map(|(f, _)| f);
        let first = left.next()?;
        let about = match &data.table {
            Some(table) => table.bits().get(first).map(|bit| bit.about.clone()).unwrap_or_default(),
            None => format!("byte {} > {}", self.pixel[first], self.threshold[first]),
        };
        Some((1 + left.count(), about))
    }

    /// `[features]`: the sum of the weights of the training samples in which each is set, of those that `of` gives with
    /// their weights.
    fn counts(&self, data: &Dataset, of: &mut dyn Iterator<Item = (usize, f64)>) -> Vec<f64> {
        let bytes = data.image.pixels();
        // By byte and its value, then by what is greater.
        let mut above = vec![[0f64; 256]; bytes];
        for (sample, weight) in of {
            let row = &data.train.pixels[sample * bytes..(sample + 1) * bytes];
            row.iter().zip(&mut above).for_each(|(&byte, sums)| sums[usize::from(byte)] += weight);
        }
        for sums in &mut above {
            let mut greater = 0.0;
            for sum in sums.iter_mut().rev() {
                (*sum, greater) = (greater, greater + *sum);
            }
        }
        self.pixel.iter().zip(&self.threshold).map(|(&p, &t)| above[p as usize][usize::from(t)]).collect()
    }

    /// Number of input bits.
    pub fn features(&self) -> usize {
        self.pixel.len()
    }

    /// Whether feature `f` is set for one sample's bytes.
    pub fn bit(&self, f: usize, bytes: &[u8]) -> bool {
        bytes[self.pixel[f] as usize] > self.threshold[f]
    }
}

/// Which rare features tell targets apart, by the targets' own counts.
///
/// A feature tells a target (a class against the others, a label, a value) as far as the square of their correlation over
/// the n samples, r², goes: n·r² is χ² of one degree of freedom where neither knows of the other.
///
/// Of a **table**, a rare feature stays if n·r² is above 10.8 (one in a thousand by chance) for one of the targets, and if
/// more than two samples differ in it. All words of a column stay that more than one row has, if the column as a whole
/// tells a target: if the sum over its words is above its expectation by four standard deviations. Of **images**, whose
/// neighbouring pixels tell the same, a rare feature stays if it is much the better witness: if its correlation with one of
/// the targets is more than twice that of every frequent feature, and n·r² above 10.8.
struct Telling {
    /// `[features]`.
    is_kept: Vec<bool>,
}

impl Telling {
    /// χ² of one degree of freedom that chance exceeds once in a thousand times.
    const SURE: f64 = 10.8;

    fn of(
        encoder: &Encoder,
        data: &Dataset,
        sets: &[f64],
        minority: &[usize],
        is_frequent: &dyn Fn(usize) -> bool,
    ) -> Self {
        let (features, n) = (encoder.features(), data.train.len() as f64);
        let mut is_kept = vec![false; features];
        if (0..features).all(is_frequent) {
            return Telling { is_kept };
        }
        let columns = words(data, encoder);
        let width = data.train.targets_a_sample();
        let targets = if width > 0 { width } else { data.classes.len() };
        for target in 0..targets {
            let value = |sample: usize| match width {
                0 => f64::from(u8::from(usize::from(data.train.labels[sample]) == target)),
                _ => f64::from(data.train.targets[sample * width + target]),
            };
            let of = (0..data.train.len()).map(|sample| (sample, value(sample)));
            let (sum, squares) = of.clone().fold((0.0, 0.0), |(s, q), (_, y)| (s + y, q + y * y));
            let sums = encoder.counts(data, &mut of.filter(|&(_, y)| y != 0.0));
            let spread = squares - sum * sum / n;
            let r2: Vec<f64> = (0..features)
                .map(|f| {
                    let own = sets[f] * (1.0 - sets[f] / n);
                    let shared = sums[f] - sets[f] * sum / n;
                    if own > 0.0 && spread > 0.0 { shared * shared / (own * spread) } else { 0.0 }
                })
                .collect();
            let best = match data.table {
                Some(_) => 0.0,
                None => (0..features).filter(|&f| is_frequent(f)).map(|f| r2[f]).fold(0.0, f64::max),
            };
            for f in 0..features {
                is_kept[f] |= minority[f] > 2 && r2[f] > 4.0 * best && n * r2[f] > Self::SURE;
            }
            for column in &columns {
                let there = || column.clone().filter(|&f| minority[f] > 1);
                let count = there().count() as f64;
                let chi: f64 = there().map(|f| n * r2[f]).sum();
                if chi - count > 4.0 * (2.0 * count).sqrt() {
                    there().for_each(|f| is_kept[f] = true);
                }
            }
        }
        Telling { is_kept }
    }
}

/// The features of each column of words of a table.
fn words(data: &Dataset, encoder: &Encoder) -> Vec<std::ops::Range<usize>> {
    let Some(table) = &data.table else { return Vec::new() };
    let mut first = 0;
    let mut made = Vec::new();
    for column in &table.columns {
        let bytes = first..first + column.bytes() as u32;
        first = bytes.end;
        let of = |byte: u32| encoder.pixel.partition_point(|&pixel| pixel < byte);
        if bytes.len() > 1 {
            made.push(of(bytes.start)..of(bytes.end));
        }
    }
    made
}

/// A thermometer a channel, at the quantiles of its bytes or of a normal distribution of their mean and variance. Equal
/// thresholds are one, so there may be fewer than `thresholds`.
fn channel_thermometers(data: &Dataset, kind: EncoderKind, thresholds: usize) -> Result<Encoder> {
    let plane = data.image.height * data.image.width;
    let mut counts = vec![[0u64; 256]; data.image.channels];
    for (i, plane) in data.train.pixels.chunks_exact(plane).enumerate() {
        let counts = &mut counts[i % data.image.channels];
        plane.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
    }
    let mut encoder = Encoder { pixel: Vec::new(), threshold: Vec::new() };
    for (channel, counts) in counts.iter().enumerate() {
        let mut levels = match kind {
            EncoderKind::Distributive => quantiles(counts, thresholds),
            EncoderKind::Gaussian => normal_levels(counts, thresholds),
            EncoderKind::Binary => vec![127],
            EncoderKind::Uniform | EncoderKind::OneHot => {
                return Err(Error::usage(format!(
                    "images take a thermometer (uniform, distributive or gaussian) or binary, not {}",
                    kind.name()
                )));
            }
        };
        levels.dedup();
        for pixel in channel * plane..(channel + 1) * plane {
            encoder.pixel.extend(levels.iter().map(|_| pixel as u32));
            encoder.threshold.extend(&levels);
        }
    }
    Ok(encoder)
}

/// The least value that i / (thresholds + 1) of the bytes are not above, for i = 1..thresholds; below 255.
fn quantiles(counts: &[u64; 256], thresholds: usize) -> Vec<u8> {
    let total: u64 = counts.iter().sum();
    let level = |i: usize| {
        let mut below = 0;
        let reached = |count: &u64| {
            below += count;
            u128::from(below) * (thresholds as u128 + 1) >= u128::from(total) * i as u128
        };
        counts.iter().position(reached).filter(|&level| level < 255).map(|level| level as u8)
    };
    (1..=thresholds).filter_map(level).collect()
}

/// `mean + deviation · Φ⁻¹(i / (thresholds + 1))` for i = 1..thresholds, rounded down, from 0 to 254.
fn normal_levels(counts: &[u64; 256], thresholds: usize) -> Vec<u8> {
    let total = counts.iter().sum::<u64>() as f64;
    let moment = |power: i32| {
        counts.iter().enumerate().map(|(byte, &n)| (byte as f64).powi(power) * n as f64).sum::<f64>() / total
    };
    let (mean, deviation) = (moment(1), (moment(2) - moment(1) * moment(1)).max(0.0).sqrt());
    let level = |i: usize| mean + deviation * normal_quantile(i as f64 / (thresholds + 1) as f64);
    (1..=thresholds).map(level).filter(|l| (0.0..255.0).contains(l)).map(|l| l as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Head;
    use crate::data::Split;

    #[test]
    fn thermometer_agrees_with_its_real_valued_definition() {
        let image = ImageShape { channels: 1, height: 1, width: 1 };
        for thresholds in [1, 2, 3, 4, 7, 31, 254, 255] {
            let encoder = Encoder::thermometer(image, thresholds).unwrap();
            assert_eq!(encoder.features(), thresholds);
            for byte in 0..=255u8 {
                for i in 1..=thresholds {
                    // byte/255 > i/(T+1), cross-multiplied.
                    let expected = usize::from(byte) * (thresholds + 1) > 255 * i;
                    assert_eq!(encoder.bit(i - 1, &[byte]), expected, "T {thresholds}, byte {byte}, i {i}");
                }
            }
        }
    }

    /// Two channels of two pixels: red is 0, 10, 20, 30 over two images, green is 200 everywhere.
    fn two_channels() -> Dataset {
        Dataset {
            name: "made".into(),
            classes: vec!["a".into()],
            image: ImageShape { channels: 2, height: 1, width: 2 },
            table: None,
            head: Head::Classes,
            ranges: Vec::new(),
            notes: Vec::new(),
            train: Split { pixels: vec![0, 10, 200, 200, 20, 30, 200, 200], labels: vec![0, 0], targets: Vec::new() },
            test: Split::default(),
        }
    }

    #[test]
    fn channels_get_thresholds_of_their_own_distribution() {
        let learn = |kind, thresholds| {
            let encoder = Encoder::learn(&two_channels(), Some(kind), thresholds).unwrap();
            encoder.pixel.into_iter().zip(encoder.threshold).collect::<Vec<_>>()
        };
        // Quartiles of 0, 10, 20, 30 are passed after 0, 10 and 20; all of 200 gives one threshold.
        let red = |p: u32| [(p, 0), (p, 10), (p, 20)];
        assert_eq!(learn(EncoderKind::Distributive, 3), [&red(0)[..], &red(1), &[(2, 200), (3, 200)]].concat());
        // Mean 15, deviation √125; 15 ± 11.18 · 0.6745 = 7.46 and 22.54.
        let red = |p: u32| [(p, 7), (p, 15), (p, 22)];
        assert_eq!(learn(EncoderKind::Gaussian, 3), [&red(0)[..], &red(1), &[(2, 200), (3, 200)]].concat());
        assert_eq!(learn(EncoderKind::Binary, 3), [(0, 127), (1, 127), (2, 127), (3, 127)]);
        assert_eq!(learn(EncoderKind::Uniform, 1), [(0, 127), (1, 127), (2, 127), (3, 127)]);
        assert!(Encoder::learn(&two_channels(), Some(EncoderKind::OneHot), 3).is_err());
        assert!(Encoder::learn(&two_channels(), Some(EncoderKind::Gaussian), 0).is_err());
    }

    #[test]
    fn rare_features_are_left_out() {
        let image = ImageShape { channels: 1, height: 1, width: 3 };
        // Thresholds 85 and 170. Byte 0 is always 0; byte 1 is 100 in one sample of four; byte 2 is 200 in two of four.
        let pixels = [0, 100, 200, 0, 0, 200, 0, 0, 0, 0, 0, 0];
        let train = Split { pixels: pixels.to_vec(), labels: vec![0, 1, 0, 1], targets: Vec::new() };
        let data = Dataset { image, train, classes: vec!["a".into(), "b".into()], ..two_channels() };
        let left = |fraction, keep| {
            let encoder = Encoder::thermometer(image, 2).unwrap().without_rare(&data, fraction, keep).unwrap();
            encoder.pixel.into_iter().zip(encoder.threshold).collect::<Vec<_>>()
        };
        assert_eq!(left(0.0, 0).len(), 6);
        assert_eq!(left(0.25, 0), [(1, 85), (2, 85), (2, 170)]);
        assert_eq!(left(0.26, 0), [(2, 85), (2, 170)]);
        assert_eq!(left(0.5, 0), [(2, 85), (2, 170)]);
        assert_eq!(left(0.51, 2).len(), 2, "some must stay");
    }

    #[test]
    fn thresholds_out_of_range_are_refused() {
        let image = ImageShape { channels: 1, height: 2, width: 2 };
        assert!(Encoder::thermometer(image, 0).is_err());
        assert!(Encoder::thermometer(image, 256).is_err());
    }
}
