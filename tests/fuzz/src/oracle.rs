//! The oracle: a process that reads bytes with the stock readers.

use std::{
    io::{BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

/// The longest answer: the content of an archive in hexadecimal digits.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// What a reader makes of an input: what it sees, or why it sees nothing.
pub type Reading = Result<Value, String>;

/// A running oracle. It ends with its input, and so when this is dropped.
#[derive(Debug)]
pub struct Oracle {
    program: PathBuf,
    process: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    /// Starts it.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn start(program: &Path) -> anyhow::Result<Self> {
        let mut process = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run the oracle {}: run `cargo xtask tools oracle`", program.display()))?;
        let requests = process.stdin.take();
        let answers = process.stdout.take().context("the oracle has no output")?;
        Ok(Self {
            program: program.to_path_buf(),
            process,
            requests,
            answers: BufReader::new(answers),
        })
    }

    /// Asks what the stock reader of a format sees.
    ///
    /// # Errors
    /// When the oracle ended, or does not know the format: its source is older than the harness.
    pub fn ask(&mut self, format: &str, content: &[u8]) -> anyhow::Result<Reading> {
        let answer = self
            .exchange(format, content)
            .with_context(|| format!("the oracle {} gave no answer", self.program.display()))?;
        let mut answer: Value = serde_json::from_slice(&answer).context("the oracle answered with something else than JSON")?;
        if let Some(seen) = answer.get_mut("seen") {
            return Ok(Ok(seen.take()));
        }
        match answer.get("refused").and_then(Value::as_str) {
            Some(refused) => Ok(Err(refused.to_owned())),
            None => bail!("the oracle does not know the format {format}"),
        }
    }

    fn exchange(&mut self, format: &str, content: &[u8]) -> anyhow::Result<Vec<u8>> {
        let requests = self.requests.as_mut().context("it was stopped")?;
        let mut request = Vec::with_capacity(content.len() + 32);
        for frame in [format.as_bytes(), content] {
            request.extend(u32::try_from(frame.len())?.to_be_bytes());
            request.extend(frame);
        }
        requests.write_all(&request)?;
        requests.flush()?;
        let mut length = [0; 4];
        self.answers.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length))?;
        ensure!(length <= ANSWER_BYTES_MAX, "its answer has {length} bytes");
        let mut answer = vec![0; length];
        self.answers.read_exact(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.requests.take());
        // It has nothing left to read and ends by itself; that it was there to be waited for is all that counts.
        let _ended = self.process.wait();
    }
}
