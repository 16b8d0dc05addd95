//! Clients that go away, stall, or come again meanwhile.

use tokio::sync::mpsc;

use super::*;
use crate::metadata::MetadataError;

/// A body that the test sends by hand.
fn by_hand(start: Option<u64>) -> (mpsc::Sender<Bytes>, Chunk) {
    let (sender, receiver) = mpsc::channel(1);
    let next = |mut receiver: mpsc::Receiver<Bytes>| async move { receiver.recv().await.map(|piece| (Ok(piece), receiver)) };
    let body = stream::unfold(receiver, next).boxed();
    let length = None;
    (sender, Chunk { start, length, body })
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_session_with_what_arrived() {
    let world = World::begin(Config::default()).await;
    let id = world.session(HELD).await;
    let (sender, chunk) = by_hand(None);
    let (registry, name) = (world.registry.clone(), id.clone());
    let request = tokio::spawn(async move { registry.append(&caller(), &repository(), &name, chunk).await });
    sender.send(Bytes::from_static(&WHOLE[HELD..HELD + 5])).await.unwrap();
    // There is room again as soon as it was taken.
    drop(sender.reserve().await.unwrap());
    // While it sends, others are told so, and the state is what is durable.
    let busy = world.append(&id, None, b"x").await;
    assert!(matches!(busy, Err(RegistryError::UploadBusy(_))), "{busy:?}");
    assert_eq!(world.state(&id).await.unwrap(), HELD as u64);
    // The disk pauses, so that the next request meets the work of the one that is gone.
    world.disk.pause_after(0);
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    world.disk.paused().await;
    let next = world.append(&id, None, &WHOLE[HELD + 5..]);
    let release = async {
        while world.registry.sessions.users(&id) < 2 {
            tokio::task::yield_now().await;
        }
        world.disk.release();
    };
    let (next, ()) = tokio::join!(next, release);
    assert_eq!(next.unwrap().offset, WHOLE.len() as u64);
    world.finish(&id, &whole(), None, b"").await.unwrap();
}

#[tokio::test]
async fn a_request_that_says_where_it_goes_on_takes_a_session_over() {
    let world = World::begin(Config::default()).await;
    for cancel in [false, true] {
        let id = world.session(HELD).await;
        let (sender, chunk) = by_hand(None);
        let (registry, name) = (world.registry.clone(), id.clone());
        let stalled = tokio::spawn(async move { registry.append(&caller(), &repository(), &name, chunk).await });
        while world.registry.sessions.users(&id) == 0 {
            tokio::task::yield_now().await;
        }
        match cancel {
            false => drop(world.append(&id, Some(HELD as u64), rest()).await.unwrap()),
            true => world.registry.cancel_upload(&caller(), &repository(), &id).await.unwrap(),
        }
        let cut = stalled.await.unwrap();
        assert!(matches!(cut, Err(RegistryError::BodyBroken(_))), "{cut:?}");
        drop(sender);
        assert_eq!(world.state(&id).await.ok(), (!cancel).then_some(WHOLE.len() as u64));
    }
}

#[tokio::test]
async fn a_registry_that_ended_begins_nothing() {
    let world = World::begin(Config::default()).await;
    let id = world.session(HELD).await;
    let (_sender, chunk) = by_hand(None);
    let (registry, name) = (world.registry.clone(), id.clone());
    let stalled = tokio::spawn(async move { registry.append(&caller(), &repository(), &name, chunk).await });
    while world.registry.sessions.users(&id) == 0 {
        tokio::task::yield_now().await;
    }
    world.registry.end().await;
    assert!(matches!(stalled.await.unwrap(), Err(RegistryError::BodyBroken(_))));
    let late = world.append(&id, None, rest()).await;
    assert!(
        matches!(late, Err(RegistryError::Metadata(MetadataError::Stopping))),
        "{late:?}"
    );
}
