//! Which outputs of the layer before each gate reads, and who reads whom.

use crate::random::Philox;

/// How a layer's wires are drawn from its seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Wiring {
    /// Every pin draws uniformly; the pins of one gate differ.
    Random,
    /// Every input is used before any is used twice; the pins of one gate differ.
    Unique,
    /// The first layer over images compares neighbours along an axis (see [`axis_neighbours`](super::axis_neighbours)); all
    /// else is wired as by `unique`.
    Axis,
}

impl Wiring {
    /// Draw `[gates][arity]` u32 indices into `inputs` inputs, pins of a gate distinct.
    ///
    /// `unique` lays random permutations of the inputs end to end and deals them pin by pin (all first pins, then all
    /// second pins), so that the first pins alone already cover as many inputs as there are gates: what the residual
    /// initialization passes through.
    ///
    /// Needs `inputs >= arity`.
    pub fn draw(self, inputs: usize, gates: usize, arity: usize, rng: &mut Philox) -> Vec<u32> {
        assert!(inputs >= arity, "a gate of {arity} inputs needs as many different inputs, there are {inputs}");
        let mut wires = vec![0u32; gates * arity];
        match self {
            Wiring::Random => {
                for gate in wires.chunks_exact_mut(arity) {
                    for pin in 0..arity {
                        gate[pin] = any_but(&gate[..pin], inputs, rng);
                    }
                }
            }
            Wiring::Unique | Wiring::Axis => {
                let mut order: Vec<u32> = (0..inputs as u32).collect();
                let mut dealt = inputs;
                for pin in 0..arity {
                    for gate in 0..gates {
                        if dealt == inputs {
                            rng.shuffle(&mut order);
                            dealt = 0;
                        }
                        wires[gate * arity + pin] = order[dealt];
                        dealt += 1;
                    }
                }
                separate_pins(&mut wires, inputs, arity, rng);
            }
        }
        wires
    }
}

/// Any of `inputs` inputs but those `taken`, of which there are fewer.
pub(super) fn any_but(taken: &[u32], inputs: usize, rng: &mut Philox) -> u32 {
    loop {
        let any = rng.below(inputs as u32);
        if !taken.contains(&any) {
            return any;
        }
    }
}

/// Make the pins of every gate distinct by swapping clashing wires with the same pin of other gates, which keeps how
/// often each input is used. Where no swap can help (one gate, few inputs) an unused input is drawn instead.
fn separate_pins(wires: &mut [u32], inputs: usize, arity: usize, rng: &mut Philox) {
    let gates = wires.len() / arity;
    let clashes = |wires: &[u32], gate: usize, pin: usize| {
        let own = &wires[gate * arity..(gate + 1) * arity];
        own.iter().enumerate().any(|(p, w)| p != pin && *w == own[pin])
    };
    for gate in 0..gates {
        for pin in 0..arity {
            let mut tries = 0;
            while clashes(wires, gate, pin) {
                let (here, other) = (gate * arity + pin, rng.below(gates as u32) as usize);
                let there = other * arity + pin;
                wires.swap(here, there);
                if clashes(wires, gate, pin) || clashes(wires, other, pin) {
                    wires.swap(here, there);
                }
                tries += 1;
                if tries > 64 && clashes(wires, gate, pin) {
                    wires[here] = rng.below(inputs as u32);
                }
            }
        }
    }
}

/// Most pins of `wires`, each below `inputs`, that read one input.
pub fn most_readers(wires: &[u32], inputs: usize) -> u32 {
    let mut readers = vec![0u32; inputs];
    wires.iter().for_each(|&wire| readers[wire as usize] += 1);
    readers.into_iter().max().unwrap_or(0)
}

/// The wiring turned around: for every input, the pins that read it, in compressed sparse rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumers {
    /// `[inputs + 1]`: input `i`'s pins are `pins[offsets[i]..offsets[i + 1]]`.
    pub offsets: Vec<u32>,
    /// `[gates · arity]`: `gate · arity + pin`; within an input all first pins come first, then all second pins, so that
    /// lanes that walk their gates' consumers side by side meet like pins, whose gradients often vanish together (after
    /// the residual initialization most second pins send none).
    pub pins: Vec<u32>,
}

impl Consumers {
    /// Turn `wires`, `[gates][arity]`, each below `inputs`, around.
    pub fn of(wires: &[u32], inputs: usize, arity: usize) -> Self {
        Self::among(wires, inputs, (arity, 1))
    }

    /// The same of pins that each may read any of `count` inputs: `candidates` is `[gates][arity][count]`, those of a pin distinct.
    /// As pins are listed in the same order, those of them that are wired to an input are the list that [`Consumers::of`] makes of it.
    pub fn among(candidates: &[u32], inputs: usize, (arity, count): (usize, usize)) -> Self {
        let mut offsets = vec![0u32; inputs + 1];
        for &wire in candidates {
            offsets[wire as usize + 1] += 1;
        }
        for i in 0..inputs {
            offsets[i + 1] += offsets[i];
        }
        let mut next = offsets.clone();
        let mut pins = vec![0u32; candidates.len()];
        for pin in 0..arity {
            for at in (pin..candidates.len() / count).step_by(arity) {
                for &wire in &candidates[at * count..(at + 1) * count] {
                    let slot = &mut next[wire as usize];
                    pins[*slot as usize] = at as u32;
                    *slot += 1;
                }
            }
        }
        Consumers { offsets, pins }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distinct_pins(wires: &[u32], arity: usize) -> bool {
        wires.chunks_exact(arity).all(|g| (1..arity).all(|p| !g[..p].contains(&g[p])))
    }

    #[test]
    fn wires_are_in_range_with_distinct_pins() {
        for wiring in [Wiring::Random, Wiring::Unique] {
            for (inputs, gates, arity) in [(2, 1, 2), (2, 9, 2), (3, 7, 3), (784, 100, 2), (33, 500, 6), (6, 1, 6)] {
                let wires = wiring.draw(inputs, gates, arity, &mut Philox::new(5, 0));
                assert_eq!(wires.len(), gates * arity);
                assert!(wires.iter().all(|&w| (w as usize) < inputs));
                assert!(distinct_pins(&wires, arity), "{wiring:?} {inputs} {gates} {arity}: {wires:?}");
            }
        }
    }

    #[test]
    fn unique_uses_every_input_before_any_twice() {
        for (inputs, gates) in [(784, 392), (784, 8000), (100, 333), (8000, 8000)] {
            let wires = Wiring::Unique.draw(inputs, gates, 2, &mut Philox::new(1, 2));
            let mut uses = vec![0usize; inputs];
            wires.iter().for_each(|&w| uses[w as usize] += 1);
            let (least, most) = (uses.iter().min().unwrap(), uses.iter().max().unwrap());
            assert!(most - least <= 1, "{inputs} inputs, {gates} gates: {least} to {most} uses");
        }
    }

    #[test]
    fn consumers_list_every_pin_once() {
        let wires = [0, 2, 2, 1, 0, 2];
        let consumers = Consumers::of(&wires, 4, 2);
        assert_eq!(consumers.offsets, [0, 2, 3, 6, 6]);
        assert_eq!(consumers.pins, [0, 4, 3, 2, 1, 5]);
    }

    #[test]
    fn pins_that_may_read_an_input_are_listed_as_those_that_do() {
        let mut rng = Philox::new(9, 0);
        let (inputs, gates, arity, count) = (13, 40, 3, 5);
        let candidates: Vec<u32> =
            (0..gates * arity).flat_map(|_| Wiring::Random.draw(inputs, 1, count, &mut rng)).collect();
        let possible = Consumers::among(&candidates, inputs, (arity, count));
        assert_eq!(possible.offsets[inputs] as usize, candidates.len());
        let wires: Vec<u32> = candidates.chunks_exact(count).map(|own| own[rng.below(count as u32) as usize]).collect();
        let consumers = Consumers::of(&wires, inputs, arity);
        for input in 0..inputs {
            let list = |of: &Consumers| of.pins[of.offsets[input] as usize..of.offsets[input + 1] as usize].to_vec();
            let read: Vec<u32> = list(&possible).into_iter().filter(|&at| wires[at as usize] == input as u32).collect();
            assert_eq!(read, list(&consumers), "input {input}");
        }
    }
}
