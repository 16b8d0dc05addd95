//! Real clients, each run with a home of its own, so that nothing of the person who runs the tests is seen or changed.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context;
use tempfile::TempDir;

use crate::process::environment;

/// How long one run of a tool may take, in seconds; then it is ended and its test fails.
const RUN_SECONDS_MAX: &str = "180";

/// A folder in which tools run, with a home that is empty at first.
#[derive(Debug)]
pub struct Desk {
    folder: TempDir,
}

impl Desk {
    /// Creates one.
    ///
    /// # Errors
    /// When the folder cannot be created.
    pub fn new() -> anyhow::Result<Self> {
        let desk = Self {
            folder: tempfile::tempdir()?,
        };
        fs::create_dir_all(desk.path("home/tmp"))?;
        // Skopeo asks for a policy; the system's may be absent.
        desk.write(
            "home/.config/containers/policy.json",
            r#"{"default": [{"type": "insecureAcceptAnything"}]}"#,
        )?;
        Ok(desk)
    }

    /// Returns the path of a file in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in the folder, and its folders when they are absent.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
        let path = self.path(name);
        fs::create_dir_all(path.parent().context("a file has a folder")?)?;
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads a file in the folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        let path = self.path(name);
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Prepares a run of a tool of `xtask/tools.toml` in the folder.
    ///
    /// # Errors
    /// When the tool is not installed.
    pub fn tool(&self, name: &str) -> anyhow::Result<Tool> {
        let program = environment("PORTOLAN_TOOLS")?.join(name);
        anyhow::ensure!(program.exists(), "the tool {name} is missing: run `cargo xtask tools {name}`");
        Ok(self.tool_at(&program))
    }

    /// Prepares a run of a program that every system has, such as `tar`.
    #[must_use]
    pub fn system(&self, name: &str) -> Tool {
        self.tool_at(Path::new(name))
    }

    /// Runs a tool with arguments that are separated by blanks; it must succeed. Returns what it printed.
    ///
    /// # Errors
    /// When it does not succeed.
    pub fn run(&self, line: &str) -> anyhow::Result<String> {
        self.prepare(line)?.ok()
    }

    /// Runs a tool as [`Desk::run`] does; it must fail. Returns what it printed.
    ///
    /// # Errors
    /// When it succeeds.
    pub fn refused(&self, line: &str) -> anyhow::Result<String> {
        self.prepare(line)?.fails()
    }

    fn prepare(&self, line: &str) -> anyhow::Result<Tool> {
        let mut words = line.split_whitespace();
        Ok(self.tool(words.next().context("a line names a tool")?)?.args(words))
    }

    fn tool_at(&self, program: &Path) -> Tool {
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=5", RUN_SECONDS_MAX])
            .arg(program)
            .current_dir(self.folder.path())
            .env_clear();
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        let home = self.path("home");
        command
            .env("TMPDIR", home.join("tmp"))
            .env("GNUPGHOME", home.join(".gnupg"))
            .env("HOME", home)
            .env("LC_ALL", "C.UTF-8");
        command.stdin(Stdio::null());
        Tool { command }
    }
}

/// One run of a tool.
#[derive(Debug)]
pub struct Tool {
    command: Command,
}

impl Tool {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it; it must succeed. Returns what it printed, standard error after standard output.
    ///
    /// # Errors
    /// When it fails: with what it printed.
    pub fn ok(self) -> anyhow::Result<String> {
        let (success, line, printed) = self.run()?;
        anyhow::ensure!(success, "`{line}` failed:\n{printed}");
        Ok(printed)
    }

    /// Runs it; it must fail. Returns what it printed, standard error after standard output.
    ///
    /// # Errors
    /// When it succeeds: with what it printed.
    pub fn fails(self) -> anyhow::Result<String> {
        let (success, line, printed) = self.run()?;
        anyhow::ensure!(!success, "`{line}` succeeded, which it should not:\n{printed}");
        Ok(printed)
    }

    /// Runs it and returns what it printed, however it ended.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn printed(self) -> anyhow::Result<String> {
        self.run().map(|(_, _, printed)| printed)
    }

    fn run(mut self) -> anyhow::Result<(bool, String, String)> {
        // The first words are the program that bounds the time.
        let line = self
            .command
            .get_args()
            .skip(2)
            .map(OsStr::to_string_lossy)
            .collect::<Vec<_>>()
            .join(" ");
        let output = self.command.output().with_context(|| format!("cannot run `{line}`"))?;
        let printed = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), line, String::from_utf8_lossy(&printed).into_owned()))
    }
}
