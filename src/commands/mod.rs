//! The command line's subcommands, a file each: arguments in, one call each into the rooms of the library, text out.

pub mod bench_infer;
