//! One run of the fuzzer: inputs of each format in turn until the time is over.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context;

use crate::{
    choices::Choices,
    compare::{Outcome, compare},
    formats::Format,
    minimise::{Found, minimise},
    oracle::Oracle,
    text,
};

/// After so many different differences of one format it is given up: somebody has to repair something first.
const DIFFERENCES_MAX: usize = 20;
/// How many reasons to be stricter are shown.
const REASONS_SHOWN: usize = 12;

/// What is to be done.
#[derive(Debug)]
pub struct Plan {
    /// The oracle's program.
    pub oracle: PathBuf,
    /// Decides on every input.
    pub seed: u64,
    /// How long each format is tried.
    pub time: Duration,
    /// How many inputs of each format are tried at most.
    pub inputs: u64,
    /// Where differences are written.
    pub folder: PathBuf,
}

/// What came of one format.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many inputs were read.
    pub inputs: u64,
    /// How many of them both readers accepted.
    pub accepted: u64,
    /// How many of them only our reader refused, by reason.
    pub stricter: BTreeMap<String, u64>,
    /// The files with inputs that show a difference.
    pub differences: Vec<PathBuf>,
}

/// Tries a format until the time is over.
///
/// # Errors
/// When the oracle fails, or a file cannot be written.
pub fn run(plan: &Plan, format: &Format) -> anyhow::Result<Tally> {
    let mut oracle = Oracle::start(&plan.oracle)?;
    let (mut tally, mut known) = (Tally::default(), Vec::new());
    let start = Instant::now();
    while start.elapsed() < plan.time && tally.inputs < plan.inputs && tally.differences.len() < DIFFERENCES_MAX {
        // Every input has a seed of its own, so that it can be made again without those before it.
        let mut choices = Choices::random(plan.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(tally.inputs));
        let input = (format.generate)(&mut choices);
        tally.inputs += 1;
        match compare(format, &mut oracle, &input)? {
            Outcome::Same => tally.accepted += 1,
            Outcome::Refused => {}
            Outcome::Stricter(reason) => *tally.stricter.entry(kind(&reason)).or_default() += 1,
            Outcome::Difference(difference) => {
                let found = minimise(format, &mut oracle, choices.made(), Found { input, difference })?;
                if !known.contains(&found.input) {
                    tally.differences.push(keep(&plan.folder, format, &found)?);
                    known.push(found.input);
                }
            }
        }
    }
    Ok(tally)
}

/// Takes names and numbers out of a reason, so that those of one kind are counted together.
fn kind(reason: &str) -> String {
    let mut parts = reason.split('"');
    let mut kind = parts.next().unwrap_or_default().to_owned();
    while let (Some(_), Some(behind)) = (parts.next(), parts.next()) {
        kind.push_str("...");
        kind.push_str(behind);
    }
    kind.chars()
        .map(|letter| if letter.is_ascii_digit() { '#' } else { letter })
        .take(120)
        .collect()
}

/// Writes an input that shows a difference, and says how to see it again.
fn keep(folder: &Path, format: &Format, found: &Found) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let number = (1_u32..).find(|number| !folder.join(format!("{}-{number}.txt", format.name)).exists());
    let path = folder.join(format!("{}-{}.txt", format.name, number.unwrap_or_default()));
    let remark = found.difference.to_string().chars().take(2_000).collect::<String>();
    fs::write(&path, text::write(&remark, &found.input)).with_context(|| format!("cannot write {}", path.display()))?;
    println!(
        "{}: {}",
        format.name,
        found.difference.to_string().chars().take(600).collect::<String>()
    );
    println!(
        "  written to {0}; see it again: cargo xtask fuzz --format {1} --replay {0}",
        path.display(),
        format.name
    );
    Ok(path)
}

/// Says what came of a format.
pub fn report(format: &Format, tally: &Tally) {
    let stricter: u64 = tally.stricter.values().sum();
    println!(
        "{}: {} inputs, {} accepted by both, {stricter} refused only here, {} differences",
        format.name,
        tally.inputs,
        tally.accepted,
        tally.differences.len()
    );
    let mut reasons: Vec<(&String, &u64)> = tally.stricter.iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (reason, count) in reasons.into_iter().take(REASONS_SHOWN) {
        println!("  {count:>8}  {reason}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_one_kind_are_counted_together() {
        assert_eq!(kind("the entry \"a b\" has 17 bytes"), "the entry ... has ## bytes");
        assert_eq!(kind("line 3: \"x\" and \"y\""), "line #: ... and ...");
    }
}
