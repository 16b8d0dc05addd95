//! How a job ends: done, dropped, tried again, put off, given up.

use std::error::Error;

use crate::{
    metadata::{Job, JobKind, MetadataError},
    registry::{HookError, RegistryError},
    storage::StorageError,
};

/// How often a job is begun before it is given up.
const TRIES_MAX: u32 = 5;
/// The pause before the second try in seconds; it doubles with each: 5, 10, 20, 40.
const RETRY_SECONDS: u64 = 5;
/// The pause after the first time that a job was put off, in seconds; it doubles up to about a minute. Reasons to wait end by themselves, and a
/// job that has waited long should not wait much longer than the reason does.
const WAIT_SECONDS: u64 = 1;
/// How often that pause doubles at most.
const WAIT_DOUBLED_MAX: u32 = 6;
/// How much is kept of an error, in characters.
const ERROR_CHARS_MAX: usize = 1_000;

/// Why a job was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum JobError {
    /// Whoever knows the type could not do it.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// The registry could not do its part.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The gateway stops before there is an answer.
    #[error("the gateway stopped")]
    Stopped,
    /// It was begun as often as a job may be, and never came to an end: whatever ended the gateway then may have been the job.
    #[error("it was begun {TRIES_MAX} times and never came to an end; the last error was: {}", .0.as_deref().unwrap_or("none"))]
    NeverEnded(Option<String>),
}

/// What became of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is done.
    Done,
    /// There is nothing to do: the artifact is gone, or another plugin or version is asked about it now.
    Dropped,
    /// It is not tried again.
    GivenUp { error: String },
    /// It counts as a try.
    Again { due: u64, error: String },
    /// It does not count as a try.
    PutOff { due: u64, reason: String },
}

/// Fails where a job was begun as often as it may be and did not come to an end.
pub(super) fn expect_begun_rarely(job: &Job) -> Result<(), JobError> {
    if job.tries > TRIES_MAX {
        return Err(JobError::NeverEnded(job.error.clone()));
    }
    Ok(())
}

/// Judges the result of a try.
pub(super) fn verdict(job: &Job, result: Result<(), JobError>, now: u64) -> Verdict {
    let Err(error) = result else { return Verdict::Done };
    let told = told(&error);
    match error {
        JobError::Hook(HookError::NoPlugin) => Verdict::Dropped,
        JobError::Stopped => Verdict::PutOff { due: now, reason: told },
        JobError::Hook(HookError::Busy { .. })
        | JobError::Registry(
            RegistryError::Storage(StorageError::Full { .. })
            | RegistryError::Metadata(MetadataError::Full | MetadataError::Stopping),
        ) => Verdict::PutOff {
            due: now.saturating_add(WAIT_SECONDS << job.waits.min(WAIT_DOUBLED_MAX)),
            reason: told,
        },
        JobError::Hook(HookError::Failed { .. }) | JobError::NeverEnded(_) => Verdict::GivenUp { error: told },
        _ if job.tries >= TRIES_MAX => Verdict::GivenUp { error: told },
        _ => Verdict::Again {
            due: now.saturating_add(RETRY_SECONDS << job.tries.saturating_sub(1)),
            error: told,
        },
    }
}

/// Returns how a kind of job is named to people and programs.
pub(super) fn kind_name(kind: JobKind) -> &'static str {
    match kind {
        JobKind::Index => "index",
        JobKind::Scan => "scan",
    }
}

/// Says what went wrong and why, in one line of bounded length.
fn told(error: &JobError) -> String {
    let (mut text, mut source) = (error.to_string(), error.source());
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text.chars().take(ERROR_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{metadata::Stamp, oci::Digest};

    fn job(tries: u32, waits: u32) -> Job {
        Job {
            id: 1,
            kind: JobKind::Scan,
            repository: "a".parse().unwrap(),
            digest: Digest::sha256(b"m"),
            stamp: Stamp {
                plugin: "thing".into(),
                component: Digest::sha256(b"1"),
                settings: Digest::sha256(b"{}"),
            },
            backlog: false,
            tries,
            waits,
            error: None,
        }
    }

    fn busy() -> JobError {
        let (plugin, reason) = ("thing".into(), "no thread".into());
        HookError::Busy { plugin, reason }.into()
    }

    fn unreadable() -> JobError {
        RegistryError::Manifest(crate::oci::Manifest::parse(None, b"{").unwrap_err()).into()
    }

    #[test]
    fn an_error_counts_five_times() {
        let dues: Vec<u64> = (1..5)
            .map(|tries| match verdict(&job(tries, 0), Err(unreadable()), 1_000) {
                Verdict::Again { due, .. } => due,
                other => panic!("{tries}: {other:?}"),
            })
            .collect();
        assert_eq!(dues, [1_005, 1_010, 1_020, 1_040]);
        assert!(matches!(
            verdict(&job(5, 0), Err(unreadable()), 1_000),
            Verdict::GivenUp { .. }
        ));
    }

    #[test]
    fn waiting_never_counts_and_its_pauses_are_bounded() {
        let full = || RegistryError::Metadata(MetadataError::Full).into();
        let disk = || RegistryError::Storage(StorageError::Full { doing: "a put".into() }).into();
        for waits in 0..1_000 {
            for error in [busy(), full(), disk()] {
                match verdict(&job(5, waits), Err(error), 1_000) {
                    Verdict::PutOff { due, .. } => assert!(due > 1_000 && due <= 1_064, "{due}"),
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    #[test]
    fn what_would_fail_again_and_what_is_nobodys_ends_at_once() {
        let (plugin, reason) = ("thing".to_owned(), "it trapped".to_owned());
        let failed = HookError::Failed { plugin, reason }.into();
        let error = "plugin thing failed: it trapped".to_owned();
        assert_eq!(verdict(&job(1, 0), Err(failed), 1_000), Verdict::GivenUp { error });
        assert_eq!(verdict(&job(1, 0), Err(HookError::NoPlugin.into()), 1_000), Verdict::Dropped);
    }

    #[test]
    fn a_job_that_never_came_to_an_end_is_not_begun_for_ever() {
        assert!(expect_begun_rarely(&job(5, 0)).is_ok());
        let error = expect_begun_rarely(&job(6, 0)).unwrap_err();
        assert!(matches!(verdict(&job(6, 0), Err(error), 1_000), Verdict::GivenUp { .. }));
    }
}
