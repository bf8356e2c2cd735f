//! Ranks: copies of a trainer that share every batch, as threads of this process or as processes that MPI connects.
//!
//! A rank is a micro-batch elsewhere. Everything random goes by a sample's place in the whole batch, and with integer gradients
//! a step's table gradients are sums of whole numbers, so it does not matter how the batch is parted: one rank or many, the same
//! model comes out to the last byte. One rank is the same code, whose exchanges do nothing.

mod launcher;
mod meeting;
#[cfg(unix)]
mod mpi;
mod numbers;

use std::ops::Range;
use std::sync::Arc;

pub use launcher::{is_launched, local_rank, local_ranks};
use meeting::{Board, Meeting};
pub use numbers::{Given, Numbers};

use crate::{Error, Result};

/// Samples that a batch is parted by: a word of bits.
const WORD: u32 = 32;

/// The board of threads that whatever is gathered goes by; lines have those after it.
const GATHERING: usize = 0;

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

/// A sum over ranks that is made again and again, of which each needs its own part: all send what they have of a part to the rank
/// whose it is, which adds it up. Memory is kept from one time to the next.
#[derive(Debug)]
pub struct Line {
    ranks: Ranks,
    /// `[ranks]`: numbers of each one's part.
    parts: Vec<usize>,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Alone,
    Threads(Arc<Meeting>, Arc<Board>),
    #[cfg(unix)]
    Mpi(Arc<mpi::Mpi>, mpi::Letters),
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

    /// The most samples of a batch of `batch` that a rank takes.
    pub fn most(&self, batch: u32) -> u32 {
        (batch.div_ceil(WORD).div_ceil(self.size as u32) * WORD).min(batch)
    }

    /// `[lists][ranks]`: for lists of so many pieces of like work, the range of each list that is each rank's. Those that have had the
    /// fewest pieces of the lists before take one more where a list has some over.
    pub fn parts(&self, lists: &[usize]) -> Vec<Vec<Range<usize>>> {
        let mut had = vec![0; self.size];
        let part = |&pieces: &usize| {
            let mut order: Vec<usize> = (0..self.size).collect();
            order.sort_by_key(|&rank| had[rank]);
            let mut own = vec![pieces / self.size; self.size];
            order[..pieces % self.size].iter().for_each(|&rank| own[rank] += 1);
            let mut first = 0;
            let ranges = own.iter().zip(&mut had).map(|(&count, had)| {
                (*had, first) = (*had + count, first + count);
                first - count..first
            });
            ranges.collect()
        };
        lists.iter().map(part).collect()
    }

    /// A line for sums, number `number` of those of all ranks, which open the same ones. Numbers go in 16 bits where `are_short`, which
    /// all ranks say alike: that what a rank gives fits these, whatever the sum.
    pub fn line(&self, number: usize, are_short: bool) -> Line {
        let way = match &self.engine {
            Engine::Alone => Way::Alone,
            Engine::Threads(meeting) => Way::Threads(meeting.clone(), meeting.board(GATHERING + 1 + number, are_short)),
            #[cfg(unix)]
            Engine::Mpi(mpi) => Way::Mpi(mpi.clone(), mpi.letters(are_short)),
        };
        Line { ranks: self.clone(), parts: vec![0; self.size], way }
    }

    /// `[ranks][words]`: every rank's `mine`, as many words each.
    ///
    /// # Errors
    /// As [`Ranks::begin_sum`].
    pub fn gather(&self, mine: &[u32]) -> Result<Vec<Vec<u32>>> {
        let mut all = vec![Vec::new(); self.size];
        all[self.rank] = mine.to_vec();
        self.spread(mine, &vec![mine.len(); self.size], |rank, words| all[rank] = words.to_vec())?;
        Ok(all)
    }

    /// Give every other rank `mine`, and have `read` see what each of them gives, with its number; `lengths` are the words that each
    /// rank gives.
    ///
    /// # Errors
    /// As [`Ranks::begin_sum`].
    pub fn spread(&self, mine: &[u32], lengths: &[usize], mut read: impl FnMut(usize, &[u32])) -> Result<()> {
        match &self.engine {
            Engine::Alone => {}
            Engine::Threads(meeting) => {
                let board = meeting.board(GATHERING, false);
                meeting.leave_on(&board, self.rank, |numbers| {
                    numbers.clear();
                    numbers.extend(bytemuck::cast_slice(mine));
                })?;
                meeting.read_from(&board, self.rank, |rank, numbers| {
                    if let Given::Long(numbers) = numbers.part(0, lengths[rank]) {
                        read(rank, bytemuck::cast_slice(numbers));
                    }
                })?;
            }
            #[cfg(unix)]
            Engine::Mpi(mpi) => mpi.gather(mine, lengths, |rank, words| {
                if rank != self.rank {
                    read(rank, words);
                }
            }),
        }
        Ok(())
    }

    /// Rank 0's `words`, on every rank.
    ///
    /// # Errors
    /// As [`Ranks::begin_sum`].
    pub fn tell(&self, words: &mut [u32]) -> Result<()> {
        match &self.engine {
            Engine::Alone => {}
            Engine::Threads(_) => {
                let all = self.gather(words)?;
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
                mpi.abort(why.exit_code());
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

impl Line {
    /// Begin a sum in which rank r's part is of `parts[r]` numbers; `put` puts those of all parts but this rank's own, one part after
    /// the other.
    ///
    /// # Errors
    /// As [`Ranks::begin_sum`].
    pub fn begin(&mut self, parts: impl Iterator<Item = usize>, put: impl FnOnce(&mut Numbers)) -> Result<()> {
        self.parts.clear();
        self.parts.extend(parts);
        let fill = |numbers: &mut Numbers| {
            numbers.clear();
            put(numbers);
        };
        match &mut self.way {
            Way::Alone => {}
            Way::Threads(meeting, board) => meeting.leave_on(board, self.ranks.rank, fill)?,
            #[cfg(unix)]
            Way::Mpi(mpi, letters) => mpi.begin_letters(letters, &self.parts, fill),
        }
        Ok(())
    }

    /// Have it go on, where that takes calls.
    pub fn push(&mut self) {
        #[cfg(unix)]
        if let Way::Mpi(mpi, letters) = &mut self.way {
            mpi.push_letters(letters);
        }
    }

    /// Wait until all ranks have begun, and have `read` see what every other one has of this rank's part.
    ///
    /// # Errors
    /// As [`Ranks::begin_sum`].
    pub fn finish(&mut self, mut read: impl FnMut(Given)) -> Result<()> {
        let (mine, parts) = (self.ranks.rank, &self.parts);
        match &mut self.way {
            Way::Alone => {}
            Way::Threads(meeting, board) => meeting.read_from(board, mine, |rank, numbers| {
                // That rank's own part is not among them.
                let first: usize = (0..mine).filter(|&before| before != rank).map(|before| parts[before]).sum();
                read(numbers.part(first, parts[mine]));
            })?,
            #[cfg(unix)]
            Way::Mpi(mpi, letters) => mpi.finish_letters(letters, parts[mine], read),
        }
        Ok(())
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
            assert_eq!(shares.iter().map(|share| share.len() as u32).max(), Some(Ranks::threads(size)[0].most(batch)));
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
    fn pieces_are_parted_evenly_over_all_lists() {
        for (size, lists) in [(1, vec![5, 0, 3]), (2, vec![32; 6]), (3, vec![5, 5, 5, 1, 2]), (7, vec![3, 3, 3, 40])] {
            let parts = Ranks::threads(size)[size - 1].parts(&lists);
            let mut had = vec![0; size];
            for (of_list, &pieces) in parts.iter().zip(&lists) {
                assert_eq!((of_list.len(), of_list[0].start, of_list[size - 1].end), (size, 0, pieces));
                assert!(of_list.windows(2).all(|pair| pair[0].end == pair[1].start));
                had.iter_mut().zip(of_list).for_each(|(had, own)| *had += own.len());
                assert!(had.iter().max().unwrap() - had.iter().min().unwrap() <= 1, "{size}: {parts:?}");
            }
        }
    }

    #[test]
    fn lines_add_up_every_ranks_own_part() {
        // Ranks beyond any machine's cores as well, which sleep while they wait.
        for size in [1, 2, 3, 20] {
            let all = Ranks::threads(size);
            std::thread::scope(|scope| {
                for ranks in &all {
                    scope.spawn(move || {
                        let mut lines = [ranks.line(0, true), ranks.line(1, false)];
                        for round in 0..if size > 9 { 5 } else { 200 } {
                            // Rank r's part is of r numbers and, in every other round, one more.
                            let more = round % 2;
                            let number = |from: usize, at: usize| (from * 10 + at + round) as i32 - 50;
                            for line in &mut lines {
                                let put = |numbers: &mut Numbers| {
                                    for other in (0..size).filter(|&other| other != ranks.rank()) {
                                        (0..other + more).for_each(|at| numbers.extend(&[number(ranks.rank(), at)]));
                                    }
                                };
                                line.begin((0..size).map(|rank| rank + more), put).unwrap();
                            }
                            for line in lines.iter_mut().rev() {
                                line.push();
                                let mut own: Vec<i32> =
                                    (0..ranks.rank() + more).map(|at| number(ranks.rank(), at)).collect();
                                line.finish(|mut given| own.chunks_mut(2).for_each(|two| given.add_to(two))).unwrap();
                                let sum = |at: usize| (0..size).map(|from| number(from, at)).sum::<i32>();
                                assert!(own.iter().enumerate().all(|(at, &own)| own == sum(at)));
                            }
                            let lengths: Vec<usize> = (0..size).map(|rank| rank % 4).collect();
                            let words = |rank: usize| vec![(rank + round) as u32; rank % 4];
                            let mut heard = vec![ranks.rank()];
                            let hear = |rank: usize, given: &[u32]| {
                                assert_eq!(given, words(rank));
                                heard.push(rank);
                            };
                            ranks.spread(&words(ranks.rank()), &lengths, hear).unwrap();
                            heard.sort();
                            assert!(heard.iter().copied().eq(0..size));
                        }
                    });
                }
            });
        }
    }

    #[test]
    fn nobody_waits_for_a_rank_that_left() {
        let all = Ranks::threads(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let told = all[0].begin_sum(vec![1], false).and_then(Sum::finish).unwrap_err().to_string();
                assert!(told.contains("rank 1"), "{told}");
            });
            scope.spawn(|| {
                let mut line = all[0].line(0, false);
                let told =
                    line.begin([0, 1].into_iter(), |numbers| numbers.extend(&[1])).and_then(|()| line.finish(|_| {}));
                let told = told.unwrap_err().to_string();
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
