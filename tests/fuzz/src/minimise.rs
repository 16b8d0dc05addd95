//! Making an input small that shows a difference.
//!
//! First its choices are removed and lowered, which keeps the form of the format, then its bytes, as long as the input still shows a
//! difference of the same kind.

use crate::{
    choices::Choices,
    compare::{Difference, Outcome, compare},
    formats::Format,
    oracle::Oracle,
};

/// The most comparisons that are spent on one input.
const COMPARISONS_MAX: usize = 3_000;

/// An input that shows a difference.
#[derive(Debug, Clone)]
pub struct Found {
    /// The input.
    pub input: Vec<u8>,
    /// What it shows.
    pub difference: Difference,
}

struct Search<'a> {
    format: &'a Format,
    oracle: &'a mut Oracle,
    left: usize,
    best: Found,
}

/// Makes an input smaller.
///
/// # Errors
/// When the oracle fails.
pub fn minimise(format: &Format, oracle: &mut Oracle, choices: &[u32], found: Found) -> anyhow::Result<Found> {
    let mut search = Search {
        format,
        oracle,
        left: COMPARISONS_MAX,
        best: found,
    };
    search.choices(choices.to_vec())?;
    search.bytes()?;
    Ok(search.best)
}

impl Search<'_> {
    /// Says whether an input still shows the difference; if so it is the best one now.
    fn still_shows(&mut self, input: Vec<u8>) -> anyhow::Result<bool> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(false);
        };
        self.left = left;
        match compare(self.format, self.oracle, &input)? {
            Outcome::Difference(difference) if difference.is_like(&self.best.difference) => {
                self.best = Found { input, difference };
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn choices(&mut self, mut choices: Vec<u32>) -> anyhow::Result<()> {
        let mut changed = true;
        while changed && self.left > 0 {
            changed = false;
            for length in [16, 4, 1] {
                changed |= self.without(&mut choices, length, |search, kept| {
                    let input = (search.format.generate)(&mut Choices::replay(kept.to_vec()));
                    search.still_shows(input)
                })?;
            }
            changed |= self.lowered(&mut choices)?;
        }
        Ok(())
    }

    fn lowered(&mut self, choices: &mut [u32]) -> anyhow::Result<bool> {
        let mut changed = false;
        for at in 0..choices.len() {
            let before = choices.get(at).copied().unwrap_or_default();
            for lower in [0, before / 2, before.saturating_sub(1)] {
                if lower >= before {
                    continue;
                }
                let mut tried = choices.to_vec();
                tried.splice(at..=at, [lower]);
                let input = (self.format.generate)(&mut Choices::replay(tried.clone()));
                if input.len() <= self.best.input.len() && self.still_shows(input)? {
                    choices.copy_from_slice(&tried);
                    changed = true;
                    break;
                }
            }
        }
        Ok(changed)
    }

    fn bytes(&mut self) -> anyhow::Result<()> {
        let mut bytes = self.best.input.clone();
        for length in [512, 64, 8, 1] {
            self.without(&mut bytes, length, |search, kept| search.still_shows(kept.to_vec()))?;
        }
        Ok(())
    }

    /// Leaves out stretches of a list, from its end on, as long as what is left still shows the difference.
    fn without<T: Clone>(
        &mut self,
        list: &mut Vec<T>,
        length: usize,
        mut shows: impl FnMut(&mut Self, &[T]) -> anyhow::Result<bool>,
    ) -> anyhow::Result<bool> {
        let (mut changed, mut at) = (false, list.len());
        while at > 0 {
            at = at.saturating_sub(length);
            let mut kept = list.clone();
            kept.drain(at..list.len().min(at + length));
            if kept.len() < list.len() && shows(self, &kept)? {
                *list = kept;
                changed = true;
            }
        }
        Ok(changed)
    }
}
