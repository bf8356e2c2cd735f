//! Look-up gates on words, a bit a sample. A table's bit c is the output for code c; the first pin is the code's highest
//! bit.

/// All ones where bit `at` of `table` is set.
#[inline(always)]
fn spread(table: u64, at: usize) -> u64 {
    0u64.wrapping_sub((table >> at) & 1)
}

/// The output of a gate of `count` pins, 1 to 6, the first of `pins`. Meant to be inlined where `count` is known.
#[inline(always)]
pub fn lut(count: usize, table: u64, pins: [u64; 6]) -> u64 {
    let mut nodes = [0u64; 32];
    let last = pins[count - 1];
    for (i, node) in nodes.iter_mut().enumerate().take(1 << (count - 1)) {
        let low = spread(table, 2 * i);
        *node = low ^ (last & (low ^ spread(table, 2 * i + 1)));
    }
    for pin in (0..count - 1).rev() {
        for i in 0..1 << pin {
            let low = nodes[2 * i];
            nodes[i] = low ^ (pins[pin] & (low ^ nodes[2 * i + 1]));
        }
    }
    nodes[0]
}

/// A gate's derivative by a pin, f(pin = 1) − f(pin = 0), in −1, 0 and 1: two tables of the other pins in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Derivative {
    /// Where it is not 0.
    pub chosen: u64,
    /// Where it is −1.
    pub negative: u64,
}

/// Those of gates of two pins: `[pin][table]`.
const OF_TWO: [[Derivative; 16]; 2] = {
    let mut all = [[Derivative { chosen: 0, negative: 0 }; 16]; 2];
    let mut table = 0;
    while table < 16 {
        let t = table as u64;
        // By the first pin codes 0 and 1 against 2 and 3, by the second 0 and 2 against 1 and 3.
        let halves = [(t & 3, t >> 2), ((t & 1) | (t >> 1 & 2), (t >> 1 & 1) | (t >> 2 & 2))];
        let mut pin = 0;
        while pin < 2 {
            let (zero, one) = halves[pin];
            all[pin][table] = Derivative { chosen: zero ^ one, negative: zero & !one };
            pin += 1;
        }
        table += 1;
    }
    all
};

/// A derivative by its signs: one where it has one, and −1 second where it has both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(align(16))]
pub struct Halves {
    /// Where it has the first sign; nowhere, if it is 0.
    pub first: u32,
    /// Whether that is −1.
    pub minus: bool,
    /// Where it is −1 beside.
    pub second: u32,
}

impl Halves {
    const fn of(derivative: Derivative) -> Self {
        let plus = (derivative.chosen & !derivative.negative) as u32;
        let minus = derivative.negative as u32;
        if plus == 0 {
            Halves { first: minus, minus: true, second: 0 }
        } else {
            Halves { first: plus, minus: false, second: minus }
        }
    }
}

/// Those of gates of two pins: `[table][pin]`.
static HALVES_OF_TWO: [[Halves; 2]; 16] = {
    let mut all = [[Halves { first: 0, minus: false, second: 0 }; 2]; 16];
    let mut at = 0;
    while at < 32 {
        all[at / 2][at % 2] = Halves::of(OF_TWO[at % 2][at / 2]);
        at += 1;
    }
    all
};

/// The signs of the derivative of a gate of `K` pins by pin `pin`.
#[inline(always)]
pub fn halves<const K: usize>(table: u64, pin: usize) -> Halves {
    if K == 2 { HALVES_OF_TWO[table as usize & 15][pin & 1] } else { Halves::of(derivative::<K>(table, pin)) }
}

/// The derivative of a gate of `K` pins by pin `pin`.
#[inline(always)]
pub fn derivative<const K: usize>(table: u64, pin: usize) -> Derivative {
    if K == 2 {
        static ALL: [[Derivative; 16]; 2] = OF_TWO;
        return ALL[pin & 1][table as usize & 15];
    }
    let bit = K - 1 - pin;
    let (zero, one) = (cofactor::<K>(table, bit), cofactor::<K>(table >> (1 << bit), bit));
    Derivative { chosen: zero ^ one, negative: zero & !one }
}

/// The entries whose code has bit `bit` unset, one after the other.
#[inline(always)]
fn cofactor<const K: usize>(table: u64, bit: usize) -> u64 {
    // Runs of 2^bit entries lie 2^(bit + 1) apart; neighbouring runs are joined until there is one.
    const RUNS: [u64; 6] = [
        0x5555_5555_5555_5555,
        0x3333_3333_3333_3333,
        0x0f0f_0f0f_0f0f_0f0f,
        0x00ff_00ff_00ff_00ff,
        0x0000_ffff_0000_ffff,
        0x0000_0000_ffff_ffff,
    ];
    let mut table = table & RUNS[bit];
    for joined in bit..K - 1 {
        table = (table | (table >> (1 << joined))) & RUNS[joined + 1];
    }
    // Past the table there is nothing.
    if K < 6 { table & ((1 << (1 << (K - 1))) - 1) } else { table }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Philox;

    fn check<const K: usize>(rng: &mut Philox) {
        for _ in 0..50 {
            let all = u64::MAX >> (64 - (1 << K));
            let table = (u64::from(rng.next_u32()) << 32 | u64::from(rng.next_u32())) & all;
            let pins: [u64; 6] = std::array::from_fn(|_| u64::from(rng.next_u32()) << 32 | u64::from(rng.next_u32()));
            let code = |s: u32| pins[..K].iter().fold(0, |code, x| code << 1 | (x >> s) & 1);
            let made = lut(K, table, pins);
            assert!((0..64).all(|s| (made >> s) & 1 == (table >> code(s)) & 1), "{K} pins, table {table:x}");
            for pin in 0..K {
                let mut others = [0; 6];
                (0..K).filter(|&p| p != pin).zip(&mut others).for_each(|(p, other)| *other = pins[p]);
                let slope = derivative::<K>(table, pin);
                let (chosen, negative) = (lut(K - 1, slope.chosen, others), lut(K - 1, slope.negative, others));
                for s in 0..64 {
                    let at = |bit: u64| {
                        let code = code(s) & !(1 << (K - 1 - pin)) | bit << (K - 1 - pin);
                        (table >> code) as i32 & 1
                    };
                    let made = ((chosen >> s) & 1) as i32 * (1 - 2 * ((negative >> s) & 1) as i32);
                    assert_eq!(made, at(1) - at(0), "pin {pin} of {K}, table {table:x}");
                }
            }
        }
    }

    #[test]
    fn gates_and_their_derivatives_follow_the_table() {
        let mut rng = Philox::new(8, 0);
        check::<2>(&mut rng);
        check::<3>(&mut rng);
        check::<4>(&mut rng);
        check::<5>(&mut rng);
        check::<6>(&mut rng);
    }
}
