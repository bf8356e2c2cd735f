//! Whole numbers on their way to other ranks, in as few bits as they fit.

use std::ffi::c_void;

/// Numbers of one width.
#[derive(Debug)]
pub enum Numbers {
    /// That 16 bits hold.
    Short(Vec<i16>),
    /// Of 32 bits.
    Long(Vec<i32>),
}

/// Some of another rank's numbers, from the first to the last.
#[derive(Debug, Clone, Copy)]
pub enum Given<'a> {
    /// That 16 bits hold.
    Short(&'a [i16]),
    /// Of 32 bits.
    Long(&'a [i32]),
}

impl Numbers {
    /// None, of either width.
    pub fn new(are_short: bool) -> Self {
        if are_short { Numbers::Short(Vec::new()) } else { Numbers::Long(Vec::new()) }
    }

    /// Have `count` of them, whatever they are.
    pub fn resize(&mut self, count: usize) {
        match self {
            Numbers::Short(numbers) => numbers.resize(count, 0),
            Numbers::Long(numbers) => numbers.resize(count, 0),
        }
    }

    /// Forget them; their memory is kept.
    pub fn clear(&mut self) {
        self.resize(0);
    }

    /// Put `more` after them, which have to fit their width.
    pub fn extend(&mut self, more: &[i32]) {
        match self {
            Numbers::Short(numbers) => numbers.extend(more.iter().map(|&number| number as i16)),
            Numbers::Long(numbers) => numbers.extend_from_slice(more),
        }
    }

    /// `count` of them from number `first` on.
    pub fn part(&self, first: usize, count: usize) -> Given<'_> {
        match self {
            Numbers::Short(numbers) => Given::Short(&numbers[first..first + count]),
            Numbers::Long(numbers) => Given::Long(&numbers[first..first + count]),
        }
    }

    /// Where they lie.
    pub fn place(&mut self) -> *mut c_void {
        match self {
            Numbers::Short(numbers) => numbers.as_mut_ptr().cast(),
            Numbers::Long(numbers) => numbers.as_mut_ptr().cast(),
        }
    }
}

impl Given<'_> {
    /// Add the first of them to `sums`, one to each, and go on behind these.
    pub fn add_to(&mut self, sums: &mut [i32]) {
        match self {
            Given::Short(numbers) => {
                let (first, rest) = numbers.split_at(sums.len());
                sums.iter_mut().zip(first).for_each(|(sum, &number)| *sum += i32::from(number));
                *numbers = rest;
            }
            Given::Long(numbers) => {
                let (first, rest) = numbers.split_at(sums.len());
                sums.iter_mut().zip(first).for_each(|(sum, &number)| *sum += number);
                *numbers = rest;
            }
        }
    }
}
