//! The one list of settings, for the keywords of the estimators.

use gatewright::settings::{ENTRIES, Overrides};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::{Map, Value};

use crate::errors::refused;

/// Every setting, as dicts of `name`, `group`, `help`, `kind` (a Rust type), `range`, `default` (as text, or None) and `quick` (the default
/// of the preset of that name where it is another, or None).
#[pyfunction]
pub fn settings(py: Python) -> PyResult<Vec<Bound<PyDict>>> {
    let entry = |entry: &gatewright::settings::Entry| {
        let told = PyDict::new(py);
        told.set_item("name", entry.field)?;
        told.set_item("group", entry.group)?;
        told.set_item("help", crate::errors::keywords(entry.help))?;
        told.set_item("kind", entry.kind)?;
        told.set_item("range", entry.range.to_string())?;
        let [default, quick] = entry.defaults();
        told.set_item("default", default)?;
        told.set_item("quick", quick)?;
        Ok(told)
    };
    ENTRIES.iter().map(entry).collect()
}

/// What is said as JSON, a key a setting; what cannot be is refused by its name.
pub fn said(json: &str) -> PyResult<Overrides> {
    let keys: Map<String, Value> = serde_json::from_str(json).map_err(|e| refused(e.to_string()))?;
    let read = |keys: Map<String, Value>| serde_json::from_value::<Overrides>(Value::Object(keys));
    for (key, value) in &keys {
        if let Err(problem) = read([(key.clone(), value.clone())].into_iter().collect()) {
            return Err(refused(format!("{}: {problem}", key.replace('-', "_"))));
        }
    }
    read(keys).map_err(|e| refused(e.to_string()))
}
