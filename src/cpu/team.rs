//! Threads that work on a step together: they take pieces of a pass off a shared counter, and meet at its end.
//!
//! A pass takes tens of microseconds, so threads that wait spin for about as long before they let others run.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Turns that a waiting thread spins before it offers its core to others at every turn.
const SPINS: u32 = 2_000;

/// What the threads share.
#[derive(Debug)]
struct Team {
    /// Threads that take part; 0 until all have been started.
    size: AtomicUsize,
    arrived: AtomicUsize,
    passes: AtomicUsize,
    next: AtomicUsize,
    is_broken: AtomicBool,
}

/// One thread of a team.
#[derive(Debug)]
pub struct Member<'a> {
    team: &'a Team,
    size: usize,
    leads: bool,
    /// The counter where the next pass begins.
    begun: usize,
}

/// Have up to `threads` threads, this one among them, do `work`; fewer where the system gives no more.
pub fn work_together(threads: usize, work: impl Fn(&mut Member) + Sync) {
    let team = Team {
        size: AtomicUsize::new(0),
        arrived: AtomicUsize::new(0),
        passes: AtomicUsize::new(0),
        next: AtomicUsize::new(0),
        is_broken: AtomicBool::new(false),
    };
    let one = |leads| {
        let _guard = Guard(&team);
        let size = team.size();
        work(&mut Member { team: &team, size, leads, begun: 0 });
    };
    std::thread::scope(|scope| {
        let start = |_: &usize| std::thread::Builder::new().spawn_scoped(scope, || one(false)).is_ok();
        let size = 1 + (1..threads).take_while(start).count();
        team.size.store(size, Ordering::Release);
        one(true);
    });
}

impl Team {
    fn size(&self) -> usize {
        wait_for(|| Some(self.size.load(Ordering::Acquire)).filter(|&size| size > 0))
    }
}

/// Spin, then yield, until there is an answer.
fn wait_for<T>(mut answer: impl FnMut() -> Option<T>) -> T {
    let mut turns = 0;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        if turns < SPINS {
            turns += 1;
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

/// Lets the others go where a thread ends by a panic, instead of having them wait for it forever.
struct Guard<'a>(&'a Team);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.is_broken.store(true, Ordering::Release);
        }
    }
}

impl Member<'_> {
    /// Whether this is the thread that does what only one does.
    pub fn leads(&self) -> bool {
        self.leads
    }

    /// Do `each` of `items` pieces once, whichever thread comes first, and wait until all are done. Every thread must
    /// call it, with as many items.
    ///
    /// # Panics
    /// If another thread did.
    pub fn share(&mut self, items: usize, each: impl FnMut(usize)) {
        self.take(items, each);
        self.wait();
    }

    /// [`Member::share`] without the waiting, which [`Member::wait`] must follow.
    pub fn take(&mut self, items: usize, mut each: impl FnMut(usize)) {
        if self.size == 1 {
            return (0..items).for_each(each);
        }
        loop {
            let item = self.team.next.fetch_add(1, Ordering::Relaxed) - self.begun;
            if item >= items {
                break;
            }
            each(item);
        }
        // Every thread has taken one number too many.
        self.begun += items + self.size;
    }

    /// Wait until all threads have come here.
    ///
    /// # Panics
    /// If another thread did.
    pub fn wait(&self) {
        if self.size == 1 {
            return;
        }
        let team = self.team;
        let passes = team.passes.load(Ordering::Acquire);
        if team.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.size {
            team.arrived.store(0, Ordering::Relaxed);
            team.passes.store(passes + 1, Ordering::Release);
            return;
        }
        wait_for(|| {
            assert!(!team.is_broken.load(Ordering::Acquire), "another thread of the training step failed");
            (team.passes.load(Ordering::Acquire) != passes).then_some(())
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[test]
    fn every_piece_is_done_once_and_passes_do_not_overlap() {
        for threads in [1, 2, 3, 8] {
            let counts: Vec<AtomicU32> = (0..40).map(|_| AtomicU32::new(0)).collect();
            let all_are = |n: u32| counts.iter().all(|c| c.load(Ordering::Relaxed) == n);
            work_together(threads, |member| {
                for pass in 0..200 {
                    member.share(counts.len(), |i| {
                        assert_eq!(counts[i].fetch_add(1, Ordering::Relaxed), pass);
                    });
                    member.share(1, |_| assert!(all_are(pass + 1), "pass {pass} of {threads} threads"));
                }
            });
            assert!(all_are(200));
        }
    }

    #[test]
    fn a_thread_that_fails_ends_the_team() {
        let failed = std::panic::catch_unwind(|| {
            work_together(3, |member| {
                member.share(3, |i| assert!(i != 1, "made to fail"));
                member.share(3, |_| {});
            });
        });
        assert!(failed.is_err());
    }
}
