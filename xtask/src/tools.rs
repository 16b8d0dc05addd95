//! The tools that tests, checks and benchmarks drive: pinned in `xtask/tools.toml`, installed into a cache folder when absent.
//!
//! The cache holds every version under its own name, so checkouts with different pins share it. What tests see is a folder of
//! links in the target folder, one a tool, named as in the table.

mod install;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::process;

/// The tools that were asked for, installed.
pub(crate) struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// Returns the folder that holds a link per tool.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// `xtask/tools.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    go: BTreeMap<String, Pinned>,
    module: BTreeMap<String, Own>,
    cargo: BTreeMap<String, Pinned>,
    apt: BTreeMap<String, Packaged>,
}

/// A tool that is built from source.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pinned {
    package: String,
    version: String,
}

/// A tool whose source is a Go module of this repository.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    folder: String,
}

/// A tool that the system provides.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Packaged {
    package: String,
}

/// Installs the tools with these names, or all where none is named.
pub(crate) fn ensure(names: &[&str]) -> anyhow::Result<Tools> {
    let table: Table = toml::from_str(include_str!("../tools.toml")).context("xtask/tools.toml is not as expected")?;
    let all = table
        .go
        .keys()
        .chain(table.module.keys())
        .chain(table.cargo.keys())
        .chain(table.apt.keys())
        .map(String::as_str);
    let wanted: Vec<&str> = if names.is_empty() { all.collect() } else { names.to_vec() };
    let folder = process::target().join("tools");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let cache = cache()?;
    let install = |names: Vec<&str>| {
        names.into_iter().try_for_each(|name| {
            let path = table
                .install(name, &cache)
                .with_context(|| format!("the tool {name} is missing and cannot be installed"))?;
            link(&path, &folder.join(name))
        })
    };
    // Packages wait for the network and the disk while programs are compiled.
    let (packaged, built) = wanted.into_iter().partition(|name| table.apt.contains_key(*name));
    std::thread::scope(|scope| {
        let packages = scope.spawn(|| install(packaged));
        let programs = install(built);
        let packages = packages.join().map_err(|_| anyhow::anyhow!("installing packages panicked"))?;
        programs.and(packages)
    })?;
    Ok(Tools { folder })
}

impl Table {
    /// Returns the program of a tool, installing it when it is absent.
    fn install(&self, name: &str, cache: &Path) -> anyhow::Result<PathBuf> {
        if let Some(tool) = self.go.get(name) {
            install::go(&cache.join(format!("{name}-{}", tool.version)), tool)
        } else if let Some(tool) = self.module.get(name) {
            install::module(cache, name, &process::repository().join(&tool.folder))
        } else if let Some(tool) = self.cargo.get(name) {
            install::cargo(&cache.join(format!("{name}-{}", tool.version)), tool)
        } else if let Some(tool) = self.apt.get(name) {
            install::apt(name, &tool.package)
        } else {
            bail!("xtask/tools.toml does not know it")
        }
    }
}

/// Returns the folder of programs in the cache, and creates it.
fn cache() -> anyhow::Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = variable("PORTOLAN_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("portolan")))
        .or_else(|| variable("HOME").map(|folder| folder.join(".cache/portolan")))
        .context("none of PORTOLAN_CACHE, XDG_CACHE_HOME and HOME is set, so there is no cache folder; set one")?
        .join("tools/bin");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create the cache folder {}", folder.display()))?;
    Ok(folder)
}

/// Makes `link` lead to `path`, whatever it led to before.
fn link(path: &Path, link: &Path) -> anyhow::Result<()> {
    if fs::read_link(link).is_ok_and(|current| current == path) {
        return Ok(());
    }
    // Made aside and renamed, so that a test which runs meanwhile always finds one.
    let aside = link.with_extension(format!("new-{}", std::process::id()));
    std::os::unix::fs::symlink(path, &aside)
        .and_then(|()| fs::rename(&aside, link))
        .with_context(|| format!("cannot link {} to {}", link.display(), path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_has_one_name_and_a_pinned_version() {
        let table: Table = toml::from_str(include_str!("../tools.toml")).unwrap();
        let built = table.go.values().chain(table.cargo.values());
        assert!(built.clone().all(|tool| {
            tool.version
                .trim_start_matches('v')
                .starts_with(|first: char| first.is_ascii_digit())
        }));
        let names = table.go.keys().chain(table.module.keys()).chain(table.cargo.keys());
        let names: Vec<&String> = names.chain(table.apt.keys()).collect();
        let unique: std::collections::BTreeSet<&&String> = names.iter().collect();
        assert_eq!(unique.len(), names.len(), "{names:?}");
    }

    #[test]
    fn links_follow_the_pin() {
        let folder = std::env::temp_dir().join(format!("xtask-links-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for target in ["tool-v1", "tool-v1", "tool-v2"] {
            link(Path::new(target), &folder.join("tool")).unwrap();
            assert_eq!(fs::read_link(folder.join("tool")).unwrap(), Path::new(target));
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
