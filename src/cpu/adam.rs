//! Adam (Kingma and Ba 2015), bias-corrected.

use super::constants::Constants;

/// By what a step moves numbers.
#[derive(Debug, Clone, Copy)]
pub struct Adam {
    /// Learning rate.
    pub rate: f32,
    beta1: f32,
    beta2: f32,
    /// 1 / (1 − β₁ⁿ) in the nth step.
    unbias1: f32,
    /// 1 / (1 − β₂ⁿ)
    unbias2: f32,
    epsilon: f32,
}

impl Adam {
    /// In a step of this rate, in which β₁ⁿ and β₂ⁿ are `powers`.
    pub fn of(constants: &Constants, rate: f32, powers: [f32; 2]) -> Self {
        let [unbias1, unbias2] = powers.map(|power| 1.0 / (1.0 - power));
        let Constants { beta1, beta2, epsilon, .. } = *constants;
        Adam { rate, beta1, beta2, unbias1, unbias2, epsilon }
    }

    /// Take a number's gradient into its moments; what the number is to be lessened by.
    #[inline(always)]
    pub fn step(&self, g: f32, first: &mut f32, second: &mut f32) -> f32 {
        let m = self.beta1 * *first + (1.0 - self.beta1) * g;
        let v = self.beta2 * *second + (1.0 - self.beta2) * g * g;
        (*first, *second) = (m, v);
        self.rate * m * self.unbias1 / ((v * self.unbias2).sqrt() + self.epsilon)
    }
}
