//! Ranks: copies of a trainer that share every batch, as threads of this process or as processes that MPI connects.
//!
//! A rank is a micro-batch elsewhere. Everything random goes by a sample's place in the whole batch, and with integer gradients
//! a step's table gradients are sums of whole numbers, so it does not matter how the batch is parted: one rank or many, the same
//! model comes out to the last byte. One rank is the same code, whose exchanges do nothing.

mod launcher;
mod meeting;
#[cfg(unix)]
mod mpi;

use std::ops::Range;
use std::sync::Arc;

pub use launcher::{is_launched, local_rank, local_ranks};
use meeting::Meeting;

use crate::{Error, Result};

/// Samples that a batch is parted by: a word of bits.
const WORD: u32 = 32;

/// One rank's place among all, and its line to them.
#[derive(Debug, Clone)]
pub struct Ranks {
    rank: usize,
    size: usize,
    engine: Engine,
}

#[derive(Debug, Clone)]
enum Engine {
    Alone,
    Threads(Arc<Meeting>),
    #[cfg(unix)]
    Mpi(Arc<mpi::Mpi>),
}

/// A sum over ranks that is under way.
#[derive(Debug)]
pub struct Sum<'a> {
    ranks: &'a Ranks,
    pending: Pending,
}

#[derive(Debug)]
enum Pending {
    Done(Vec<i32>),
    Threads(u64),
    #[cfg(unix)]
    Mpi(mpi::Request),
}

impl Default for Ranks {
    fn default() -> Self {
        Ranks::alone()
    }
}

impl Ranks {
    /// One rank.
    pub fn alone() -> Self {
        Ranks { rank: 0, size: 1, engine: Engine::Alone }
    }

    /// `size` ranks of this process, for a thread each.
    pub fn threads(size: usize) -> Vec<Self> {
        let meeting = Arc::new(Meeting::new(size));
        (0..size).map(|rank| Ranks { rank, size, engine: Engine::Threads(meeting.clone()) }).collect()
    }

    /// What `mpirun`, `mpiexec` or `srun` made of this process: one of their ranks, by the MPI library that is found; or one
    /// rank, where none of them started it. Called once, at the start.
    ///
    /// # Errors
    /// [`Error::Run`] where a launcher started several ranks and no MPI library can be opened, or one of another family, which
    /// takes each for a rank alone.
    pub fn of_launcher() -> Result<Self> {
        let Some(told) = launcher::told() else { return Ok(Ranks::alone()) };
        if told.size == 1 {
            return Ok(Ranks::alone());
        }
        #[cfg(unix)]
        {
            let mpi = mpi::Mpi::open(told.family)?;
            let (rank, size) = (mpi.rank, mpi.size);
            if size != told.size {
                return Err(Error::Run(format!(
                    "{} started {} ranks, but {} takes this one for one of {size}: launcher and library are of different \
                     families; name the launcher's own library by GATEWRIGHT_MPI",
                    told.by, told.size, mpi.name
                )));
            }
            Ok(Ranks { rank, size, engine: Engine::Mpi(Arc::new(mpi)) })
        }
        #[cfg(not(unix))]
        Err(Error::Run(format!("{} started {} ranks, which are connected on Unix only", told.by, told.size)))
    }

    /// This rank's number, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether this is the rank that prints, writes and evaluates.
    pub fn leads(&self) -> bool {
        self.rank == 0
    }

    /// What connects them, in words.
    pub fn told(&self) -> String {
        match &self.engine {
            Engine::Alone => "one rank".into(),
            Engine::Threads(_) => format!("{} ranks, threads of one process", self.size),
            #[cfg(unix)]
            Engine::Mpi(mpi) => format!("{} ranks by {}", self.size, mpi.name),
        }
    }

    /// The places of a batch of `batch` samples that are this rank's: whole words of 32 samples, the first ranks have the
    /// more.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is not a word for every rank.
    pub fn share(&self, batch: u32) -> Result<Range<u32>> {
        let (words, size, rank) = (batch.div_ceil(WORD), self.size as u32, self.rank as u32);
        if words < size {
            return Err(Error::usage(format!(
                "a batch of {batch} samples cannot be shared by {size} ranks, which take {WORD} samples each at least; choose a \
                 greater --batch or fewer ranks"
            )));
        }
        let first = |rank: u32| (words / size * rank + rank.min(words % size)) * WORD;
        Ok(first(rank).min(batch)..first(rank + 1).min(batch))
    }

    /// Begin to add `values` up over all ranks, element by element; every rank gives as many, in the same order of calls. They are
    /// sent in 16 bits where `are_short`, which all ranks say alike: that no sum of any of the ranks' values passes these.
    ///
    /// # Errors
    /// [`Error::Run`] where another rank has ended.
    pub fn begin_sum(&self, values: Vec<i32>, are_short: bool) -> Result<Sum<'_>> {
        let pending = match &self.engine {
            Engine::Alone => Pending::Done(values),
            Engine::Threads(meeting) => Pending::Threads(meeting.give(self.rank, values)?),
            #[cfg(unix)]
            Engine::Mpi(mpi) => Pending::Mpi(mpi.begin_sum(values, are_short)),
        };
        Ok(Sum { ranks: self, pending })
    }

    /// `[ranks][words]`: every rank's `mine`, as many words each.
    ///
    /// # Errors
    /// As [`Ranks::begin_sum`].
    pub fn gather(&self, mine: &[u32]) -> Result<Vec<Vec<u32>>> {
        match &self.engine {
            Engine::Alone => Ok(vec![mine.to_vec()]),
            Engine::Threads(meeting) => meeting.gather(self.rank, mine),
            #[cfg(unix)]
            Engine::Mpi(mpi) => Ok(mpi.gather(mine)),
        }
    }

    /// Rank 0's `words`, on every rank.
    ///
    /// # Errors
    /// As [`Ranks::begin_sum`].
    pub fn tell(&self, words: &mut [u32]) -> Result<()> {
        match &self.engine {
            Engine::Alone => {}
            Engine::Threads(meeting) => {
                let all = meeting.gather(self.rank, words)?;
                words.copy_from_slice(&all[0]);
            }
            #[cfg(unix)]
            Engine::Mpi(mpi) => mpi.tell(words),
        }
        Ok(())
    }

    /// The first rank whose `bytes` are not rank 0's, if there is one.
    ///
    /// # Errors
    /// As [`Ranks::begin_sum`].
    pub fn first_that_differs(&self, bytes: &[u8]) -> Result<Option<usize>> {
        use sha2::Digest;
        let hash: Vec<u32> = sha2::Sha256::digest(bytes)
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
            .collect();
        let all = self.gather(&hash)?;
        Ok(all.iter().position(|of_rank| *of_rank != all[0]))
    }

    /// Whether they are threads of this process.
    pub fn are_threads(&self) -> bool {
        matches!(self.engine, Engine::Threads(_))
    }

    /// The first rank that [left](Ranks::leave), where ranks are threads.
    pub fn first_that_left(&self) -> Option<usize> {
        match &self.engine {
            Engine::Threads(meeting) => meeting.left(),
            _ => None,
        }
    }

    /// Let the others know that this rank goes on no more, so that none waits for it. Ranks of MPI are ended with it, this one too,
    /// after `why` is told: nothing that follows is sure to run.
    pub fn leave(&self, why: &Error) {
        match &self.engine {
            Engine::Alone => {}
            Engine::Threads(meeting) => meeting.leave(self.rank),
            #[cfg(unix)]
            Engine::Mpi(mpi) => {
                // If nobody reads it, they still have to end.
                let told = format!("error: {why}; this was rank {} of {}\n", self.rank, self.size);
                let _ = std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes());
                mpi.abort();
            }
        }
    }
}

impl Sum<'_> {
    /// Have it go on, where that takes calls.
    pub fn push(&mut self) {
        #[cfg(unix)]
        if let (Pending::Mpi(request), Engine::Mpi(mpi)) = (&mut self.pending, &self.ranks.engine) {
            mpi.push_sum(request);
        }
    }

    /// Wait for the sum.
    ///
    /// # Errors
    /// As [`Ranks::begin_sum`].
    pub fn finish(self) -> Result<Vec<i32>> {
        match (self.pending, &self.ranks.engine) {
            (Pending::Done(values), _) => Ok(values),
            (Pending::Threads(number), Engine::Threads(meeting)) => meeting.take(number),
            #[cfg(unix)]
            (Pending::Mpi(request), Engine::Mpi(mpi)) => Ok(mpi.finish_sum(request)),
            _ => Err(Error::Run("a sum over ranks was begun by others than those that wait for it".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_part_a_batch_by_words() {
        for (batch, size) in [(128, 1), (128, 3), (100, 3), (65, 3), (4096, 7), (32, 1), (33, 2)] {
            let shares: Vec<Range<u32>> = Ranks::threads(size).iter().map(|r| r.share(batch).unwrap()).collect();
            assert_eq!((shares[0].start, shares[size - 1].end), (0, batch));
            assert!(shares.windows(2).all(|pair| pair[0].end == pair[1].start && pair[0].end % 32 == 0));
            let words: Vec<u32> = shares.iter().map(|share| share.len().div_ceil(32) as u32).collect();
            assert!(words.iter().max().unwrap() - words.iter().min().unwrap() <= 1, "{shares:?}");
        }
        assert!(Ranks::threads(3)[0].share(64).unwrap_err().to_string().contains("--batch"));
    }

    #[test]
    fn threads_add_up_gather_and_are_told() {
        let all = Ranks::threads(3);
        std::thread::scope(|scope| {
            for ranks in &all {
                scope.spawn(move || {
                    for round in 0..50 {
                        let own = ranks.rank() as i32;
                        let first = ranks.begin_sum(vec![own + round, -1], false).unwrap();
                        let second = ranks.begin_sum(vec![own * 1000], true).unwrap();
                        assert_eq!(second.finish().unwrap(), [3000]);
                        assert_eq!(first.finish().unwrap(), [3 + 3 * round, -3]);
                        let gathered = ranks.gather(&[own as u32, 7]).unwrap();
                        assert_eq!(gathered, [[0, 7], [1, 7], [2, 7]]);
                        let mut words = [if ranks.leads() { 5 + round as u32 } else { 0 }];
                        ranks.tell(&mut words).unwrap();
                        assert_eq!(words, [5 + round as u32]);
                        let odd = if ranks.rank() == 2 { b"b" } else { b"a" };
                        assert_eq!(ranks.first_that_differs(odd).unwrap(), Some(2));
                        assert_eq!(ranks.first_that_differs(b"same").unwrap(), None);
                    }
                });
            }
        });
    }

    #[test]
    fn nobody_waits_for_a_rank_that_left() {
        let all = Ranks::threads(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let told = all[0].begin_sum(vec![1], false).and_then(Sum::finish).unwrap_err().to_string();
                assert!(told.contains("rank 1"), "{told}");
            });
            all[1].leave(&Error::usage(""));
        });
        let told = all[0].gather(&[1]).unwrap_err().to_string();
        assert!(told.contains("rank 1"), "{told}");
    }

    #[test]
    fn one_rank_is_the_same_code() {
        let alone = Ranks::alone();
        assert_eq!(alone.share(100).unwrap(), 0..100);
        assert_eq!(alone.begin_sum(vec![4, 5], true).unwrap().finish().unwrap(), [4, 5]);
        assert_eq!(alone.gather(&[1, 2]).unwrap(), [[1, 2]]);
        assert_eq!(alone.first_that_differs(b"x").unwrap(), None);
    }
}
