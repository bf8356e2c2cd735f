//! Berkeley Logic Interchange Format: LUTs as they are, one `.names` each.

use std::fmt::Write;

use super::Options;
use super::label::Label;
use super::logic::Logic;
use crate::circuit::builder::Literal;
use crate::circuit::{Netlist, Signal};

/// The model of `netlist`.
pub fn model(netlist: &Netlist, options: &Options, label: &Label) -> String {
    let logic = Logic::new(netlist, options);
    let name = |signal: Signal| match (signal as usize).checked_sub(logic.features) {
        None => Logic::input_name(netlist, signal as usize),
        Some(lut) => format!("g{lut}"),
    };
    let mut b = label.comment("# ");
    let _ = writeln!(b, ".model {}", options.name);
    names(&mut b, ".inputs", (0..logic.features).map(|f| name(f as Signal)));
    names(&mut b, ".outputs", logic.outputs.iter().map(|(output, _)| output.clone()));
    for (i, lut) in logic.luts.iter().enumerate() {
        // A cover without rows is a constant 0; ABC takes it only without inputs.
        let inputs = if lut.table == 0 { &[] } else { lut.inputs() };
        let inputs: String = inputs.iter().map(|&s| format!("{} ", name(s))).collect();
        let _ = writeln!(b, ".names {inputs}g{i}");
        for code in (0..1u32 << lut.arity).filter(|&code| lut.output(code)) {
            let _ = match lut.arity {
                0 => writeln!(b, "1"),
                arity => writeln!(b, "{code:0width$b} 1", width = arity as usize),
            };
        }
    }
    for (output, literal) in &logic.outputs {
        let _ = match *literal {
            Literal::Constant(value) => writeln!(b, ".names {output}{}", if value { "\n1" } else { "" }),
            Literal::Wire { signal, inverted } => {
                writeln!(b, ".names {} {output}\n{} 1", name(signal), u8::from(!inverted))
            }
        };
    }
    b.push_str(".end\n");
    b
}

/// A list of names over many lines.
fn names(b: &mut String, keyword: &str, names: impl Iterator<Item = String>) {
    b.push_str(keyword);
    for name in names {
        let _ = write!(b, " \\\n  {name}");
    }
    b.push('\n');
}
