//! Rows by number.

use std::ops::{Index, IndexMut};

/// Rows that are added and never removed, so that a row keeps its number.
#[derive(Clone, Debug)]
pub(crate) struct Table<T>(Vec<T>);

impl<T> Table<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn add(&mut self, row: T) -> usize {
        self.0.push(row);
        self.0.len() - 1
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<T> Index<usize> for Table<T> {
    type Output = T;

    #[expect(
        clippy::indexing_slicing,
        reason = "numbers come from `add`, and rows are never removed"
    )]
    fn index(&self, row: usize) -> &T {
        &self.0[row]
    }
}

impl<T> IndexMut<usize> for Table<T> {
    #[expect(
        clippy::indexing_slicing,
        reason = "numbers come from `add`, and rows are never removed"
    )]
    fn index_mut(&mut self, row: usize) -> &mut T {
        &mut self.0[row]
    }
}
