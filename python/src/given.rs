//! Arrays and columns as Python hands them over: at most one copy is made of them.

use gatewright::data::ColumnValues;
use gatewright::data::memory::{Given, Told};
use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::errors::{refused, told};

/// Samples: a contiguous array of uint8, `[n][bytes]` or images; one of float64, `[n][columns]`; or a list of columns by
/// name, each of float64 or a list of words and None.
pub fn samples(x: &Bound<PyAny>) -> PyResult<Given> {
    if let Some(bytes) = bytes(x) {
        return Given::images(bytes.shape(), bytes.as_slice()?).map_err(told);
    }
    if let Ok(rows) = x.extract::<PyReadonlyArray2<f64>>() {
        return Ok(Given::Rows { values: rows.as_slice()?.to_vec(), width: rows.shape()[1] });
    }
    let Ok(columns) = x.extract::<Vec<(String, Bound<PyAny>)>>() else {
        return Err(PyTypeError::new_err("samples are an array of uint8 or float64, or columns by name"));
    };
    let columns =
        columns.into_iter().map(|(name, values)| Ok((name, column(&values)?))).collect::<PyResult<Vec<_>>>()?;
    let rows = columns.first().map_or(0, |(_, values)| values.rows());
    match columns.iter().find(|(_, values)| values.rows() != rows) {
        Some((name, values)) => {
            Err(refused(format!("column \"{name}\" has {} rows, and the first has {rows}", values.rows())))
        }
        None if columns.is_empty() => Err(refused("there is no column")),
        None => Ok(Given::Frame(columns)),
    }
}

/// An array of bytes, if it is one.
pub fn bytes<'py>(x: &Bound<'py, PyAny>) -> Option<PyReadonlyArrayDyn<'py, u8>> {
    x.extract().ok()
}

fn column(values: &Bound<PyAny>) -> PyResult<ColumnValues> {
    match values.extract::<PyReadonlyArray1<f64>>() {
        Ok(numbers) => Ok(ColumnValues::Numbers(numbers.as_array().to_vec())),
        Err(_) => values.extract().map(ColumnValues::Words),
    }
}

/// What is told of samples, and what that is called: with an array of uint32 classes, else with one of float64,
/// `[n][names]`.
pub fn truth(y: &Bound<PyAny>, names: Vec<String>) -> PyResult<Told> {
    if let Ok(of) = y.extract::<PyReadonlyArray1<u32>>() {
        let of = of.as_array().to_vec();
        return match of.iter().find(|&&class| class as usize >= names.len()) {
            Some(class) => Err(refused(format!("there is a class {class}, and {} have names", names.len()))),
            None => Ok(Told::Classes { names, of }),
        };
    }
    let values = y.extract::<PyReadonlyArray2<f64>>()?;
    match values.shape()[1] == names.len() {
        true => Ok(Told::Numbers { values: values.as_array().iter().copied().collect(), names }),
        false => Err(refused(format!("y has {} columns, and {} have names", values.shape()[1], names.len()))),
    }
}
