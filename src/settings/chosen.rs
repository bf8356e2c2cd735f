//! The flags that every command takes which makes a network as `train` would.

use std::path::PathBuf;

use super::list::{Overrides, Settings};
use crate::data::{self, Coding, Dataset};
use crate::{Error, Result};

/// Every setting as a flag, and a file of them.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct Chosen {
    /// The flags.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub flags: Overrides,
    /// TOML file of settings, such as a run's config.toml; it wins over the preset, and flags win over it
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE", help_heading = "Where settings come from"))]
    pub config: Option<PathBuf>,
}

impl Chosen {
    /// What they come to: preset, then file, then flags.
    ///
    /// # Errors
    /// [`Error::Usage`] for settings that cannot be, [`Error::Input`] and [`Error::Io`] for the file.
    pub fn resolve(&self) -> Result<Settings> {
        Ok(self.resolve_over(&Overrides::default())?.0)
    }

    /// The same, and the data set that they name, to which the last layer is fitted.
    ///
    /// # Errors
    /// As [`Chosen::resolve`], and for data that cannot be opened or have more outputs than the last layer can be shared by.
    pub fn open(&self) -> Result<(Settings, Dataset)> {
        self.open_over(&Overrides::default())
    }

    /// The same, with a command's own defaults between preset and file.
    ///
    /// # Errors
    /// As [`Chosen::open`].
    pub fn open_over(&self, defaults: &Overrides) -> Result<(Settings, Dataset)> {
        self.open_by(defaults, Settings::open_data)
    }

    /// The same for data that `open` makes as the settings say.
    ///
    /// # Errors
    /// As [`Chosen::open`].
    pub fn open_by(
        &self,
        defaults: &Overrides,
        open: impl FnOnce(&Settings) -> Result<Dataset>,
    ) -> Result<(Settings, Dataset)> {
        let (mut settings, said) = self.resolve_over(defaults)?;
        let data = open(&settings)?;
        settings.fit_to(&data, said)?;
        Ok((settings, data))
    }

    /// The settings as [`Chosen::open`] would leave them, and what keeps the last layer from being fitted if the data cannot
    /// be opened here.
    ///
    /// # Errors
    /// As [`Chosen::open`], but for the data.
    pub fn show(&self) -> Result<(Settings, Option<Error>)> {
        let (mut settings, said) = self.resolve_over(&Overrides::default())?;
        match settings.open_data() {
            Ok(data) => settings.fit_to(&data, said).map(|()| (settings, None)),
            Err(error) => Ok((settings, Some(error))),
        }
    }

    /// Settings, and what of those that are fitted to the data was said by the file or the flags.
    fn resolve_over(&self, defaults: &Overrides) -> Result<(Settings, Said)> {
        let file = self.config.as_deref().map(Overrides::load).transpose()?.unwrap_or_default();
        let said = Said {
            layers: self.flags.layers.is_some() || file.layers.is_some(),
            validation: self.flags.validation.is_some() || file.validation.is_some(),
            shift: self.flags.shift.is_some() || file.shift.is_some(),
        };
        Ok((self.flags.over(&[defaults, &file])?, said))
    }
}

impl From<Overrides> for Chosen {
    fn from(flags: Overrides) -> Self {
        Chosen { flags, config: None }
    }
}

/// What was said of the settings that are fitted to the data.
#[derive(Debug, Clone, Copy)]
struct Said {
    layers: bool,
    validation: bool,
    shift: bool,
}

/// Training rows from which on a table's validation samples are held out by default, and their share.
const HELD_OUT: (usize, f64) = (2000, 0.1);

impl Settings {
    /// Fit the last layer to the outputs of `data`, hold out some rows of a large table, and leave in place what is no picture,
    /// unless other was said.
    fn fit_to(&mut self, data: &Dataset, said: Said) -> Result<()> {
        if self.validation == 0.0 && !said.validation && data.table.is_some() && data.train.len() >= HELD_OUT.0 {
            self.validation = HELD_OUT.1;
        }
        if !said.shift && !data.image.is_picture() {
            self.shift = 0;
        }
        self.fit(data.classes.len(), said.layers)
    }

    /// Open the data set that these settings name.
    pub fn open_data(&self) -> Result<Dataset> {
        let coding = Coding::Learned { thresholds: self.thresholds };
        data::open_with(&self.data, self.data_dir.as_deref(), &self.input, coding)
    }
}
