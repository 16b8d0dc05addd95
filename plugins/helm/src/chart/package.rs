//! The files of a packaged chart, streamed under Helm's rules for paths and sizes.
//!
//! Nothing here holds more than the file at hand. Helm strips one folder from every path and refuses what would leave it; it also
//! treats links as empty files, which this reader refuses, because no two tools agree on what such a chart contains.

use std::io::Read;

use portolan_plugin_sdk::archive::{self, ArchiveError, Kind, Limits};

use super::fault::Fault;

/// The most bytes that Helm unpacks from one chart.
pub const CHART_BYTES_MAX: u64 = 100 * 1024 * 1024;
/// The most bytes that Helm unpacks from one file of a chart.
pub const FILE_BYTES_MAX: u64 = 5 * 1024 * 1024;
/// The most entries that a chart may have. Helm has no such limit; the largest public charts have about a thousand.
pub const ENTRIES_MAX: usize = 50_000;
/// The longest path, as a place in a finding can hold it.
pub const PATH_BYTES_MAX: usize = 1024;

/// The most bytes of all paths together: ten times those of the largest public charts. Every file's path stays in memory.
pub const PATHS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What every tar entry may cost beside its content: a header, padding and the entries of a long name.
const ENTRY_OVERHEAD_BYTES: u64 = 4096;

/// One file of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The path below the folder of the chart.
    pub path: String,
    /// The folder that was stripped.
    pub root: String,
    /// The size in bytes.
    pub size: u64,
}

/// Calls `each` for every file of a packaged chart in the order of the archive; `each` reads as much of it as it needs.
///
/// A fault of the archive, or one that `each` returns, ends the walk.
pub fn walk<R: Read>(package: R, mut each: impl FnMut(&Member, &mut dyn Read) -> Result<(), Fault>) -> Result<(), Fault> {
    let mut files = 0_usize;
    let mut remaining = CHART_BYTES_MAX;
    let mut path_bytes = 0_usize;
    let mut fault = None;
    let outcome = archive::tar_gz(package, &limits(), |entry, content| {
        let step = member(entry, &mut remaining).and_then(|member| match member {
            Some(member) => {
                files += 1;
                path_bytes += member.path.len();
                if path_bytes > PATHS_BYTES_MAX {
                    return Err(long_paths());
                }
                each(&member, content)
            }
            None => Ok(()),
        });
        step.map_err(|reason| {
            fault = Some(reason);
            ArchiveError::Malformed("the chart has a fault".to_owned())
        })
    });
    match (fault, outcome) {
        (Some(fault), _) => Err(fault),
        (None, Err(error)) => Err(unreadable(&error)),
        (None, Ok(())) if files == 0 => Err(Fault::new(
            "helm/archive-empty",
            "The archive holds no file. Package the folder of the chart with `helm package` and push the result.",
        )),
        (None, Ok(())) => Ok(()),
    }
}

/// Reads the rest of a file whose size the walk has checked, without a byte order mark.
pub fn content(reader: &mut dyn Read, path: &str) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let read = reader.take(FILE_BYTES_MAX).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(&ArchiveError::Read(error.to_string())).in_file(path))?;
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        bytes.drain(..3);
    }
    Ok(bytes)
}

fn limits() -> Limits {
    let entries = u64::try_from(ENTRIES_MAX).unwrap_or(u64::MAX);
    Limits {
        entries_max: ENTRIES_MAX,
        // Sizes are judged here, file by file, so that the message can name Helm's rule; these only stop a stream of headers.
        entry_bytes_max: CHART_BYTES_MAX,
        total_bytes_max: CHART_BYTES_MAX + entries * ENTRY_OVERHEAD_BYTES,
        // The best that DEFLATE can do is about 1032 to 1, and a chart may be that well compressible.
        ratio_max: 1100,
        path_bytes_max: PATH_BYTES_MAX,
    }
}

/// Judges one entry and returns the file that it is; folders are none.
fn member(entry: &archive::Entry, remaining: &mut u64) -> Result<Option<Member>, Fault> {
    match entry.kind {
        Kind::Directory => return Ok(None),
        Kind::File => {}
        Kind::Symlink | Kind::HardLink | Kind::Other => return Err(special(entry)),
    }
    let (root, path) = inside(&entry.path)?;
    if entry.size >= *remaining {
        return Err(Fault::new(
            "helm/archive-limit",
            format!(
                "The chart unpacks to more than {CHART_BYTES_MAX} bytes, which Helm refuses to load. Exclude large files with .helmignore."
            ),
        )
        .in_file(&path));
    }
    if entry.size > FILE_BYTES_MAX {
        return Err(Fault::new(
            "helm/archive-limit",
            format!(
                "{path} has {} bytes; Helm refuses to load files beyond {FILE_BYTES_MAX}. Exclude the file with .helmignore or make it smaller.",
                entry.size
            ),
        )
        .in_file(&path));
    }
    *remaining -= entry.size;
    Ok(Some(Member {
        path,
        root,
        size: entry.size,
    }))
}

/// Splits the stored path of a file into the folder that is stripped and the path below it.
fn inside(stored: &str) -> Result<(String, String), Fault> {
    let refuse = |why: &str| {
        let shown = shown(stored);
        Err(Fault::new(
            "helm/archive-path",
            format!("The archive holds a file at {shown:?}, {why}. Package the chart with `helm package`."),
        ))
    };
    let delimiter = if stored.contains('\\') { '\\' } else { '/' };
    if stored.starts_with(delimiter) {
        return refuse("which is an absolute path");
    }
    let Some((root, rest)) = stored.split_once(delimiter) else {
        return match stored {
            "Chart.yaml" => refuse("which has to lie inside of a folder named like the chart"),
            _ => refuse("outside of the chart's folder"),
        };
    };
    let rest = rest.replace(delimiter, "/");
    if rest.starts_with('/') {
        return refuse("which is an absolute path");
    }
    let Some(path) = cleaned(&rest) else {
        return refuse("which points out of the chart's folder");
    };
    match path.as_str() {
        "" => refuse("outside of the chart's folder"),
        _ if path.starts_with("..") => refuse("which points out of the chart's folder"),
        _ if root == ".." => refuse("which points out of the chart's folder"),
        _ if is_drive(&path) || is_drive(&format!("{root}/")) => refuse("which names a drive"),
        _ if path.contains('\0') => refuse("which holds a NUL character"),
        _ if root == "Chart.yaml" => refuse("as if Chart.yaml was a folder"),
        _ => Ok((root.to_owned(), path)),
    }
}

/// Resolves `.`, `..` and empty segments; a path that leaves its start has no result.
fn cleaned(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn is_drive(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphabetic) && bytes.get(1..3) == Some(b":/")
}

fn long_paths() -> Fault {
    Fault::new(
        "helm/archive-limit",
        format!(
            "The paths of the files in the chart have more than {PATHS_BYTES_MAX} bytes together, which is more than this registry reads. \
             Exclude files with .helmignore."
        ),
    )
}

fn special(entry: &archive::Entry) -> Fault {
    let what = match entry.kind {
        Kind::Symlink => "a symbolic link",
        Kind::HardLink => "a hard link",
        _ => "neither a file nor a folder",
    };
    let path = shown(&entry.path);
    Fault::new(
        "helm/archive-link",
        format!(
            "{path:?} is {what}. Charts may hold only files and folders: put a copy of the file in its place and package the chart again."
        ),
    )
}

fn unreadable(error: &ArchiveError) -> Fault {
    match error {
        ArchiveError::Limit { .. } => Fault::new(
            "helm/archive-limit",
            format!("The chart goes beyond a limit: {error} Make the chart smaller, for example with .helmignore."),
        ),
        _ => Fault::new(
            "helm/archive-unreadable",
            format!(
                "The chart layer cannot be read as a gzipped tar archive: {error} Package the chart again with `helm package`."
            ),
        ),
    }
}

/// Cuts a path so that it fits into a message.
fn shown(path: &str) -> String {
    path.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_judged_as_helm_does() {
        for (stored, expected) in [
            ("web/Chart.yaml", Ok("Chart.yaml")),
            ("web/templates/./a.yaml", Ok("templates/a.yaml")),
            ("web/templates/../a.yaml", Ok("a.yaml")),
            ("web\\templates\\a.yaml", Ok("templates/a.yaml")),
            ("./web/Chart.yaml", Ok("web/Chart.yaml")),
            ("/etc/passwd", Err("absolute")),
            ("../passwd", Err("points out")),
            ("c:\\windows\\win.ini", Err("drive")),
            ("web//etc/passwd", Err("absolute")),
            ("web/../../etc/passwd", Err("points out")),
            ("web/..", Err("points out")),
            ("../../etc/passwd", Err("points out")),
            ("web/..hidden", Err("points out")),
            ("web/c:/windows", Err("drive")),
            ("Chart.yaml", Err("inside of a folder")),
            ("Chart.yaml/x", Err("as if Chart.yaml")),
            ("values.yaml", Err("outside")),
            ("web/.", Err("outside")),
        ] {
            match (inside(stored), expected) {
                (Ok((_, path)), Ok(expected)) => assert_eq!(path, expected, "{stored}"),
                (Err(fault), Err(part)) => assert!(fault.message.contains(part), "{stored}: {}", fault.message),
                (outcome, _) => panic!("{stored}: {outcome:?}"),
            }
        }
    }
}
