//! Listing content, a folder at a time.

use std::{fs, io, path::Path, time::UNIX_EPOCH};

use super::{failed, files::is_location};
use crate::{
    oci::{Algorithm, Digest, Location},
    storage::{Listed, StorageError},
};

/// Returns the folders that content lies in, by their names inside of the root of content.
pub(super) fn folders(root: &Path) -> Vec<Result<String, StorageError>> {
    let folders = |algorithm: Algorithm| -> io::Result<Vec<String>> {
        let algorithm = algorithm.as_str();
        match fs::read_dir(root.join(algorithm)) {
            Ok(entries) => entries
                .map(|entry| Ok(format!("{algorithm}/{}", entry?.file_name().to_string_lossy())))
                .collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    };
    let all = [Algorithm::Sha256, Algorithm::Sha512].map(folders);
    all.into_iter()
        .flat_map(|folders| match folders {
            Ok(folders) => folders.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(failed("listing content".into(), error))],
        })
        .collect()
}

/// Lists the content of one of these folders. What has another name than ours is none.
pub(super) fn list(root: &Path, folder: &str) -> Result<Vec<Listed>, StorageError> {
    let doing = |error| failed(format!("listing content in {folder}"), error);
    let mut listed = Vec::new();
    for entry in fs::read_dir(root.join(folder)).map_err(doing)? {
        let entry = entry.map_err(doing)?;
        let location = Location::from(format!("{folder}/{}", entry.file_name().to_string_lossy()));
        let Some(digest) = digest_of(&location) else { continue };
        let found = match entry.metadata() {
            Ok(found) => found,
            // It was removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(doing(error)),
        };
        let written = found.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        listed.push(Listed {
            location,
            digest,
            size: found.len(),
            written: written.map_or(0, |since| since.as_secs()),
        });
    }
    Ok(listed)
}

/// Lists the content of all folders.
pub(super) fn all(root: &Path) -> Result<Vec<Listed>, StorageError> {
    let mut listed = Vec::new();
    for folder in folders(root) {
        listed.extend(list(root, &folder?)?);
    }
    Ok(listed)
}

/// Returns the digest that a location tells.
fn digest_of(location: &Location) -> Option<Digest> {
    let (algorithm, name) = (location.as_str().split('/').next()?, location.as_str().rsplit('/').next()?);
    is_location(location.as_str())
        .then(|| format!("{algorithm}:{}", name.split('.').next().unwrap_or(name)).parse().ok())
        .flatten()
}
