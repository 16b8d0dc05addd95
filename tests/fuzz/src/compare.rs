//! Comparing two readings of one input.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{
    formats::Format,
    oracle::{Oracle, Reading},
};

/// How two readings relate.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Both see the same.
    Same,
    /// Both refuse.
    Refused,
    /// Only our reader refuses, for this reason. That is allowed.
    Stricter(String),
    /// What must not be.
    Difference(Difference),
}

/// Two readings that must not be.
#[derive(Debug, Clone, PartialEq)]
pub enum Difference {
    /// Our reader accepts what the stock reader refuses, for this reason.
    Accepts(String),
    /// Both accept, and each sees something else: ours, then the stock reader's.
    Meaning(String, String),
    /// Our reader panicked.
    Panic(String),
}

impl Difference {
    /// Says whether an input shows the same fault as another one, as far as can be told.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Accepts(one), Self::Accepts(other)) => one == other,
            (Self::Meaning(..), Self::Meaning(..)) | (Self::Panic(_), Self::Panic(_)) => true,
            _ => false,
        }
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Accepts(reason) => write!(formatter, "accepted here, refused by the stock reader: {reason}"),
            Self::Meaning(ours, stock) => write!(
                formatter,
                "both accept, but see different things\n  here:         {ours}\n  stock reader: {stock}"
            ),
            Self::Panic(message) => write!(formatter, "the reader panicked: {message}"),
        }
    }
}

/// Reads an input with our reader and with the stock one.
///
/// # Errors
/// When the oracle fails.
pub fn compare(format: &Format, oracle: &mut Oracle, input: &[u8]) -> anyhow::Result<Outcome> {
    let ours = match catch_unwind(AssertUnwindSafe(|| (format.read)(input))) {
        Ok(reading) => reading,
        Err(reason) => {
            let message = reason.downcast_ref::<String>().map(String::as_str);
            let message = message.or_else(|| reason.downcast_ref::<&str>().copied());
            return Ok(Outcome::Difference(Difference::Panic(message.unwrap_or("?").to_owned())));
        }
    };
    Ok(judge(ours, oracle.ask(format.name, input)?))
}

fn judge(ours: Reading, stock: Reading) -> Outcome {
    match (ours, stock) {
        (Ok(ours), Ok(stock)) if ours == stock => Outcome::Same,
        (Ok(ours), Ok(stock)) => Outcome::Difference(Difference::Meaning(ours.to_string(), stock.to_string())),
        (Ok(_), Err(reason)) => Outcome::Difference(Difference::Accepts(reason)),
        (Err(reason), Ok(_)) => Outcome::Stricter(reason),
        (Err(_), Err(_)) => Outcome::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_accepted_can_differ() {
        let seen = |value: i32| Ok(value.into());
        let refused = || Err("no".to_owned());
        assert_eq!(judge(seen(1), seen(1)), Outcome::Same);
        assert_eq!(judge(refused(), refused()), Outcome::Refused);
        assert_eq!(judge(refused(), seen(1)), Outcome::Stricter("no".to_owned()));
        assert_eq!(
            judge(seen(1), refused()),
            Outcome::Difference(Difference::Accepts("no".to_owned()))
        );
        assert_eq!(
            judge(seen(1), seen(2)),
            Outcome::Difference(Difference::Meaning("1".to_owned(), "2".to_owned()))
        );
    }
}
