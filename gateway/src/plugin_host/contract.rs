//! The contract that a component is written against, read from the names of what it imports and exports.
//!
//! This happens before anything is compiled: what this gateway cannot run is refused in words an author can act on, with both versions
//! named, where the linker would only say that something is missing.

use serde::Serialize;
use wasmparser::{Encoding, Parser, Payload};

/// The package of the contract.
const PACKAGE: &str = "portolan:plugin/";
/// The version of the contract that this gateway offers.
pub(super) const CONTRACT_VERSION: &str = "0.1.0";
/// The interfaces of the contract that a plugin may import.
const OFFERED: [&str; 7] = ["types", "artifacts", "catalog", "contexts", "http", "log", "pushes"];
/// The packages of WASI 0.2 that are answered by a stub: guests of some languages need them to start.
const STUBBED: [&str; 7] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];
/// The versions of WASI that the stub answers.
const STUBBED_VERSION: &str = "0.2";

/// Something that a plugin can do with artifacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Capability {
    /// Judges the content of artifacts.
    Validate,
    /// Judges where artifacts may be pushed.
    Admit,
    /// Summarises artifacts.
    Index,
    /// Shows artifacts.
    Render,
    /// Looks for problems in stored artifacts.
    Scan,
    /// Explains how artifacts differ.
    Compare,
    /// Answers a native client protocol.
    Serve,
}

impl Capability {
    /// Every capability.
    pub const ALL: [Self; 7] = [
        Self::Validate,
        Self::Admit,
        Self::Index,
        Self::Render,
        Self::Scan,
        Self::Compare,
        Self::Serve,
    ];

    /// Returns the word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Admit => "admit",
            Self::Index => "index",
            Self::Render => "render",
            Self::Scan => "scan",
            Self::Compare => "compare",
            Self::Serve => "serve",
        }
    }

    /// Returns the interface that a plugin exports for it.
    pub(super) fn interface(self) -> &'static str {
        match self {
            Self::Validate => "validator",
            Self::Admit => "admitter",
            Self::Index => "indexer",
            Self::Render => "renderer",
            Self::Scan => "scanner",
            Self::Compare => "comparer",
            Self::Serve => "service",
        }
    }
}

impl std::fmt::Display for Capability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a component's names say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outline {
    /// The version of the contract that it was built for.
    pub(super) contract: String,
    /// What it can do.
    pub(super) capabilities: Vec<Capability>,
    /// Whether it imports anything of WASI.
    pub(super) wasi: bool,
}

/// The names at the outermost level of a component.
#[derive(Default)]
struct Names {
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Outline {
    /// Reads the names of a component. The error says what is wrong with the file, for its author.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let Names { imports, exports } = names(bytes)?;
        for import in &imports {
            check_import(import)?;
        }
        let mut contract = None;
        let mut interfaces = Vec::new();
        for export in &exports {
            let Some((interface, version)) = export.strip_prefix(PACKAGE).map(split_version) else {
                continue;
            };
            check_version(export, version)?;
            contract.get_or_insert_with(|| version.to_owned());
            interfaces.push(interface);
        }
        let contract = contract.filter(|_| interfaces.contains(&"describe")).ok_or_else(|| {
            format!("it does not export {PACKAGE}describe@{CONTRACT_VERSION}, which every plugin has to: is it a component of another kind?")
        })?;
        let capabilities = Capability::ALL
            .into_iter()
            .filter(|capability| interfaces.contains(&capability.interface()))
            .collect();
        Ok(Self {
            contract,
            capabilities,
            wasi: imports.iter().any(|import| import.starts_with("wasi:")),
        })
    }
}

fn names(bytes: &[u8]) -> Result<Names, String> {
    if !bytes.starts_with(b"\0asm") {
        return Err("it is not WebAssembly: the file does not begin with \\0asm".into());
    }
    let broken = |error: wasmparser::BinaryReaderError| format!("it is not a sound component: {error}");
    let (mut found, mut depth, mut encoding) = (Names::default(), 0_usize, None);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(broken)? {
            Payload::Version { encoding: this, .. } => {
                encoding.get_or_insert(this);
                if encoding == Some(Encoding::Module) {
                    return Err(
                        "it is a core WebAssembly module, and plugins are components: turn it into one with wit-component".into(),
                    );
                }
                depth += 1;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    found.imports.push(import.map_err(broken)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    found.exports.push(export.map_err(broken)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

fn check_import(import: &str) -> Result<(), String> {
    if let Some((interface, version)) = import.strip_prefix(PACKAGE).map(split_version) {
        check_version(import, version)?;
        if OFFERED.contains(&interface) {
            return Ok(());
        }
    } else if STUBBED.iter().any(|package| import.starts_with(package)) {
        let (_, version) = split_version(import);
        if same_series(version, STUBBED_VERSION) {
            return Ok(());
        }
        return Err(format!("it needs {import}; this gateway offers WASI {STUBBED_VERSION}"));
    }
    Err(format!(
        "it needs {import}; this gateway offers {PACKAGE}{{{}}}@{CONTRACT_VERSION} and a stub of WASI {STUBBED_VERSION}",
        OFFERED.join(", ")
    ))
}

/// Refuses what was built for another version of the contract. Additions change the last number only, and match both ways.
fn check_version(name: &str, version: &str) -> Result<(), String> {
    let (offered, _) = CONTRACT_VERSION.rsplit_once('.').unwrap_or((CONTRACT_VERSION, ""));
    if same_series(version, offered) {
        return Ok(());
    }
    let version = if version.is_empty() { "no version" } else { version };
    Err(format!(
        "it was built for {version} of the plugin contract ({name}); this gateway offers {CONTRACT_VERSION}: build it for that version"
    ))
}

fn same_series(version: &str, series: &str) -> bool {
    version.strip_prefix(series).is_some_and(|rest| rest.starts_with('.'))
}

fn split_version(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_component() {
        assert!(Outline::read(b"hello").unwrap_err().contains("not WebAssembly"));
        assert!(Outline::read(b"").unwrap_err().contains("not WebAssembly"));
        assert!(
            Outline::read(b"\0asm\x01\0\0\0")
                .unwrap_err()
                .contains("core WebAssembly module")
        );
        assert!(Outline::read(b"\0asm\x0d\0\x01\0").unwrap_err().contains("does not export"));
        assert!(
            Outline::read(b"\0asm\x0d\0\x01\0\xff\xff")
                .unwrap_err()
                .contains("not a sound component")
        );
    }

    #[test]
    fn names_both_versions() {
        assert_eq!(check_import("portolan:plugin/log@0.1.0"), Ok(()));
        assert_eq!(check_import("portolan:plugin/log@0.1.7"), Ok(()));
        assert_eq!(check_import("wasi:cli/stdout@0.2.6"), Ok(()));
        let cases = [
            ("portolan:plugin/log@0.2.0", ["0.2.0", "0.1.0"]),
            ("portolan:plugin/log", ["no version", "0.1.0"]),
            ("portolan:plugin/log@0.10.0", ["0.10.0", "0.1.0"]),
            ("portolan:plugin/secrets@0.1.0", ["secrets", "this gateway offers"]),
            ("wasi:cli/stdout@0.3.0", ["0.3.0", "WASI 0.2"]),
            ("wasi:nn/graph@0.2.0", ["wasi:nn", "this gateway offers"]),
            ("run", ["needs run", "this gateway offers"]),
        ];
        for (import, expected) in cases {
            let error = check_import(import).expect_err(import);
            assert!(expected.iter().all(|word| error.contains(word)), "{import}: {error}");
        }
    }
}
