//! The run before a run: it trains the convolutions that the other has, in a folder of that one's.

use std::path::{Path, PathBuf};

use super::folder::{config_of, summary_of};
use super::options::{Options, Place};
use super::summary::Summary;
use crate::settings::Settings;
use crate::{Error, Result};

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
    /// The run before the one of `settings` in the folder `whole`, on data of so many `classes`.
    ///
    /// # Errors
    /// [`Error::Usage`] if its last layer cannot be shared by the classes.
    pub fn of(settings: &Settings, whole: &Path, classes: usize) -> Result<Option<Self>> {
        let Some(mut settings) = settings.of_convolutions() else { return Ok(None) };
        settings.fit(classes, false)?;
        Ok(Some(Before { settings, whole: whole.to_path_buf(), folder: whole.join("convolutions") }))
    }

    /// What it came to, if it has ended.
    ///
    /// # Errors
    /// As [`Summary::load`].
    pub fn ended(&self) -> Result<Option<Summary>> {
        Summary::load(&summary_of(&self.folder))
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
