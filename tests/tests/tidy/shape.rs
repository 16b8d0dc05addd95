//! The shape of the source: files and functions of a size that can be read, every module introduced, nothing left undone.

use std::{fs, path::Path};

use crate::source::{Source, assert_none, repository, rust, sources};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const ARCHITECTURE_LINES_MAX: usize = 200;

#[test]
fn files_are_short() {
    let long = |source: &Source| {
        let lines = source.production().lines().count();
        (lines > FILE_LINES_MAX).then(|| format!("{}: {lines} lines", source.path.display()))
    };
    assert_none(
        "a file has at most 500 lines before its tests",
        &rust().iter().filter_map(long).collect::<Vec<_>>(),
    );
}

/// Strips what may stand before `fn`.
fn declaration(code: &str) -> &str {
    let qualifiers = [
        "pub ",
        "pub(crate) ",
        "pub(super) ",
        "const ",
        "async ",
        "unsafe ",
        "extern \"C\" ",
    ];
    let stripped = qualifiers.iter().find_map(|qualifier| code.strip_prefix(qualifier));
    stripped.map_or(code, declaration)
}

/// Returns line and length of each function. The text is formatted, so a function ends at the brace below its beginning.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut functions = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        if !declaration(code).starts_with("fn ") {
            continue;
        }
        let closing = format!("{}}}", line.get(..line.len() - code.len()).unwrap_or_default());
        let rest = lines.get(start..).unwrap_or_default();
        // A declaration ends with a semicolon, a function on one line with a brace.
        let ends_here = rest
            .iter()
            .position(|line| line.ends_with(';') || line.ends_with('{') || line.ends_with('}'));
        if ends_here.is_some_and(|at| rest.get(at).is_some_and(|line| line.ends_with('{'))) {
            let length = rest.iter().position(|line| *line == closing).map_or(rest.len(), |at| at + 1);
            functions.push((start + 1, length));
        }
    }
    functions
}

#[test]
fn functions_fit_a_screen() {
    let mut complaints = Vec::new();
    for source in rust() {
        for (line, length) in functions(source.production())
            .into_iter()
            .filter(|(_, length)| *length > FUNCTION_LINES_MAX)
        {
            complaints.push(format!("{}:{line}: {length} lines", source.path.display()));
        }
    }
    assert_none("a function has at most 70 lines, tables of unit tests apart", &complaints);
}

#[test]
fn modules_are_introduced() {
    let silent = |source: &Source| (!source.text.starts_with("//! ")).then(|| source.path.display().to_string());
    // Bindings and the like that are generated are not in the repository, so there is no exception.
    let unit_tests = |source: &&Source| !source.is_test();
    let silent: Vec<String> = rust().iter().filter(unit_tests).filter_map(silent).collect();
    assert_none("a module begins with `//!` and what it owns", &silent);
}

#[test]
fn modules_are_files_with_their_own_name() {
    let named_mod = |source: &Source| source.path.ends_with("mod.rs").then(|| source.path.display().to_string());
    assert_none(
        "`foo.rs` and `foo/`, never `mod.rs`",
        &rust().iter().filter_map(named_mod).collect::<Vec<_>>(),
    );
}

#[test]
fn nothing_is_left_undone() {
    // Put together here, so that this file does not find itself.
    let marks = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["#[ign", "ore"].concat(),
        ["unimple", "mented!"].concat(),
    ];
    let mut complaints = Vec::new();
    for source in rust()
        .iter()
        .chain(&sources("wit", &["wit"]))
        .chain(&sources("docs", &["md"]))
    {
        for (number, line) in source.text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark.as_str())) {
                complaints.push(format!("{}:{}: {line}", source.path.display(), number + 1));
            }
        }
    }
    assert_none("what is not done is not there", &complaints);
}

#[test]
fn the_architecture_can_be_read_at_one_go() {
    let lines = fs::read_to_string(repository().join("ARCHITECTURE.md"))
        .unwrap()
        .lines()
        .count();
    assert!(
        lines <= ARCHITECTURE_LINES_MAX,
        "ARCHITECTURE.md has {lines} lines, at most {ARCHITECTURE_LINES_MAX} are allowed"
    );
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut complaints = Vec::new();
    let documents = ["docs", "plugins", "tests", "examples"]
        .iter()
        .flat_map(|folder| markdown(folder));
    for source in documents.chain(top_documents()) {
        let folder = source.path.parent().unwrap_or(Path::new(""));
        for link in source.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            let local = !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:");
            if local && !repository().join(folder).join(target).exists() {
                complaints.push(format!("{}: {link}", source.path.display()));
            }
        }
    }
    assert_none("a link leads to a file", &complaints);
}

/// Returns the Markdown files under a folder, if it has any.
fn markdown(folder: &str) -> Vec<Source> {
    sources(folder, &["md", "rs", "toml"])
        .into_iter()
        .filter(|source| source.path.extension().is_some_and(|end| end == "md"))
        .collect()
}

fn top_documents() -> Vec<Source> {
    let names = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
    ];
    let read = |name: &&str| Source {
        path: name.into(),
        text: fs::read_to_string(repository().join(name)).unwrap(),
    };
    names.iter().map(read).collect()
}

#[test]
fn every_dependency_of_the_gateway_has_a_reason() {
    let manifest = fs::read_to_string(repository().join("gateway/Cargo.toml")).unwrap();
    let reasons = fs::read_to_string(repository().join("CONTRIBUTING.md")).unwrap();
    let table = manifest
        .split("\n[dependencies]\n")
        .nth(1)
        .and_then(|rest| rest.split("\n[").next());
    let names = table
        .unwrap()
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name);
    let given: Vec<&str> = reasons
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" |"))
        .flat_map(|(names, _)| names.split(", "))
        .collect();
    let missing = names.filter(|name| !given.contains(name));
    assert_none(
        "CONTRIBUTING.md says why the gateway needs it",
        &missing.map(str::to_owned).collect::<Vec<_>>(),
    );
}

#[test]
fn functions_are_measured() {
    let text = "fn a() {\n    b();\n}\n\ntrait T {\n    fn b(&self);\n    pub(crate) async fn c(\n        &self,\n    ) -> u8 {\n        1\n    }\n}\nfn d() {}\n";
    assert_eq!(functions(text), [(1, 3), (7, 5)]);
}
