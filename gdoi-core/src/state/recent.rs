//! The latest few of something.

use serde::{Deserialize, Serialize};

/// The latest `N` values, the newest first. Missing ones are `T::default()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(serialize = "[T; N]: Serialize", deserialize = "[T; N]: Deserialize<'de>"))]
pub(crate) struct Recent<T, const N: usize>([T; N]);

impl<T: Copy + Default, const N: usize> Default for Recent<T, N> {
    fn default() -> Self {
        Self([T::default(); N])
    }
}

impl<T: Copy, const N: usize> Recent<T, N> {
    /// Adds a value and drops the oldest.
    pub(crate) fn push(&mut self, value: T) {
        self.0.rotate_right(1);
        if let Some(first) = self.0.first_mut() {
            *first = value;
        }
    }

    pub(crate) const fn newest(&self) -> Option<&T> {
        self.0.first()
    }

    pub(crate) const fn newest_mut(&mut self) -> Option<&mut T> {
        self.0.first_mut()
    }

    /// The newest first.
    pub(crate) fn iter(&self) -> core::slice::Iter<'_, T> {
        self.0.iter()
    }
}

impl<T: PartialEq, const N: usize> Recent<T, N> {
    pub(crate) fn contains(&self, value: &T) -> bool {
        self.0.contains(value)
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn the_oldest_goes_first() {
        let mut recent = Recent::<u32, 3>::default();
        (1..=4).for_each(|value| recent.push(value));
        assert_eq!(recent.iter().copied().collect::<Vec<_>>(), [4, 3, 2]);
        assert_eq!((recent.newest(), recent.contains(&1)), (Some(&4), false));
    }

    #[test]
    fn it_is_saved_as_an_array() {
        let mut recent = Recent::<Option<u32>, 4>::default();
        recent.push(Some(7));
        let saved = postcard::to_allocvec(&recent).unwrap();
        assert_eq!(
            saved,
            postcard::to_allocvec(&[Some(7_u32), None, None, None]).unwrap()
        );
        assert_eq!(postcard::from_bytes(&saved), Ok(recent));
    }
}
