//! AIGER, ASCII and binary (Biere: "The AIGER And-Inverter Graph (AIG) Format", 2007). Signal `l` is literal `l`: a variable
//! and its complement are two signals.

use super::order::sort;
use super::{Circuit, Gate, Parsed};

/// Inputs that a file may have beyond its bytes: those of a binary one take none.
const FREE_INPUTS: usize = 1 << 12;

/// Read either form.
pub fn read(bytes: &[u8]) -> Parsed<Circuit> {
    let mut rest = bytes;
    let header: Vec<&str> = line(&mut rest)?.split_ascii_whitespace().collect();
    let is_binary = header[0] == "aig";
    let numbers: Vec<usize> = header[1..].iter().map(|n| number(n)).collect::<Parsed<_>>()?;
    let [most, inputs, latches, outputs, ands, ref properties @ ..] = numbers[..] else {
        return Err("its header has not five numbers".into());
    };
    if latches > 0 {
        return Err(format!("it has {latches} latches, and only combinational circuits are read"));
    }
    if properties.iter().any(|&n| n > 0) {
        return Err("it has bad states, constraints or other properties, and only plain outputs are read".into());
    }
    let is_sound = inputs <= bytes.len().max(FREE_INPUTS)
        && outputs <= bytes.len()
        && ands <= bytes.len()
        && most <= bytes.len().max(FREE_INPUTS) * 2
        && (if is_binary { inputs + ands == most } else { inputs + ands <= most });
    if !is_sound {
        return Err("its header does not add up".into());
    }
    let literal = |n: usize| match n {
        n if n <= 2 * most + 1 => Ok(n),
        n => Err(format!("literal {n} is beyond its {most} variables")),
    };
    let variable = |n: usize| match literal(n)? {
        n if n % 2 == 0 && n > 0 => Ok(n),
        n => Err(format!("literal {n} cannot be driven")),
    };
    let mut circuit = Circuit { signals: 2 * most + 2, ..Circuit::default() };
    for i in 0..inputs {
        let signal = if is_binary { 2 * (i + 1) } else { variable(number(line(&mut rest)?)?)? };
        circuit.inputs.push((format!("i{i}"), signal));
    }
    for o in 0..outputs {
        circuit.outputs.push((format!("o{o}"), literal(number(line(&mut rest)?)?)?));
    }
    for and in 0..ands {
        let [own, left, right] = if is_binary {
            let own = 2 * (inputs + 1 + and);
            let before = |from: usize, difference: usize| {
                from.checked_sub(difference).ok_or_else(|| format!("AND {own} reads what comes after it"))
            };
            let left = before(own, difference(&mut rest)?)?;
            [own, left, before(left, difference(&mut rest)?)?]
        } else {
            let words: Vec<usize> = line(&mut rest)?.split_ascii_whitespace().map(number).collect::<Parsed<_>>()?;
            let [own, left, right] = words[..] else { return Err("an AND has not two inputs".into()) };
            [variable(own)?, literal(left)?, literal(right)?]
        };
        let cubes = vec![vec![Some(true), Some(true)]];
        circuit.gates.push(Gate { inputs: vec![left, right], output: own, cubes, value: true });
    }
    // Literal 0 is false; every variable that is there has its complement.
    circuit.gates.push(Gate { inputs: Vec::new(), output: 0, cubes: Vec::new(), value: true });
    let driven = circuit.inputs.iter().map(|&(_, signal)| signal).chain(circuit.gates.iter().map(|gate| gate.output));
    let complement =
        |signal: usize| Gate { inputs: vec![signal], output: signal + 1, cubes: vec![vec![Some(false)]], value: true };
    let complements: Vec<Gate> = driven.map(complement).collect();
    circuit.gates.extend(complements);
    symbols(rest, &mut circuit)?;
    if circuit.outputs.is_empty() {
        return Err("it has no output".into());
    }
    sort(circuit, &|signal| format!("literal {}", signal & !1))
}

/// Names of inputs and outputs, as far as they are there; a comment ends them.
fn symbols(mut rest: &[u8], circuit: &mut Circuit) -> Parsed<()> {
    while !rest.is_empty() {
        let symbol = line(&mut rest)?;
        if symbol == "c" {
            break;
        }
        let parts = symbol.split_once(' ').and_then(|(place, name)| Some((place.split_at_checked(1)?, name)));
        let Some(((kind, index), name)) = parts else { return Err(format!("{symbol:?} is no symbol")) };
        let list = match kind {
            "i" => &mut circuit.inputs,
            "o" => &mut circuit.outputs,
            _ => return Err(format!("{symbol:?} names neither an input nor an output")),
        };
        match list.get_mut(number(index)?) {
            Some((own, _)) => *own = name.to_string(),
            None => return Err(format!("{symbol:?} names what is not there")),
        }
    }
    Ok(())
}

fn line<'a>(rest: &mut &'a [u8]) -> Parsed<&'a str> {
    let end = rest.iter().position(|&b| b == b'\n').ok_or("it ends too early")?;
    let line = std::str::from_utf8(&rest[..end]).map_err(|_| "a line is no text")?;
    *rest = &rest[end + 1..];
    Ok(line.trim_end_matches('\r'))
}

fn difference(rest: &mut &[u8]) -> Parsed<usize> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let (&byte, after) = rest.split_first().ok_or("it ends too early, within an AND")?;
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
