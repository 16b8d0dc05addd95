//! The quick loop: format, lints, licences, tidy rules, unit tests.

use std::path::Path;

use crate::{
    process::{cargo, run, step},
    tools,
};

/// Checks everything that needs no guest, no gateway process and no real client.
pub(crate) fn check() -> anyhow::Result<()> {
    statics()?;
    step("unit tests and tidy rules", || {
        run(&mut cargo([
            "test",
            "--workspace",
            "--lib",
            "--bins",
            "--test",
            "tidy",
            "--no-fail-fast",
        ]))
    })
}

/// Checks what needs no run of our own code.
pub(crate) fn statics() -> anyhow::Result<()> {
    step("format", || run(&mut cargo(["fmt", "--all", "--", "--check"])))?;
    step("lints", || {
        run(&mut cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    })?;
    step("dependencies", || {
        let deny = tools::ensure(&["cargo-deny"])?.folder().join("cargo-deny");
        run(&mut deny_command(&deny))
    })
}

fn deny_command(deny: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(deny);
    // Advisories would need a database from the network; bans and licences are decided by the lock file.
    command
        .current_dir(crate::process::repository())
        .args(["--locked", "check", "bans", "licenses"]);
    command
}
