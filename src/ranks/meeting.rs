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
    /// Sums that not all have taken, by their number.
    sums: BTreeMap<u64, Sum>,
    /// Gatherings that not all have taken, by their number.
    gatherings: BTreeMap<u64, Gathering>,
    /// The first rank that left.
    left: Option<usize>,
}

#[derive(Debug)]
struct Sum {
    /// What has been added up.
    values: Vec<i32>,
    /// Ranks that gave to it.
    given: usize,
    /// Ranks that took it.
    taken: usize,
}

#[derive(Debug)]
struct Gathering {
    /// `[ranks]`
    given: Vec<Option<Vec<u32>>>,
    /// Ranks that took them.
    taken: usize,
}

impl Meeting {
    /// For `size` ranks.
    pub fn new(size: usize) -> Self {
        let state = State { begun: vec![[0; 2]; size], sums: BTreeMap::new(), gatherings: BTreeMap::new(), left: None };
        Meeting { size, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Add `values` to the sum that is rank `rank`'s next; returns its number.
    pub fn give(&self, rank: usize, values: Vec<i32>) -> Result<u64> {
        let mut state = self.lock();
        check(&state)?;
        let number = state.begun[rank][0];
        state.begun[rank][0] += 1;
        match state.sums.get_mut(&number) {
            Some(sum) => {
                sum.given += 1;
                sum.values.iter_mut().zip(&values).for_each(|(sum, &value)| *sum += value);
            }
            None => {
                state.sums.insert(number, Sum { values, given: 1, taken: 0 });
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
                Some(sum) if sum.given == self.size => {
                    sum.taken += 1;
                    if sum.taken < self.size {
                        return Ok(sum.values.clone());
                    }
                    return Ok(state.sums.remove(&number).map_or_else(Vec::new, |sum| sum.values));
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
        let none = || Gathering { given: vec![None; self.size], taken: 0 };
        state.gatherings.entry(number).or_insert_with(none).given[rank] = Some(mine.to_vec());
        self.changed.notify_all();
        loop {
            if let Some(gathering) = state.gatherings.get_mut(&number)
                && gathering.given.iter().all(Option::is_some)
            {
                gathering.taken += 1;
                let is_last = gathering.taken == self.size;
                let all = gathering.given.iter().flatten().cloned().collect();
                if is_last {
                    state.gatherings.remove(&number);
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

    /// The first rank that left.
    pub fn left(&self) -> Option<usize> {
        self.lock().left
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
