//! References to container images, as charts write them.

/// A container image.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// The repository and the tag, as the chart writes them.
    pub target: String,
    /// The digest, where the chart pins one.
    pub digest: Option<String>,
}

/// Reads an image from one text such as `registry.example/team/web:1.0`; what cannot be one has no result.
pub fn parse(text: &str) -> Option<Image> {
    let text = text.trim();
    let (target, digest) = match text.split_once('@') {
        Some((target, digest)) => (target, Some(digest.to_owned()).filter(|digest| is_digest(digest))),
        None => (text, None),
    };
    if text.contains('@') && digest.is_none() {
        return None;
    }
    let (repository, tag) = match target.rsplit_once(':') {
        // A colon before the last slash belongs to the port of the host.
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (target, None),
    };
    (is_repository(repository) && tag.is_none_or(is_tag)).then(|| Image {
        target: target.to_owned(),
        digest,
    })
}

/// Joins the parts that values give one by one; an empty part counts as left out.
pub fn join(registry: &str, repository: &str, tag: &str, digest: &str) -> Option<Image> {
    let mut text = String::new();
    if !registry.is_empty() {
        text.push_str(registry.trim_end_matches('/'));
        text.push('/');
    }
    text.push_str(repository);
    if !tag.is_empty() {
        text.push(':');
        text.push_str(tag);
    }
    if !digest.is_empty() && !text.contains('@') {
        text.push('@');
        text.push_str(digest);
    }
    parse(&text)
}

fn is_repository(text: &str) -> bool {
    let (host, path) = match text.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (Some(host), path),
        _ => (None, text),
    };
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let part_is_right =
        |part: &str| part.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric()) && part.bytes().all(allowed);
    let host_is_right = |host: &str| {
        host.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte))
    };
    text.len() <= 512
        && host.is_none_or(host_is_right)
        && path.split('/').all(part_is_right)
        && path.bytes().any(|byte| byte.is_ascii_lowercase())
}

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn is_digest(text: &str) -> bool {
    let Some((algorithm, encoded)) = text.split_once(':') else {
        return false;
    };
    matches!((algorithm, encoded.len()), ("sha256", 64) | ("sha512", 128)) && encoded.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_told_from_other_texts() {
        let hash = "a".repeat(64);
        for (text, expected) in [
            ("nginx", Some(("nginx", None))),
            ("nginx:1.27-alpine", Some(("nginx:1.27-alpine", None))),
            (
                "registry.example:5000/team/web",
                Some(("registry.example:5000/team/web", None)),
            ),
            (
                "registry.example:5000/team/web:v1",
                Some(("registry.example:5000/team/web:v1", None)),
            ),
            (
                &format!("quay.io/a/b:1@sha256:{hash}"),
                Some(("quay.io/a/b:1", Some(format!("sha256:{hash}")))),
            ),
            ("web@sha256:short", None),
            ("{{ .Values.image }}", None),
            ("Web Image", None),
            ("https://example.com/logo.png", None),
            ("", None),
            ("1.27", None),
            ("/logo.png", None),
            ("web:", None),
        ] {
            let found = parse(text).map(|image| (image.target, image.digest));
            assert_eq!(found, expected.map(|(target, digest)| (target.to_owned(), digest)), "{text}");
        }
    }

    #[test]
    fn parts_are_joined() {
        let target = |registry, repository, tag, digest| join(registry, repository, tag, digest).map(|image| image.target);
        assert_eq!(
            target("docker.io", "bitnami/redis", "7.2", ""),
            Some("docker.io/bitnami/redis:7.2".into())
        );
        assert_eq!(target("", "redis", "", ""), Some("redis".into()));
        assert_eq!(target("", "https://charts.example", "", ""), None);
    }
}
