//! The conformance suite of the distribution specification against the real program, in three modes, each without plugins and with.
//!
//! With plugins means the first-party ones and a guest that claims everything the suite pushes, so that every push goes through
//! validation, admission, indexing and scanning. How many checks passed is recorded in `conformance.toml` and must not shrink.

use std::{io::Write, path::Path};

use anyhow::Context;
use portolan_tests::{
    process::{GatewayProcess, Setup, guest, plugin},
    tool::Desk,
};
use serde_json::Value;

/// The guest that claims everything the suite pushes.
const CLAIM_ALL: &str = "claim-all";

/// One way in which the suite is run. Nothing else of it is configured than where the registry is and where results go.
struct Mode {
    name: &'static str,
    environment: &'static [(&'static str, &'static str)],
    config: &'static str,
}

const RELEASED: Mode = Mode {
    name: "released",
    environment: &[("OCI_VERSION", "1.1")],
    config: "",
};
const DEVELOPMENT: Mode = Mode {
    name: "development",
    environment: &[("OCI_VERSION", "dev")],
    config: "",
};
const SPARSE: Mode = Mode {
    name: "sparse",
    environment: &[("OCI_VERSION", "dev"), ("OCI_DATA_SPARSE", "true")],
    config: "[registry]\nmissing_references = \"accept\"\n",
};

#[test]
fn released_version_without_plugins() -> anyhow::Result<()> {
    without_plugins(&RELEASED)
}

#[test]
fn released_version_with_plugins() -> anyhow::Result<()> {
    with_plugins(&RELEASED)
}

#[test]
fn development_version_without_plugins() -> anyhow::Result<()> {
    without_plugins(&DEVELOPMENT)
}

#[test]
fn development_version_with_plugins() -> anyhow::Result<()> {
    with_plugins(&DEVELOPMENT)
}

#[test]
fn sparse_manifests_without_plugins() -> anyhow::Result<()> {
    without_plugins(&SPARSE)
}

#[test]
fn sparse_manifests_with_plugins() -> anyhow::Result<()> {
    with_plugins(&SPARSE)
}

fn without_plugins(mode: &Mode) -> anyhow::Result<()> {
    let gateway = Setup::new().config(mode.config).start()?;
    check(mode, &gateway, "without plugins")?;
    gateway.stop()
}

fn with_plugins(mode: &Mode) -> anyhow::Result<()> {
    let gateway = Setup::new()
        .config(mode.config)
        .plugin(plugin("helm")?)
        .plugin(guest(CLAIM_ALL)?)
        .start()?;
    check(mode, &gateway, "with plugins")?;
    for capability in ["validate", "admit", "index", "scan"] {
        let calls = calls(&gateway, capability)?;
        anyhow::ensure!(calls > 0, "the suite ran, but {CLAIM_ALL} was never asked to {capability}");
    }
    gateway.stop()
}

/// Runs the suite, says how it ended, and compares with what is expected.
fn check(mode: &Mode, gateway: &GatewayProcess, plugins: &str) -> anyhow::Result<()> {
    let desk = Desk::new()?;
    let mut suite = desk.tool("conformance")?;
    for (name, value) in mode.environment {
        suite = suite.env(name, value);
    }
    let results = desk.path("results");
    suite = suite
        .env("OCI_REGISTRY", gateway.address())
        .env("OCI_TLS", "disabled")
        .env("OCI_RESULTS_DIR", &results);
    let printed = suite
        .env("OCI_REPO1", "conformance/first")
        .env("OCI_REPO2", "conformance/second")
        .printed()?;
    let summary = Summary::parse(&printed).with_context(|| format!("the suite did not run to its end:\n{printed}"))?;
    let recorded = recorded(mode.name)?;
    // Written around the test runner's capture: how the suite ended is part of what a run of all tests shows.
    writeln!(
        std::io::stderr(),
        "conformance, {} {plugins}: {summary} (recorded: {recorded} passed)",
        mode.name
    )?;
    anyhow::ensure!(results.join("junit.xml").is_file(), "the suite wrote no results:\n{printed}");
    let bad = (summary.failed, summary.errors, summary.skipped);
    anyhow::ensure!(
        bad == (0, 0, 0),
        "{summary}:\n{}\n\nthe gateway said:\n{}",
        blemishes(&printed),
        gateway.log()
    );
    anyhow::ensure!(
        summary.passed >= recorded,
        "{} checks passed, fewer than the {recorded} recorded",
        summary.passed
    );
    Ok(())
}

/// How a run of the suite ended.
#[derive(Debug, PartialEq)]
struct Summary {
    passed: u64,
    failed: u64,
    errors: u64,
    skipped: u64,
    /// What the mode itself leaves out.
    disabled: u64,
}

impl Summary {
    /// Reads the table that the suite prints at its end.
    fn parse(printed: &str) -> Option<Self> {
        let table = printed.split("OCI Conformance Result:").nth(1)?;
        let count = |label: &str| {
            let line = table
                .lines()
                .find_map(|line| line.trim_start().strip_prefix(label)?.strip_prefix('.'))?;
            line.rsplit(' ').next()?.parse().ok()
        };
        Some(Self {
            passed: count("Pass")?,
            failed: count("FAIL")?,
            errors: count("Error")?,
            skipped: count("Skip")?,
            disabled: count("Disabled")?,
        })
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            passed,
            failed,
            errors,
            skipped,
            disabled,
        } = self;
        write!(
            f,
            "{passed} passed, {failed} failed, {errors} errors, {skipped} skipped, {disabled} disabled by the mode"
        )
    }
}

/// Returns the lines about checks that did not pass, with the reasons below them.
fn blemishes(printed: &str) -> String {
    let results = printed.split("Configuration:").next().unwrap_or_default();
    let mut lines = Vec::new();
    let mut reasons = false;
    for line in results.lines() {
        let check = line.contains("OCI Conformance Test");
        if check {
            reasons = ["FAIL", "Error", "Skip"]
                .iter()
                .any(|status| line.ends_with(&format!(": {status}")));
        }
        if reasons {
            lines.push(line);
        }
    }
    lines.truncate(200);
    lines.join("\n")
}

/// Returns how often the gateway asked the guest for a capability.
fn calls(gateway: &GatewayProcess, capability: &str) -> anyhow::Result<u64> {
    let plugin: Value = gateway.get_json(&format!("/v2/_portolan/plugins/{CLAIM_ALL}"))?;
    let calls = plugin["calls"][capability]
        .as_u64()
        .or(plugin["calls"][capability]["count"].as_u64());
    calls.with_context(|| format!("the gateway does not say how often it called {capability}: {plugin}"))
}

/// Returns how many checks are known to pass in a mode.
fn recorded(mode: &str) -> anyhow::Result<u64> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance.toml");
    let table: toml::Table = std::fs::read_to_string(&path)?.parse().context("conformance.toml")?;
    let passed = table.get(mode).and_then(|mode| mode.get("passed")?.as_integer());
    u64::try_from(passed.with_context(|| format!("conformance.toml has no [{mode}] with `passed`"))?).context("conformance.toml")
}

#[test]
fn the_table_of_the_suite_is_read() {
    let printed = "x\nOCI Conformance Result: FAIL\n  Disabled......................:          1\n  Skip..........................:         25\n  \
                   Pass..........................:        826\n  FAIL..........................:        143\n  \
                   Error.........................:          0\n  Total.........................:        994\n";
    let expected = Summary {
        passed: 826,
        failed: 143,
        errors: 0,
        skipped: 25,
        disabled: 1,
    };
    assert_eq!(Summary::parse(printed), Some(expected));
    assert_eq!(Summary::parse("failed to load config"), None);
}
