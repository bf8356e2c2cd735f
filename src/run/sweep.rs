//! A grid of runs, described by a TOML file: expanded into cells, run one after the other, told together.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use crate::settings::{Chosen, Overrides, Settings};
use crate::{Error, Result};

/// A sweep's file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sweep {
    /// What it is about, the heading of its report.
    pub title: String,
    /// Settings of every cell, as in a `--config` file.
    #[serde(default)]
    pub base: toml::Table,
    /// Settings of some cells; where a value is a list, there is a cell for each of its items, with each of the others'.
    pub grid: Vec<toml::Table>,
    /// Pictures of what runs came to.
    #[serde(default)]
    pub plot: Vec<Plot>,
    /// Pictures of how runs went, over their steps.
    #[serde(default)]
    pub curve: Vec<Curve>,
    /// Which settings are sooner as good as a baseline.
    pub race: Option<Race>,
}

/// One picture over steps: a curve for every cell's settings but the seed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Curve {
    /// Its file, a PNG.
    pub file: String,
    /// The key of `metrics.jsonl` that is drawn.
    pub y: String,
}

/// Counts the steps that cells need to be as accurate, held out, as cells with the baseline's value ever are, all else being
/// equal.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Race {
    /// The setting whose values race.
    pub setting: String,
    /// Its value that the others are measured by.
    pub baseline: String,
}

/// One picture of a sweep: a curve for every cell's settings but `x` and the seed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Plot {
    /// Its file, a PNG.
    pub file: String,
    /// The setting along the axis: the first of these that a cell has.
    pub x: Vec<String>,
    /// The key of `summary.json` that is drawn.
    pub y: String,
}

/// One run of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// What its grid says of it, in the file's order, without quotes.
    pub said: Vec<(String, String)>,
    /// What its run is made by.
    pub chosen: Chosen,
    /// What that comes to, before the last layer is fitted to the data.
    pub settings: Settings,
}

impl Sweep {
    /// Read a sweep's file.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Input`] if it is no sweep.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        toml::from_str(&text).map_err(|e| Error::input(path, format!("this sweep cannot be used: {e}")))
    }

    /// The same on another data set.
    ///
    /// # Errors
    /// [`Error::Usage`] if a grid says what the data are.
    pub fn on(mut self, data: String) -> Result<Self> {
        if self.grid.iter().any(|grid| grid.contains_key("data")) {
            return Err(Error::usage(
                "--data cannot be said for this sweep, for a [[grid]] of it says it; copy the file and change that",
            ));
        }
        self.base.insert("data".into(), data.into());
        Ok(self)
    }

    /// Every cell, the last key of a grid varying fastest.
    ///
    /// # Errors
    /// [`Error::Usage`] for a cell whose settings cannot be, or that is there twice.
    pub fn cells(&self) -> Result<Vec<Cell>> {
        let mut cells = Vec::new();
        let mut names = BTreeSet::new();
        for grid in &self.grid {
            for said in combinations(grid) {
                let mut table = self.base.clone();
                table.extend(said.iter().cloned());
                let said: Vec<_> = said.into_iter().map(|(key, value)| (key, plain(&value))).collect();
                let of_cell = |problem: String| Error::usage(format!("cell {}: {problem}", name(&said)));
                let overrides = Overrides::deserialize(table).map_err(|e| of_cell(e.to_string()))?;
                let chosen = Chosen::from(overrides);
                let settings = chosen.resolve().map_err(|e| of_cell(e.to_string()))?;
                if !names.insert(name(&said)) {
                    return Err(of_cell("it is in the sweep twice".into()));
                }
                cells.push(Cell { said, chosen, settings });
            }
        }
        Ok(cells)
    }
}

impl Cell {
    /// Its run folder's name.
    pub fn name(&self) -> String {
        name(&self.said)
    }

    /// What its grid says of `key`.
    pub fn said(&self, key: &str) -> Option<&str> {
        self.said.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }
}

/// `key=value,…` with nothing in it that a file system would mind.
fn name(said: &[(String, String)]) -> String {
    let pairs: Vec<_> = said.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let tame = |c: char| if c.is_ascii_alphanumeric() || "=,.-".contains(c) { c } else { '_' };
    pairs.join(",").chars().map(tame).collect()
}

fn plain(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}

/// Each key with one of its values, in every combination.
fn combinations(grid: &toml::Table) -> Vec<Vec<(String, toml::Value)>> {
    let mut all = vec![Vec::new()];
    for (key, value) in grid {
        let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        let extended = all.iter().flat_map(|before: &Vec<(String, toml::Value)>| {
            values.iter().map(|value| {
                let mut with = before.clone();
                with.push((key.clone(), value.clone()));
                with
            })
        });
        all = extended.collect();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(text: &str) -> Sweep {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn lists_are_axes() {
        let sweep = sweep(
            "title = \"t\"\n[base]\nlayers = \"2x100\"\nsteps = 7\n\
             [[grid]]\nmethod = [\"hard-st\", \"gumbel-st\"]\ncage = false\ntemperature = [0.5, 1.0, 2.0]\n\
             [[grid]]\nmethod = \"hard-st\"\nseed = [0, 1]\n",
        );
        let cells = sweep.cells().unwrap();
        assert_eq!(cells.len(), 2 * 3 + 2);
        assert!(cells.iter().all(|c| c.settings.layers == [100, 100] && c.settings.steps == 7));
        // Keys in alphabetical order, as TOML tables have them.
        assert_eq!(cells[1].name(), "cage=false,method=hard-st,temperature=1.0");
        assert_eq!((cells[1].settings.cage, cells[1].settings.temperature), (None, 1.0));
        assert_eq!((cells[7].said("seed"), cells[7].settings.seed), (Some("1"), 1));
    }

    #[test]
    fn all_cells_are_on_the_data_that_are_said() {
        let told = |text: &str| sweep(&format!("title = \"t\"\n{text}")).on("cifar-10".into());
        let cells = told("[base]\ndata = \"mnist\"\n[[grid]]\nseed = [0, 1]").unwrap().cells().unwrap();
        assert_eq!(cells.iter().map(|cell| &*cell.settings.data).collect::<Vec<_>>(), ["cifar-10"; 2]);
        assert!(told("[[grid]]\ndata = [\"mnist\"]").unwrap_err().to_string().contains("[[grid]]"));
    }

    #[test]
    fn a_cell_that_cannot_be_is_named() {
        let told = |grid: &str| sweep(&format!("title = \"t\"\n[[grid]]\n{grid}")).cells().unwrap_err().to_string();
        assert!(told("arity = [2, 3]\nparametrization = \"op\"").contains("arity=3,parametrization=op"));
        assert!(told("temprature = 1.0").contains("temprature"));
        assert!(told("seed = [1, 1]").contains("twice"));
    }
}
