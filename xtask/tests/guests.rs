//! What the components that were built show of themselves.
#![expect(clippy::panic, clippy::unwrap_used, reason = "these are tests")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use wit_component::DecodedWasm;

/// Returns the names of all imports and exports of a component, as `interface@version`.
fn names(guest: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let folder = std::env::var_os("PORTOLAN_GUESTS").map_or_else(
        || {
            let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
            target
                .unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")))
                .join("guests")
        },
        PathBuf::from,
    );
    let path = folder.join(format!("{guest}.wasm"));
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask guests`", path.display()));
    let DecodedWasm::Component(resolve, world) = wit_component::decode(&bytes).unwrap() else {
        panic!("{} is no component", path.display());
    };
    let world = &resolve.worlds[world];
    let imports = world.imports.keys().map(|key| resolve.name_world_key(key)).collect();
    let exports = world.exports.keys().map(|key| resolve.name_world_key(key)).collect();
    (imports, exports)
}

fn interfaces(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| format!("portolan:plugin/{name}@0.1.0")).collect()
}

#[test]
fn a_plugin_exports_exactly_what_it_registers() {
    assert_eq!(names("minimal").1, interfaces(&["describe", "validator"]));
    assert_eq!(names("note").1, interfaces(&["describe", "validator", "indexer", "renderer"]));
    let all = [
        "describe",
        "validator",
        "admitter",
        "indexer",
        "renderer",
        "scanner",
        "comparer",
        "service",
    ];
    assert_eq!(names("everything").1, interfaces(&all));
}

#[test]
fn a_plugin_imports_nothing_of_wasi() {
    for guest in ["minimal", "note", "everything", "claim-all", "evil"] {
        let foreign = names(guest)
            .0
            .into_iter()
            .filter(|name| !name.starts_with("portolan:plugin/"))
            .collect::<Vec<_>>();
        assert!(foreign.is_empty(), "{guest} imports {foreign:?}");
    }
}
