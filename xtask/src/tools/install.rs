//! Installing one tool: from source through Go's or Rust's own client, or from the system's packages.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use super::Pinned;
use crate::process::{cargo as cargo_command, run};

/// Builds a Go program with `go install`.
pub(super) fn go(program: &Path, tool: &Pinned) -> anyhow::Result<PathBuf> {
    build(program, |folder| {
        let source = format!("{}@{}", tool.package, tool.version);
        run(go_command()?.args(["install", "-trimpath", &source]).env("GOBIN", folder))?;
        only_file(folder)
    })
}

/// Builds a Go module of this repository with `go build`. In the cache it is named by what its source says, so that a change of
/// the source is another program.
pub(super) fn module(cache: &Path, name: &str, source: &Path) -> anyhow::Result<PathBuf> {
    let program = cache.join(format!("{name}-{:016x}", fingerprint(source)?));
    build(&program, |folder| {
        let built = folder.join(name);
        run(go_command()?
            .args(["build", "-trimpath", "-mod=readonly", "-o"])
            .arg(&built)
            .current_dir(source))?;
        Ok(built)
    })
}

fn go_command() -> anyhow::Result<Command> {
    if find("go").is_none() {
        bail!("`go` is not installed: install Go 1.26 or newer and put it on the PATH");
    }
    let mut command = Command::new("go");
    // The toolchain that is installed has to do: another one would be downloaded.
    command.env("GOTOOLCHAIN", "local");
    Ok(command)
}

/// Returns a number for the names and contents of the files in a folder.
fn fingerprint(folder: &Path) -> anyhow::Result<u64> {
    let read = || -> std::io::Result<u64> {
        let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
        let mut paths: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
        paths.sort();
        let mut hasher = DefaultHasher::new();
        for path in paths {
            (path.file_name(), fs::read(&path)?).hash(&mut hasher);
        }
        Ok(hasher.finish())
    };
    read().with_context(|| format!("cannot read {}", folder.display()))
}

/// Builds a Rust program with `cargo install`.
pub(super) fn cargo(program: &Path, tool: &Pinned) -> anyhow::Result<PathBuf> {
    build(program, |folder| {
        let mut command = cargo_command([
            "install",
            &tool.package,
            "--version",
            &tool.version,
            "--locked",
            "--debug",
            "--no-track",
        ]);
        run(command
            .arg("--root")
            .arg(folder)
            .env("CARGO_TARGET_DIR", folder.join("target")))?;
        only_file(&folder.join("bin"))
    })
}

/// Finds a program on the PATH, and asks the system's package manager where it is absent.
pub(super) fn apt(name: &str, package: &str) -> anyhow::Result<PathBuf> {
    if let Some(program) = find(name) {
        return Ok(program);
    }
    let hint = format!("`{name}` is not installed: install the package {package} of your system");
    if find("apt-get").is_none() {
        bail!(hint);
    }
    eprintln!("installing the package {package}");
    let get = |arguments: &[&str]| {
        run(Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive"))
    };
    // Without its lists of packages, as in a fresh container, apt-get finds nothing.
    get(&["update", "-q"])
        .and_then(|()| get(&["install", "-q", "-y", "--no-install-recommends", package]))
        .context(hint)?;
    find(name).with_context(|| format!("the package {package} is installed, but it has no program `{name}`"))
}

/// Returns `program` from the cache, or lets `make` build it in a folder of its own and keeps what that returns.
fn build(program: &Path, make: impl FnOnce(&Path) -> anyhow::Result<PathBuf>) -> anyhow::Result<PathBuf> {
    if program.exists() {
        return Ok(program.to_path_buf());
    }
    let folder = program.with_extension(format!("build-{}", std::process::id()));
    eprintln!("building {}", program.display());
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let made = make(&folder).and_then(|made| fs::rename(made, program).context("cannot move the program into the cache"));
    let removed = fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()));
    made.and(removed)?;
    Ok(program.to_path_buf())
}

fn only_file(folder: &Path) -> anyhow::Result<PathBuf> {
    let mut entries = fs::read_dir(folder).with_context(|| format!("nothing was built into {}", folder.display()))?;
    Ok(entries.next().context("nothing was built")??.path())
}

/// Finds a program on the PATH.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}
