//! Names of sessions. A name says when, for what and where the session was opened, and is signed: a session without bytes needs no memory,
//! so opening any number of them costs nothing and takes nothing away from anybody.

use std::sync::OnceLock;

use crate::{
    metadata::{Metadata, MetadataError},
    oci::{Algorithm, Digest, Repository},
};

/// What a name says, in bytes: five of the time, one of the algorithm, ten of chance.
const SAID: usize = 16;
/// The length of the signature in hexadecimal digits: 128 bits.
const SIGNATURE_LENGTH: usize = 32;

/// Issues names and knows them again.
#[derive(Default)]
pub(super) struct Ids(OnceLock<Vec<u8>>);

impl Ids {
    /// Returns a new name.
    pub(super) async fn issue(
        &self,
        metadata: &Metadata,
        repository: &Repository,
        algorithm: Algorithm,
        now: u64,
    ) -> Result<String, MetadataError> {
        let mut said = [0; SAID];
        let [_, _, _, time @ ..] = now.to_be_bytes();
        let kind = [number(algorithm)];
        let chance = uuid::Uuid::new_v4().into_bytes();
        for (place, byte) in said.iter_mut().zip(time.iter().chain(&kind).chain(&chance)) {
            *place = *byte;
        }
        self.sign(metadata, repository, said).await
    }

    /// Returns the algorithm that a session was opened for, where this is the name of one that was opened in this repository at most
    /// `age_max` seconds ago.
    pub(super) async fn read(
        &self,
        metadata: &Metadata,
        repository: &Repository,
        id: &str,
        now: u64,
        age_max: u64,
    ) -> Result<Option<Algorithm>, MetadataError> {
        let Some(said) = said(id) else { return Ok(None) };
        let [a, b, c, d, e, kind, ..] = said;
        let opened = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]);
        let genuine = same(self.sign(metadata, repository, said).await?.as_bytes(), id.as_bytes());
        Ok(algorithm(kind).filter(|_| genuine && now.saturating_sub(opened) <= age_max))
    }

    async fn sign(&self, metadata: &Metadata, repository: &Repository, said: [u8; SAID]) -> Result<String, MetadataError> {
        let key = match self.0.get() {
            Some(key) => key,
            None => {
                let key = metadata.upload_key().await?;
                self.0.get_or_init(|| key)
            }
        };
        // Key and text before the repository have fixed lengths, and half of the digest is not told: nobody can go on from it.
        let signature = Digest::sha256(&[key.as_slice(), &said, repository.as_str().as_bytes()].concat());
        let mut id = String::with_capacity(2 * SAID + SIGNATURE_LENGTH);
        for byte in said {
            // To format each byte would take ten times as long, twice for every push.
            id.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or_default()));
        }
        id.push_str(signature.hex().get(..SIGNATURE_LENGTH).unwrap_or_default());
        Ok(id)
    }
}

/// Returns what a name says, whether it is genuine or not.
fn said(id: &str) -> Option<[u8; SAID]> {
    let mut said = [0; SAID];
    for (at, place) in said.iter_mut().enumerate() {
        let digits = id.get(2 * at..2 * at + 2)?;
        *place = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(said)
}

/// Compares without telling by the time it takes where the difference is.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .fold(0, |different, (one, other)| different | (one ^ other))
            == 0
}

fn number(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::Sha256 => 0,
        Algorithm::Sha512 => 1,
    }
}

fn algorithm(number: u8) -> Option<Algorithm> {
    match number {
        0 => Some(Algorithm::Sha256),
        1 => Some(Algorithm::Sha512),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_good_where_it_was_issued_for_as_long_as_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let metadata = Metadata::open(folder.path()).unwrap();
        let (here, there): (Repository, Repository) = ("team/a".parse().unwrap(), "team/b".parse().unwrap());
        let ids = Ids::default();
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let id = ids.issue(&metadata, &here, algorithm, 1_000).await.unwrap();
            // Another process over the same data knows it as well.
            for ids in [&ids, &Ids::default()] {
                let read = async |repository: &Repository, now: u64| ids.read(&metadata, repository, &id, now, 60).await.unwrap();
                assert_eq!(read(&here, 1_060).await, Some(algorithm));
                // A clock that was set back makes no name old.
                assert_eq!(read(&here, 10).await, Some(algorithm));
                assert_eq!(read(&here, 1_061).await, None);
                assert_eq!(read(&there, 1_000).await, None);
            }
            assert_ne!(ids.issue(&metadata, &here, algorithm, 1_000).await.unwrap(), id);
            for at in 0..id.len() {
                let changed: String = id
                    .chars()
                    .enumerate()
                    .map(|(place, digit)| match (place == at, digit) {
                        (true, '0') => '1',
                        (true, _) => '0',
                        (false, digit) => digit,
                    })
                    .collect();
                assert_eq!(ids.read(&metadata, &here, &changed, 1_000, 60).await.unwrap(), None, "{at}");
            }
        }
        for id in [
            "",
            "x",
            "+1",
            "0123456789abcdef0123456789abcdef",
            &"\u{e4}".repeat(32),
            &"F".repeat(64),
        ] {
            assert_eq!(ids.read(&metadata, &here, id, 1_000, 60).await.unwrap(), None, "{id}");
        }
    }
}
