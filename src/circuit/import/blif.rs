//! Berkeley Logic Interchange Format: one model of `.names`.

use std::collections::HashMap;

use super::order::sort;
use super::{Circuit, Gate, Parsed};

/// Read a model.
pub fn read(bytes: &[u8]) -> Parsed<Circuit> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is neither AIGER nor text, as BLIF is")?;
    let mut ids: HashMap<String, usize> = HashMap::new();
    let mut circuit = Circuit::default();
    let (mut models, mut is_open) = (0, false);
    let mut lines = text.lines().enumerate();
    while let Some((number, first)) = lines.next() {
        let mut line = without_comment(first).to_string();
        while let Some(more) = line.trim_end().strip_suffix('\\').map(str::to_string) {
            line = more + " " + lines.next().map_or("", |(_, next)| without_comment(next));
        }
        let at = format!("line {}", number + 1);
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let mut id = |name: &str| -> usize {
            let fresh = ids.len();
            *ids.entry(name.to_string()).or_insert(fresh)
        };
        if words.first().is_some_and(|word| word.starts_with('.')) {
            is_open = words[0] == ".names";
        }
        match words[..] {
            [] => {}
            [".model", ..] if models == 0 => models = 1,
            [".model", ..] => return Err(format!("{at} begins a second model, and one is read")),
            [".inputs", ref names @ ..] => {
                circuit.inputs.extend(names.iter().map(|name| (name.to_string(), id(name))));
            }
            [".outputs", ref names @ ..] => {
                circuit.outputs.extend(names.iter().map(|name| (name.to_string(), id(name))));
            }
            [".names", ref inputs @ .., output] => circuit.gates.push(Gate {
                inputs: inputs.iter().map(|name| id(name)).collect(),
                output: id(output),
                cubes: Vec::new(),
                value: true,
            }),
            [".end"] => break,
            [".latch" | ".mlatch", ..] => {
                return Err(format!("{at} has a latch, and only combinational circuits are read"));
            }
            [".subckt", ..] => {
                return Err(format!("{at} has a subcircuit; flatten it first, as by `flatten` of abc or yosys"));
            }
            [keyword, ..] if keyword.starts_with('.') => {
                return Err(format!("{at} has a {keyword}, which is not read; write it with .names alone"));
            }
            [ref row @ .., value @ ("0" | "1")] if is_open && row.len() <= 1 => {
                let gate = circuit.gates.last_mut().ok_or_else(|| format!("{at} is a row without .names"))?;
                let row = row.first().copied().unwrap_or_default();
                let literal = |c: char| match c {
                    '0' => Ok(Some(false)),
                    '1' => Ok(Some(true)),
                    '-' => Ok(None),
                    _ => Err(format!("{at} has the literal {c:?}; 0, 1 and - are possible")),
                };
                let cube = row.chars().map(literal).collect::<Parsed<Vec<_>>>()?;
                if cube.len() != gate.inputs.len() {
                    return Err(format!("{at} has {} literals for {} inputs", cube.len(), gate.inputs.len()));
                }
                let value = value == "1";
                if !gate.cubes.is_empty() && gate.value != value {
                    return Err(format!(
                        "{at} says where the output is {}, and rows before it the opposite",
                        u8::from(value)
                    ));
                }
                gate.value = value;
                gate.cubes.push(cube);
            }
            _ => return Err(format!("{at} is not understood; it is neither AIGER nor BLIF of .names")),
        }
    }
    circuit.signals = ids.len();
    if circuit.outputs.is_empty() {
        return Err("it has no output".into());
    }
    let mut names = vec![""; ids.len()];
    ids.iter().for_each(|(name, &id)| names[id] = name);
    let called = |signal: usize| format!("\"{}\"", names[signal]);
    sort(circuit, &called)
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default()
}
