//! Whether training is sound: how large gradients are, and where numbers stopped being finite.

use super::trainer::Trainer;
use crate::Result;

impl Trainer<'_> {
    /// `[layers]`: the Euclidean norm of the loss's gradient by each layer's table entries at the last step.
    pub fn gradient_norms(&mut self) -> Result<Vec<f64>> {
        self.finish()?;
        self.table_gradients(|entries| entries.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt())
    }

    /// `[layers]`: the Euclidean norm of Adam's first moments of each layer's logits.
    pub(super) fn first_moment_norms(&mut self) -> Result<Vec<f64>> {
        self.finish()?;
        let mut norms = Vec::new();
        for (l, layer) in self.parameters.layers.iter().zip(&self.model().layers) {
            let count = layer.gates() * layer.parametrization.logits(layer.arity);
            let moments: Vec<[f32; 2]> = self.gpu().read(&l.moments, count)?;
            norms.push(moments.iter().map(|m| f64::from(m[0]).powi(2)).sum::<f64>().sqrt());
        }
        Ok(norms)
    }

    /// What each layer's table gradients are to `of`, first layer to last.
    fn table_gradients<T>(&self, of: impl Fn(&[f32]) -> T) -> Result<Vec<T>> {
        let layers = self.parameters.layers.iter();
        layers.map(|l| Ok(of(&self.gpu().read(&l.table_gradients, (l.gates as usize) << l.arity)?))).collect()
    }

    /// The layer, in the order of the backward pass, whose numbers are no longer finite, and which numbers these are.
    pub fn first_not_finite(&mut self) -> Result<Option<(usize, &'static str)>> {
        self.finish()?;
        let broken = |values: &[f32]| values.iter().any(|x| !x.is_finite());
        let last = |flags: Vec<bool>| flags.iter().rposition(|&broken| broken);
        if let Some(layer) = last(self.table_gradients(broken)?) {
            return Ok(Some((layer, "gradients")));
        }
        let mut moments = Vec::new();
        let mut logits = Vec::new();
        for (l, layer) in self.parameters.layers.iter().zip(&self.model().layers) {
            let count = layer.gates() * layer.parametrization.logits(layer.arity);
            moments.push(broken(&self.gpu().read(&l.moments, 2 * count)?));
            logits.push(broken(&self.gpu().read(&l.logits, count)?));
        }
        // Moments are the logits' gradients, averaged.
        let found = last(moments).map(|layer| (layer, "gradients"));
        Ok(found.or_else(|| last(logits).map(|layer| (layer, "logits"))))
    }
}
