//! Which samples a saved network is judged by: its run's own test rows, or all of a file that it was not trained on.

use std::path::Path;

use crate::data::{self, Coding, Dataset, Fit, Options, Split};
use crate::network::{Model, config_of};
use crate::run::{Identity, Summary, summary_of};
use crate::settings::{Overrides, Settings};
use crate::{Error, Result};

/// What the run folder that a model lies in tells of its run.
pub struct Run {
    /// How it was trained.
    pub settings: Settings,
    /// What came of it.
    summary: Option<Summary>,
}

impl Run {
    /// The run of the model file at `model`, if that lies in a run folder.
    pub fn beside(model: &Path) -> Result<Option<Run>> {
        let folder = model.parent().unwrap_or(model);
        let config = config_of(folder);
        if !config.is_file() {
            return Ok(None);
        }
        let settings = Overrides::default().resolve(Some(&config))?;
        Ok(Some(Run { settings, summary: Summary::load(&summary_of(folder))? }))
    }

    /// Whether its training samples are those of `data`, of which all that it draws are drawn already.
    fn is_of(&self, data: &Dataset, name: &str) -> bool {
        let Some(recorded) = self.summary.as_ref().and_then(|summary| summary.train_sha256.as_deref()) else {
            // A run of before such sums were kept.
            return data::from_root(name) == data::from_root(&self.settings.data);
        };
        let trained = data.clone().hold_out(self.settings.validation, self.settings.seed);
        trained.is_ok_and(|(data, _)| Identity::of_samples(&data.train) == recorded)
    }
}

/// Which samples are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Those to test.
    Test,
    /// Those to train on.
    Train,
    /// All.
    All,
}

/// What a network is judged by.
pub struct Judged {
    /// The data set's name.
    pub name: String,
    /// The samples.
    pub samples: Split,
    /// Which they are, in words, and in a word for JSON.
    pub which: (String, &'static str),
}

/// Where samples are looked for, and what the user says of them.
pub struct Asked<'a> {
    /// Data set; else the one that the model was trained on.
    pub data: Option<&'a str>,
    /// Folder of named ones.
    pub data_dir: Option<&'a Path>,
    /// `--header`, `--test-fraction`, `--split-seed`.
    pub options: Options,
    /// Which of its samples.
    pub part: Part,
}

/// Samples for the model at `path`, as it takes them; what reading them passed over is told on stderr.
///
/// # Errors
/// [`Error::Usage`] where there is no telling what to judge by, and for data of another extent; what opening says.
pub fn judged(path: &Path, model: &Model, asked: &Asked) -> Result<Judged> {
    let run = Run::beside(path)?;
    let known = run.as_ref().map(|run| run.settings.data.as_str());
    let name = match asked.data.or(known) {
        Some(name) => name,
        None if data::is_named(&model.dataset) => &model.dataset,
        None => {
            return Err(Error::usage(format!(
                "{} was trained on \"{}\", and no run folder around it says where that lies; say so by --data",
                path.display(),
                model.dataset
            )));
        }
    };
    let data_dir = asked.data_dir.or(run.as_ref().and_then(|run| run.settings.data_dir.as_deref()));
    let data = open_for(path, model, run.as_ref(), name, data_dir, &asked.options)?;
    super::warn_of(&data.notes);
    let unit = if model.table.is_some() { "rows" } else { "images" };
    let set = data.name.clone();
    let made = |samples: Split, which: String, word| Judged { name: set.clone(), samples, which: (which, word) };
    if asked.part == Part::All {
        let all = Split {
            pixels: [&data.train.pixels[..], &data.test.pixels].concat(),
            labels: [&data.train.labels[..], &data.test.labels].concat(),
            targets: [&data.train.targets[..], &data.test.targets].concat(),
        };
        let which = format!("all {} {unit} of {name}", all.len());
        return Ok(made(all, which, "all"));
    }
    let of = |data: Dataset, which: &str, word: &'static str| {
        let (samples, kind, word) = match asked.part {
            Part::Train => (data.train, "training", "training"),
            _ => (data.test, "test", word),
        };
        let which = which.replace("{}", &format!("{} {kind} {unit}", samples.len()));
        made(samples, which, word)
    };
    // Test samples of its own.
    let named_test = run.as_ref().and_then(|run| run.settings.input.test.clone());
    if !data.test.is_empty() && named_test.is_none() {
        return Ok(of(data, &format!("the {{}} of {name}"), "own test samples"));
    }
    let options = &asked.options;
    if options.test_fraction.is_some() || options.split_seed.is_some() {
        let of_run = run.as_ref().map(|run| run.settings.input.clone()).unwrap_or_default();
        let drawn = options.over(&of_run);
        let data = data.draw_test(drawn.test_fraction()?, drawn.split_seed.unwrap_or(0))?;
        return Ok(of(data, &format!("the {{}} of {name}, drawn as told"), "drawn"));
    }
    if let Some(run) = &run {
        let input = &run.settings.input;
        if input.test.is_some() && run.is_of(&data, name) {
            let options = Options { test: input.test.clone(), ..asked.options.clone() };
            let data = open_for(path, model, Some(run), name, data_dir, &options)?;
            return Ok(of(data, "the run's own {}", "own test samples"));
        }
        if input.test.is_none()
            && let Ok(drawn) = data.clone().draw_test(input.test_fraction()?, input.split_seed.unwrap_or(0))
            && run.is_of(&drawn, name)
        {
            return Ok(of(drawn, "the run's own {}", "own test samples"));
        }
    }
    if !data.test.is_empty() {
        return Ok(of(data, &format!("the {{}} of {name}"), "own test samples"));
    }
    if asked.part == Part::Train {
        return Err(Error::usage(format!(
            "{} is not known to have been trained on {name}; leave out --train, or say --all",
            path.display()
        )));
    }
    let why = match run {
        Some(_) => "which the model was not trained on",
        None => "for no run folder around the model tells which of them it was trained on",
    };
    let which = format!("all {} {unit} of {name}, {why}", data.train.len());
    Ok(made(data.train, which, "whole"))
}

/// Open the data set `name` as the model at `path` takes it, drawing no test samples.
fn open_for(
    path: &Path,
    model: &Model,
    run: Option<&Run>,
    name: &str,
    data_dir: Option<&Path>,
    said: &Options,
) -> Result<Dataset> {
    if model.table.is_some() && (data::is_named(name) || Path::new(name).exists()) && !data::is_table(name) {
        return Err(Error::usage(format!("{} takes rows of a table; name one by --data", path.display())));
    }
    let of_run = run.map(|run| run.settings.input.clone()).unwrap_or_default();
    let is_same = run.is_some_and(|run| data::from_root(&run.settings.data) == data::from_root(name));
    let options = Options {
        header: said.header.or(of_run.header.filter(|_| is_same)),
        separator: said.separator.clone().or(of_run.separator.filter(|_| is_same)),
        decimal: said.decimal.or(of_run.decimal.filter(|_| is_same)),
        coarse: of_run.coarse.filter(|_| is_same || name == "cifar-100"),
        task: Some(model.head.task()),
        whole: true,
        // Pictures are made as large as the model takes them, over what they lay over in training.
        fit: Some(Fit { image: model.image, background: of_run.background.unwrap_or_default() }),
        ..said.clone()
    };
    let coding = Coding::Known { table: model.table.as_ref(), classes: &model.classes, head: &model.head };
    let data = data::open_with(name, data_dir, &options, coding)?;
    if data.image == model.image && data.classes.len() == model.classes.len() {
        return Ok(data);
    }
    let (takes, has) = (model.image, data.image);
    Err(Error::usage(format!(
        "{} takes {}×{}×{} bytes, but {} has {}×{}×{}; choose the right set by --data",
        path.display(),
        takes.channels,
        takes.height,
        takes.width,
        data.name,
        has.channels,
        has.height,
        has.width
    )))
}
