//! Everything that a step changes and a later step reads, as tensors, and back.

use super::locks::lock;
use super::network::Network;
use super::selection::Gates;
use super::wires::{Scored, Wires};
use crate::network::WireRule;
use crate::plan::CageScope;
use crate::plan::uniforms::Cage;

impl Network<'_> {
    /// By the names and in the form of the shaders' buffers; of other ranks' gates as they were last gathered.
    pub fn tensors(&self) -> Vec<(String, Vec<u8>)> {
        let mut tensors = vec![
            ("step".to_string(), bytemuck::bytes_of(&self.state.step).to_vec()),
            ("history".to_string(), bytemuck::cast_slice(&self.state.history).to_vec()),
        ];
        let logits = self.gates(|g| g.logits.clone());
        for (i, (logits, moments)) in logits.iter().zip(self.moments()).enumerate() {
            tensors.push((format!("layers.{i}.logits"), bytemuck::cast_slice(logits).to_vec()));
            tensors.push((format!("layers.{i}.moments"), bytemuck::cast_slice(&moments).to_vec()));
        }
        let cages = match self.constants.scope() {
            CageScope::Network => Vec::new(),
            CageScope::Layer => vec![self.state.cages.clone()],
            CageScope::Gate => self.gates(|g| g.cages.clone()),
        };
        let cages = cages.iter().enumerate();
        tensors.extend(cages.map(|(i, c)| (format!("cages.{i}"), bytemuck::cast_slice(c).to_vec())));
        for i in self.learned_layers() {
            let layer = &self.layers[i];
            let scored =
                |of: &dyn Fn(&Scored) -> Vec<f32>| layer.of_wires(|w| w.scored.as_ref().map_or_else(Vec::new, of));
            let wiring = layer.of_wires(|wires| wires.wiring.clone());
            tensors.push((format!("layers.{i}.wiring"), bytemuck::cast_slice(&wiring).to_vec()));
            let weights = scored(&|scored| scored.weights.clone());
            tensors.push((format!("layers.{i}.wire weights"), bytemuck::cast_slice(&weights).to_vec()));
            if self.has_wire_moments() {
                let both =
                    |s: &Scored| s.first_moments.iter().zip(&s.second_moments).flat_map(|(&m, &v)| [m, v]).collect();
                tensors.push((format!("layers.{i}.wire moments"), bytemuck::cast_slice(&scored(&both)).to_vec()));
            }
        }
        tensors
    }

    /// Whether wires learn by the rule that has moments.
    fn has_wire_moments(&self) -> bool {
        self.learning.as_ref().is_some_and(|learning| learning.rule == WireRule::Dwn)
    }

    /// `[layers][gates][logits]` of (first, second) moment.
    pub fn moments(&self) -> Vec<Vec<[f32; 2]>> {
        self.gates(|g| g.first_moments.iter().zip(&g.second_moments).map(|(&m, &v)| [m, v]).collect())
    }

    /// Go on from such tensors; `tensor` gives the one of a name, which must have so many bytes.
    ///
    /// # Errors
    /// `tensor`'s; nothing is changed then.
    pub fn restore<'s, X>(
        &mut self,
        tensor: impl Fn(&str, u64) -> std::result::Result<&'s [u8], X>,
    ) -> std::result::Result<(), X> {
        let state = self.tensors();
        let found: Vec<&[u8]> = state
            .iter()
            .map(|(name, bytes)| tensor(name, bytes.len() as u64))
            .collect::<std::result::Result<_, _>>()?;
        // In the order in which `state` lists them.
        let mut found = found.into_iter();
        let mut next = || found.next().unwrap_or_default();
        let has_wire_moments = self.has_wire_moments();
        self.state.step = bytemuck::pod_read_unaligned(next());
        self.state.history = bytemuck::pod_collect_to_vec(next());
        for layer in &self.layers {
            let mut logits = bytemuck::pod_collect_to_vec::<u8, f32>(next()).into_iter();
            let mut moments = bytemuck::pod_collect_to_vec::<u8, [f32; 2]>(next()).into_iter();
            for chunk in &layer.chunks {
                let Gates { logits: own, first_moments, second_moments, .. } = &mut *lock(chunk);
                own.iter_mut().zip(&mut logits).for_each(|(to, z)| *to = z);
                put_moments(first_moments, second_moments, &mut moments);
            }
        }
        match self.constants.scope() {
            CageScope::Network => {}
            CageScope::Layer => self.state.cages = bytemuck::pod_collect_to_vec(next()),
            CageScope::Gate => {
                for layer in &self.layers {
                    let mut cages = bytemuck::pod_collect_to_vec::<u8, Cage>(next()).into_iter();
                    for chunk in &layer.chunks {
                        lock(chunk).cages.iter_mut().zip(&mut cages).for_each(|(to, cage)| *to = cage);
                    }
                }
            }
        }
        for i in self.learned_layers() {
            let mut wiring = bytemuck::pod_collect_to_vec::<u8, u32>(next()).into_iter();
            let mut weights = bytemuck::pod_collect_to_vec::<u8, f32>(next()).into_iter();
            let moments = if has_wire_moments { next() } else { &[] };
            let mut moments = bytemuck::pod_collect_to_vec::<u8, [f32; 2]>(moments).into_iter();
            for wires in &self.layers[i].wires {
                let Wires { wiring: own, scored } = &mut *lock(wires);
                own.iter_mut().zip(&mut wiring).for_each(|(to, wire)| *to = wire);
                let Some(Scored { weights: own, first_moments, second_moments, .. }) = scored else { continue };
                own.iter_mut().zip(&mut weights).for_each(|(to, w)| *to = w);
                put_moments(first_moments, second_moments, &mut moments);
            }
            self.rewired(i);
        }
        self.state.is_tabulated = false;
        self.is_whole = true;
        Ok(())
    }
}

/// The next of `from`, (first, second) moment each, to where they are kept.
fn put_moments(first: &mut [f32], second: &mut [f32], from: &mut impl Iterator<Item = [f32; 2]>) {
    first.iter_mut().zip(second).zip(from).for_each(|((m, v), from)| [*m, *v] = from);
}
