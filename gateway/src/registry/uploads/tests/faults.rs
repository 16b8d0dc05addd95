//! What is refused, full, old, unreadable or half done.

use std::{io::ErrorKind, net::IpAddr, time::Duration};

use super::*;
use crate::{
    metadata::{Command, SaveUpload, UnfinishedUpload},
    oci::Hasher,
    storage::StorageError,
};

/// A row of a session as the gateway might find it.
fn row(id: &str, token: &str, bytes: &[u8]) -> SaveUpload {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(bytes);
    SaveUpload {
        id: id.into(),
        repository: repository(),
        offset: bytes.len() as u64,
        completing: None,
        algorithm: Algorithm::Sha256,
        hash_version: Hasher::STATE_VERSION,
        hash_state: hasher.state(),
        token: token.into(),
        peer: String::new(),
        now: now_seconds(),
    }
}

/// Writes the upload of a session to the storage, and returns its token.
async fn upload(world: &World, bytes: &'static [u8]) -> String {
    let storage = world.registry.storage();
    let token = storage.begin().await.unwrap();
    storage.write_part(&token, 0, vec![Bytes::from_static(bytes)]).await.unwrap();
    storage.sync(&token).await.unwrap();
    token
}

async fn save(world: &World, row: SaveUpload) {
    world.registry.metadata().apply(Command::SaveUpload(row)).await.unwrap();
}

/// Says how many bytes the uploads take.
fn size(world: &World) -> u64 {
    let data = world.folder.path().join("data");
    let path = |name: &String| {
        let paths = ["uploads", "incoming"].map(|folder| data.join(folder).join(name));
        paths.into_iter().find(|path| path.exists()).unwrap()
    };
    world.uploads().iter().map(|name| path(name).metadata().unwrap().len()).sum()
}

#[tokio::test]
async fn what_is_refused_leaves_the_session_as_it_was_and_takes_no_space() {
    let wrong = Digest::sha256(b"wrong");
    for digest in [&wrong, &Digest::of(Algorithm::Sha512, b"wrong")] {
        for held in [0, HELD] {
            let mut world = World::begin(Config::default()).await;
            let id = world.session(held).await;
            for _ in 0..2 {
                let refused = world.finish(&id, digest, None, &WHOLE[held..]).await;
                assert!(
                    matches!(&refused, Err(RegistryError::DigestMismatch { actual, .. }) if actual.algorithm() == digest.algorithm())
                );
                assert_eq!((size(&world), world.content().len()), (held as u64, 0));
                assert_eq!(world.state(&id).await.unwrap(), held as u64);
                world.restart().await;
            }
            world.finish(&id, &whole(), None, &WHOLE[held..]).await.unwrap();
            assert_eq!((world.uploads().len(), world.content()), (0, BTreeSet::from([whole()])));
        }
    }
}

#[tokio::test]
async fn what_is_too_large_takes_no_space() {
    let config = Config {
        blob_bytes_max: 20,
        ..Config::default()
    };
    let world = World::begin(config).await;
    let id = world.session(HELD).await;
    for refused in [
        world.append(&id, None, rest()).await.map(|_| ()),
        world.finish(&id, &whole(), None, rest()).await,
    ] {
        assert!(matches!(refused, Err(RegistryError::TooLarge { .. })));
        assert_eq!((world.state(&id).await.unwrap(), size(&world)), (HELD as u64, HELD as u64));
    }
}

#[tokio::test]
async fn a_disk_that_fails_at_any_step_costs_nothing_that_was_there() {
    for (operation, kind) in [
        ("write", ErrorKind::StorageFull),
        ("create", ErrorKind::StorageFull),
        ("create_folder", ErrorKind::StorageFull),
        ("sync", ErrorKind::Other),
        ("rename", ErrorKind::Other),
        ("sync_folder", ErrorKind::Other),
    ] {
        for held in [0, HELD] {
            let mut world = World::begin(Config::default()).await;
            let id = world.session(held).await;
            world.disk.fail(operation, kind);
            let appended = world.append(&id, None, &WHOLE[held..]).await;
            let finished = world.finish(&id, &whole(), None, &WHOLE[held..]).await;
            world.disk.release();
            let what = format!("{operation}, {held} bytes: {appended:?}, {finished:?}");
            assert!(appended.is_err() || finished.is_err(), "{what}");
            world.content();
            if let Ok(offset) = world.state(&id).await {
                assert!(size(&world) <= offset, "{what}");
                world.restart().await;
                let held = usize::try_from(world.state(&id).await.unwrap()).unwrap();
                world.finish(&id, &whole(), None, &WHOLE[held..]).await.unwrap();
            }
            assert!(world.holds(&whole()).await, "{what}");
            assert_eq!(
                (world.uploads().len(), world.content()),
                (0, BTreeSet::from([whole()])),
                "{what}"
            );
        }
    }
}

/// Lets the metadata refuse every link, or take them again.
fn links(world: &World, taken: bool) {
    let metadata = rusqlite::Connection::open(world.folder.path().join("metadata/metadata.sqlite")).unwrap();
    let sql = match taken {
        true => "DROP TRIGGER no_link",
        false => "CREATE TRIGGER no_link BEFORE INSERT ON links BEGIN SELECT RAISE(ABORT, 'no'); END",
    };
    metadata.execute_batch(sql).unwrap();
}

#[tokio::test]
async fn content_that_cannot_be_linked_is_given_back_or_belongs_to_its_session() {
    let world = World::begin(Config::default()).await;
    let (empty, open, idle) = (world.session(0).await, world.session(HELD).await, world.session(HELD).await);
    links(&world, false);
    let (caller, repository) = (caller(), repository());
    let mut small = chunk(None, WHOLE);
    small.length = Some(WHOLE.len() as u64);
    let failed = [
        world.registry.put_blob(&caller, &repository, &whole(), small).await,
        world
            .registry
            .put_blob(&caller, &repository, &whole(), chunk(None, WHOLE))
            .await,
        world.finish(&empty, &whole(), None, WHOLE).await,
    ];
    for failed in failed {
        assert!(matches!(failed, Err(RegistryError::Metadata(_))), "{failed:?}");
        assert_eq!(world.content(), BTreeSet::new());
    }
    // What a session holds stays with it, wherever it has come to lie.
    for id in [&open, &idle] {
        let failed = world.finish(id, &whole(), None, rest()).await;
        assert!(matches!(failed, Err(RegistryError::Metadata(_))), "{failed:?}");
    }
    let other = world.finish(&empty, &whole(), None, WHOLE).await;
    assert!(matches!(other, Err(RegistryError::Metadata(_))), "{other:?}");
    // Each has bytes of its own.
    assert_eq!(world.files(), 2);
    links(&world, true);
    // The one is given up, and the content is the other's still.
    let upload = world.registry.metadata().unfinished_upload(&idle).await.unwrap().unwrap();
    assert!(world.registry.expire(&upload, u64::MAX).await.unwrap());
    assert_eq!(world.files(), 1);
    world.finish(&open, &whole(), None, rest()).await.unwrap();
    assert!(world.holds(&whole()).await && world.uploads().is_empty());
}

#[tokio::test]
async fn the_last_request_can_be_repeated_after_a_restart() {
    for held in [0, HELD] {
        let mut world = World::begin(Config::default()).await;
        let id = world.session(held).await;
        world.finish(&id, &whole(), None, &WHOLE[held..]).await.unwrap();
        for restart in [false, true] {
            if restart {
                world.restart().await;
            }
            world.finish(&id, &whole(), None, &WHOLE[held..]).await.unwrap();
            let other = world.finish(&id, &Digest::sha256(b"other"), None, &WHOLE[held..]).await;
            // A session that never had a row may look new after a restart, and then refuses the bytes instead of the session.
            assert!(
                is_unknown(&other) || held == 0 && matches!(other, Err(RegistryError::DigestMismatch { .. })),
                "{other:?}"
            );
        }
        assert!(is_unknown(&world.state(&id).await));
        assert!(is_unknown(&world.append(&id, None, b"more").await));
        assert!(is_unknown(&world.registry.cancel_upload(&caller(), &repository(), &id).await));
        assert_eq!(world.content(), BTreeSet::from([whole()]));
        // What became of the session is no reason to hold the blob.
        world.registry.delete_blob(&caller(), &repository(), &whole()).await.unwrap();
        let gone = world.finish(&id, &whole(), None, b"").await;
        assert!(is_unknown(&gone), "{gone:?}");
    }
}

#[tokio::test]
async fn a_session_that_was_becoming_content_is_brought_to_its_end() {
    let mut world = World::begin(Config::default()).await;
    let becoming = |id: &str, token: &str| SaveUpload {
        completing: Some(whole()),
        ..row(id, token, &WHOLE[..HELD])
    };
    // Killed before the rename, with more in the file than the row speaks of.
    let token = upload(&world, WHOLE).await;
    save(&world, becoming("before", &token)).await;
    world.restart().await;
    assert_eq!(
        (world.state("before").await.unwrap(), size(&world)),
        (HELD as u64, HELD as u64)
    );
    assert!(!world.holds(&whole()).await);
    // Killed after it.
    let token = upload(&world, WHOLE).await;
    let completed = world.registry.storage().complete(&token, WHOLE.len() as u64, &whole()).await;
    completed.unwrap();
    save(&world, becoming("after", &token)).await;
    world.restart().await;
    assert!(world.holds(&whole()).await && is_unknown(&world.state("after").await));
    world.finish("after", &whole(), None, rest()).await.unwrap();
    world.finish("before", &whole(), None, rest()).await.unwrap();
    // The content never came: the session is over.
    let other = SaveUpload {
        completing: Some(Digest::sha256(b"other")),
        ..row("lost", &"1".repeat(32), b"other")
    };
    save(&world, other).await;
    world.restart().await;
    assert!(is_unknown(&world.finish("lost", &Digest::sha256(b"other"), None, b"").await));
    assert_eq!((world.uploads().len(), world.content()), (0, BTreeSet::from([whole()])));
}

#[tokio::test]
async fn bytes_that_no_session_speaks_of_go_at_the_start() {
    let mut world = World::begin(Config::default()).await;
    let id = world.session(HELD).await;
    let stray = upload(&world, b"stray").await;
    assert!(world.uploads().contains(&stray));
    world.restart().await;
    assert_eq!(size(&world), HELD as u64);
    assert_eq!(world.state(&id).await.unwrap(), HELD as u64);
}

#[tokio::test]
async fn a_hash_state_of_another_version_ends_its_session() {
    let world = World::begin(Config::default()).await;
    let token = upload(&world, &WHOLE[..HELD]).await;
    let newer = SaveUpload {
        hash_version: Hasher::STATE_VERSION + 1,
        ..row("newer", &token, &WHOLE[..HELD])
    };
    save(&world, newer).await;
    assert!(is_unknown(&world.append("newer", None, rest()).await));
    assert_eq!(world.uploads(), BTreeSet::new());
    assert_eq!(world.registry.metadata().upload("newer").await.unwrap(), None);
}

#[tokio::test]
async fn rows_that_cannot_be_continued_do_not_stop_the_others_from_expiring() {
    let world = World::begin(Config::default()).await;
    for number in 0..150 {
        let broken = SaveUpload {
            hash_state: vec![1, 2, 3],
            now: 10,
            ..row(&format!("broken {number}"), &format!("{number:032x}"), b"x")
        };
        save(&world, broken).await;
    }
    let token = upload(&world, &WHOLE[..HELD]).await;
    let idle = SaveUpload {
        now: 20,
        ..row("idle", &token, &WHOLE[..HELD])
    };
    save(&world, idle).await;
    let used = world.session(HELD).await;
    world.registry.expire_uploads().await.unwrap();
    assert_eq!(world.registry.metadata().unfinished_uploads(1_000).await.unwrap().count, 1);
    assert_eq!((world.state(&used).await.unwrap(), world.uploads().len()), (HELD as u64, 1));
}

#[tokio::test]
async fn a_session_that_is_used_before_its_time_is_over_stays() {
    let world = World::begin(Config::default()).await;
    let token = upload(&world, &WHOLE[..HELD]).await;
    let idle = SaveUpload {
        now: 20,
        ..row("idle", &token, &WHOLE[..HELD])
    };
    save(&world, idle).await;
    // It was listed as idle, and then its client came back.
    let before = now_seconds() - 100;
    let listed: Vec<UnfinishedUpload> = world.registry.metadata().idle_uploads(before, None, 10).await.unwrap();
    world.append("idle", None, b"").await.unwrap();
    assert!(!world.registry.expire(&listed[0], before).await.unwrap());
    assert_eq!(world.state("idle").await.unwrap(), HELD as u64);
}

#[tokio::test]
async fn what_ended_long_ago_is_forgotten() {
    let config = Config {
        upload_idle_max: Duration::from_secs(50),
        ..Config::default()
    };
    let world = World::begin(config).await;
    let id = world.session(HELD).await;
    world.finish(&id, &whole(), None, rest()).await.unwrap();
    world.registry.expire_uploads().await.unwrap();
    assert!(world.registry.metadata().upload(&id).await.unwrap().is_some());
    let forget = Command::ForgetEndedUploads {
        before: now_seconds() + 1,
        n: 10,
    };
    world.registry.metadata().apply(forget).await.unwrap();
    assert_eq!(world.registry.metadata().upload(&id).await.unwrap(), None);
}

#[tokio::test]
async fn sessions_without_bytes_take_nobody_the_place() {
    let config = Config {
        uploads_max: 2,
        ..Config::default()
    };
    let world = World::begin(config).await;
    let mut opened = Vec::new();
    for _ in 0..100 {
        opened.push(world.session(0).await);
    }
    for id in [&opened[0], &opened[3]] {
        world.append(id, None, b"x").await.unwrap();
    }
    // Both places are taken by sessions that were just used: the answer says when the older one may have to go.
    let refused = world.append(&opened[1], None, b"x").await;
    let Err(RegistryError::UploadsFull { retry_after_seconds }) = refused else {
        panic!("{refused:?}")
    };
    assert!((595..=601).contains(&retry_after_seconds), "{retry_after_seconds}");
    // A session can be opened all the same: it may need no place.
    world.session(0).await;
    // What is under way goes on, and what needs no place is done.
    world.append(&opened[0], None, b"y").await.unwrap();
    world.finish(&opened[1], &whole(), None, WHOLE).await.unwrap();
    // After a pause of ten minutes a session makes room.
    let second = world
        .registry
        .metadata()
        .unfinished_upload(&opened[3])
        .await
        .unwrap()
        .unwrap();
    let paused = SaveUpload {
        now: second.used - 700,
        ..row(&opened[3], &second.token, b"x")
    };
    save(&world, paused).await;
    world.append(&opened[2], None, b"x").await.unwrap();
    assert!(is_unknown(&world.state(&opened[3]).await));
    assert_eq!(world.state(&opened[0]).await.unwrap(), 2);
    assert_eq!(world.uploads().len(), 2);
}

#[tokio::test]
async fn nobody_holds_more_than_a_share_that_others_want() {
    let config = Config {
        uploads_max: 4,
        ..Config::default()
    };
    let world = World::begin(config).await;
    let begin = async |network: u8| {
        let caller = caller().at(Some(IpAddr::from([192, 0, 2, network]).into()));
        let id = world.session(0).await;
        let begun = world.registry.append(&caller, &repository(), &id, chunk(None, b"x")).await;
        begun.map(|_| id)
    };
    let mut greedy = Vec::new();
    for _ in 0..4 {
        greedy.push(begin(1).await.unwrap());
    }
    // Who has everything takes nothing more, and others take from it down to an equal share: the older sessions, unless somebody sends.
    let full = |begun: &Result<String, RegistryError>| matches!(begun, Err(RegistryError::UploadsFull { .. }));
    assert!(full(&begin(1).await));
    let busy = world.registry.sessions.try_hold(&greedy[0]).unwrap();
    let other = begin(2).await.unwrap();
    let third = begin(3).await.unwrap();
    drop(busy);
    let mut lost = 0;
    for id in &greedy {
        lost += usize::from(is_unknown(&world.state(id).await));
    }
    assert_eq!(lost, 2);
    for id in [&greedy[0], &other, &third] {
        assert_eq!(world.state(id).await.unwrap(), 1);
    }
    let fourth = begin(4).await.unwrap();
    // Now each has one, and nobody more than a share.
    for network in 1..=5 {
        assert!(full(&begin(network).await), "{network}");
    }
    for id in [&other, &third, &fourth] {
        assert_eq!(world.state(id).await.unwrap(), 1);
    }
    assert_eq!(world.uploads().len(), 4);
}

#[tokio::test]
async fn it_is_ready_where_it_can_write() {
    let world = World::begin(Config::default()).await;
    world.registry.expect_ready().await.unwrap();
    world.disk.fail("write", ErrorKind::StorageFull);
    // An answer holds for a second, so that asking does not wear the disk.
    world.registry.expect_ready().await.unwrap();
    let world = World::begin(Config::default()).await;
    world.disk.fail("write", ErrorKind::StorageFull);
    let refused = world.registry.expect_ready().await;
    assert!(
        matches!(refused, Err(RegistryError::NotReady("the storage cannot be written"))),
        "{refused:?}"
    );
    assert_eq!(world.uploads(), BTreeSet::new());
    let put = world.registry.storage().put(&whole(), vec![Bytes::from_static(WHOLE)]).await;
    assert!(matches!(put, Err(StorageError::Full { .. })), "{put:?}");
}
