//! Reads AIGER and BLIF back and evaluates them, one sample at a time, with code that shares nothing with the exporters.

use std::collections::HashMap;

use super::{Answers, gather};
use crate::circuit::Netlist;
use crate::circuit::export::{Format, Label};

/// A circuit by names.
pub struct Circuit {
    /// `[input]`: number of the feature, and of its signal.
    inputs: Vec<(usize, usize)>,
    gates: Vec<Gate>,
    /// Output name to signal.
    outputs: HashMap<String, usize>,
    signals: usize,
}

struct Gate {
    inputs: Vec<usize>,
    output: usize,
    /// Cubes: a sum of products, each with a literal an input (`None`: any).
    cubes: Vec<Vec<Option<bool>>>,
}

type Parsed<T> = Result<T, String>;

/// Parse a file.
pub fn read(format: Format, bytes: &[u8]) -> Parsed<Circuit> {
    match format {
        Format::Blif => blif(bytes),
        _ => aiger(bytes),
    }
}

/// The answers of the circuit to the features of `pixels`.
pub fn run(circuit: &Circuit, netlist: &Netlist, label: &Label, pixels: &[u8]) -> Parsed<Answers> {
    let mut answers = Vec::new();
    let mut values = vec![false; circuit.signals];
    for bytes in pixels.chunks_exact(netlist.image.pixels()) {
        for &(feature, signal) in &circuit.inputs {
            if feature >= netlist.features() {
                return Err(format!("it has an input for feature {feature}, which the model lacks"));
            }
            values[signal] = netlist.encoder.bit(feature, bytes);
        }
        for gate in &circuit.gates {
            let holds = |cube: &Vec<Option<bool>>| {
                cube.iter().zip(&gate.inputs).all(|(literal, &input)| literal.is_none_or(|l| l == values[input]))
            };
            values[gate.output] = gate.cubes.iter().any(holds);
        }
        let found = gather(label, |name| circuit.outputs.get(name).map(|&signal| values[signal]));
        answers.extend(found.ok_or("it lacks an output that its label promises")?);
    }
    Ok(Answers::of(label.outputs, answers))
}

/// The feature number in a name such as `x12_pixel_3_above_127`.
fn feature(name: &str) -> Parsed<usize> {
    let digits = name.strip_prefix('x').and_then(|rest| rest.split('_').next());
    digits.and_then(|d| d.parse().ok()).ok_or_else(|| format!("input {name} names no feature"))
}

fn blif(bytes: &[u8]) -> Parsed<Circuit> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text")?;
    let lines: String = text.lines().filter(|l| !l.starts_with('#')).map(|l| format!("{l}\n")).collect();
    let lines = lines.replace("\\\n", " ");
    let mut ids: HashMap<String, usize> = HashMap::new();
    let mut id = |name: &str| -> usize {
        let fresh = ids.len();
        *ids.entry(name.to_string()).or_insert(fresh)
    };
    let mut circuit = Circuit { inputs: Vec::new(), gates: Vec::new(), outputs: HashMap::new(), signals: 0 };
    for line in lines.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] | [".model", ..] | [".end"] => {}
            [".inputs", ref names @ ..] => {
                for name in names {
                    circuit.inputs.push((feature(name)?, id(name)));
                }
            }
            [".outputs", ref names @ ..] => {
                circuit.outputs.extend(names.iter().map(|name| (name.to_string(), id(name))));
            }
            [".names", ref inputs @ .., output] => circuit.gates.push(Gate {
                inputs: inputs.iter().map(|name| id(name)).collect(),
                output: id(output),
                cubes: Vec::new(),
            }),
            ["1"] => circuit.gates.last_mut().ok_or("a row precedes .names")?.cubes.push(Vec::new()),
            [row, "1"] => {
                let cube = row.chars().map(|c| match c {
                    '0' => Ok(Some(false)),
                    '1' => Ok(Some(true)),
                    '-' => Ok(None),
                    _ => Err(format!("{c} is no literal")),
                });
                circuit.gates.last_mut().ok_or("a row precedes .names")?.cubes.push(cube.collect::<Parsed<_>>()?);
            }
            _ => return Err(format!("this line is not understood: {line}")),
        }
    }
    circuit.signals = ids.len();
    Ok(circuit)
}

/// Both forms of AIGER. Signal `l` is literal `l`: a variable and its complement are two signals.
fn aiger(bytes: &[u8]) -> Parsed<Circuit> {
    let mut rest = bytes;
    let header: Vec<&str> = line(&mut rest)?.split(' ').collect();
    let [kind, ref numbers @ ..] = header[..] else { return Err("it has no header".into()) };
    let numbers: Vec<usize> = numbers.iter().map(|n| number(n)).collect::<Parsed<_>>()?;
    let [most, inputs, 0, outputs, ands] = numbers[..] else { return Err("its header is not understood".into()) };
    if inputs > bytes.len() || ands > bytes.len() || inputs + ands != most {
        return Err("its header does not add up".into());
    }
    let binary = kind == "aig";
    if !binary {
        for i in 0..inputs {
            if number(line(&mut rest)?)? != 2 * (i + 1) {
                return Err("its inputs are not in order".into());
            }
        }
    }
    let outputs: Vec<usize> = (0..outputs).map(|_| number(line(&mut rest)?)).collect::<Parsed<_>>()?;
    let negated =
        |variable: usize| Gate { inputs: vec![2 * variable], output: 2 * variable + 1, cubes: vec![vec![Some(false)]] };
    let mut gates: Vec<Gate> = (0..=inputs).map(negated).collect();
    for and in 0..ands {
        let own = 2 * (inputs + 1 + and);
        let (left, right) = if binary {
            let left = own.checked_sub(difference(&mut rest)?).ok_or("an AND reads what comes after it")?;
            (left, left.checked_sub(difference(&mut rest)?).ok_or("an AND reads what comes after it")?)
        } else {
            let words: Vec<usize> = line(&mut rest)?.split(' ').map(number).collect::<Parsed<_>>()?;
            let [lhs, left, right] = words[..] else { return Err("an AND has not two inputs".into()) };
            if lhs != own || left >= own || right >= own {
                return Err(format!("AND {lhs} is out of order"));
            }
            (left, right)
        };
        gates.push(Gate { inputs: vec![left, right], output: own, cubes: vec![vec![Some(true), Some(true)]] });
        gates.push(negated(own / 2));
    }
    let mut circuit = Circuit { inputs: Vec::new(), gates, outputs: HashMap::new(), signals: 2 * most + 2 };
    loop {
        let symbol = line(&mut rest)?;
        if symbol == "c" {
            break;
        }
        let (place, name) = symbol.split_once(' ').ok_or("a symbol has no name")?;
        let (kind, index) = place.split_at_checked(1).ok_or("a symbol has no place")?;
        let index = number(index)?;
        if kind == "i" {
            if index >= inputs {
                return Err("a symbol names an input that is not there".into());
            }
            circuit.inputs.push((feature(name)?, 2 * (index + 1)));
        } else {
            let literal = *outputs.get(index).ok_or("a symbol names an output that is not there")?;
            circuit.outputs.insert(name.to_string(), literal);
        }
    }
    if circuit.outputs.values().any(|&literal| literal >= circuit.signals) {
        return Err("an output is a literal that is not there".into());
    }
    Ok(circuit)
}

fn line<'a>(rest: &mut &'a [u8]) -> Parsed<&'a str> {
    let end = rest.iter().position(|&b| b == b'\n').ok_or("it ends too early")?;
    let line = std::str::from_utf8(&rest[..end]).map_err(|_| "a line is no text")?;
    *rest = &rest[end + 1..];
    Ok(line)
}

fn difference(rest: &mut &[u8]) -> Parsed<usize> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let (&byte, after) = rest.split_first().ok_or("it ends within an AND")?;
        *rest = after;
        value |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err("an AND has too long a number".into())
}

fn number(text: &str) -> Parsed<usize> {
    text.parse().map_err(|_| format!("{text} is no number"))
}
