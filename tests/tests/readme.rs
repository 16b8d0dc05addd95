//! The commands of the README, run as a reader would run them.
//!
//! In a `console` block a line that begins with `$ ` is a command, run by `bash` in one folder, one after the other, against a gateway
//! that has just been started. The lines below it are what it prints: each must appear in that order, where `...` stands for
//! anything. A command whose output shows an `Error` must fail; any other must succeed.

use anyhow::Context;
use portolan_tests::{
    process::{Setup, environment, plugin},
    tool::Desk,
};

/// What the README calls the gateway, and the test replaces by the address of its own.
const ADDRESS: &str = "127.0.0.1:5000";

#[derive(Debug, PartialEq)]
struct Command {
    line: String,
    output: Vec<String>,
}

/// Returns the commands of all `console` blocks.
fn commands(markdown: &str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let (mut inside, mut continued) = (false, false);
    for line in markdown.lines() {
        if line.starts_with("```") {
            inside = !inside && line == "```console";
        } else if let Some(command) = commands.last_mut().filter(|_| inside && continued) {
            command.line.push('\n');
            command.line.push_str(line);
            continued = line.ends_with('\\');
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            continued = command.ends_with('\\');
            commands.push(Command {
                line: command.into(),
                output: Vec::new(),
            });
        } else if let Some(command) = commands.last_mut().filter(|_| inside && !line.is_empty()) {
            command.output.push(line.into());
        }
    }
    commands
}

/// Returns what follows a pattern in a text, where the text holds the parts between its `...` in order.
fn after<'a>(text: &'a str, pattern: &str) -> Option<&'a str> {
    let parts = pattern.split("...").map(str::trim).filter(|part| !part.is_empty());
    parts.into_iter().try_fold(text, |rest, part| {
        let at = rest.find(part)?;
        rest.get(at + part.len()..)
    })
}

/// Makes one blank of each run of them: columns are aligned in many ways.
fn blanks(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_command_does_what_the_readme_shows() -> anyhow::Result<()> {
    let readme = include_str!("../../README.md");
    let commands = commands(readme);
    assert!(
        commands.len() >= 8,
        "the README shows a tour, but only {} commands were found in it",
        commands.len()
    );
    let gateway = Setup::new().plugin(plugin("helm")?).start()?;
    let desk = Desk::new()?;
    let path = path_of_a_reader(&desk)?;
    for command in commands {
        let line = command.line.replace(ADDRESS, gateway.address());
        let tool = desk
            .system("bash")
            .args(["-e", "-o", "pipefail", "-c", &line])
            .env("PATH", &path);
        let failure = command.output.iter().any(|line| line.contains("Error"));
        let printed = if failure { tool.fails()? } else { tool.ok()? };
        let text = blanks(&printed);
        let mut rest = text.as_str();
        for expected in &command.output {
            let expected = blanks(&expected.replace(ADDRESS, gateway.address()));
            rest = after(rest, &expected).with_context(|| format!("`{line}` does not print {expected:?}, but:\n{printed}"))?;
        }
    }
    gateway.stop()
}

/// Returns a PATH on which the tools have the names that readers know them by.
fn path_of_a_reader(desk: &Desk) -> anyhow::Result<String> {
    let tools = environment("PORTOLAN_TOOLS")?;
    std::fs::create_dir(desk.path("bin"))?;
    std::os::unix::fs::symlink(tools.join("helm4"), desk.path("bin/helm"))?;
    let system = std::env::var("PATH").context("PATH is set")?;
    Ok(format!("{}:{}:{system}", desk.path("bin").display(), tools.display()))
}

#[test]
fn commands_and_their_output_are_found_in_console_blocks() {
    let markdown = "```sh\n$ not this\n```\n\n```console\n$ one \\\n  more\nprinted\n\n$ two\n```\ntext\n$ neither\n";
    let command = |line: &str, output: &[&str]| Command {
        line: line.into(),
        output: output.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(
        commands(markdown),
        [command("one \\\n  more", &["printed"]), command("two", &[])]
    );
}

#[test]
fn dots_stand_for_anything() {
    assert_eq!(after("Digest: sha256:abc done", "Digest: sha256:... done"), Some(""));
    assert_eq!(after("one two", "two"), Some(""));
    assert_eq!(after("one two", "two ... one"), None);
}
