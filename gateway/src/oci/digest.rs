//! Digests of content: `sha256` and `sha512`, the two algorithms that the image specification registers.

use std::{fmt, str::FromStr, sync::Arc};

use sha2::{
    Sha256, Sha512,
    digest::{Digest as _, common::hazmat::SerializableState},
};

/// A digest algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, the canonical algorithm.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// Returns the name as it stands in front of the colon.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Returns the number of hexadecimal digits of the encoded part.
    #[must_use]
    pub fn hex_length(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

impl FromStr for Algorithm {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            other => Err(DigestError::Algorithm(other.chars().take(40).collect())),
        }
    }
}

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is no colon.
    #[error("a digest has the form algorithm:hex, for example sha256: and 64 hexadecimal digits")]
    Form,
    /// The algorithm is not one of ours.
    #[error("digest algorithm {0:?} is not supported; use sha256 or sha512")]
    Algorithm(String),
    /// The encoded part is not what the algorithm asks for.
    #[error("a {0} digest has {1} lower-case hexadecimal digits after the colon")]
    Encoded(&'static str, usize),
}

/// The digest of some content, for example `sha256:` and 64 lower-case hexadecimal digits. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    text: Arc<str>,
    algorithm: Algorithm,
}

impl Digest {
    /// Returns the digest of bytes that are at hand.
    #[must_use]
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Returns the sha256 digest of bytes that are at hand.
    #[must_use]
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::of(Algorithm::Sha256, bytes)
    }

    /// Returns the algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the part behind the colon.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.text.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// Returns the whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (algorithm, hex) = text.split_once(':').ok_or(DigestError::Form)?;
        let algorithm: Algorithm = algorithm.parse()?;
        let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if hex.len() != algorithm.hex_length() || !hex.bytes().all(lower_hex) {
            return Err(DigestError::Encoded(algorithm.as_str(), algorithm.hex_length()));
        }
        Ok(Self {
            text: text.into(),
            algorithm,
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Computes a digest from bytes as they pass, and can be stopped and taken up again from its serialised state.
#[derive(Clone)]
pub enum Hasher {
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-512.
    Sha512(Sha512),
}

impl Hasher {
    /// The version of what [`Hasher::state`] returns: the layout that sha2 0.11 serialises. A state of another version is never read.
    pub const STATE_VERSION: u32 = 1;

    /// Starts with no bytes.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    /// Returns the algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Sha256(_) => Algorithm::Sha256,
            Self::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// Returns the digest of all bytes so far.
    #[must_use]
    pub fn finish(self) -> Digest {
        let algorithm = self.algorithm();
        let hash: Vec<u8> = match self {
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Sha512(hasher) => hasher.finalize().to_vec(),
        };
        let mut text = String::with_capacity(7 + algorithm.hex_length());
        text.push_str(algorithm.as_str());
        text.push(':');
        for byte in hash {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from_digit(nibble.into(), 16).expect("a nibble is one hexadecimal digit"));
            }
        }
        Digest {
            text: text.into(),
            algorithm,
        }
    }

    /// Returns the state, from which [`Hasher::resume`] goes on.
    #[must_use]
    pub fn state(&self) -> Vec<u8> {
        match self {
            Self::Sha256(hasher) => hasher.serialize().to_vec(),
            Self::Sha512(hasher) => hasher.serialize().to_vec(),
        }
    }

    /// Takes up a serialised state again. Returns nothing where the version is not ours or the bytes are no such state.
    #[must_use]
    pub fn resume(algorithm: Algorithm, version: u32, state: &[u8]) -> Option<Self> {
        if version != Self::STATE_VERSION {
            return None;
        }
        match algorithm {
            Algorithm::Sha256 => Sha256::deserialize(state.try_into().ok()?).ok().map(Self::Sha256),
            Algorithm::Sha512 => Sha512::deserialize(state.try_into().ok()?).ok().map(Self::Sha512),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_well_formed_digests() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::sha256(b"").to_string(), format!("sha256:{hex}"));
        assert!(format!("sha256:{hex}").parse::<Digest>().is_ok());
        for bad in [
            "",
            "sha256",
            "sha256:",
            "md5:00",
            "sha256:baddigeststring",
            "sha512:00",
            &format!("sha256:{}", hex.to_uppercase()),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn goes_on_from_a_serialised_state() {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let mut first = Hasher::new(algorithm);
            first.update(&[7; 1000]);
            let mut second = Hasher::resume(algorithm, Hasher::STATE_VERSION, &first.state()).unwrap();
            second.update(&[8; 77]);
            let whole = [[7; 1000].as_slice(), &[8; 77]].concat();
            assert_eq!(second.finish(), Digest::of(algorithm, &whole));
            assert!(Hasher::resume(algorithm, Hasher::STATE_VERSION, b"short").is_none());
            assert!(Hasher::resume(algorithm, Hasher::STATE_VERSION + 1, &first.state()).is_none());
        }
    }

    /// Sessions are continued by later versions of the gateway: where this fails, the layout has changed and needs another version.
    #[test]
    fn the_layout_of_a_saved_state_is_that_of_its_version() {
        for (algorithm, digest) in [
            (
                Algorithm::Sha256,
                "d6f131de1f0f1250c69c2cbe5a94b8bb1ae2361b14cc25fb2a0cd607e0b48594",
            ),
            (
                Algorithm::Sha512,
                "3f7154a976fe58e3af882bd33b7b331a5dcd2a0bb1651e00a16b03e536cf99d9",
            ),
        ] {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(&[7; 1000]);
            assert_eq!(Digest::sha256(&hasher.state()).hex(), digest, "{algorithm:?}");
        }
    }
}
