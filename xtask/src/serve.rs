//! From a fresh clone to a gateway that runs, with every plugin of the repository.

use std::{
    io::BufRead,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

use anyhow::Context;

use crate::{
    guests::{Options, build_guests},
    process::{cargo, run, step, target},
};

/// What the gateway's line begins with when it is ready; the URL follows.
const READY: &str = "portolan is ready at ";

/// The profile that the gateway is built with: optimised, and quicker to compile than a release.
const PROFILE: &str = "serve";
/// What is said before everything is compiled; the figure is of two idle cores.
const FIRST_TIME: &str =
    "The first time, the gateway and some 300 crates are compiled: about 8 minutes on two cores, then seconds.";

/// Builds everything and becomes the gateway.
pub(crate) fn serve(arguments: &[String]) -> anyhow::Result<()> {
    let program = target().join(PROFILE).join("portolan");
    if !program.exists() {
        eprintln!("{FIRST_TIME}");
    }
    step("gateway", || {
        run(&mut cargo([
            "build",
            "--profile",
            PROFILE,
            "--workspace",
            "--bin",
            "portolan",
        ]))
    })?;
    step("plugins", || build_guests(Options::Plugins).map(drop))?;
    // The gateway takes the place of this process, so that signals reach it as if it had been started by hand. What follows its
    // ready line is said by a helper that reads its output.
    let mut helper = Command::new(std::env::current_exe()?)
        .arg("announce")
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot start a helper")?;
    let output = helper.stdin.take().context("the helper takes no input")?;
    let mut gateway = Command::new(&program);
    gateway
        .arg("serve")
        .arg("--plugins")
        .arg(target().join("plugins"))
        .args(arguments);
    let error = gateway.stdout(output).exec();
    Err(error).with_context(|| format!("cannot run {}", gateway.get_program().display()))
}

/// Repeats the lines of the gateway, and says what to try once it is ready.
pub(crate) fn announce() -> anyhow::Result<()> {
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        println!("{line}");
        if let Some(url) = line.strip_prefix(READY).and_then(|rest| rest.split_whitespace().next()) {
            let host = url.trim_start_matches("http://");
            println!("{}", TRY.replace("{host}", host).replace("{url}", url));
        }
    }
    Ok(())
}

/// Commands to try, in another terminal.
const TRY: &str = r"
Try in another terminal:

  helm create web && helm package web
  helm push --plain-http web-0.1.0.tgz oci://{host}/team
  helm show chart --plain-http oci://{host}/team/web
  helm repo add team {url}/helm/team && helm search repo team
  curl {url}/v2/team/web/_portolan/artifacts/0.1.0

  echo hello > note.txt
  oras push --plain-http {host}/notes/hello:1 note.txt --artifact-type application/vnd.example.note
  curl {url}/v2/_portolan/types

Stop it with Ctrl-C.";
