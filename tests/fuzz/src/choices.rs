//! The choices from which an input is made: drawn at random, recorded, and played back when an input is made smaller.
//!
//! A generator asks for nothing but choices. So an input is a list of numbers, and whatever makes that list shorter or its numbers
//! smaller is an input of the same format again: no generator needs to know how its inputs are minimised. The first of several
//! possibilities should be the plainest.

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// The longest list. What is asked for behind it is the first possibility, so that every generator ends.
const CHOICES_MAX: usize = 4_096;

/// A source of choices.
#[derive(Debug)]
pub struct Choices {
    made: Vec<u32>,
    next: usize,
    random: Option<StdRng>,
}

impl Choices {
    /// Makes choices at random.
    #[must_use]
    pub fn random(seed: u64) -> Self {
        Self {
            made: Vec::new(),
            next: 0,
            random: Some(StdRng::seed_from_u64(seed)),
        }
    }

    /// Plays choices back; behind their end every choice is the first possibility.
    #[must_use]
    pub fn replay(made: Vec<u32>) -> Self {
        Self {
            made,
            next: 0,
            random: None,
        }
    }

    /// Returns the choices that were made so far.
    #[must_use]
    pub fn made(&self) -> &[u32] {
        self.made.get(..self.next).unwrap_or(&self.made)
    }

    /// Chooses a number below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
        if let Some(random) = &mut self.random
            && self.made.len() < CHOICES_MAX
        {
            self.made.push(random.random_range(0..count));
        }
        let chosen = self.made.get(self.next).copied().unwrap_or(0).min(count - 1);
        self.next = (self.next + 1).min(self.made.len());
        usize::try_from(chosen).unwrap_or(usize::MAX)
    }

    /// Says yes so many times in a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        // The last numbers mean yes, so that an input with smaller numbers has fewer oddities.
        self.below(100) >= 100_usize.saturating_sub(percent)
    }

    /// Chooses one of several. A format that offers nothing to choose from would be a fault of the harness.
    pub fn pick<'a, T: ?Sized>(&mut self, among: &[&'a T]) -> &'a T {
        let at = self.below(among.len());
        among.get(at).expect("there is something to choose from")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_record_give_the_same_choices() {
        let draw = |choices: &mut Choices| (0..20).map(|_| choices.below(7)).collect::<Vec<_>>();
        let mut first = Choices::random(5);
        let drawn = draw(&mut first);
        assert_eq!(draw(&mut Choices::random(5)), drawn);
        assert_ne!(draw(&mut Choices::random(6)), drawn);
        assert_eq!(draw(&mut Choices::replay(first.made().to_vec())), drawn);
    }

    #[test]
    fn behind_a_record_everything_is_plain() {
        let mut choices = Choices::replay(vec![9]);
        assert_eq!((choices.below(5), choices.below(5)), (4, 0));
        assert!(!choices.percent(99));
        assert_eq!(choices.made(), [9]);
    }
}
