//! What is told of samples, as it was read: from words and numbers to a head, labels and targets.

use std::path::Path;
use std::sync::Arc;

use super::head::{Head, Target, Task, Values};
use super::labels::{classes, numbered};
use super::{Options, Split, number_text, stratified};
use crate::{Error, Result};

/// Most labels, and most targets.
const MOST_TARGETS: usize = 256;

/// What is right for each sample.
pub enum Truth {
    /// `[sample]`: its class, as it is written.
    Classes(Vec<Arc<str>>),
    /// `[sample][column]`: numbers, of so many columns.
    Numbers(Vec<f64>, usize),
}

/// What to call a sample in errors.
pub type Place<'a> = &'a dyn Fn(usize) -> String;

impl Truth {
    /// Names of the outputs that tell it: classes, labels, or targets with their bits. `names` are those of its
    /// columns.
    ///
    /// # Errors
    /// [`Error::Input`] for fewer than two classes or more than can be told apart, for labels that are neither 0 nor
    /// 1, and for values that are not finite; [`Error::Usage`] for too many columns.
    pub fn outputs(&self, path: &Path, names: &[String], options: &Options, place: Place) -> Result<Vec<String>> {
        if names.len() > MOST_TARGETS {
            let told = format!("{} columns are to be told, and {MOST_TARGETS} are possible", names.len());
            return Err(Error::usage(told));
        }
        let bits = options.code_bits()?;
        match self {
            Truth::Classes(labels) => classes(path, &names[0], labels),
            Truth::Numbers(values, _) => {
                check(path, names, values, options.task(), place)?;
                Ok(match options.task() {
                    Task::Values => Values::output_names(names, bits),
                    _ => names.to_vec(),
                })
            }
        }
    }

    /// How votes are read, ranges being those of the samples in `train`.
    ///
    /// # Errors
    /// [`Error::Input`] for a target, or for labels, that are the same in all of them.
    pub fn head(&self, path: &Path, names: &[String], options: &Options, train: &[usize]) -> Result<Head> {
        let Truth::Numbers(values, _) = self else { return Ok(Head::Classes) };
        let range = |at: usize| {
            let of = train.iter().map(|&sample| values[sample * names.len() + at]);
            of.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, greatest), v| (least.min(v), greatest.max(v)))
        };
        let ranges = (0..names.len()).map(range);
        if options.task() == Task::Labels {
            return match ranges.into_iter().all(|(least, greatest)| least >= greatest) {
                true => Err(Error::input(path, "no label differs between training samples; there is nothing to learn")),
                false => Ok(Head::Labels),
            };
        }
        let target = |(name, (least, greatest)): (&String, (f64, f64))| match least < greatest {
            true => Ok(Target { name: name.clone(), least, greatest }),
            false => Err(Error::input(
                path,
                format!("\"{name}\" is {} in every training sample; there is nothing to learn", number_text(least)),
            )),
        };
        let targets = names.iter().zip(ranges).map(target).collect::<Result<_>>()?;
        Ok(Head::Values(Values { targets, bits: options.code_bits()? }))
    }

    /// The split of `pixels` that it tells of, as `head` reads votes.
    ///
    /// # Errors
    /// [`Error::Input`] for a class that is none of `outputs`, for another number of targets than the head's, and for
    /// what [`Truth::outputs`] refuses.
    pub fn split(&self, path: &Path, pixels: Vec<u8>, head: &Head, outputs: &[String], place: Place) -> Result<Split> {
        let (values, width) = match self {
            Truth::Classes(labels) => {
                let labels = numbered(path, labels, outputs, place)?;
                return Ok(Split { pixels, labels, targets: Vec::new() });
            }
            Truth::Numbers(values, width) => (values, *width),
        };
        let needed = outputs.len() / head.bits() as usize;
        if width != needed {
            let problem = format!("it tells {width} labels or values of each sample, and {needed} are needed");
            return Err(Error::input(path, problem));
        }
        let targets: Vec<f32> = match head {
            Head::Values(Values { targets, .. }) => {
                let names: Vec<String> = targets.iter().map(|t| t.name.clone()).collect();
                check(path, &names, values, Task::Values, place)?;
                let fractions = values.iter().zip(targets.iter().cycle()).map(|(&v, target)| target.fraction(v) as f32);
                let fractions: Vec<f32> = fractions.collect();
                if let Some(at) = fractions.iter().position(|f| !f.is_finite()) {
                    let (place, name) = (place(at / targets.len()), &names[at % targets.len()]);
                    let problem = format!(
                        "{place}: \"{name}\" is {}, far out of the training samples' range",
                        number_text(values[at])
                    );
                    return Err(Error::input(path, problem));
                }
                fractions
            }
            Head::Classes => return Err(Error::input(path, "it tells numbers, and the network tells classes")),
            Head::Labels => {
                check(path, outputs, values, Task::Labels, place)?;
                values.iter().map(|&v| v as f32).collect()
            }
        };
        Ok(Split { pixels, labels: vec![0; targets.len() / width], targets })
    }

    /// The numbers of training samples and of those drawn to test, of `samples` samples: classes alike, all else at
    /// random.
    pub fn drawn(&self, samples: usize, options: &Options) -> Result<(Vec<usize>, Vec<usize>)> {
        match self {
            Truth::Classes(labels) => super::table::drawn(labels, options),
            Truth::Numbers(..) if options.whole => Ok(((0..samples).collect(), Vec::new())),
            Truth::Numbers(..) => {
                let strata = vec![0; samples];
                stratified::split(&strata, options.test_fraction()?, options.split_seed.unwrap_or(0))
            }
        }
    }
}

/// Refuse values that `task` cannot have.
fn check(path: &Path, names: &[String], values: &[f64], task: Task, place: Place) -> Result<()> {
    let is_fine = |v: &f64| if task == Task::Labels { *v == 0.0 || *v == 1.0 } else { (*v as f32).is_finite() };
    let Some(at) = values.iter().position(|v| !is_fine(v)) else { return Ok(()) };
    let (place, name, value) = (place(at / names.len()), &names[at % names.len()], number_text(values[at]));
    Err(Error::input(
        path,
        match task {
            Task::Labels => format!("{place}: \"{name}\" is {value}; --task labels takes columns of 0 and 1"),
            _ => format!("{place}: \"{name}\" is {value}; --task values takes numbers up to 3e38"),
        },
    ))
}
