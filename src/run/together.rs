//! A run of several ranks: rank 0 leads it, writes, prints and evaluates; the others do the steps that it orders.

use std::cell::Cell;

use super::checkpoint::{Checkpoint, Identity};
use super::checkpoints;
use super::device::Device;
use super::learner::Learner;
use super::options::{Companion, Place};
use crate::data::Dataset;
use crate::ranks::Ranks;
use crate::settings::Settings;
use crate::{Error, Result};

/// A part of a run of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The convolutions, which are trained first.
    Convolutions,
    /// What reads them.
    Above,
}

/// What rank 0 has the others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Take part in this part of a run of two, until its end.
    Part(Part),
    /// Begin, where the same checkpoint left the run.
    Begin,
    /// So many steps.
    Steps(u32),
    /// Gather what is trained.
    Gather,
    /// Compare the networks.
    Compare,
    /// End; nothing is left to do.
    End,
}

impl Order {
    fn words(self) -> [u32; 2] {
        match self {
            Order::Begin => [0, 0],
            Order::Steps(count) => [1, count],
            Order::Compare => [2, 0],
            Order::Gather => [3, 0],
            Order::End => [4, 0],
            Order::Part(Part::Convolutions) => [5, 0],
            Order::Part(Part::Above) => [5, 1],
        }
    }

    fn give(self, ranks: &Ranks) -> Result<()> {
        ranks.tell(&mut self.words())
    }

    fn take(ranks: &Ranks) -> Result<Self> {
        let mut words = Order::End.words();
        ranks.tell(&mut words)?;
        Ok(match words[0] {
            0 => Order::Begin,
            1 => Order::Steps(words[1]),
            2 => Order::Compare,
            3 => Order::Gather,
            5 => Order::Part(if words[1] == 0 { Part::Convolutions } else { Part::Above }),
            _ => Order::End,
        })
    }
}

/// Rank 0's hold on the others: they are let go where it is dropped.
#[derive(Debug)]
pub struct Lead<'a> {
    ranks: &'a Ranks,
    /// Whether the others are there to take orders; threads are not before they are started.
    is_followed: Cell<bool>,
    /// Whether rank 0 failed in a step, of which the others may wait for its part.
    failed: Cell<bool>,
}

impl<'a> Lead<'a> {
    /// Lead `ranks`.
    pub fn over(ranks: &'a Ranks) -> Self {
        Lead { ranks, is_followed: Cell::new(!ranks.are_threads()), failed: Cell::new(false) }
    }

    /// Have ranks in other processes, which take this order by `next_part`, begin a part of a run of two.
    ///
    /// # Errors
    /// As [`Ranks::begin_sum`].
    pub fn part(&self, part: Part) -> Result<()> {
        if self.is_followed.get() { Order::Part(part).give(self.ranks) } else { Ok(()) }
    }

    /// Have all begin, and see that they are alike.
    ///
    /// # Errors
    /// [`Error::Run`] where a rank has other samples, settings, another device or another network.
    pub fn begin(&self, learner: &mut Learner, device: &Device, identity: &Identity) -> Result<()> {
        Order::Begin.give(self.ranks)?;
        check_alike(self.ranks, learner, device, identity)
    }

    /// Have the others do `count` steps, which `own` does on rank 0.
    ///
    /// # Errors
    /// `own`'s; as [`Ranks::begin_sum`].
    pub fn steps(&self, count: u32, own: impl FnOnce() -> Result<()>) -> Result<()> {
        Order::Steps(count).give(self.ranks)?;
        own().inspect_err(|_| self.failed.set(true))
    }

    /// Do what `own` does on rank 0, while `companions` follow on threads of this process, and let all go.
    ///
    /// # Errors
    /// `own`'s, or what went wrong in a companion before.
    pub fn through<T>(
        self,
        companions: &[Companion],
        settings: &Settings,
        data: &Dataset,
        place: &Place,
        own: impl FnOnce(&Lead) -> Result<T>,
    ) -> Result<T> {
        std::thread::scope(|scope| {
            let follow = |companion: &Companion| {
                let open = || Ok(Device::open(&companion.place, settings)?.0);
                follow(&companion.ranks, &open, settings, data, place)
            };
            self.is_followed.set(true);
            let others: Vec<_> = companions.iter().map(|companion| scope.spawn(move || follow(companion))).collect();
            let led = own(&self);
            if let (Err(error), true) = (&led, self.failed.get()) {
                self.ranks.leave(error);
            }
            let ranks = self.ranks;
            drop(self);
            let mut others: Vec<_> = others.into_iter().map(|other| other.join().unwrap_or(Ok(()))).collect();
            led.map_err(|error| {
                // Of what went wrong elsewhere, rank 0 knows only that it did.
                let first = ranks.first_that_left().unwrap_or(0);
                let elsewhere =
                    first.checked_sub(1).and_then(|at| others.get_mut(at)).map(|it| std::mem::replace(it, Ok(())));
                elsewhere.and_then(std::result::Result::err).unwrap_or(error)
            })
        })
    }

    /// Have all that is trained on this rank, and on the others.
    ///
    /// # Errors
    /// As [`Ranks::begin_sum`].
    pub fn gather(&self, learner: &mut Learner) -> Result<()> {
        if learner.is_whole() {
            return Ok(());
        }
        Order::Gather.give(self.ranks)?;
        learner.gather()
    }

    /// See that all ranks have the same network, and have it whole on all of them.
    ///
    /// # Errors
    /// [`Error::Run`] where one has another.
    pub fn compare(&self, learner: &mut Learner) -> Result<()> {
        if self.ranks.size() == 1 {
            return Ok(());
        }
        Order::Compare.give(self.ranks)?;
        compare(self.ranks, learner)
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        leave_if_panicking(self.ranks);
        // If this fails, there is nobody left to let go. Where a step failed, orders would not be taken.
        if self.is_followed.get() && !self.failed.get() {
            let _ = Order::End.give(self.ranks);
        }
    }
}

/// Be another rank than 0 of a run on `data`, without its test samples' judgement, until rank 0 has ended it.
///
/// # Errors
/// What went wrong here; the other ranks are told that this one ended.
pub fn follow(
    ranks: &Ranks,
    open: &dyn Fn() -> Result<Device>,
    settings: &Settings,
    data: &Dataset,
    place: &Place,
) -> Result<()> {
    heard(ranks, || follow_to_the_end(ranks, open, settings, data, place))
}

/// Do what `own` does on another rank than 0; none waits for this one where it fails.
///
/// # Errors
/// `own`'s; the other ranks are told that this one ended.
pub fn heard(ranks: &Ranks, own: impl FnOnce() -> Result<()>) -> Result<()> {
    struct Guard<'a>(&'a Ranks);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            leave_if_panicking(self.0);
        }
    }
    let _guard = Guard(ranks);
    let done = own();
    if let Err(error) = &done {
        ranks.leave(error);
    }
    done.map_err(|error| error.with_advice(&format!("this was rank {}", ranks.rank())))
}

/// The part of a run of two that rank 0 has this one take part in next; none where the run has ended, or is refused.
///
/// # Errors
/// [`Error::Run`] where rank 0's run has no parts; as [`Ranks::begin_sum`].
pub fn next_part(ranks: &Ranks) -> Result<Option<Part>> {
    match Order::take(ranks)? {
        Order::Part(part) => Ok(Some(part)),
        Order::End => Ok(None),
        _ => Err(other_parts()),
    }
}

fn other_parts() -> Error {
    Error::Run(
        "rank 0 trains other convolutions first than this rank, or none; all must be given the same flags".into(),
    )
}

/// Have no other rank wait for one whose thread ends by a panic.
fn leave_if_panicking(ranks: &Ranks) {
    if std::thread::panicking() {
        ranks.leave(&Error::Run("this program is at fault, as told above".into()));
    }
}

/// [`follow`] without a word to the others where it fails.
///
/// # Errors
/// What went wrong here.
pub fn follow_to_the_end(
    ranks: &Ranks,
    open: &dyn Fn() -> Result<Device>,
    settings: &Settings,
    data: &Dataset,
    place: &Place,
) -> Result<()> {
    let device = open()?;
    let mut learner = Learner::of_rank(&device, settings, data, ranks)?;
    loop {
        match Order::take(ranks)? {
            Order::Begin => {
                if let Some(checkpoint) = begun(place)? {
                    let unusable = |problem| Error::Run(format!("the checkpoint cannot be gone on with: {problem}"));
                    learner.restore(&checkpoint.state).map_err(unusable)?;
                }
                let identity = Identity::of(learner.model(), &data.train);
                // What rank 0 finds in these comparisons, it tells; its order to end comes next.
                let _ = check_alike(ranks, &mut learner, &device, &identity);
            }
            Order::Steps(count) => learner.submit(count)?,
            Order::Gather => learner.gather()?,
            Order::Compare => {
                let _ = compare(ranks, &mut learner);
            }
            Order::Part(_) => return Err(other_parts()),
            Order::End => return Ok(()),
        }
    }
}

/// The checkpoint to go on from, if there is one.
fn begun(place: &Place) -> Result<Option<Checkpoint>> {
    match place {
        Place::New(_) => Ok(None),
        Place::Resume(path) => match checkpoints::run_of(path) {
            Some(run) if run != *path => Checkpoint::load(path).map(Some),
            _ => checkpoints::newest(path),
        },
    }
}

/// Compare what must be the same on all ranks before the first step.
fn check_alike(ranks: &Ranks, learner: &mut Learner, device: &Device, identity: &Identity) -> Result<()> {
    if ranks.size() == 1 {
        return Ok(());
    }
    // The CPUs make the same bits on every machine; drivers may round differently.
    let device = match device {
        Device::Cpu(_) => "cpu".to_string(),
        Device::Gpu(_) => format!("{}, {}", device.name(), device.driver()),
    };
    // Where the files lie may differ from machine to machine; what is in them may not.
    let settings = Settings { data: String::new(), data_dir: None, ..learner.settings().clone() };
    let settings = toml::to_string(&settings.spelled_out()).unwrap_or_default();
    let steps = learner.steps().to_string();
    for (what, told) in [
        ("other training samples, or another network,", format!("{identity:?}")),
        ("other settings", settings),
        ("another device or driver", device),
        ("done another number of steps", steps),
    ] {
        if let Some(rank) = ranks.first_that_differs(told.as_bytes())? {
            return Err(Error::Run(format!(
                "rank {rank} has {what} than rank 0; all must read the same files, by the same flags, on devices of one kind"
            )));
        }
    }
    compare(ranks, learner)
}

fn compare(ranks: &Ranks, learner: &mut Learner) -> Result<()> {
    let step = learner.steps();
    learner.gather()?;
    match ranks.first_that_differs(&learner.common()?)? {
        None => Ok(()),
        Some(rank) => Err(Error::Run(format!(
            "after step {step} rank {rank} has another network than rank 0, though both did the same steps: its memory or its \
             device is at fault"
        ))),
    }
}
