//! Differential fuzzing: what the project's readers accept, the stock readers of the container world must see in the same way.
//!
//! A format is a generator of inputs and one of our readers; the oracle, a program in Go, reads the same bytes with the stock one. An
//! input on which they disagree is made small and written to a file that can be replayed. Refusing what the stock reader accepts
//! is no difference, but is counted, since a reader that refuses everything would agree with anybody.

pub mod bytes;
pub mod choices;
pub mod compare;
pub mod formats;
pub mod minimise;
pub mod oracle;
pub mod run;
pub mod shapes;
pub mod text;
