//! Counting what streams, and stopping it at a bound.

use std::{
    cell::Cell,
    io::{self, Read},
    rc::Rc,
};

use super::{ArchiveError, Limits, ended_in, shown};

/// A count that the reader and those who judge it share.
#[derive(Debug, Clone, Default)]
pub(super) struct Count(Rc<Cell<u64>>);

impl Count {
    pub(super) fn get(&self) -> u64 {
        self.0.get()
    }

    pub(super) fn add(&self, bytes: u64) {
        self.0.set(self.0.get().saturating_add(bytes));
    }
}

/// Counts the compressed bytes.
pub(super) struct Counted<R> {
    inner: R,
    count: Count,
}

impl<R> Counted<R> {
    pub(super) fn new(inner: R) -> (Self, Count) {
        let count = Count::default();
        (
            Self {
                inner,
                count: count.clone(),
            },
            count,
        )
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(target)?;
        self.count.add(bytes as u64);
        Ok(bytes)
    }
}

/// Passes decompressed bytes on as long as the bounds on their sum and on the ratio hold.
pub(super) struct Metered<R> {
    inner: R,
    limits: Limits,
    total: Count,
    compressed: Option<Count>,
    /// The first failure. Readers around this one wrap errors in their own, and the text is all that is left then.
    failure: Failure,
}

/// Where a meter leaves its failure for those who see only what became of it.
#[derive(Clone, Default)]
pub(super) struct Failure(Rc<Cell<Option<ArchiveError>>>);

impl Failure {
    /// Returns what really happened: the failure of the meter where there is one.
    pub(super) fn explain(&self, error: io::Error) -> ArchiveError {
        self.0.take().unwrap_or_else(|| error.into())
    }

    fn keep(&self, error: ArchiveError) -> io::Error {
        self.0.set(Some(error.clone()));
        error.into()
    }
}

impl<R> Metered<R> {
    /// Below this many bytes the ratio is nobody's concern.
    const RATIO_FREE_BYTES: u64 = 1 << 20;

    pub(super) fn new(inner: R, limits: &Limits, compressed: Option<Count>) -> Self {
        Self {
            inner,
            limits: *limits,
            total: Count::default(),
            compressed,
            failure: Failure::default(),
        }
    }

    pub(super) fn failure(&self) -> Failure {
        self.failure.clone()
    }

    /// Counts across several readers, as with the entries of a zip archive.
    pub(super) fn with_total(mut self, total: &Count) -> Self {
        self.total = total.clone();
        self
    }

    fn check(&self) -> Result<(), ArchiveError> {
        let total = self.total.get();
        let beyond = |what, max| {
            Err(ArchiveError::Limit {
                what,
                max,
                path: String::new(),
            })
        };
        if total > self.limits.total_bytes_max {
            return beyond("total bytes", self.limits.total_bytes_max);
        }
        if let Some(compressed) = &self.compressed
            && total > Self::RATIO_FREE_BYTES
            && total > compressed.get().saturating_mul(self.limits.ratio_max)
        {
            return beyond("times the compressed size", self.limits.ratio_max);
        }
        Ok(())
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(target)?;
        self.total.add(bytes as u64);
        self.check().map_err(|error| self.failure.keep(error))?;
        Ok(bytes)
    }
}

/// The content of one entry: exactly as many bytes as it announces, or an error.
pub(super) struct Exact<'a> {
    pub(super) inner: &'a mut dyn Read,
    pub(super) left: u64,
    pub(super) path: &'a str,
    pub(super) failure: &'a Failure,
}

impl Read for Exact<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if target.is_empty() || self.left == 0 {
            return Ok(0);
        }
        let wanted = usize::try_from(self.left).map_or(target.len(), |left| left.min(target.len()));
        let bytes = match target.get_mut(..wanted).map(|target| self.inner.read(target)) {
            Some(Ok(0)) | None => return Err(ended_in(self.path).into()),
            Some(Ok(bytes)) => bytes,
            Some(Err(error)) => return Err(at(self.failure.explain(error), self.path).into()),
        };
        self.left -= bytes as u64;
        Ok(bytes)
    }
}

/// Names the entry at which a bound was met.
pub(super) fn at(error: ArchiveError, entry: &str) -> ArchiveError {
    match error {
        ArchiveError::Limit { what, max, path } if path.is_empty() => ArchiveError::Limit {
            what,
            max,
            path: shown(entry),
        },
        other => other,
    }
}
