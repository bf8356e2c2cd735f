//! Gates in an order in which each comes after what it reads.

use super::{Circuit, Gate, Parsed};

/// Put the gates of `circuit`, which may come in any order, into one in which they can be evaluated. `called` tells what a
/// signal is called.
///
/// # Errors
/// A sentence, if a signal is driven twice or not at all, or gates read each other in a circle.
pub fn sort(circuit: Circuit, called: &dyn Fn(usize) -> String) -> Parsed<Circuit> {
    let mut is_driven = vec![false; circuit.signals];
    let driven = circuit.inputs.iter().map(|&(_, signal)| signal).chain(circuit.gates.iter().map(|gate| gate.output));
    for signal in driven {
        if std::mem::replace(&mut is_driven[signal], true) {
            return Err(format!("{} is driven twice", called(signal)));
        }
    }
    let read = circuit.gates.iter().flat_map(|gate| gate.inputs.iter().copied());
    if let Some(signal) = read.chain(circuit.outputs.iter().map(|&(_, signal)| signal)).find(|&s| !is_driven[s]) {
        return Err(format!("nothing drives {}", called(signal)));
    }
    // Readers of each signal, by gate, in one array; gates whose inputs are all there are next.
    let mut starts = vec![0; circuit.signals + 1];
    let mut by_gate = vec![false; circuit.signals];
    circuit.gates.iter().for_each(|gate| by_gate[gate.output] = true);
    let waits = |gate: &Gate| gate.inputs.iter().copied().filter(|&input| by_gate[input]).collect::<Vec<_>>();
    let mut open: Vec<usize> = circuit.gates.iter().map(|gate| waits(gate).len()).collect();
    circuit.gates.iter().flat_map(waits).for_each(|input| starts[input + 1] += 1);
    for signal in 0..circuit.signals {
        starts[signal + 1] += starts[signal];
    }
    let mut readers = vec![0; starts[circuit.signals]];
    let mut next = starts.clone();
    for (number, gate) in circuit.gates.iter().enumerate() {
        for input in waits(gate) {
            readers[next[input]] = number;
            next[input] += 1;
        }
    }
    let mut order: Vec<usize> = (0..open.len()).filter(|&gate| open[gate] == 0).collect();
    let mut at = 0;
    while let Some(&gate) = order.get(at) {
        let output = circuit.gates[gate].output;
        for &reader in &readers[starts[output]..starts[output + 1]] {
            open[reader] -= 1;
            if open[reader] == 0 {
                order.push(reader);
            }
        }
        at += 1;
    }
    if let Some(stuck) = open.iter().position(|&inputs| inputs > 0) {
        return Err(format!("{} depends on itself in a circle", called(circuit.gates[stuck].output)));
    }
    let mut gates: Vec<Option<Gate>> = circuit.gates.into_iter().map(Some).collect();
    let gates = order.into_iter().filter_map(|gate| gates[gate].take()).collect();
    Ok(Circuit { gates, ..circuit })
}
