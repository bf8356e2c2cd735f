//! Ranks that MPI connects. The library is opened when the program runs, so that one binary, built where there is no MPI, runs
//! under any launcher; nothing of it is linked.
//!
//! Three families of libraries differ in what they call communicators, types and operations. Only a few functions are used,
//! all with 32-bit words; requests and states are given room that suits all three.

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::{Mutex, PoisonError};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW, Symbol};

use super::launcher::Family;
use super::numbers::{Given, Numbers};
use crate::{Error, Result};

/// Libraries to look for, in this order, after the launcher's own family.
const LIBRARIES: [(&str, Family); 8] = [
    ("libmpi.so.40", Family::OpenMpi),
    ("libmpich.so.12", Family::Mpich),
    ("libmpi.so.12", Family::Mpich),
    ("libmpi_abi.so.1", Family::Abi),
    ("libmpi_abi.so.0", Family::Abi),
    ("libmpi_cray.so.12", Family::Mpich),
    ("libmpi.dylib", Family::OpenMpi),
    ("libmpi.so", Family::OpenMpi),
];

/// Calls come from one thread of a rank, the one that opened the library.
const FUNNELED: c_int = 1;

type Handle = usize;
type InitThread = unsafe extern "C" fn(*mut c_int, *mut c_void, c_int, *mut c_int) -> c_int;
type OfCommunicator = unsafe extern "C" fn(Handle, *mut c_int) -> c_int;
type Iallreduce = unsafe extern "C" fn(*const c_void, *mut c_void, c_int, Handle, Handle, Handle, *mut c_void) -> c_int;
type Test = unsafe extern "C" fn(*mut c_void, *mut c_int, *mut c_void) -> c_int;
type Wait = unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int;
type Counts = *const c_int;
type Ialltoallv = unsafe extern "C" fn(
    *const c_void,
    Counts,
    Counts,
    Handle,
    *mut c_void,
    Counts,
    Counts,
    Handle,
    Handle,
    *mut c_void,
) -> c_int;
type Allgatherv =
    unsafe extern "C" fn(*const c_void, c_int, Handle, *mut c_void, Counts, Counts, Handle, Handle) -> c_int;
type Bcast = unsafe extern "C" fn(*mut c_void, c_int, Handle, c_int, Handle) -> c_int;
type Abort = unsafe extern "C" fn(Handle, c_int) -> c_int;
type Finalize = unsafe extern "C" fn() -> c_int;

/// An MPI library, and this process's place in the world that it spans.
///
/// Whatever goes wrong within MPI ends the program with MPI's own message: that is how it handles errors by default.
#[derive(Debug)]
pub struct Mpi {
    /// What was opened.
    pub name: String,
    pub rank: usize,
    pub size: usize,
    world: Handle,
    int16: Handle,
    int32: Handle,
    add: Handle,
    iallreduce: Symbol<Iallreduce>,
    test: Symbol<Test>,
    wait: Symbol<Wait>,
    ialltoallv: Symbol<Ialltoallv>,
    allgatherv: Symbol<Allgatherv>,
    /// What was gathered last.
    gathered: Mutex<Vec<u32>>,
    bcast: Symbol<Bcast>,
    abort: Symbol<Abort>,
    finalize: Symbol<Finalize>,
    _library: Library,
}

/// A sum that MPI is at.
#[derive(Debug)]
pub struct Request {
    /// MPI's request: an address or a number.
    handle: Box<u64>,
    /// What it reads until it is done.
    _from: Numbers,
    to: Numbers,
}

/// Numbers that go to every other rank and come from each, again and again.
#[derive(Debug)]
pub struct Letters {
    /// MPI's request while it is at them.
    handle: Option<Box<u64>>,
    to_others: Numbers,
    from_others: Numbers,
    /// `[4][ranks]`: numbers to each rank and where they begin, numbers from each and where these do.
    counts: [Vec<c_int>; 4],
}

impl Drop for Letters {
    fn drop(&mut self) {
        // If MPI is still at them it goes on reading and writing there, so that memory is never free again.
        if self.handle.is_some() {
            let none = || Numbers::new(false);
            std::mem::forget((
                std::mem::replace(&mut self.to_others, none()),
                std::mem::replace(&mut self.from_others, none()),
            ));
            std::mem::forget((self.handle.take(), std::mem::take(&mut self.counts)));
        }
    }
}

/// Room for a state of any family: none takes more than 128 bytes.
type State = [u64; 16];

impl Mpi {
    /// Open the library that `GATEWRIGHT_MPI` names, or else the first that is found, those of `family` before others, and join
    /// the world of all ranks.
    ///
    /// # Errors
    /// [`Error::Run`] if there is none, or one that lacks what is needed.
    pub fn open(family: Option<Family>) -> Result<Self> {
        let (library, name, family) = match std::env::var("GATEWRIGHT_MPI") {
            Ok(name) if !name.is_empty() => {
                let library = load(&name).map_err(|e| Error::Run(format!("GATEWRIGHT_MPI names {name}: {e}")))?;
                let family = if name.contains("mpi_abi") {
                    Family::Abi
                } else if address(&library, b"ompi_mpi_comm_world\0").is_some() {
                    Family::OpenMpi
                } else {
                    Family::Mpich
                };
                (library, name, family)
            }
            _ => {
                let first = LIBRARIES.iter().filter(|(_, own)| Some(*own) == family);
                let others = LIBRARIES.iter().filter(|(_, own)| Some(*own) != family);
                let found = first.chain(others).find_map(|(name, family)| Some((load(name).ok()?, *name, *family)));
                let Some((library, name, family)) = found else {
                    let names: Vec<&str> = LIBRARIES.iter().map(|(name, _)| *name).collect();
                    return Err(Error::Run(format!(
                        "several ranks were started, and no MPI library is found ({}); name it by GATEWRIGHT_MPI",
                        names.join(", ")
                    )));
                };
                (library, name.to_string(), family)
            }
        };
        let lacks = |what: &str| Error::Run(format!("{name} is no MPI library that can be used: it lacks {what}"));
        let [world, int16, int32, add] = match family {
            Family::OpenMpi => {
                let place = |symbol: &[u8]| {
                    address(&library, symbol)
                        .ok_or_else(|| lacks(&String::from_utf8_lossy(&symbol[..symbol.len() - 1])))
                };
                let int16 = place(b"ompi_mpi_int16_t\0")?;
                [place(b"ompi_mpi_comm_world\0")?, int16, place(b"ompi_mpi_int32_t\0")?, place(b"ompi_mpi_op_sum\0")?]
            }
            Family::Mpich => [0x4400_0000, 0x4c00_0238, 0x4c00_0439, 0x5800_0003],
            Family::Abi => [0x101, 0x248, 0x250, 0x21],
        };
        /// The function called `$symbol`, of type `$of`.
        macro_rules! function {
            ($symbol:literal, $of:ty) => {
                // SAFETY: the type is that of the MPI standard's C binding, handles being of the size of an address or, in a
                // register, of its lower half.
                unsafe { library.get::<$of>(concat!($symbol, "\0").as_bytes()) }.map_err(|_| lacks($symbol))?
            };
        }
        let init = function!("MPI_Init_thread", InitThread);
        let comm_rank = function!("MPI_Comm_rank", OfCommunicator);
        let comm_size = function!("MPI_Comm_size", OfCommunicator);
        let (mut rank, mut size, mut provided) = (0, 1, 0);
        // SAFETY: MPI is begun once, before its other functions, which get places to write to.
        unsafe {
            init(null_mut(), null_mut(), FUNNELED, &raw mut provided);
            comm_rank(world, &raw mut rank);
            comm_size(world, &raw mut size);
        }
        Ok(Mpi {
            rank: rank as usize,
            size: size as usize,
            world,
            int16,
            int32,
            add,
            iallreduce: function!("MPI_Iallreduce", Iallreduce),
            test: function!("MPI_Test", Test),
            wait: function!("MPI_Wait", Wait),
            ialltoallv: function!("MPI_Ialltoallv", Ialltoallv),
            allgatherv: function!("MPI_Allgatherv", Allgatherv),
            gathered: Mutex::default(),
            bcast: function!("MPI_Bcast", Bcast),
            abort: function!("MPI_Abort", Abort),
            finalize: function!("MPI_Finalize", Finalize),
            name,
            _library: library,
        })
    }

    /// Begin to add `values` up over all ranks, in 16 bits if no sum passes these.
    pub fn begin_sum(&self, values: Vec<i32>, are_short: bool) -> Request {
        let count = values.len();
        let (of, from, to) = match are_short {
            true => {
                let short = values.iter().map(|&value| value as i16).collect();
                (self.int16, Numbers::Short(short), Numbers::Short(vec![0; count]))
            }
            false => (self.int32, Numbers::Long(values), Numbers::Long(vec![0; count])),
        };
        let mut request = Request { handle: Box::new(0), _from: from, to };
        let (from, to, handle) = (request._from.place(), request.to.place(), (&raw mut *request.handle).cast());
        // SAFETY: both arrays have as many numbers and live, unmoved on the heap, until the request is waited for.
        unsafe { (self.iallreduce)(from, to, count as c_int, of, self.add, self.world, handle) };
        request
    }

    /// Have the library go on with a sum: some do so only when they are called.
    pub fn push_sum(&self, request: &mut Request) {
        self.push(&mut request.handle);
    }

    /// Wait for a sum.
    pub fn finish_sum(&self, mut request: Request) -> Vec<i32> {
        self.wait_for(&mut request.handle);
        match request.to {
            Numbers::Short(sums) => sums.into_iter().map(i32::from).collect(),
            Numbers::Long(sums) => sums,
        }
    }

    /// None yet, in 16 bits each where `are_short`.
    pub fn letters(&self, are_short: bool) -> Letters {
        let counts = std::array::from_fn(|_| vec![0; self.size]);
        Letters { handle: None, to_others: Numbers::new(are_short), from_others: Numbers::new(are_short), counts }
    }

    /// Begin to send to every other rank r the `parts[r]` numbers that `fill` makes, one rank after the other, and to get as many from
    /// each as this rank's part has.
    pub fn begin_letters(&self, letters: &mut Letters, parts: &[usize], fill: impl FnOnce(&mut Numbers)) {
        fill(&mut letters.to_others);
        letters.from_others.resize(parts[self.rank] * (self.size - 1));
        let [to, to_places, from, from_places] = &mut letters.counts;
        let (mut to_at, mut from_at) = (0, 0);
        for rank in 0..self.size {
            let is_other = c_int::from(rank != self.rank);
            (to[rank], from[rank]) = (is_other * parts[rank] as c_int, is_other * parts[self.rank] as c_int);
            (to_places[rank], from_places[rank]) = (to_at, from_at);
            (to_at, from_at) = (to_at + to[rank], from_at + from[rank]);
        }
        let of = if matches!(letters.to_others, Numbers::Short(_)) { self.int16 } else { self.int32 };
        let handle = letters.handle.insert(Box::new(0));
        // SAFETY: numbers and counts live, unmoved on the heap, until the request is waited for, or for good; there are as many as the
        // counts say, and they are changed by nobody meanwhile.
        unsafe {
            (self.ialltoallv)(
                letters.to_others.place(),
                to.as_ptr(),
                to_places.as_ptr(),
                of,
                letters.from_others.place(),
                from.as_ptr(),
                from_places.as_ptr(),
                of,
                self.world,
                (&raw mut **handle).cast(),
            )
        };
    }

    /// Have the library go on with them.
    pub fn push_letters(&self, letters: &mut Letters) {
        letters.handle.iter_mut().for_each(|handle| self.push(handle));
    }

    /// Wait for them, and have `read` see the `count` that each other rank sent.
    pub fn finish_letters(&self, letters: &mut Letters, count: usize, mut read: impl FnMut(Given)) {
        let Some(mut handle) = letters.handle.take() else { return };
        self.wait_for(&mut handle);
        (0..self.size - 1).for_each(|other| read(letters.from_others.part(other * count, count)));
    }

    fn push(&self, handle: &mut u64) {
        let (mut is_done, mut state): (c_int, State) = (0, [0; 16]);
        // SAFETY: the request was begun by the same library; one that is done may be tested, and waited for, again.
        unsafe { (self.test)((&raw mut *handle).cast(), &raw mut is_done, state.as_mut_ptr().cast()) };
    }

    fn wait_for(&self, handle: &mut u64) {
        let mut state: State = [0; 16];
        // SAFETY: the request was begun by the same library.
        unsafe { (self.wait)((&raw mut *handle).cast(), state.as_mut_ptr().cast()) };
    }

    /// Have `read` see the words of every rank, of which this one's are `mine`; each gives as many as `lengths` says.
    pub fn gather(&self, mine: &[u32], lengths: &[usize], mut read: impl FnMut(usize, &[u32])) {
        let counts: Vec<c_int> = lengths.iter().map(|&length| length as c_int).collect();
        let places: Vec<c_int> = counts
            .iter()
            .scan(0, |at, &count| {
                *at += count;
                Some(*at - count)
            })
            .collect();
        let mut all = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        all.resize(lengths.iter().sum(), 0);
        // SAFETY: `all` has room for every rank's words, and `mine` are as many as this one's length says.
        unsafe {
            (self.allgatherv)(
                mine.as_ptr().cast(),
                mine.len() as c_int,
                self.int32,
                all.as_mut_ptr().cast(),
                counts.as_ptr(),
                places.as_ptr(),
                self.int32,
                self.world,
            )
        };
        for (rank, (&at, &length)) in places.iter().zip(lengths).enumerate() {
            read(rank, &all[at as usize..][..length]);
        }
    }

    /// Rank 0's words, everywhere.
    pub fn tell(&self, words: &mut [u32]) {
        // SAFETY: every rank gives as many words.
        unsafe { (self.bcast)(words.as_mut_ptr().cast(), words.len() as c_int, self.int32, 0, self.world) };
    }

    /// End all ranks, their programs with this exit code.
    pub fn abort(&self, code: u8) {
        // SAFETY: as above.
        unsafe { (self.abort)(self.world, c_int::from(code)) };
    }
}

impl Drop for Mpi {
    fn drop(&mut self) {
        // SAFETY: nothing of MPI is called afterwards.
        unsafe { (self.finalize)() };
    }
}

/// Open a library for all that it will open itself, as Open MPI's parts need.
fn load(name: &str) -> std::result::Result<Library, libloading::Error> {
    // SAFETY: an MPI library's initialization may be run at any time.
    unsafe { Library::open(Some(name), RTLD_NOW | RTLD_GLOBAL) }
}

/// Where the object called `symbol` lies.
fn address(library: &Library, symbol: &[u8]) -> Option<Handle> {
    // SAFETY: only its address is taken.
    unsafe { library.get::<*mut c_void>(symbol) }.ok().map(|symbol| symbol.into_raw() as Handle)
}
