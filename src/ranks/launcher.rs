//! What the launcher of this process says in the environment: how many ranks it started, and by which family of MPI.

/// A family of MPI libraries: what they call their handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Open MPI, to version 5: handles are addresses.
    OpenMpi,
    /// MPICH and what is made of it (Intel MPI, MVAPICH, Cray): handles are numbers of 32 bits.
    Mpich,
    /// The standard ABI of MPI-5: handles are small numbers of the size of addresses.
    Abi,
}

/// What a launcher told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Who.
    pub by: &'static str,
    /// Ranks that it started.
    pub size: usize,
    /// Its family, where that is known by how it told.
    pub family: Option<Family>,
}

/// Variables that say how many ranks there are, who sets them, and whose family that is.
const SIZES: [(&str, &str, Option<Family>); 5] = [
    ("OMPI_COMM_WORLD_SIZE", "Open MPI's mpirun", Some(Family::OpenMpi)),
    ("PMI_SIZE", "mpiexec", Some(Family::Mpich)),
    ("MPI_LOCALNRANKS", "mpiexec", Some(Family::Mpich)),
    ("MV2_COMM_WORLD_SIZE", "mpirun_rsh", Some(Family::Mpich)),
    ("SLURM_STEP_NUM_TASKS", "srun", None),
];

/// Variables that say how many ranks there are on this machine.
const LOCAL: [&str; 4] =
    ["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "MV2_COMM_WORLD_LOCAL_SIZE", "SLURM_NTASKS_PER_NODE"];

/// Variables that say which of them this one is.
const LOCAL_RANK: [&str; 4] =
    ["OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "MV2_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID"];

/// What the launcher of this process told, if it has one.
pub fn told() -> Option<Told> {
    told_by(&number)
}

/// Whether a launcher of several ranks started this process.
pub fn is_launched() -> bool {
    told().is_some_and(|told| told.size > 1)
}

/// How many ranks there are on this machine.
pub fn local_ranks() -> usize {
    LOCAL.iter().find_map(|name| number(name)).unwrap_or(1).max(1)
}

/// The number of this one among them, from 0.
pub fn local_rank() -> usize {
    LOCAL_RANK.iter().find_map(|name| number(name)).unwrap_or(0)
}

fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}

fn told_by(number: &dyn Fn(&str) -> Option<usize>) -> Option<Told> {
    let told = |(name, by, family): &(&str, &'static str, Option<Family>)| {
        number(name).map(|size| Told { by, size, family: *family })
    };
    SIZES.iter().find_map(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launchers_are_known_by_their_variables() {
        let of = |set: &'static [(&str, usize)]| told_by(&|name| set.iter().find(|(n, _)| *n == name).map(|(_, v)| *v));
        assert_eq!(of(&[]), None);
        let open = of(&[("OMPI_COMM_WORLD_SIZE", 4), ("SLURM_STEP_NUM_TASKS", 1)]).unwrap();
        assert_eq!((open.size, open.family), (4, Some(Family::OpenMpi)));
        assert_eq!(of(&[("PMI_SIZE", 2), ("MPI_LOCALNRANKS", 1)]).unwrap().size, 2);
        let slurm = of(&[("SLURM_STEP_NUM_TASKS", 8)]).unwrap();
        assert_eq!((slurm.by, slurm.size, slurm.family), ("srun", 8, None));
    }
}
