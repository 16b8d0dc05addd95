//! Bodies of services.

use super::*;
use crate::registry::{Blob, Change, Publication, Staged};

#[tokio::test]
async fn a_spooled_body_is_gone_with_its_last_handle() {
    let world = World::begin(Config::default()).await;
    let body = world.registry.spool(chunk(None, WHOLE).body, 1_000).await.unwrap();
    assert_eq!((&body.digest, body.size), (&whole(), WHOLE.len() as u64));
    assert_eq!((world.uploads().len(), world.content().len()), (1, 0));
    let other = body.clone();
    drop(body);
    assert_eq!(other.read_at(5..9).await.unwrap(), WHOLE[5..9]);
    // A thread of a guest belongs to no runtime.
    std::thread::spawn(|| drop(other)).join().unwrap();
    world.registry.settle().await;
    assert_eq!(world.uploads(), BTreeSet::new());
    let refused = world.registry.spool(chunk(None, WHOLE).body, 10).await;
    assert!(matches!(refused.err(), Some(RegistryError::TooLarge { .. })));
    world.registry.settle().await;
    assert_eq!(world.uploads(), BTreeSet::new());
}

/// A manifest that names the whole as its layer, of a size that may be wrong.
fn manifest(size: usize) -> (String, Bytes) {
    let layer = format!(
        r#"{{"mediaType":"application/octet-stream","digest":"{}","size":{size}}}"#,
        whole()
    );
    let config = format!(
        r#"{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{}","size":2,"data":"e30="}}"#,
        Digest::sha256(b"{}")
    );
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let text = format!(r#"{{"schemaVersion":2,"mediaType":"{kind}","config":{config},"layers":[{layer}]}}"#);
    (kind.to_owned(), Bytes::from(text))
}

/// Publishes a body as a whole, a part of it, and bytes of a plugin.
pub(super) async fn publish(registry: &Registry, body: &Blob, size: usize) -> Result<(), RegistryError> {
    let part = |offset: usize, length: usize| {
        let digest = Digest::sha256(&WHOLE[offset..offset + length]);
        let (source, offset, length) = (body.clone(), offset as u64, length as u64);
        (digest, Staged::Part { source, offset, length })
    };
    let (media_type, manifest) = manifest(size);
    let publication = Publication {
        repository: repository(),
        tags: Vec::new(),
        media_type,
        manifest,
        blobs: vec![
            (Digest::sha256(b"{}"), Staged::Bytes(Bytes::from_static(b"{}"))),
            part(3, 9),
            part(0, WHOLE.len()),
        ],
        expect: Vec::new(),
    };
    let owns = |_: &[&str]| Ok(());
    let done = registry.carry_out(&caller(), owns, vec![Change::Publish(publication)]).await;
    done.map(|_| ())
}

#[tokio::test]
async fn a_body_that_is_published_becomes_content_and_goes_where_the_publication_is_refused() {
    let world = World::begin(Config::default()).await;
    for size in [WHOLE.len() + 1, WHOLE.len()] {
        let body = world.registry.spool(chunk(None, WHOLE).body, 1_000).await.unwrap();
        let done = publish(&world.registry, &body, size).await;
        assert_eq!(done.is_ok(), size == WHOLE.len(), "{done:?}");
        // Whoever words the refusal may still read the body.
        assert_eq!(body.read_at(0..4).await.unwrap(), WHOLE[..4]);
        drop(body);
        world.registry.settle().await;
        assert_eq!(world.uploads(), BTreeSet::new());
        assert_eq!(world.content().len(), if size == WHOLE.len() { 3 } else { 0 });
    }
}
