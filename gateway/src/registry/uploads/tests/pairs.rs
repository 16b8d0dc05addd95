//! Every operation on a session paused at each of its steps: given up there, met there by every other operation, or both.

use super::*;

/// How often a request that works with the same thing as another one gets its turn before the other one goes on.
const TURNS: usize = 50;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operation {
    /// Sends the rest.
    Append,
    /// Sends the rest and ends the session.
    Finish,
    /// Ends the session under a digest of another algorithm.
    FinishOther,
    /// Ends the session with bytes that are not what the digest says.
    FinishWrong,
    Cancel,
    State,
    /// Ends the session as if nobody had continued it for long.
    Expire,
    /// Pushes the same content without a session.
    Push,
    /// Pushes the same content at one go.
    PushSmall,
    /// Publishes the same content as the body of a service's request.
    Publish,
    /// Tries to, and is refused.
    PublishWrong,
}

const OPERATIONS: [Operation; 11] = [
    Operation::Append,
    Operation::Finish,
    Operation::FinishOther,
    Operation::FinishWrong,
    Operation::Cancel,
    Operation::State,
    Operation::Expire,
    Operation::Push,
    Operation::PushSmall,
    Operation::Publish,
    Operation::PublishWrong,
];

async fn run(operation: Operation, registry: Registry, id: String, held: usize) -> Result<(), RegistryError> {
    let (caller, repository, rest) = (caller(), repository(), &WHOLE[held..]);
    let finish = async |digest: Digest, bytes: &'static [u8]| {
        registry
            .finish(&caller, &repository, &id, &digest, chunk(Some(held as u64), bytes))
            .await
    };
    match operation {
        Operation::Append => {
            let chunk = chunk(Some(held as u64), rest);
            registry.append(&caller, &repository, &id, chunk).await.map(|_| ())
        }
        Operation::Finish => finish(whole(), rest).await,
        Operation::FinishOther => finish(Digest::of(Algorithm::Sha512, WHOLE), rest).await,
        Operation::FinishWrong => finish(whole(), b"Something else of some length.").await,
        Operation::Cancel => registry.cancel_upload(&caller, &repository, &id).await,
        Operation::State => registry.upload_state(&caller, &repository, &id).await.map(|_| ()),
        Operation::Expire => match registry.metadata().unfinished_upload(&id).await? {
            Some(upload) => registry.expire(&upload, u64::MAX).await.map(|_| ()),
            None => Ok(()),
        },
        Operation::Push => registry.put_blob(&caller, &repository, &whole(), chunk(None, WHOLE)).await,
        Operation::PushSmall => {
            let mut chunk = chunk(None, WHOLE);
            chunk.length = Some(WHOLE.len() as u64);
            registry.put_blob(&caller, &repository, &whole(), chunk).await
        }
        Operation::Publish | Operation::PublishWrong => {
            let body = registry.spool(chunk(None, WHOLE).body, 1_000).await?;
            let wrong = usize::from(operation == Operation::PublishWrong);
            bodies::publish(&registry, &body, WHOLE.len() + wrong).await
        }
    }
}

/// One way in which things can meet.
#[derive(Debug)]
struct Meeting {
    held: usize,
    first: Operation,
    /// How many steps of the disk the first operation does before it pauses.
    steps: usize,
    /// Whether the client of the first gives up while it pauses.
    given_up: bool,
    second: Option<Operation>,
}

impl Meeting {
    /// Returns whether the first operation came to pause.
    async fn happen(&self, world: &World) -> bool {
        let id = world.session(self.held).await;
        world.disk.pause_after(self.steps);
        let mut first = Some(tokio::spawn(run(self.first, world.registry.clone(), id.clone(), self.held)));
        let paused = tokio::select! {
            biased;
            () = world.disk.paused() => true,
            done = first.as_mut().expect("it was just made") => {
                done.unwrap().ok();
                first = None;
                false
            }
        };
        if self.given_up
            && let Some(first) = first.take()
        {
            first.abort();
            first.await.ok();
        }
        if let Some(second) = self.second {
            let second = tokio::spawn(run(second, world.registry.clone(), id.clone(), self.held));
            // Where both work with the same thing, the second may have to wait for the first; else it comes to its end.
            let mut turns = TURNS;
            while paused && !second.is_finished() && turns > 0 {
                turns -= usize::from(world.is_met(&id));
                tokio::task::yield_now().await;
            }
            world.disk.release();
            second.await.unwrap().ok();
        }
        world.disk.release();
        if let Some(first) = first {
            first.await.unwrap().ok();
        }
        world.registry.settle().await;
        self.check(world, &id).await;
        paused
    }

    /// Checks that nothing is spoilt, nothing is left over, and that the client can come to its end.
    async fn check(&self, world: &World, id: &str) {
        let other = Digest::of(Algorithm::Sha512, WHOLE);
        // What was replaced, or linked nowhere, is removed; nothing else is.
        world.registry.collect(0).await.unwrap();
        for digest in world.content() {
            assert!(world.holds(&digest).await, "{self:?} left {digest}, which nobody holds");
        }
        let pushed = world.holds(&whole()).await;
        match world.state(id).await {
            Ok(offset) => {
                let held = usize::try_from(offset).unwrap();
                // Whatever it holds is the beginning of the whole, or this would be refused.
                world.finish(id, &whole(), Some(offset), &WHOLE[held..]).await.unwrap();
            }
            // It has ended: with a blob, which a repeated request is told, or without one.
            Err(error) => {
                assert!(matches!(error, RegistryError::UploadUnknown(_)), "{self:?}: {error}");
                let again = [whole(), other.clone()].map(|digest| async move {
                    let repeated = world.finish(id, &digest, None, b"").await;
                    (digest, repeated)
                });
                for again in again {
                    let (digest, repeated) = again.await;
                    assert!(
                        repeated.is_ok() && world.holds(&digest).await || is_unknown(&repeated),
                        "{self:?}: {repeated:?}"
                    );
                }
            }
        }
        assert!(is_unknown(&world.state(id).await), "{self:?}");
        assert!(!pushed || world.holds(&whole()).await, "{self:?} took back what was pushed");
        assert_eq!(world.uploads(), BTreeSet::new(), "{self:?} left bytes");
        for digest in world.content() {
            // The next meeting begins with nothing.
            let (caller, repository) = (caller(), repository());
            world.registry.delete_blob(&caller, &repository, &digest).await.unwrap();
        }
        world.registry.collect(0).await.unwrap();
        assert_eq!(world.content(), BTreeSet::new());
    }
}

impl World {
    /// Says whether two work with the session, or with some content.
    fn is_met(&self, id: &str) -> bool {
        self.registry.sessions.users(id) > 1
    }
}

/// Lets everything meet that can, and returns how often it did.
async fn meet(given_up: bool, seconds: impl Iterator<Item = Option<Operation>> + Clone) -> usize {
    let world = World::begin(Config::default()).await;
    let mut met = 0;
    for held in [0, HELD] {
        for first in OPERATIONS {
            for second in seconds.clone() {
                let mut meeting = Meeting {
                    held,
                    first,
                    steps: 0,
                    given_up,
                    second,
                };
                while meeting.happen(&world).await {
                    meeting.steps += 1;
                    met += 1;
                }
            }
        }
    }
    met
}

#[tokio::test]
async fn what_is_given_up_at_any_step_is_done_or_undone() {
    let met = meet(true, std::iter::once(None)).await;
    assert!(met > 50, "only {met} steps were tried");
}

#[tokio::test]
async fn two_requests_meet_at_any_step() {
    let met = meet(false, OPERATIONS.into_iter().map(Some)).await;
    assert!(met > 500, "only {met} meetings were tried");
}

#[tokio::test]
async fn a_request_meets_what_another_one_gave_up() {
    let met = meet(true, OPERATIONS.into_iter().map(Some)).await;
    assert!(met > 500, "only {met} meetings were tried");
}
