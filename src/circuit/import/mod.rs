//! Circuits of other tools: BLIF and AIGER, combinational.

mod aiger;
mod blif;
mod like;
mod order;

pub use like::{Kind, Voting};

use super::builder::{Builder, Literal};
use super::{Lut, MAX_ARITY, Signal};

/// A combinational circuit as a file holds it. Signals are numbers.
#[derive(Debug, Default)]
pub struct Circuit {
    /// `[input]`: its name and signal.
    pub inputs: Vec<(String, usize)>,
    /// Each reads inputs and outputs of gates before it.
    pub gates: Vec<Gate>,
    /// `[output]`: its name and signal.
    pub outputs: Vec<(String, usize)>,
    /// Number of signals.
    pub signals: usize,
}

/// A sum of products.
#[derive(Debug)]
pub struct Gate {
    /// The signals that it reads.
    pub inputs: Vec<usize>,
    /// The signal that it drives.
    pub output: usize,
    /// Each a literal an input; `None` is any.
    pub cubes: Vec<Vec<Option<bool>>>,
    /// The output where a cube holds.
    pub value: bool,
}

/// What went well, or a sentence.
type Parsed<T> = Result<T, String>;

impl Circuit {
    /// Read a file: binary or ASCII AIGER by its first word, else BLIF.
    ///
    /// # Errors
    /// A sentence, for latches, subcircuits and whatever else is no plain combinational circuit.
    pub fn read(bytes: &[u8]) -> Parsed<Circuit> {
        if bytes.starts_with(b"aag ") || bytes.starts_with(b"aig ") { aiger::read(bytes) } else { blif::read(bytes) }
    }

    /// Set `values`, `[signal]`, of which those of the inputs are there.
    pub fn evaluate(&self, values: &mut [bool]) {
        for gate in &self.gates {
            let holds = |cube: &Vec<Option<bool>>| {
                cube.iter().zip(&gate.inputs).all(|(literal, &input)| literal.is_none_or(|l| l == values[input]))
            };
            values[gate.output] = gate.cubes.iter().any(holds) == gate.value;
        }
    }

    /// Its LUTs over `features` features, input `i` being feature `features_of[i]`, and its outputs in order. Gates that are
    /// equal become one, and inverters part of what reads them.
    pub fn luts(&self, features: usize, features_of: &[Signal]) -> (Vec<Lut>, Vec<Literal>) {
        let mut builder = Builder::new(features, Vec::new());
        let mut values = vec![Literal::Constant(false); self.signals];
        for ((_, signal), &feature) in self.inputs.iter().zip(features_of) {
            values[*signal] = Literal::Wire { signal: feature, inverted: false };
        }
        for gate in &self.gates {
            let inputs: Vec<Literal> = gate.inputs.iter().map(|&input| values[input]).collect();
            let sum = if inputs.len() <= MAX_ARITY {
                builder.gate(table(&gate.cubes, inputs.len()), &inputs, 0)
            } else {
                let products: Vec<Literal> =
                    gate.cubes.iter().map(|cube| tree(&mut builder, literals(cube, &inputs), true)).collect();
                tree(&mut builder, products, false)
            };
            values[gate.output] = if gate.value { sum } else { !sum };
        }
        let outputs = self.outputs.iter().map(|&(_, signal)| values[signal]).collect();
        (builder.into_luts(), outputs)
    }
}

/// The table of a sum of products over `arity` inputs, the first the highest bit of the code.
fn table(cubes: &[Vec<Option<bool>>], arity: usize) -> u64 {
    let bit = |code: u64, pin: usize| (code >> (arity - 1 - pin)) & 1 == 1;
    let holds = |code: u64| {
        let of = |cube: &Vec<Option<bool>>| {
            cube.iter().enumerate().all(|(pin, literal)| literal.is_none_or(|l| l == bit(code, pin)))
        };
        cubes.iter().any(of)
    };
    (0..1u64 << arity).filter(|&code| holds(code)).fold(0, |table, code| table | 1 << code)
}

/// What a cube asks for of its inputs.
fn literals(cube: &[Option<bool>], inputs: &[Literal]) -> Vec<Literal> {
    let of = |(wanted, &input): (&Option<bool>, &Literal)| wanted.map(|w| if w { input } else { !input });
    cube.iter().zip(inputs).filter_map(of).collect()
}

/// All of the literals, or any of them, by a tree of LUTs.
fn tree(builder: &mut Builder, mut literals: Vec<Literal>, is_all: bool) -> Literal {
    while literals.len() > 1 {
        let gate = |few: &[Literal]| {
            let codes = 1u32 << few.len();
            let all = 1u64 << (codes - 1);
            // Any is not (none).
            let table = if is_all { all } else { !1 & super::table_mask(few.len()) };
            builder.gate(table, few, 0)
        };
        literals = literals.chunks(MAX_ARITY).map(gate).collect();
    }
    literals.first().copied().unwrap_or(Literal::Constant(is_all))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[code]`: the outputs for every code of the inputs, the first input being the code's lowest bit.
    fn outputs(circuit: &Circuit) -> Vec<Vec<bool>> {
        let all = 0..1u32 << circuit.inputs.len();
        let of = |code: u32| {
            let mut values = vec![false; circuit.signals];
            circuit.inputs.iter().enumerate().for_each(|(i, &(_, signal))| values[signal] = (code >> i) & 1 == 1);
            circuit.evaluate(&mut values);
            circuit.outputs.iter().map(|&(_, signal)| values[signal]).collect()
        };
        all.map(of).collect()
    }

    /// The same by its LUTs.
    fn by_luts(circuit: &Circuit) -> Vec<Vec<bool>> {
        let features = circuit.inputs.len();
        let (luts, outputs) = circuit.luts(features, &(0..features as Signal).collect::<Vec<_>>());
        let of = |code: u32| {
            let mut values: Vec<bool> = (0..features).map(|i| (code >> i) & 1 == 1).collect();
            for lut in &luts {
                let code = lut.inputs().iter().fold(0, |code, &s| (code << 1) | u32::from(values[s as usize]));
                values.push(lut.output(code));
            }
            let of = |literal: &Literal| match *literal {
                Literal::Constant(value) => value,
                Literal::Wire { signal, inverted } => values[signal as usize] != inverted,
            };
            outputs.iter().map(of).collect()
        };
        (0..1u32 << features).map(of).collect()
    }

    fn read(text: &str) -> Circuit {
        Circuit::read(text.as_bytes()).unwrap_or_else(|problem| panic!("{problem}: {text}"))
    }

    #[test]
    fn blif_says_sums_of_products_of_either_value_in_any_order() {
        // n reads m, which comes after it; m is given by where it is 0; y is a constant.
        let circuit = read(
            ".model t # a comment\n.inputs a b \\\n c\n.outputs n m y z\n.names m c n\n1- 1\n-1 1\n.names a b m\n11 0\n\
             .names y\n1\n.names z\n.end\n",
        );
        let expected = |code: u32| {
            let [a, b, c] = [0, 1, 2].map(|i| (code >> i) & 1 == 1);
            let m = !(a && b);
            vec![m || c, m, true, false]
        };
        let expected: Vec<_> = (0..8).map(expected).collect();
        assert_eq!(outputs(&circuit), expected);
        assert_eq!(by_luts(&circuit), expected);
    }

    #[test]
    fn wide_sums_of_products_become_trees() {
        let names: Vec<String> = (0..9).map(|i| format!("x{i}")).collect();
        let circuit = read(&format!(
            ".model t\n.inputs {0}\n.outputs y\n.names {0} y\n111111111 0\n0-0-0-0-0 0\n.end\n",
            names.join(" ")
        ));
        let expected: Vec<_> = (0..512u32).map(|code| vec![code != 511 && code & 0b1_0101_0101 != 0]).collect();
        assert_eq!(outputs(&circuit), expected);
        assert_eq!(by_luts(&circuit), expected);
    }

    #[test]
    fn aiger_is_read_in_both_forms() {
        // 6 = a and not b; outputs 6, its complement, a, and false.
        let ascii = read("aag 3 2 0 4 1\n2\n4\n6\n7\n2\n0\n6 2 5\ni0 a\ni1 b\no0 y\nc\nanything\n");
        let mut binary = b"aig 3 2 0 4 1\n6\n7\n2\n0\n".to_vec();
        // 6 - 5 and 5 - 2.
        binary.extend([1, 3]);
        let binary = Circuit::read(&binary).unwrap();
        let expected: Vec<_> = (0..4u32)
            .map(|code| {
                let (a, b) = (code & 1 == 1, code & 2 == 2);
                vec![a && !b, !a || b, a, false]
            })
            .collect();
        for circuit in [&ascii, &binary] {
            assert_eq!(outputs(circuit), expected);
            assert_eq!(by_luts(circuit), expected);
        }
        assert_eq!((ascii.inputs[0].0.as_str(), ascii.outputs[0].0.as_str()), ("a", "y"));
        assert_eq!((binary.inputs[1].0.as_str(), binary.outputs[3].0.as_str()), ("i1", "o3"));
        let unordered = read("aag 4 2 0 1 2\n2\n4\n8\n8 6 7\n6 2 4\n");
        assert_eq!(outputs(&unordered), vec![vec![false]; 4]);
    }

    #[test]
    fn what_is_no_combinational_circuit_is_refused_in_a_sentence() {
        for (text, told) in [
            (".model t\n.inputs a\n.outputs y\n.latch a y re c 0\n.end\n", "line 4 has a latch"),
            (".model t\n.inputs a\n.outputs y\n.subckt f x=a z=y\n.end\n", "line 4 has a subcircuit"),
            (".model t\n.inputs a\n.outputs y\n.gate nand2 A=a O=y\n.end\n", "line 4"),
            (".model t\n.inputs a\n.outputs y\n.end\n", "nothing drives \"y\""),
            (".model t\n.inputs a\n.outputs y\n.names y y\n1 1\n.end\n", "circle"),
            (".model t\n.inputs a\n.outputs y\n.names a z y\n11 1\n.names y z\n1 1\n.end\n", "circle"),
            (".model t\n.inputs a\n.outputs a y\n.names a y\n1 1\n.names a y\n0 1\n.end\n", "driven twice"),
            (".model t\n.inputs a\n.outputs y\n.names a y\n1 1\n0 0\n.end\n", "line 6"),
            (".model t\n.inputs a\n.outputs y\n.names a y\n11 1\n.end\n", "line 5"),
            (".model t\n.inputs a\n.outputs y\n.names a y\n2 1\n.end\n", "line 5"),
            (".model t\n.inputs a a\n.outputs y\n.names a y\n1 1\n.end\n", "driven twice"),
            ("11 1\n", "line 1"),
            ("", "no output"),
            ("aag 3 2 1 0 0\n2\n4\n6 2\n", "1 latches"),
            ("aag 1 1 0 1 0\n2\n9\n", "literal 9"),
            ("aag 2 1 0 1 0\n2\n4\n", "nothing drives literal 4"),
            ("aag 2 1 0 1 1\n2\n4\n4 4 2\n", "circle"),
            ("aag 2 1 0 1 1\n2\n4\n2 2 2\n", "driven twice"),
            ("aig 99999999999 99999999999 0 0 0\n", "header"),
            ("aig 2 1 0 1 1\n4\n", "too early"),
            ("aag 1 1 0 1 0 1\n2\n2\n2\n", "bad states"),
        ] {
            let problem = Circuit::read(text.as_bytes()).err().unwrap_or_else(|| panic!("taken: {text}"));
            assert!(problem.contains(told), "{problem}: {text}");
        }
    }
}
