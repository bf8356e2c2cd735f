//! Ranks that are threads of one process.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::{Error, Result};

/// Where they exchange.
#[derive(Debug)]
pub struct Meeting {
    size: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// `[ranks]`: sums and gatherings that each has begun.
    begun: Vec<[u64; 2]>,
    /// Sums by their number: what has been added up, by how many, and how many took it.
    sums: BTreeMap<u64, (Vec<i32>, usize, usize)>,
    /// Gatherings by their number: `[ranks]` what each gave, and how many took it.
    gathered: BTreeMap<u64, (Vec<Option<Vec<u32>>>, usize)>,
    /// The first rank that left.
    left: Option<usize>,
}

impl Meeting {
    /// For `size` ranks.
    pub fn new(size: usize) -> Self {
        let state = State { begun: vec![[0; 2]; size], sums: BTreeMap::new(), gathered: BTreeMap::new(), left: None };
        Meeting { size, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Add `values` to the sum that is rank `rank`'s next; returns its number.
    pub fn give(&self, rank: usize, values: Vec<i32>) -> Result<u64> {
        let mut state = self.lock();
        check(&state)?;
        let number = state.begun[rank][0];
        state.begun[rank][0] += 1;
        match state.sums.get_mut(&number) {
            Some((sum, given, _)) => {
                *given += 1;
                sum.iter_mut().zip(&values).for_each(|(sum, &value)| *sum += value);
            }
            None => {
                state.sums.insert(number, (values, 1, 0));
            }
        }
        self.changed.notify_all();
        Ok(number)
    }

    /// Wait until all have given to sum `number`.
    pub fn take(&self, number: u64) -> Result<Vec<i32>> {
        let mut state = self.lock();
        loop {
            match state.sums.get_mut(&number) {
                Some((sum, given, taken)) if *given == self.size => {
                    *taken += 1;
                    let is_last = *taken == self.size;
                    let sum = sum.clone();
                    if is_last {
                        state.sums.remove(&number);
                    }
                    return Ok(sum);
                }
                _ => check(&state)?,
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Give `mine` as rank `rank` and wait for everyone's.
    pub fn gather(&self, rank: usize, mine: &[u32]) -> Result<Vec<Vec<u32>>> {
        let mut state = self.lock();
        check(&state)?;
        let number = state.begun[rank][1];
        state.begun[rank][1] += 1;
        let none = || (vec![None; self.size], 0);
        state.gathered.entry(number).or_insert_with(none).0[rank] = Some(mine.to_vec());
        self.changed.notify_all();
        loop {
            if let Some((given, taken)) = state.gathered.get_mut(&number)
                && given.iter().all(Option::is_some)
            {
                *taken += 1;
                let is_last = *taken == self.size;
                let all = given.iter().flatten().cloned().collect();
                if is_last {
                    state.gathered.remove(&number);
                }
                return Ok(all);
            }
            check(&state)?;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Have whoever waits for rank `rank`, or will, be told that it left.
    pub fn leave(&self, rank: usize) {
        self.lock().left.get_or_insert(rank);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check(state: &State) -> Result<()> {
    match state.left {
        Some(rank) => Err(Error::Run(format!("rank {rank} ended before the run did"))),
        None => Ok(()),
    }
}
