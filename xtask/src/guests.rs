//! Building components: the plugins of the repository, the example plugins and the guests of the tests.
//!
//! Whatever package below one of the folders has a `cdylib` is one component, and so is every example of it that is a `cdylib`. A
//! plugin is named by its folder, an example by itself.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use serde::Deserialize;
use wit_component::ComponentEncoder;

use crate::{
    process::{cargo, repository, run, target},
    wasm::{TARGET, ensure_target},
};

/// What is to be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Options {
    /// The plugins that users get.
    Plugins,
    /// The example plugins and the guests of the tests as well.
    All,
}

/// A component that was built.
pub(crate) struct Built {
    /// Its name, without an ending.
    pub(crate) name: String,
    /// The file.
    pub(crate) path: PathBuf,
    /// Its size.
    pub(crate) bytes: u64,
}

/// Builds components into `plugins/` and `guests/` of the target folder.
pub(crate) fn build_guests(options: Options) -> anyhow::Result<Vec<Built>> {
    let guests = guests()?
        .into_iter()
        .filter(|guest| options == Options::All || guest.folder == "plugins")
        .collect::<Vec<_>>();
    if guests.is_empty() {
        return Ok(Vec::new());
    }
    let folder = target().join("wasm");
    let mut command = ensure_target()?.build(&folder);
    command.args(["--quiet", "--lib"]);
    for guest in &guests {
        match guest.example {
            true => command.args(["--example", &guest.name]),
            false => command.args(["--package", &guest.package]),
        };
    }
    run(&mut command)?;
    let modules = folder.join(TARGET).join("guest");
    let built = guests
        .iter()
        .map(|guest| guest.encode(&modules))
        .collect::<anyhow::Result<Vec<_>>>()?;
    if options == Options::All {
        oddities(&modules)?;
    }
    Ok(built)
}

/// One component to be.
struct Guest {
    name: String,
    package: String,
    example: bool,
    /// The folder of the repository that it is in: `plugins`, `tests` or `examples`.
    folder: String,
}

impl Guest {
    /// Turns the core module into a component, unless the component is newer.
    fn encode(&self, modules: &Path) -> anyhow::Result<Built> {
        let module = if self.example {
            modules.join("examples").join(format!("{}.wasm", self.name.replace('-', "_")))
        } else {
            modules.join(format!("{}.wasm", self.package.replace('-', "_")))
        };
        let folder = target().join(if self.folder == "plugins" { "plugins" } else { "guests" });
        let path = folder.join(format!("{}.wasm", self.name));
        let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
        let source = modified(&module).with_context(|| format!("cargo built no {}", module.display()))?;
        if modified(&path).map_or(true, |built| built < source) {
            fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
            let bytes = component(&module).with_context(|| format!("cannot make a component of {}", module.display()))?;
            replace(&path, &bytes)?;
        }
        let bytes = fs::metadata(&path)?.len();
        Ok(Built {
            name: self.name.clone(),
            path,
            bytes,
        })
    }
}

fn component(module: &Path) -> anyhow::Result<Vec<u8>> {
    let module = fs::read(module)?;
    ComponentEncoder::default().validate(true).module(&module)?.encode()
}

/// Writes a file so that whoever reads it meanwhile, such as a gateway that watches the folder, sees the old or the new one.
fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let partial = path.with_extension("partial");
    fs::write(&partial, bytes).with_context(|| format!("cannot write {}", partial.display()))?;
    fs::rename(&partial, path).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes components that are easier to say in text than in Rust, and files that are handed in as plugins and are none.
fn oddities(modules: &Path) -> anyhow::Result<()> {
    let folder = target().join("guests");
    let texts = repository().join("tests/guests/evil/wat");
    for text in texts.read_dir().with_context(|| format!("cannot list {}", texts.display()))? {
        let text = text?.path();
        let bytes = wat::parse_file(&text).with_context(|| format!("cannot assemble {}", text.display()))?;
        replace(
            &folder.join(text.with_extension("wasm").file_name().unwrap_or_default()),
            &bytes,
        )?;
    }
    replace(&folder.join("not-wasm.wasm"), b"#!/bin/sh\necho this is no WebAssembly\n")?;
    let module = fs::read(modules.join("guest_minimal.wasm")).context("the minimal guest was not built")?;
    replace(&folder.join("core-module.wasm"), &module)?;
    let component = fs::read(folder.join("minimal.wasm"))?;
    let half = component.get(..component.len() / 2).unwrap_or_default();
    replace(&folder.join("truncated.wasm"), half)
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    crate_types: Vec<String>,
}

/// Asks cargo which components there are.
fn guests() -> anyhow::Result<Vec<Guest>> {
    let mut command = cargo(["metadata", "--no-deps", "--format-version", "1"]);
    let output = command.output().context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout).context("cannot read what cargo metadata printed")?;
    Ok(metadata.packages.iter().flat_map(of_package).collect())
}

fn of_package(package: &Package) -> Vec<Guest> {
    let relative = package
        .manifest_path
        .parent()
        .and_then(|folder| folder.strip_prefix(repository()).ok());
    let Some(relative) = relative.filter(|relative| relative.components().count() > 1) else {
        return Vec::new();
    };
    let folder = relative.iter().next().unwrap_or_default().to_string_lossy().into_owned();
    let own = relative.file_name().unwrap_or_default().to_string_lossy();
    let is_library = |kind: &String| kind != "example";
    let components = package
        .targets
        .iter()
        .filter(|target| target.crate_types.iter().any(|kind| kind == "cdylib"));
    let guest = |target: &Target| {
        let example = !target.kind.iter().any(is_library);
        let name = if example {
            target.name.clone()
        } else {
            own.clone().into_owned()
        };
        Guest {
            name,
            package: package.name.clone(),
            example,
            folder: folder.clone(),
        }
    };
    components.map(guest).collect()
}
