//! A toolchain for `wasm32-unknown-unknown`, whatever way this machine offers one.
//!
//! In this order: the target is installed; rustup installs it; the distribution's compiler with its sources of the standard library
//! builds it. The last way needs neither rustup's server nor a nightly.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

use crate::process::{cargo, repository};

/// The target of guests.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The compiler that Debian's `rustc-web` installs, and the sources that `rust-web-src` adds to it.
const DISTRIBUTION_RUSTC: &str = "/usr/bin/rustc";
const DISTRIBUTION_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];

/// How guests are compiled.
pub(crate) enum Toolchain {
    /// The compiler that compiles everything else has the target.
    Installed,
    /// The distribution's compiler builds the standard library along with the guests.
    Distribution {
        /// The linker, which is the other toolchain's.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// Returns a `cargo build` for guests, into a target folder of their own.
    pub(crate) fn build(&self, folder: &Path) -> Command {
        let mut command = cargo(["build", "--target", TARGET, "--profile", "guest", "--target-dir"]);
        // The paths of this machine end up in panic messages, and would make a guest differ from machine to machine.
        let mut flags = format!("--remap-path-prefix={}=.", repository().display());
        if let Some(home) = cargo_home() {
            flags += &format!(" --remap-path-prefix={}=cargo", home.display());
        }
        command
            .arg(folder)
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags)
            .env_remove("RUSTFLAGS");
        if let Self::Distribution { linker } = self {
            command
                .args(["-Z", "build-std=std,panic_abort"])
                .env("RUSTC", DISTRIBUTION_RUSTC)
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        command
    }
}

/// Finds a toolchain for guests, and installs what is missing where that is possible.
pub(crate) fn ensure_target() -> anyhow::Result<Toolchain> {
    if has_target("rustc")? {
        return Ok(Toolchain::Installed);
    }
    eprintln!("the target {TARGET} is not installed; asking rustup for it");
    let mut rustup = Command::new("rustup");
    rustup
        .args(["target", "add", TARGET])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if rustup.status().is_ok_and(|status| status.success()) && has_target("rustc")? {
        return Ok(Toolchain::Installed);
    }
    eprintln!("rustup cannot install it; using the distribution's compiler with its sources");
    ensure_distribution()?;
    Ok(Toolchain::Distribution { linker: linker()? })
}

/// Says whether a compiler has the standard library of the target.
fn has_target(rustc: &str) -> anyhow::Result<bool> {
    let folder = PathBuf::from(print(rustc, &["--print", "target-libdir", "--target", TARGET])?);
    let Ok(files) = folder.read_dir() else { return Ok(false) };
    Ok(files
        .filter_map(Result::ok)
        .any(|file| file.file_name().to_string_lossy().starts_with("libstd-")))
}

fn ensure_distribution() -> anyhow::Result<()> {
    if has_sources() {
        return Ok(());
    }
    let hint = || {
        format!(
            "guests cannot be compiled: the target {TARGET} is missing. Install it with `rustup target add {TARGET}`, or install \
             the packages {} of Debian or Ubuntu",
            DISTRIBUTION_PACKAGES.join(" and ")
        )
    };
    // The lists may be stale, or there may be none; whether the packages are to be had shows in the installation.
    let _ = Command::new("apt-get").args(["update", "-q"]).status();
    let mut apt = Command::new("apt-get");
    apt.args(["install", "-y", "--no-install-recommends"])
        .args(DISTRIBUTION_PACKAGES)
        .env("DEBIAN_FRONTEND", "noninteractive");
    let status = apt.status().with_context(hint)?;
    if !status.success() || !has_sources() {
        bail!(hint());
    }
    Ok(())
}

/// Says whether the distribution's compiler and its sources are there.
fn has_sources() -> bool {
    let sysroot = print(DISTRIBUTION_RUSTC, &["--print", "sysroot"]);
    sysroot.is_ok_and(|sysroot| {
        Path::new(&sysroot)
            .join("lib/rustlib/src/rust/library/std/Cargo.toml")
            .exists()
    })
}

/// Finds the linker, which comes with the toolchain that compiles everything else.
fn linker() -> anyhow::Result<PathBuf> {
    let sysroot = PathBuf::from(print("rustc", &["--print", "sysroot"])?);
    let hosts = sysroot.join("lib/rustlib");
    let folders = hosts.read_dir().with_context(|| format!("cannot list {}", hosts.display()))?;
    let mut linkers = folders
        .filter_map(Result::ok)
        .map(|folder| folder.path().join("bin/rust-lld"));
    linkers
        .find(|linker| linker.exists())
        .with_context(|| format!("there is no rust-lld below {}", hosts.display()))
}

fn print(rustc: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(rustc)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot run {rustc}"))?;
    if !output.status.success() {
        bail!(
            "`{rustc} {}` failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8(output.stdout)
        .context("a compiler prints a path that is not UTF-8")?
        .trim()
        .to_owned())
}

fn cargo_home() -> Option<PathBuf> {
    std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(".cargo")))
}
