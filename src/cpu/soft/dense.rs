//! Dense gates by their multilinear extensions, and the adjoint.

use super::mixtures::Mixtures;
use super::rows::{LANES, NONE, Row, Vectored, add, pair, pair_adjoint, total};

/// A layer forward.
pub struct Forward<'a> {
    /// Pins a gate.
    pub arity: usize,
    /// `[gates][arity]`
    pub wiring: &'a [u32],
    /// `[gates][2^arity]`
    pub tables: &'a Mixtures,
    /// What it reads.
    pub inputs: &'a [Row],
    /// `[gates]`
    pub outputs: &'a mut [Row],
}

impl Vectored for Forward<'_> {
    #[inline(always)]
    fn run(self) {
        let Forward { arity, wiring, tables, inputs, outputs } = self;
        if arity == 2 {
            for (gate, (wires, out)) in wiring.chunks_exact(2).zip(outputs).enumerate() {
                *out = pair(&tables.get(gate), &inputs[wires[0] as usize], &inputs[wires[1] as usize]);
            }
            return;
        }
        match arity {
            3 => forward::<3, 8, 16>(wiring, tables, inputs, outputs),
            4 => forward::<4, 16, 32>(wiring, tables, inputs, outputs),
            5 => forward::<5, 32, 64>(wiring, tables, inputs, outputs),
            _ => forward::<6, 64, 128>(wiring, tables, inputs, outputs),
        }
    }
}

/// A layer backward.
pub struct Backward<'a> {
    /// Pins a gate.
    pub arity: usize,
    /// `[gates][arity]`
    pub wiring: &'a [u32],
    /// `[gates][2^arity]`
    pub tables: &'a Mixtures,
    /// What it reads.
    pub inputs: &'a [Row],
    /// `[gates]` gradients by its outputs.
    pub gradients: &'a [Row],
    /// `[inputs]`: what gradients by its inputs are added to, if anybody needs them.
    pub sent: Option<&'a mut [Row]>,
    /// `[gates][2^arity]` table gradients of these samples, which are added to what there is.
    pub sums: &'a mut [f32],
}

impl Vectored for Backward<'_> {
    #[inline(always)]
    fn run(self) {
        match self.arity {
            2 => self.run_pairs(),
            3 => self.run_arity::<3, 8, 16>(),
            4 => self.run_arity::<4, 16, 32>(),
            5 => self.run_arity::<5, 32, 64>(),
            _ => self.run_arity::<6, 64, 128>(),
        }
    }
}

impl Backward<'_> {
    #[inline(always)]
    fn run_pairs(self) {
        let Backward { wiring, tables, inputs, gradients, mut sent, sums, .. } = self;
        let gates = wiring.chunks_exact(2).zip(gradients).zip(sums.chunks_exact_mut(4)).enumerate();
        for (gate, ((wires, g), sums)) in gates {
            let [a, b] = [0, 1].map(|pin| wires[pin] as usize);
            let (by_a, by_b, by_table) = pair_adjoint(&tables.get(gate), &inputs[a], &inputs[b], g);
            for (sum, row) in sums.iter_mut().zip(&by_table) {
                *sum += total(row);
            }
            if let Some(sent) = &mut sent {
                add(&mut sent[a], &by_a);
                add(&mut sent[b], &by_b);
            }
        }
    }

    #[inline(always)]
    fn run_arity<const K: usize, const N: usize, const M: usize>(self) {
        let Backward { wiring, tables, inputs, gradients, mut sent, sums, .. } = self;
        let gates = wiring.chunks_exact(K).zip(gradients).zip(sums.chunks_exact_mut(N)).enumerate();
        for (gate, ((wires, g), sums)) in gates {
            let x: [&Row; K] = std::array::from_fn(|pin| &inputs[wires[pin] as usize]);
            let nodes: [Row; M] = extension::<K, N, M>(&tables.get(gate), x);
            // By the nodes, from the root down.
            let mut by_node = [NONE; M];
            by_node[1] = *g;
            let mut by_pin = [NONE; K];
            for i in 1..N {
                let pin = i.ilog2() as usize;
                let (own, low, high) = (by_node[i], nodes[2 * i], nodes[2 * i + 1]);
                for s in 0..LANES {
                    by_pin[pin][s] += own[s] * (high[s] - low[s]);
                    by_node[2 * i + 1][s] = own[s] * x[pin][s];
                    by_node[2 * i][s] = own[s] - by_node[2 * i + 1][s];
                }
            }
            for (sum, row) in sums.iter_mut().zip(&by_node[N..]) {
                *sum += total(row);
            }
            if let Some(sent) = &mut sent {
                wires.iter().zip(&by_pin).for_each(|(&wire, row)| add(&mut sent[wire as usize], row));
            }
        }
    }
}

#[inline(always)]
fn forward<const K: usize, const N: usize, const M: usize>(
    wiring: &[u32],
    tables: &Mixtures,
    inputs: &[Row],
    outputs: &mut [Row],
) {
    for (gate, (wires, out)) in wiring.chunks_exact(K).zip(outputs).enumerate() {
        let x: [&Row; K] = std::array::from_fn(|pin| &inputs[wires[pin] as usize]);
        let nodes: [Row; M] = extension::<K, N, M>(&tables.get(gate), x);
        *out = nodes[1];
    }
}

/// The nodes of a gate's extension, M = 2 N of them: node 1 is the output, node i lies between nodes 2i and 2i + 1 at the activation
/// of pin ⌊log2 i⌋, and the last N are the table's entries.
#[inline(always)]
fn extension<const K: usize, const N: usize, const M: usize>(table: &[f32; N], x: [&Row; K]) -> [Row; M] {
    let mut nodes = [NONE; M];
    nodes[N..].iter_mut().zip(table).for_each(|(node, &p)| *node = [p; LANES]);
    for i in (1..N).rev() {
        let x = x[i.ilog2() as usize];
        let (low, high) = (nodes[2 * i], nodes[2 * i + 1]);
        for s in 0..LANES {
            nodes[i][s] = low[s] + x[s] * (high[s] - low[s]);
        }
    }
    nodes
}
