//! Everything that must pass.

use crate::{
    check,
    guests::{Options, build_guests},
    process::{cargo, run, step, target},
    tools,
};

/// Runs everything: what `check` looks at, then all tests with the gateway, the guests and the real clients that they drive.
pub(crate) fn test(arguments: &[String]) -> anyhow::Result<()> {
    check::statics()?;
    let tools = tools::ensure(&[])?;
    // The features of all packages with their tests are chosen, as in the run that follows, so that nothing is built twice.
    step("programs and tests", || {
        run(&mut cargo(["build", "--workspace", "--bins", "--tests"]))
    })?;
    step("plugins and guests", || build_guests(Options::All).map(drop))?;
    step("tests", || {
        let mut command = cargo(["test", "--workspace", "--no-fail-fast"]);
        command
            .env("PORTOLAN_BIN", target().join("debug/portolan"))
            .env("PORTOLAN_TOOLS", tools.folder())
            .env("PORTOLAN_PLUGINS", target().join("plugins"))
            .env("PORTOLAN_GUESTS", target().join("guests"));
        if !arguments.is_empty() {
            command.arg("--").args(arguments);
        }
        run(&mut command)
    })
}
