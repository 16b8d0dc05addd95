//! What every driver has to do, as plain functions over the trait.

use bytes::Bytes;
use futures_util::TryStreamExt;

use super::{PIECE_BYTES_MAX, Storage, StorageError};
use crate::oci::{Algorithm, Digest, Location};

/// Checks everything.
pub(super) async fn check(storage: &dyn Storage) {
    storage.probe().await.unwrap();
    parts_become_content(storage).await;
    parts_can_be_written_again(storage).await;
    a_part_begins_where_the_upload_ends(storage).await;
    a_tail_is_written_again(storage).await;
    an_upload_is_continued_from_what_was_acknowledged(storage).await;
    only_the_first_bytes_are_completed(storage).await;
    what_is_missing_cannot_be_completed(storage).await;
    an_empty_upload_becomes_empty_content(storage).await;
    an_aborted_upload_is_gone(storage).await;
    content_is_put_at_one_go(storage).await;
    no_location_is_used_twice(storage).await;
    ranges_are_read(storage).await;
    big_content_comes_in_pieces(storage).await;
    absent_content_is_absent(storage).await;
    deleted_content_is_gone(storage).await;
    content_that_is_read_stays(storage).await;
    everything_is_listed(storage).await;
    uploads_do_not_mix(storage).await;
    what_was_written_can_be_read_before_it_is_content(storage).await;
    a_consumed_token_is_good_for_nothing(storage).await;
}

/// Returns bytes that are another content for each seed.
fn bytes(seed: u8, length: usize) -> Bytes {
    (0..length)
        .map(|at| (at as u8).wrapping_mul(31).wrapping_add((at >> 8) as u8).wrapping_add(seed))
        .collect::<Vec<u8>>()
        .into()
}

/// Returns a part on which others may follow.
fn part(storage: &dyn Storage, seed: u8) -> Bytes {
    bytes(seed, storage.part_bytes_min().max(1_000))
}

/// Returns a part on which no other may follow, or a whole one where the driver knows no such difference.
fn short(storage: &dyn Storage, seed: u8) -> Bytes {
    bytes(seed, storage.part_bytes_min().saturating_sub(1).max(1))
}

fn len(bytes: &Bytes) -> u64 {
    bytes.len() as u64
}

async fn begin(storage: &dyn Storage, parts: &[&Bytes]) -> (String, u64) {
    let (upload, mut offset) = (storage.begin().await.unwrap(), 0);
    for part in parts {
        storage.write_part(&upload, offset, vec![(*part).clone()]).await.unwrap();
        offset += len(part);
    }
    (upload, offset)
}

#[track_caller]
fn joined(parts: &[&Bytes]) -> Bytes {
    parts.iter().flat_map(|part| part.iter().copied()).collect()
}

/// Completes an upload, and compares what became of it.
async fn complete(storage: &dyn Storage, upload: &str, content: &Bytes) -> Location {
    let digest = Digest::sha256(content);
    let location = storage.complete(upload, len(content), &digest).await.unwrap();
    assert_content(storage, &location, content).await;
    let again = storage.complete(upload, len(content), &digest).await;
    assert!(
        matches!(again, Err(StorageError::UploadAbsent(_))),
        "an upload is gone once it is content: {again:?}"
    );
    let completed = storage.completed(upload, &digest).await.unwrap();
    assert_eq!(completed, Some((location.clone(), len(content))));
    location
}

async fn assert_content(storage: &dyn Storage, location: &Location, content: &Bytes) {
    assert_eq!(storage.size(location).await.unwrap(), Some(len(content)));
    let pieces: Vec<Bytes> = storage
        .read(location, 0..len(content))
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert!(pieces.iter().all(|piece| (1..=PIECE_BYTES_MAX).contains(&piece.len())));
    assert!(pieces.concat() == *content, "the content at {location} is another");
}

async fn parts_become_content(storage: &dyn Storage) {
    let (first, second, last) = (part(storage, 1), part(storage, 2), short(storage, 3));
    let (upload, end) = begin(storage, &[&first, &second]).await;
    storage.sync(&upload).await.unwrap();
    // A part may come in pieces, and they may be empty.
    storage
        .write_part(
            &upload,
            end,
            vec![Bytes::new(), last.slice(..1), Bytes::new(), last.slice(1..)],
        )
        .await
        .unwrap();
    storage.sync(&upload).await.unwrap();
    let content = joined(&[&first, &second, &last]);
    let digest = Digest::sha256(&content);
    assert_eq!(
        storage.completed(&upload, &digest).await.unwrap(),
        None,
        "an upload is not content yet"
    );
    complete(storage, &upload, &content).await;
}

async fn parts_can_be_written_again(storage: &dyn Storage) {
    let (first, wrong, right) = (part(storage, 4), part(storage, 5), part(storage, 6));
    let (upload, _) = begin(storage, &[&first, &wrong, &wrong]).await;
    storage.write_part(&upload, len(&first), vec![right.clone()]).await.unwrap();
    complete(storage, &upload, &joined(&[&first, &right])).await;
    let (upload, _) = begin(storage, &[&wrong, &wrong]).await;
    storage.write_part(&upload, 0, vec![right.clone()]).await.unwrap();
    complete(storage, &upload, &right).await;
    if storage.part_bytes_min() == 0 {
        let (upload, _) = begin(storage, &[&first, &wrong]).await;
        storage.write_part(&upload, 500, vec![right.clone()]).await.unwrap();
        complete(storage, &upload, &joined(&[&first.slice(..500), &right])).await;
    }
}

async fn a_part_begins_where_the_upload_ends(storage: &dyn Storage) {
    let first = part(storage, 7);
    let (upload, end) = begin(storage, &[&first]).await;
    let gap = storage.write_part(&upload, end + 1, vec![first.clone()]).await;
    assert!(
        matches!(gap, Err(StorageError::Offset { offset, expected }) if offset == end + 1 && expected == end),
        "{gap:?}"
    );
    storage.write_part(&upload, end, vec![first.clone()]).await.unwrap();
    complete(storage, &upload, &joined(&[&first, &first])).await;
}

/// A driver with a least size takes nothing after a short part: it wants the short part again, with what follows on it.
async fn a_tail_is_written_again(storage: &dyn Storage) {
    let (first, tail, more) = (part(storage, 8), short(storage, 9), part(storage, 10));
    let (upload, end) = begin(storage, &[&first, &tail]).await;
    if tail.len() < storage.part_bytes_min() {
        let after = storage.write_part(&upload, end, vec![more.clone()]).await;
        assert!(
            matches!(after, Err(StorageError::Offset { offset, expected }) if offset == end && expected == len(&first)),
            "{after:?}"
        );
    }
    storage
        .write_part(&upload, len(&first), vec![tail.clone(), more.clone()])
        .await
        .unwrap();
    complete(storage, &upload, &joined(&[&first, &tail, &more])).await;
}

/// The caller knows how many bytes were acknowledged; more may be there.
async fn an_upload_is_continued_from_what_was_acknowledged(storage: &dyn Storage) {
    let (first, second, last) = (part(storage, 11), part(storage, 12), short(storage, 13));
    for (written, size) in [
        (vec![&first, &second, &last], len(&first)),
        (vec![&first, &second], len(&first) + 1),
        (vec![&first, &second, &last], len(&first) + len(&second)),
        (vec![&first, &last], len(&first) + len(&last)),
        (vec![&first, &last], 0),
        (vec![&last], 1),
    ] {
        let content = joined(&written).slice(..usize::try_from(size).unwrap());
        for more in [&Bytes::new(), &second] {
            let (upload, _) = begin(storage, &written).await;
            storage.sync(&upload).await.unwrap();
            let (start, tail) = storage.tail(&upload, size).await.unwrap();
            assert_eq!(start + len(&tail), size);
            assert!(content.ends_with(&tail));
            if !more.is_empty() {
                storage.write_part(&upload, start, vec![tail, more.clone()]).await.unwrap();
            }
            complete(storage, &upload, &joined(&[&content, more])).await;
        }
    }
    let (upload, end) = begin(storage, &[&first]).await;
    let too_many = storage.tail(&upload, end + 1).await;
    assert!(matches!(too_many, Err(StorageError::Failed { .. })), "{too_many:?}");
}

async fn only_the_first_bytes_are_completed(storage: &dyn Storage) {
    let first = part(storage, 14);
    let (upload, end) = begin(storage, &[&first]).await;
    complete(storage, &upload, &first.slice(..usize::try_from(end - 1).unwrap())).await;
}

async fn what_is_missing_cannot_be_completed(storage: &dyn Storage) {
    let first = part(storage, 15);
    let (upload, end) = begin(storage, &[&first]).await;
    let digest = Digest::sha256(b"more than there is");
    let more = storage.complete(&upload, end + 1, &digest).await;
    assert!(matches!(more, Err(StorageError::Failed { .. })), "{more:?}");
    assert_eq!(storage.completed(&upload, &digest).await.unwrap(), None);
    complete(storage, &upload, &first).await;
}

async fn an_empty_upload_becomes_empty_content(storage: &dyn Storage) {
    let (upload, _) = begin(storage, &[&Bytes::new()]).await;
    let _ = complete(storage, &upload, &Bytes::new()).await;
    let location = storage.put(&Digest::sha256(b""), vec![]).await.unwrap();
    assert_content(storage, &location, &Bytes::new()).await;
    assert_eq!(storage.read_at(&location, 0..10).await.unwrap(), "");
}

async fn an_aborted_upload_is_gone(storage: &dyn Storage) {
    let first = part(storage, 16);
    for synced in [false, true] {
        let (upload, end) = begin(storage, &[&first]).await;
        if synced {
            storage.sync(&upload).await.unwrap();
        }
        storage.abort(&upload).await.unwrap();
        storage.abort(&upload).await.unwrap();
        let absent = |result: Result<(), StorageError>| matches!(result, Err(StorageError::UploadAbsent(name)) if name == upload);
        assert!(absent(storage.write_part(&upload, end, vec![first.clone()]).await));
        assert!(absent(storage.sync(&upload).await));
        assert!(absent(storage.tail(&upload, 0).await.map(|_| ())));
        assert!(absent(
            storage.complete(&upload, end, &Digest::sha256(&first)).await.map(|_| ())
        ));
    }
}

async fn content_is_put_at_one_go(storage: &dyn Storage) {
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let content = bytes(17, 3_000);
        let digest = Digest::of(algorithm, &content);
        let pieces = vec![content.slice(..1), Bytes::new(), content.slice(1..)];
        let location = storage.put(&digest, pieces).await.unwrap();
        assert_content(storage, &location, &content).await;
    }
}

/// Content that comes again lies elsewhere, so that each can be removed without the others.
async fn no_location_is_used_twice(storage: &dyn Storage) {
    let content = part(storage, 18);
    let digest = Digest::sha256(&content);
    let mut locations = Vec::new();
    for _ in 0..2 {
        locations.push(storage.put(&digest, vec![content.clone()]).await.unwrap());
        let (upload, _) = begin(storage, &[&content]).await;
        storage.sync(&upload).await.unwrap();
        locations.push(complete(storage, &upload, &content).await);
    }
    while let Some(location) = locations.pop() {
        assert!(!locations.contains(&location));
        assert!(storage.delete(&location).await.unwrap());
        for other in &locations {
            assert_content(storage, other, &content).await;
        }
    }
}

async fn ranges_are_read(storage: &dyn Storage) {
    let content = bytes(19, 2_000);
    let digest = Digest::sha256(&content);
    let pieces = vec![content.slice(..700), content.slice(700..)];
    let location = storage.put(&digest, pieces).await.unwrap();
    for (start, end) in [
        (0, 2_000),
        (0, 1),
        (1_999, 2_000),
        (699, 701),
        (700, 1_400),
        (5, 5),
        (2_000, 2_000),
    ] {
        let expected = &content[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
        let pieces: Vec<Bytes> = storage
            .read(&location, start..end)
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        assert_eq!(pieces.concat(), expected, "{start}..{end}");
        assert_eq!(
            storage.read_at(&location, start..end).await.unwrap(),
            expected,
            "{start}..{end}"
        );
    }
    // At once, a range ends with the content; a stream that would end early fails, since its length was promised.
    assert_eq!(storage.read_at(&location, 1_990..3_000).await.unwrap(), content[1_990..]);
    assert_eq!(storage.read_at(&location, 5_000..6_000).await.unwrap(), "");
    let pieces: Result<Vec<Bytes>, _> = storage.read(&location, 1_990..2_001).await.unwrap().try_collect().await;
    assert!(matches!(pieces, Err(StorageError::Failed { .. })));
}

async fn big_content_comes_in_pieces(storage: &dyn Storage) {
    let content = bytes(20, 5 * PIECE_BYTES_MAX + 17);
    let digest = Digest::sha256(&content);
    let location = storage.put(&digest, vec![content.clone()]).await.unwrap();
    assert_content(storage, &location, &content).await;
    // Several readers at once do not disturb each other.
    let read = || async {
        storage
            .read(&location, 0..len(&content))
            .await
            .unwrap()
            .try_collect::<Vec<Bytes>>()
            .await
            .unwrap()
            .concat()
    };
    let (first, second) = tokio::join!(read(), read());
    assert!(first == content && second == content);
}

/// What lies nowhere: content that was removed, and what no driver has ever made.
async fn absent_content_is_absent(storage: &dyn Storage) {
    let removed = storage
        .put(&Digest::sha256(b"x"), vec![Bytes::from_static(b"x")])
        .await
        .unwrap();
    assert!(storage.delete(&removed).await.unwrap());
    let odd = ["", "..", "../incoming", "/etc/passwd", "sha256/../x", "x\0"].map(|odd| Location::from(odd.to_owned()));
    for location in odd.iter().chain([&removed]) {
        let absent = |error: &StorageError| matches!(error, StorageError::Absent(absent) if absent == location);
        assert!(
            storage
                .size(location)
                .await
                .map_or_else(|error| absent(&error), |size| size.is_none())
        );
        let read = async { storage.read(location, 0..1).await?.try_collect::<Vec<Bytes>>().await };
        assert!(read.await.is_err_and(|error| absent(&error)), "{location}");
        assert!(
            storage.read_at(location, 0..1).await.is_err_and(|error| absent(&error)),
            "{location}"
        );
    }
}

async fn deleted_content_is_gone(storage: &dyn Storage) {
    let content = bytes(21, 1_000);
    let digest = Digest::sha256(&content);
    let location = storage.put(&digest, vec![content.clone()]).await.unwrap();
    for _ in 0..2 {
        assert!(storage.delete(&location).await.unwrap());
        assert_eq!(storage.size(&location).await.unwrap(), None);
    }
    let again = storage.put(&digest, vec![content.clone()]).await.unwrap();
    assert_content(storage, &again, &content).await;
    assert_eq!(storage.size(&location).await.unwrap(), None);
}

async fn everything_is_listed(storage: &dyn Storage) {
    let content = bytes(30, 1_234);
    let digest = Digest::sha256(&content);
    let location = storage.put(&digest, vec![content.clone()]).await.unwrap();
    let find = || async {
        let listed: Vec<_> = storage.list().try_collect().await.unwrap();
        listed.into_iter().find(|listed| listed.location == location)
    };
    let listed = find().await.unwrap();
    assert_eq!((&listed.digest, listed.size), (&digest, len(&content)));
    assert!(storage.delete(&location).await.unwrap());
    assert_eq!(find().await, None);
}

/// Who has begun to read content reads it to its end.
async fn content_that_is_read_stays(storage: &dyn Storage) {
    let content = bytes(29, 2 * PIECE_BYTES_MAX);
    let location = storage.put(&Digest::sha256(&content), vec![content.clone()]).await.unwrap();
    let stream = storage.read(&location, 0..len(&content)).await.unwrap();
    let gone = storage.delete(&location).await.unwrap();
    let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
    assert!(pieces.concat() == content);
    assert!(gone || storage.delete(&location).await.unwrap());
    assert_eq!(storage.size(&location).await.unwrap(), None);
}

async fn uploads_do_not_mix(storage: &dyn Storage) {
    let (first, second) = (part(storage, 22), part(storage, 23));
    let ((one, end), (two, _)) = (begin(storage, &[&first]).await, begin(storage, &[&second]).await);
    assert_ne!(one, two);
    storage.write_part(&two, end, vec![second.clone()]).await.unwrap();
    storage.write_part(&one, end, vec![first.clone()]).await.unwrap();
    complete(storage, &one, &joined(&[&first, &first])).await;
    complete(storage, &two, &joined(&[&second, &second])).await;
}

async fn what_was_written_can_be_read_before_it_is_content(storage: &dyn Storage) {
    let (first, last) = (part(storage, 24), short(storage, 25));
    let (upload, end) = begin(storage, &[&first, &last]).await;
    let content = joined(&[&first, &last]);
    assert!(storage.read_upload_at(&upload, 0..end).await.unwrap() == content);
    assert_eq!(storage.read_upload_at(&upload, 7..9).await.unwrap(), content[7..9]);
    assert_eq!(storage.read_upload_at(&upload, end - 1..end + 9).await.unwrap().len(), 1);
    storage.sync(&upload).await.unwrap();
    assert!(storage.uploads().await.unwrap().contains(&upload));
    complete(storage, &upload, &content).await;
    let read = storage.read_upload_at(&upload, 0..1).await;
    assert!(matches!(read, Err(StorageError::UploadAbsent(_))), "{read:?}");
    assert!(!storage.uploads().await.unwrap().contains(&upload));
}

/// Whatever comes late with the token of an upload that has become content does not touch the content, and begins nothing new.
async fn a_consumed_token_is_good_for_nothing(storage: &dyn Storage) {
    let (content, late) = (part(storage, 26), part(storage, 27));
    for synced in [false, true] {
        let (upload, end) = begin(storage, &[&content]).await;
        if synced {
            storage.sync(&upload).await.unwrap();
        }
        let location = complete(storage, &upload, &content).await;
        let absent = |result: Result<(), StorageError>| matches!(result, Err(StorageError::UploadAbsent(name)) if name == upload);
        for offset in [0, end] {
            assert!(absent(storage.write_part(&upload, offset, vec![late.clone()]).await));
        }
        assert!(absent(storage.sync(&upload).await));
        assert!(absent(storage.tail(&upload, 0).await.map(|_| ())));
        storage.abort(&upload).await.unwrap();
        assert_content(storage, &location, &content).await;
    }
}
