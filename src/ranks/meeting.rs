//! Ranks that are threads of one process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use super::numbers::Numbers;
use crate::{Error, Result};

/// Turns that a rank which waits for another spins before it sleeps, where every rank has a core: ranks do the same work, so they
/// come within parts of a millisecond, which waking up would cost again.
const TURNS: u32 = 20_000;

/// Where they exchange.
#[derive(Debug)]
pub struct Meeting {
    size: usize,
    /// Turns that are spun.
    turns: u32,
    state: Mutex<State>,
    changed: Condvar,
    /// Ranks that sleep until a board has changed.
    sleeping: AtomicUsize,
    /// One more than the first rank that left; 0 while all are there.
    left: AtomicUsize,
    /// By their number.
    boards: Mutex<BTreeMap<usize, Arc<Board>>>,
}

#[derive(Debug)]
struct State {
    /// `[ranks]`: sums that each has begun.
    begun: Vec<u64>,
    /// Sums that not all have taken, by their number.
    sums: BTreeMap<u64, Sum>,
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

/// Where every rank leaves numbers again and again, which the others read in place.
#[derive(Debug)]
pub struct Board {
    /// `[ranks]`
    places: Vec<Place>,
}

/// One rank's, on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Place {
    numbers: RwLock<Numbers>,
    /// Times that its rank has left numbers.
    given: AtomicUsize,
    /// Times that another rank has read them.
    read: AtomicUsize,
}

impl Meeting {
    /// For `size` ranks.
    pub fn new(size: usize) -> Self {
        let state = State { begun: vec![0; size], sums: BTreeMap::new() };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Meeting {
            size,
            turns: if size <= cores { TURNS } else { 0 },
            state: Mutex::new(state),
            changed: Condvar::new(),
            sleeping: AtomicUsize::new(0),
            left: AtomicUsize::new(0),
            boards: Mutex::default(),
        }
    }

    /// Add `values` to the sum that is rank `rank`'s next; returns its number.
    pub fn give(&self, rank: usize, values: Vec<i32>) -> Result<u64> {
        let mut state = self.lock();
        self.check()?;
        let number = state.begun[rank];
        state.begun[rank] += 1;
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
                _ => self.check()?,
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The board of this number, the same for every rank.
    pub fn board(&self, number: usize, are_short: bool) -> Arc<Board> {
        let place = |_| Place {
            numbers: RwLock::new(Numbers::new(are_short)),
            given: AtomicUsize::new(0),
            read: AtomicUsize::new(0),
        };
        let mut boards = self.boards.lock().unwrap_or_else(PoisonError::into_inner);
        boards.entry(number).or_insert_with(|| Arc::new(Board { places: (0..self.size).map(place).collect() })).clone()
    }

    /// Leave on `board`, as rank `rank`, what `put` puts in place of what all others have read.
    pub fn leave_on(&self, board: &Board, rank: usize, put: impl FnOnce(&mut Numbers)) -> Result<()> {
        let place = &board.places[rank];
        let given = place.given.load(Ordering::Relaxed);
        self.wait_until(|| place.read.load(Ordering::SeqCst) == given.wrapping_mul(self.size - 1))?;
        put(&mut place.numbers.write().unwrap_or_else(PoisonError::into_inner));
        place.given.store(given.wrapping_add(1), Ordering::SeqCst);
        self.wake();
        Ok(())
    }

    /// Read, as rank `rank`, what every other rank has left on `board` as often as this one. To be called once after every
    /// [`Meeting::leave_on`].
    pub fn read_from(&self, board: &Board, rank: usize, mut read: impl FnMut(usize, &Numbers)) -> Result<()> {
        let times = board.places[rank].given.load(Ordering::Relaxed);
        // Each begins with the rank behind it, so that they do not all read from one.
        for other in (rank + 1..self.size).chain(0..rank) {
            let place = &board.places[other];
            self.wait_until(|| place.given.load(Ordering::SeqCst) == times)?;
            read(other, &place.numbers.read().unwrap_or_else(PoisonError::into_inner));
            place.read.fetch_add(1, Ordering::SeqCst);
            self.wake();
        }
        Ok(())
    }

    /// Have whoever waits for rank `rank`, or will, be told that it left.
    pub fn leave(&self, rank: usize) {
        let _ = self.left.compare_exchange(0, rank + 1, Ordering::SeqCst, Ordering::SeqCst);
        drop(self.lock());
        self.changed.notify_all();
    }

    /// The first rank that left.
    pub fn left(&self) -> Option<usize> {
        self.left.load(Ordering::SeqCst).checked_sub(1)
    }

    /// Wait until `holds`, or a rank has left.
    fn wait_until(&self, holds: impl Fn() -> bool) -> Result<()> {
        for _ in 0..self.turns {
            if holds() {
                return Ok(());
            }
            self.check()?;
            std::hint::spin_loop();
        }
        let mut state = self.lock();
        // Whoever changes a board after this has seen that somebody sleeps.
        self.sleeping.fetch_add(1, Ordering::SeqCst);
        let held = loop {
            if holds() {
                break Ok(());
            }
            if let Err(error) = self.check() {
                break Err(error);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        self.sleeping.fetch_sub(1, Ordering::SeqCst);
        held
    }

    /// Have those that sleep look again.
    fn wake(&self) {
        if self.sleeping.load(Ordering::SeqCst) > 0 {
            drop(self.lock());
            self.changed.notify_all();
        }
    }

    fn check(&self) -> Result<()> {
        match self.left() {
            Some(rank) => Err(Error::Run(format!("rank {rank} ended before the run did"))),
            None => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
