//! From a component to machine code: in a process of its own, and once.
//!
//! Compiling needs much memory and works on what a stranger wrote, so a child with limits does it. The code is kept in a file whose hash lies in the
//! metadata: what is loaded into this process is read to memory, found to have the hash, and only then taken for code.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use bytes::Bytes;
use rustix::process::{Resource, Rlimit, setrlimit};
use wasmtime::{Engine, component::Component};

use super::{Config, engine};
use crate::{oci::Digest, registry::CodeHashes};

/// The hidden argument with which the program compiles a component from its standard input and writes the code to its standard output.
pub const COMPILE_ARGUMENT: &str = "__compile";
/// The largest machine code in bytes.
const CODE_BYTES_MAX: u64 = 512 << 20;
/// What a child says whose memory ends: at an allocation, or at a thread that there is no stack for (`EAGAIN`).
const NO_MEMORY: [&str; 2] = ["out of memory", "Resource temporarily unavailable"];
/// The longest message of the child that is looked at.
const MESSAGE_BYTES_MAX: u64 = 2_000;

/// What compiling one component may take.
#[derive(Debug, Clone)]
struct CompileLimits {
    /// The program that compiles: this one where none is named.
    program: Option<PathBuf>,
    memory_bytes_max: u64,
    time_max: Duration,
}

/// Compiles components, and remembers.
#[derive(Clone)]
pub(super) struct Compiler {
    engine: Engine,
    key: String,
    hashes: CodeHashes,
    folder: PathBuf,
    limits: CompileLimits,
}

impl Compiler {
    pub(super) fn new(engine: Engine, hashes: CodeHashes, config: &Config) -> Self {
        Self {
            key: engine::key(&engine),
            engine,
            hashes,
            folder: config.cache.clone(),
            limits: CompileLimits {
                program: config.compile_program.clone(),
                memory_bytes_max: config.compile_memory_bytes_max,
                time_max: config.compile_time_max,
            },
        }
    }

    /// Returns a component that is ready to be linked: from the machine code that was kept, or compiled now. The error is a sentence.
    pub(super) async fn component(&self, digest: &Digest, bytes: Bytes) -> Result<Component, String> {
        if let Some(component) = self.kept(digest).await {
            return Ok(component);
        }
        let this = self.clone();
        let compiled = tokio::task::spawn_blocking(move || this.limits.compile(&bytes)).await;
        let code = compiled.map_err(|error| format!("the compiler broke off: {error}"))??;
        let hash = Digest::sha256(&code);
        let component = self.load(&code)?;
        self.keep(digest, &code, hash).await;
        Ok(component)
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{}-{}.code", digest.hex(), self.key))
    }

    /// Returns the component from code that was kept, where it is what was kept.
    async fn kept(&self, digest: &Digest) -> Option<Component> {
        let hash = self.hashes.get(digest, &self.key).await.ok().flatten()?;
        let code = read_limited(fs::File::open(self.path(digest)).ok()?, CODE_BYTES_MAX).ok()?;
        if Digest::sha256(&code) != hash {
            tracing::warn!(path = %self.path(digest).display(), "kept machine code was changed; it is not used and compiled again");
            return None;
        }
        self.load(&code)
            .inspect_err(|error| tracing::info!(%error, "kept machine code is compiled again"))
            .ok()
    }

    /// Keeps code for the next start. Where that fails, the next start is slow and nothing else.
    async fn keep(&self, digest: &Digest, code: &[u8], hash: Digest) {
        let path = self.path(digest);
        let write = || -> io::Result<()> {
            fs::create_dir_all(&self.folder)?;
            let unfinished = path.with_extension("part");
            fs::write(&unfinished, code)?;
            fs::rename(&unfinished, &path)
        };
        if let Err(error) = write() {
            tracing::warn!(%error, path = %path.display(), "machine code could not be kept; the next start compiles again");
            return;
        }
        if let Err(error) = self.hashes.put(digest.clone(), self.key.clone(), hash).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the hash of machine code could not be kept; the next start compiles again"
            );
        }
    }

    fn load(&self, code: &[u8]) -> Result<Component, String> {
        #[expect(
            unsafe_code,
            reason = "machine code cannot be checked; this was compiled by this program, just now or earlier, and in between its hash lay where only \
                      the gateway writes"
        )]
        // SAFETY: the bytes are the output of `Engine::precompile_component` of this version, unchanged: see the reason above.
        let component = unsafe { Component::deserialize(&self.engine, code) };
        component.map_err(|error| format!("its machine code cannot be loaded: {error:#}"))
    }
}

impl CompileLimits {
    /// Compiles in a child process. Blocks.
    fn compile(&self, component: &[u8]) -> Result<Vec<u8>, String> {
        let program = self.program.clone().map_or_else(std::env::current_exe, Ok);
        let started = program.and_then(|program| {
            let mut command = Command::new(program);
            command
                .arg(COMPILE_ARGUMENT)
                .arg(self.memory_bytes_max.to_string())
                .env_clear();
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
        });
        let mut child = started.map_err(|error| format!("the compiler could not be started: {error}"))?;
        let code = thread::scope(|scope| self.converse(scope, &mut child, component));
        let status = child
            .wait()
            .map_err(|error| format!("the compiler could not be waited for: {error}"))?;
        let (code, message) = code?;
        if status.success() && !code.is_empty() {
            return Ok(code);
        }
        Err(self.told(status, &message))
    }

    /// Gives the child its input and takes its output, both at once, for as long as it may take.
    fn converse<'scope>(
        &self,
        scope: &'scope thread::Scope<'scope, '_>,
        child: &mut Child,
        component: &'scope [u8],
    ) -> Result<(Vec<u8>, String), String> {
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err("the compiler has no pipes".into());
        };
        // A child that ends early closes its end; what it has to say then arrives on its standard error.
        scope.spawn(move || stdin.write_all(component));
        let message = scope.spawn(move || read_limited(stderr.take(MESSAGE_BYTES_MAX), MESSAGE_BYTES_MAX).unwrap_or_default());
        let (done, outcome) = mpsc::channel();
        scope.spawn(move || done.send(read_limited(stdout, CODE_BYTES_MAX)));
        match outcome.recv_timeout(self.time_max) {
            Ok(Ok(code)) => Ok((
                code,
                String::from_utf8_lossy(&message.join().unwrap_or_default()).into_owned(),
            )),
            Ok(Err(error)) => {
                kill(child);
                Err(format!("the output of the compiler could not be read: {error}"))
            }
            Err(_) => {
                kill(child);
                Err(format!(
                    "compiling it took longer than {} seconds, the limit",
                    self.time_max.as_secs_f64()
                ))
            }
        }
    }

    /// Words why the child gave no code. Where its memory ends it says so or is ended, as it happens.
    fn told(&self, status: ExitStatus, message: &str) -> String {
        let how = match status.signal() {
            Some(signal) => format!("the compiler was ended by signal {signal}"),
            None if NO_MEMORY.iter().any(|said| message.contains(said)) => "the compiler ran out of memory".to_owned(),
            None => return format!("it cannot be compiled: {}", message.trim()),
        };
        let limit = self.memory_bytes_max;
        format!("{how}; it may use {limit} bytes, which compile_memory_bytes_max in [plugins] can raise")
    }
}

fn kill(child: &mut Child) {
    if let Err(error) = child.kill() {
        tracing::warn!(%error, "the compiler could not be ended");
    }
}

/// Reads to the end, or fails beyond the limit.
fn read_limited(reader: impl Read, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("there are more than {bytes_max} bytes"),
        ));
    }
    Ok(bytes)
}

/// What the program does when it is called with [`COMPILE_ARGUMENT`].
#[must_use]
pub fn compile_child() -> ExitCode {
    match compile_in_child() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A parent that is gone hears nothing any more.
            drop(writeln!(io::stderr(), "{error}"));
            ExitCode::FAILURE
        }
    }
}

fn compile_in_child() -> Result<(), String> {
    let memory = std::env::args().nth(2).and_then(|bytes| bytes.parse::<u64>().ok());
    let memory = memory.ok_or("the compiler is called with the limit of its memory in bytes")?;
    for (resource, limit) in [(Resource::As, memory), (Resource::Core, 0)] {
        let limited = setrlimit(
            resource,
            Rlimit {
                current: Some(limit),
                maximum: Some(limit),
            },
        );
        limited.map_err(|error| format!("the compiler cannot be limited: {error}"))?;
    }
    let component = read_limited(io::stdin().lock(), CODE_BYTES_MAX).map_err(|error| error.to_string())?;
    let engine = engine::compiling().map_err(|error| error.to_string())?;
    let code = engine
        .precompile_component(&component)
        .map_err(|error| format!("{error:#}"))?;
    io::stdout().lock().write_all(&code).map_err(|error| error.to_string())
}
