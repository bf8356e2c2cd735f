//! What ranks that share a batch exchange in a step: table gradients and scores of wires, between the backward pass and the update.

use std::time::Instant;

use super::form::Wires;
use super::learning::pace;
use super::step::StepPlan;
use super::votes::HISTORY;
use crate::Result;
use crate::gpu::{Clock, ReadBack, Session, Span};
use crate::plan::{Id, sums_are_short};
use crate::ranks::{Ranks, Sum};
use crate::settings::Settings;

/// What `profile` calls the exchange.
pub const EXCHANGE: &str = "wait_for_ranks";

/// One rank's part in every step's exchange.
pub struct Exchange {
    ranks: Ranks,
    /// Whether gradients are whole numbers.
    are_whole: bool,
    /// Whether their sums fit 16 bits.
    are_short: bool,
    /// Steps from one that moves wires to the next, and how many steps there are before they stay.
    wires: (u32, u32),
    /// Those that are trained, the last first, as the backward pass has done with them.
    layers: Vec<Exchanged>,
}

/// What is exchanged of a layer.
struct Exchanged {
    gradients: Id,
    gradients_back: ReadBack,
    /// Where its wires learn.
    scores: Option<(Id, ReadBack)>,
}

impl Exchange {
    /// Of one of `ranks`, whose steps are as `plan` says; `None` for one that trains alone.
    ///
    /// # Errors
    /// [`Error::Gpu`] if there is no memory for it.
    pub fn new(session: &Session, plan: &StepPlan, settings: &Settings, ranks: Ranks) -> Result<Option<Self>> {
        if plan.cuts.is_empty() {
            return Ok(None);
        }
        let (network, (_, every, until)) = (&plan.network, pace(settings));
        let layers = network.tables.layers.iter().zip(&network.wires).zip(&network.tables.trained);
        let trained: Vec<_> = layers.filter(|(_, trained)| **trained).map(|(layer, _)| layer).collect();
        let layer = |&(tables, wires): &(&super::tables::Tables, &Wires)| {
            let gradients_back = session.read_back(vec![tables.gradients])?;
            let scores = match wires.scores() {
                Some(scores) => Some((scores, session.read_back(vec![scores])?)),
                None => None,
            };
            Ok(Exchanged { gradients: tables.gradients, gradients_back, scores })
        };
        let layers = trained.iter().rev().map(layer).collect::<Result<_>>()?;
        let are_whole = settings.gradients.is_sliced();
        let has_trees = trained.iter().any(|(_, wires)| matches!(wires, Wires::Conv(_)));
        let are_short = are_whole && !has_trees && sums_are_short(settings.gradients.bits(), settings.batch);
        Ok(Some(Exchange { ranks, are_whole, are_short, wires: (every, until), layers }))
    }

    /// Submit the step that follows `done` steps, each part of it as up to `portions` command buffers. While the device goes on to the
    /// layer before, a layer's gradients are brought back and added up over all ranks.
    ///
    /// # Errors
    /// As for [`Session::finish`] and [`Ranks::begin_sum`].
    pub fn step(&mut self, session: &Session, plan: &StepPlan, portions: usize, done: u32) -> Result<()> {
        let (moves, last) = (self.moves(done), self.layers.len());
        for (layer, part) in self.layers.iter_mut().zip(&plan.cuts) {
            session.submit_in(part, portions)?;
            layer.begin(session, moves);
        }
        self.sum(session, moves)?;
        session.submit_in(&plan.cuts[last], portions)
    }

    /// The same, each pass timed, and what it took to exchange.
    ///
    /// # Errors
    /// As for [`Exchange::step`].
    pub fn timed_step(&mut self, session: &Session, plan: &StepPlan, clock: Clock, done: u32) -> Result<Vec<Span>> {
        let (moves, last) = (self.moves(done), self.layers.len());
        let mut spans: Vec<Span> = Vec::new();
        let after = |spans: &mut Vec<Span>, more: Vec<Span>| {
            let end = spans.last().map_or(0.0, |span| span.start + span.seconds);
            spans.extend(more.into_iter().map(|span| Span { start: end + span.start, ..span }));
        };
        for (layer, part) in self.layers.iter_mut().zip(&plan.cuts) {
            after(&mut spans, session.time(part, clock)?);
            layer.begin(session, moves);
        }
        let began = Instant::now();
        self.sum(session, moves)?;
        after(&mut spans, vec![Span { start: 0.0, seconds: began.elapsed().as_secs_f64() }]);
        after(&mut spans, session.time(&plan.cuts[last], clock)?);
        Ok(spans)
    }

    /// Whether wires are moved by the step that follows `done` steps.
    fn moves(&self, done: u32) -> bool {
        let (every, until) = self.wires;
        done < until && done.is_multiple_of(every)
    }

    /// Add up over all ranks what was begun to be brought back, and give it to the device.
    fn sum(&mut self, session: &Session, moves: bool) -> Result<()> {
        if !self.are_whole {
            for layer in &mut self.layers {
                let mine: Vec<u32> = session.end_read(&mut layer.gradients_back)?;
                session.write(layer.gradients, 0, &in_order(&self.ranks.gather(&mine)?));
                if let Some((id, back)) = layer.scores.as_mut().filter(|_| moves) {
                    let mine: Vec<u32> = session.end_read(back)?;
                    session.write(*id, 0, &in_order(&self.ranks.gather(&mine)?));
                }
            }
            return Ok(());
        }
        let mut under_way: Vec<(usize, Sum)> = Vec::new();
        for layer in &mut self.layers {
            let mut mine: Vec<i32> = session.end_read(&mut layer.gradients_back)?;
            let gradients = mine.len();
            if let Some((_, back)) = layer.scores.as_mut().filter(|_| moves) {
                mine.extend(session.end_read::<i32>(back)?);
            }
            under_way.iter_mut().for_each(|(_, sum)| sum.push());
            under_way.push((gradients, self.ranks.begin_sum(mine, self.are_short)?));
        }
        for (layer, (gradients, sum)) in self.layers.iter().zip(under_way) {
            let sums = sum.finish()?;
            let (sums, scores) = sums.split_at(gradients);
            session.write(layer.gradients, 0, sums);
            if let Some((id, _)) = layer.scores.as_ref().filter(|_| moves) {
                session.write(*id, 0, scores);
            }
        }
        Ok(())
    }

    /// Add up the losses and qualities of the last `count` steps, of `done`, over all ranks, in their order.
    ///
    /// # Errors
    /// As for [`Session::finish`] and [`Ranks::begin_sum`].
    pub fn share_history(&self, session: &Session, history: Id, done: u32, count: u32) -> Result<()> {
        let mut kept: Vec<[f32; 2]> = session.read(history, HISTORY as usize)?;
        let places: Vec<usize> = (done - count.min(HISTORY)..done).map(|step| (step % HISTORY) as usize).collect();
        let mine: Vec<[f32; 2]> = places.iter().map(|&at| kept[at]).collect();
        let sums = in_order(&self.ranks.gather(bytemuck::cast_slice(&mine))?);
        for (at, pair) in places.into_iter().zip(sums.chunks_exact(2)) {
            kept[at] = [pair[0], pair[1]];
        }
        session.write(history, 0, &kept);
        Ok(())
    }
}

impl Exchanged {
    /// Begin to bring back what the device is summing, with scores in a step that moves wires.
    fn begin(&mut self, session: &Session, moves: bool) {
        session.begin_read(&mut self.gradients_back);
        if let Some((_, back)) = self.scores.as_mut().filter(|_| moves) {
            session.begin_read(back);
        }
    }
}

/// The sums of all ranks' numbers, f32 as their bits, added from the first rank to the last.
fn in_order(all: &[Vec<u32>]) -> Vec<f32> {
    let mut sums: Vec<f32> = all.first().into_iter().flatten().map(|&bits| f32::from_bits(bits)).collect();
    for rank in all.iter().skip(1) {
        sums.iter_mut().zip(rank).for_each(|(sum, &bits)| *sum += f32::from_bits(bits));
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_numbers_are_added_in_the_order_of_ranks() {
        let of = |x: f32| vec![x.to_bits(), 1.0f32.to_bits()];
        // 1 is lost beside 2^24, so another order would give 1 or 2.
        let sums = in_order(&[of(16_777_216.0), of(1.0), of(-16_777_216.0), of(1.0)]);
        assert_eq!(sums, [1.0, 4.0]);
        assert!(in_order(&[]).is_empty());
    }
}
