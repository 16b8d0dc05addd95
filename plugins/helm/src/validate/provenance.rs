//! Whether a provenance file speaks of the chart that it was pushed with.
//!
//! It is a text signed in clear: Chart.yaml, a line of three dots, and the hashes of files. The signature itself is for those who hold
//! the keys; a file that names another hash can never verify.

use portolan_plugin_sdk::{Finding, Location};

use crate::chart::{keys, source};
use crate::rule;

const BEGIN_MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";

/// Judges a provenance layer against the file name and hash of the chart.
pub fn judge(digest: &str, bytes: Option<&[u8]>, package: &str, chart_hash: &str) -> Option<Finding> {
    let stated = match bytes
        .ok_or_else(|| "it is too large.".to_owned())
        .and_then(|bytes| stated(bytes, package))
    {
        Ok(stated) => stated,
        Err(reason) => {
            let message =
                format!("The provenance file cannot be read: {reason} Sign the chart again with `helm package --sign`.");
            return Some(rule::finding("helm/provenance-unreadable", message).at(Location::blob(digest)));
        }
    };
    let problem = match stated {
        Stated::Hash(hash) if hash.eq_ignore_ascii_case(chart_hash) => return None,
        Stated::Hash(hash) => {
            format!(
                "It gives the SHA-256 {} for {package}, but the chart that was pushed has {chart_hash}.",
                rule::cut(&hash, 100)
            )
        }
        Stated::Others(names) => format!(
            "It does not speak of {package}, but of {}.",
            rule::cut(&names.join(", "), 400)
        ),
    };
    let message =
        format!("The provenance file belongs to another chart. {problem} Push the chart together with its own .prov file.");
    Some(rule::finding("helm/provenance-mismatch", message).at(Location::blob(digest)))
}

/// What a provenance file says of a package.
#[derive(Debug, PartialEq)]
enum Stated {
    /// Its SHA-256.
    Hash(String),
    /// Nothing; the files that it does speak of.
    Others(Vec<String>),
}

fn stated(bytes: &[u8], package: &str) -> Result<Stated, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text.".to_owned())?;
    let message = message(&text.replace("\r\n", "\n"))?;
    let mut parts = message.split("\n...\n").skip(1);
    let hashes = parts
        .next()
        .ok_or("its message has no `...` line between metadata and hashes.")?;
    let document = source::first(hashes).map_err(|error| format!("its hashes are not valid YAML: {}.", error.message))?;
    let keys = document
        .as_map()
        .unwrap_or_default()
        .iter()
        .filter_map(|(key, _)| key.as_str());
    if let Some((first, second)) = keys::conflict(keys, &["files", "images"]) {
        return Err(format!(
            "it has the keys {first:?} and {second:?}, which are one for Helm and two for other readers."
        ));
    }
    let files = source::locate(&document, "/files");
    let files = files.and_then(|files| files.as_map()).ok_or("it lists no `files`.")?;
    let entry = files.iter().find(|(name, _)| name.as_str() == Some(package));
    match entry {
        Some((_, hash)) => {
            let hash = hash.as_str().ok_or("a hash in it is not text.")?;
            Ok(Stated::Hash(hash.strip_prefix("sha256:").unwrap_or(hash).to_owned()))
        }
        None => Ok(Stated::Others(
            files
                .iter()
                .filter_map(|(name, _)| name.as_str().map(str::to_owned))
                .take(20)
                .collect(),
        )),
    }
}

/// Takes the signed text out of its frame, line by line as those who verify it do: headers end at an empty line, and lines that began
/// with `-` carry `- ` in front.
fn message(text: &str) -> Result<String, String> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with(BEGIN_MESSAGE));
    lines.next().ok_or("it has no signed message.")?;
    lines.find(|line| line.is_empty()).ok_or("its signed message has no text.")?;
    let mut message = String::new();
    for line in lines {
        if line.starts_with(BEGIN_SIGNATURE) {
            return Ok(message);
        }
        message.push_str(line.strip_prefix("- ").unwrap_or(line));
        message.push('\n');
    }
    Err("it has no signature.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(body: &str) -> String {
        format!("{BEGIN_MESSAGE}\nHash: SHA512\n\n{body}\n{BEGIN_SIGNATURE}\n\nwsBcBAEBCgAQ\n-----END PGP SIGNATURE-----\n")
    }

    #[test]
    fn provenance_is_compared_with_the_chart() {
        let good = signed("name: web\nversion: 1.0.0\n\n...\nfiles:\n  web-1.0.0.tgz: sha256:abc");
        for (text, expected) in [
            (good.clone(), None),
            (good.replace('\n', "\r\n"), None),
            (good.replace("sha256:abc", "sha256:def"), Some("gives the SHA-256 def")),
            (good.replace("web-1.0.0.tgz", "web-1.0.1.tgz"), Some("but of web-1.0.1.tgz")),
            (good.replace("files:", "fils:"), Some("lists no `files`")),
            (format!("x {BEGIN_MESSAGE}\n\n{good}"), None),
            (
                good.replace("files:", "Files:\n  web-1.0.0.tgz: sha256:def\nfiles:"),
                Some("which are one for Helm"),
            ),
            (good.replace("...\n", ""), Some("no `...` line")),
            (good.replace(BEGIN_SIGNATURE, ""), Some("no signature")),
            ("hello".to_owned(), Some("no signed message")),
            (String::new(), Some("no signed message")),
        ] {
            let found = judge("sha256:1", Some(text.as_bytes()), "web-1.0.0.tgz", "abc");
            match expected {
                None => assert!(found.is_none(), "{text}: {found:?}"),
                Some(part) => assert!(
                    found.as_ref().is_some_and(|finding| finding.message.contains(part)),
                    "{text}: {found:?}"
                ),
            }
        }
    }
}
