//! The run before a run: it trains the convolutions that the other has, in a folder of that one's.

use std::path::{Path, PathBuf};

use super::checkpoint::Identity;
use super::folder::summary_of;
use super::options::{Options, Place};
use super::summary::Summary;
use super::together::Part;
use crate::data::Split;
use crate::network::{config_of, model_of};
use crate::settings::{ConvolutionsFrom, Overrides, Settings, essential_differences};
use crate::{Error, Result};

/// The folder, in the run folder `whole`, of the run that trains its convolutions first.
pub fn convolutions_of(whole: &Path) -> PathBuf {
    whole.join("convolutions")
}

/// The run folder whose convolutions a run at `place` trains, if it is such a part.
pub fn whole_of(place: &Place) -> Option<PathBuf> {
    let folder = std::path::absolute(place.folder()?).ok()?;
    let whole = folder.parent().filter(|whole| convolutions_of(whole) == folder)?;
    let said = Overrides::load(&config_of(whole)).ok()?.convolutions_from;
    matches!(said, Some(ConvolutionsFrom::Preset { .. })).then(|| whole.to_path_buf())
}

/// A run that is to end before another begins.
pub struct Before {
    /// What it is made by.
    pub settings: Settings,
    /// The other run's folder.
    whole: PathBuf,
    /// Its own.
    folder: PathBuf,
}

impl Before {
    /// The run of `settings` before the one in the folder `whole`, on data of so many `classes`.
    ///
    /// # Errors
    /// [`Error::Usage`] if its last layer cannot be shared by the classes.
    pub fn new(mut settings: Settings, whole: &Path, classes: usize) -> Result<Self> {
        settings.fit(classes, false)?;
        Ok(Before { settings, whole: whole.to_path_buf(), folder: convolutions_of(whole) })
    }

    /// What it came to, if it has ended, having been trained on these samples.
    ///
    /// # Errors
    /// As [`Summary::load`]; [`Error::Usage`] if it was another run than this one.
    pub fn ended(&self, train: &Split) -> Result<Option<Summary>> {
        let Some(summary) = Summary::load(&summary_of(&self.folder))? else { return Ok(None) };
        let began = Overrides::load(&config_of(&self.folder))?.resolve(None)?;
        let differences = essential_differences(&began, &self.settings);
        let mut differ: Vec<String> = differences.iter().map(ToString::to_string).collect();
        if summary.train_sha256.as_ref().is_some_and(|sha256| *sha256 != Identity::of_samples(train)) {
            differ.push("the training samples are others".into());
        }
        if differ.is_empty() {
            return Ok(Some(summary));
        }
        Err(Error::usage(format!(
            "the convolutions in {} were trained otherwise: {}; begin a new run with these, or remove that folder",
            self.folder.display(),
            differ.join(", ")
        )))
    }

    /// Refuse to take part in `part` in a process that does not see what rank 0, in another one, has left for it.
    ///
    /// # Errors
    /// [`Error::Input`] with what to do.
    pub fn check_seen(&self, part: Part) -> Result<()> {
        let (folder, file, told) = match part {
            Part::Convolutions => (&self.whole, config_of(&self.whole), "begun the run"),
            Part::Above => (&self.folder, model_of(&self.folder), "trained the convolutions"),
        };
        if file.is_file() {
            return Ok(());
        }
        let problem = format!(
            "rank 0 has {told} in this folder, and this rank does not see it there; have --out, or --resume, name a folder that every \
             rank sees by the same path, such as one of a shared file system"
        );
        Err(Error::input(folder, problem))
    }

    /// How it is kept, in a run that is kept by `options`.
    pub fn options(&self, options: &Options) -> Options {
        let is_begun = config_of(&self.folder).is_file();
        let place = if is_begun { Place::Resume(self.folder.clone()) } else { Place::New(Some(self.folder.clone())) };
        Options { place, profile: false, ..options.clone() }
    }

    /// The other run's settings, with the convolutions of this one.
    pub fn after(&self, settings: &Settings) -> Settings {
        settings.with_convolutions_of(self.folder.clone())
    }

    /// What is told before it begins.
    pub fn told(&self, settings: &Settings) -> String {
        format!("first its convolutions, by the preset {}, in {}", settings.convolutions_from, self.folder.display())
    }

    /// An error of this run as one of the whole.
    pub fn of_whole(&self, error: Error) -> Error {
        match error {
            Error::Stopped(_) => Error::Stopped(format!(
                "stopped in its convolutions; go on by: gatewright train --resume {}",
                self.whole.display()
            )),
            other => other,
        }
    }
}
