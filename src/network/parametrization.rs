//! How logits become a gate's table.

/// A parametrization turns a gate's logits into its table of 2^k probabilities `P_c`, c = the input code with the
/// first pin as its highest bit (c = 2a + b for k = 2). Circuits know only tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Parametrization {
    /// Input-wise, `P_c = 0.5 + 0.5 sin Ω_c` (Light DLGN, ICLR 2026, its own choice): 2^k logits.
    #[cfg_attr(feature = "cli", value(name = "iwp", alias = "iwp-sin"))]
    #[serde(rename = "iwp")]
    IwpSin,
    /// Input-wise, `P_c = σ(Ω_c)`: 2^k logits.
    IwpSigmoid,
    /// Input-wise, `P_c = clamp(0.5 + 0.5 Ω_c, 0, 1)`, its gradient straight through the clamp: 2^k logits.
    IwpClamp,
    /// Walsh (WARP): a logit for every subset S of the pins, `P_c = σ(−Σ_S z_S Π_{i∈S} (1 − 2c_i))`: 2^k logits.
    Walsh,
    /// The original: softmax over the 16 two-input functions, `P_c = Σ_i p_i T_i(c)`: 16 logits, k = 2 only.
    Op,
}

impl Parametrization {
    /// Every one.
    pub const ALL: [Parametrization; 5] = [
        Parametrization::IwpSin,
        Parametrization::IwpSigmoid,
        Parametrization::IwpClamp,
        Parametrization::Walsh,
        Parametrization::Op,
    ];

    /// Its name in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            Parametrization::IwpSin => "iwp",
            Parametrization::IwpSigmoid => "iwp-sigmoid",
            Parametrization::IwpClamp => "iwp-clamp",
            Parametrization::Walsh => "walsh",
            Parametrization::Op => "op",
        }
    }

    /// Whether it can describe gates of `arity` inputs: 1 to 6, OP 2 only (its logits are 2^(2^k)).
    pub fn can_have(self, arity: usize) -> bool {
        if self == Parametrization::Op { arity == 2 } else { (1..=6).contains(&arity) }
    }

    /// Logits a gate of `arity` inputs has.
    pub fn logits(self, arity: usize) -> usize {
        if self == Parametrization::Op { 1 << (1 << arity) } else { 1 << arity }
    }

    /// Selections a gate makes: one of a whole function (OP), or one for each table entry.
    pub fn selections(self, arity: usize) -> usize {
        if self == Parametrization::Op { 1 } else { 1 << arity }
    }

    /// Choices per selection, CAGE's K: 16 for OP (k = 2), 2 for a table entry.
    pub fn choices(self, arity: usize) -> usize {
        if self == Parametrization::Op { 1 << (1 << arity) } else { 2 }
    }

    /// The gate that inference uses: bit `c` of the result is its output for code `c`.
    ///
    /// IWP sin: sin Ω > 0; IWP sigmoid and clamp: Ω > 0; Walsh: its sum is below 0; OP: the function with the greatest
    /// logit, the first among equals.
    pub fn hard_table(self, logits: &[f32]) -> u64 {
        let threshold = |set: &dyn Fn(f32) -> bool, values: &[f32]| {
            values.iter().enumerate().fold(0, |table, (c, &x)| table | (u64::from(set(x)) << c))
        };
        match self {
            Parametrization::IwpSin => threshold(&|x| f64::from(x).sin() > 0.0, logits),
            Parametrization::IwpSigmoid | Parametrization::IwpClamp => threshold(&|x| x > 0.0, logits),
            Parametrization::Walsh => {
                let mut sums = logits.to_vec();
                walsh_hadamard(&mut sums);
                threshold(&|s| s < 0.0, &sums)
            }
            Parametrization::Op => {
                let best = (1..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best });
                function_table(best as u32, logits.len().ilog2())
            }
        }
    }
}

/// `x_c ← Σ_S x_S (−1)^(ones in S & c)` in place, its own inverse but for a factor of the length, a power of two. In the
/// order in which the page of this parametrization sums, so that f32 sums have the same bits.
pub fn walsh_hadamard<T: Copy + std::ops::Add<Output = T> + std::ops::Sub<Output = T>>(x: &mut [T]) {
    let mut bit = 1;
    while bit < x.len() {
        for c in (0..x.len()).filter(|c| c & bit == 0) {
            (x[c], x[c + bit]) = (x[c] + x[c + bit], x[c] - x[c + bit]);
        }
        bit *= 2;
    }
}

/// Table of two-input function number `id` in the field's order (0 FALSE, 1 AND, 3 A, 5 B, 6 XOR, 7 OR, … 15 TRUE):
/// its outputs for codes 0, 1, … are `id`'s bits from the highest down. `codes` is 4 for two inputs.
pub const fn function_table(id: u32, codes: u32) -> u64 {
    let (mut table, mut c) = (0, 0);
    while c < codes {
        table |= (((id >> (codes - 1 - c)) & 1) as u64) << c;
        c += 1;
    }
    table
}

/// Table of the gate that passes its first pin through: set for every code whose highest bit is set.
pub fn pass_through(arity: usize) -> u64 {
    let codes = 1u32 << arity;
    (codes / 2..codes).fold(0, |table, c| table | (1 << c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn function_numbers_follow_the_field() {
        // AND: only code 11; A: codes 10 and 11; B: codes 01 and 11; XOR: codes 01 and 10.
        assert_eq!(function_table(1, 4), 0b1000);
        assert_eq!(function_table(3, 4), 0b1100);
        assert_eq!(function_table(5, 4), 0b1010);
        assert_eq!(function_table(6, 4), 0b0110);
        assert_eq!(pass_through(2), function_table(3, 4));
        assert_eq!(pass_through(3), 0b1111_0000);
    }

    #[test]
    fn hard_tables_follow_each_parametrization() {
        let turn = std::f32::consts::TAU;
        assert_eq!(Parametrization::IwpSin.hard_table(&[1.0, -1.0, turn - 1.0, turn + 1.0]), 0b1001);
        // z = 2 on the subset {second pin}: s = 2 (1 − 2b) is below 0 where b is 1.
        assert_eq!(Parametrization::Walsh.hard_table(&[0.0, 2.0, 0.0, 0.0]), 0b1010);
        assert_eq!(Parametrization::IwpSigmoid.hard_table(&[0.5, -0.5, 4.0, 0.0]), 0b0101);
        let mut logits = [0.0; 16];
        logits[6] = 1.0;
        logits[9] = 1.0;
        assert_eq!(Parametrization::Op.hard_table(&logits), 0b0110, "the first among equals");
    }
}
