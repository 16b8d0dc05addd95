//! Nothing in the gateway imports upward, and what a layer owns is used in that layer only.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::source::{assert_none, repository, sources};

/// Which modules each module may use, itself included.
type Layers = BTreeMap<String, BTreeSet<String>>;

/// Reads the table "Layers" of ARCHITECTURE.md.
fn layers() -> Layers {
    let architecture = fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    let table = architecture
        .split("\n## Layers")
        .nth(1)
        .expect("ARCHITECTURE.md has a section Layers");
    let table = table.split("\n## ").next().unwrap_or_default();
    let mut layers = Layers::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, modules, _, uses, ..] = cells.as_slice() else {
            panic!("not a row of the table: {row}")
        };
        let modules = modules
            .split(',')
            .map(|module| module.trim().trim_matches('`').to_owned())
            .collect::<BTreeSet<_>>();
        let mut allowed: BTreeSet<String> = match *uses {
            "-" => BTreeSet::new(),
            "all above" | "everything" => layers.keys().cloned().collect(),
            uses => uses.split(',').map(|module| module.trim().to_owned()).collect(),
        };
        allowed.extend(modules.iter().cloned());
        layers.extend(modules.into_iter().map(|module| (module, allowed.clone())));
    }
    assert!(layers.len() > 8, "the table of layers was not understood: {layers:?}");
    layers
}

/// Returns the modules that follow each `crate::` of a text.
fn imported(text: &str) -> Vec<String> {
    let mut modules = Vec::new();
    for rest in text.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => modules.extend(first_segments(group)),
            None => modules.push(identifier(rest)),
        }
    }
    modules.retain(|module| module.starts_with(|first: char| first.is_ascii_lowercase()));
    modules
}

/// Returns the first segments of the paths of a group, up to the brace that closes it.
fn first_segments(group: &str) -> Vec<String> {
    let (mut segments, mut depth, mut begins) = (Vec::new(), 0_usize, true);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            character if begins && !character.is_whitespace() => {
                segments.push(identifier(group.get(at..).unwrap_or_default()));
                begins = false;
            }
            _ => {}
        }
    }
    segments
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|character| character.is_alphanumeric() || *character == '_')
        .collect()
}

/// Returns the module of the gateway that a file belongs to.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix("gateway/src").unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn nothing_imports_upward() {
    let layers = layers();
    let mut complaints = Vec::new();
    for source in sources("gateway/src", &["rs"]) {
        let module = module(&source.path);
        if module == "lib" || source.is_test() {
            continue;
        }
        let Some(allowed) = layers.get(&module) else {
            complaints.push(format!(
                "{}: the table of layers in ARCHITECTURE.md does not know `{module}`",
                source.path.display()
            ));
            continue;
        };
        for used in imported(source.production())
            .into_iter()
            .filter(|used| layers.contains_key(used) && !allowed.contains(used))
        {
            complaints.push(format!("{}: `{module}` may not use `{used}`", source.path.display()));
        }
    }
    assert_none("ARCHITECTURE.md says who may use whom", &complaints);
}

#[test]
fn what_a_layer_owns_is_used_there_only() {
    let owned = [
        ("rusqlite", &["metadata"][..], "SQL"),
        ("wasmtime", &["plugin_host"], "running components"),
        ("StatusCode::", &["http"], "deciding on statuses"),
        ("env::var", &["config"], "reading the environment"),
        ("axum::", &["http"], "speaking HTTP"),
    ];
    let mut complaints = Vec::new();
    for source in sources("gateway/src", &["rs"]).iter().filter(|source| !source.is_test()) {
        let module = module(&source.path);
        let code = source
            .production()
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        for (name, owners, what) in owned {
            if code.contains(name) && !owners.contains(&module.as_str()) {
                complaints.push(format!(
                    "{}: {what} (`{name}`) is the business of {owners:?}",
                    source.path.display()
                ));
            }
        }
    }
    assert_none("some things are done in one module only", &complaints);
}

#[test]
fn imports_are_found() {
    let text = "use crate::oci::Digest;\nuse crate::{\n    auth::{Caller, Grants},\n    registry,\n    Thing,\n};\nfn f() { crate::http::x() }";
    assert_eq!(imported(text), ["oci", "auth", "registry", "http"]);
}
