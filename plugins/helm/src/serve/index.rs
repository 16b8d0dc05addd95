//! The texts that list charts. They are put together from the fragments that indexing prepared, and only the URLs are added.

use super::download;
use super::instant;
use super::listing::Release;

/// How much text is gathered before it is handed to the gateway.
const PIECE_BYTES: usize = 256 * 1024;
/// The time of an index in which no chart says when it was made.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// Text on its way to the gateway, piece by piece.
pub struct Writer<W: FnMut(&[u8])> {
    sink: W,
    piece: String,
}

impl<W: FnMut(&[u8])> Writer<W> {
    /// Returns a writer that hands its pieces to `sink`.
    pub fn new(sink: W) -> Self {
        Writer {
            sink,
            piece: String::with_capacity(PIECE_BYTES + PIECE_BYTES / 4),
        }
    }

    fn push(&mut self, text: &str) {
        self.piece.push_str(text);
        if self.piece.len() >= PIECE_BYTES {
            (self.sink)(self.piece.as_bytes());
            self.piece.clear();
        }
    }

    fn string(&mut self, text: &str) {
        self.push(&serde_json::Value::from(text).to_string());
    }

    /// Hands over the rest.
    pub fn finish(mut self) {
        if !self.piece.is_empty() {
            (self.sink)(self.piece.as_bytes());
        }
    }

    /// Writes the index of a chart repository.
    ///
    /// It is JSON, which clients read many times faster than YAML, and it has only keys that all of them know. It says nothing of now:
    /// the same charts always give the same bytes. The context path tells upload clients where the API begins.
    pub fn index(&mut self, releases: &[Release], prefix: &str, context_path: &str) {
        self.push("{\"apiVersion\":\"v1\",\"serverInfo\":{\"contextPath\":");
        self.string(context_path);
        self.push("},\"generated\":");
        self.string(newest(releases));
        self.push(",\"entries\":");
        self.charts(releases, prefix);
        self.push("}\n");
    }

    /// Writes the versions by the name of their chart. They have to be sorted by name.
    pub fn charts(&mut self, releases: &[Release], prefix: &str) {
        self.push("{");
        for (at, versions) in releases.chunk_by(|left, right| left.name == right.name).enumerate() {
            if at > 0 {
                self.push(",");
            }
            self.string(versions.first().map(|release| release.name.as_str()).unwrap_or_default());
            self.push(":");
            self.versions(versions, prefix);
        }
        self.push("}");
    }

    /// Writes versions of a chart.
    pub fn versions(&mut self, releases: &[Release], prefix: &str) {
        self.push("[");
        for (at, release) in releases.iter().enumerate() {
            if at > 0 {
                self.push(",");
            }
            self.version(release, prefix);
        }
        self.push("]");
    }

    /// Writes one version.
    pub fn version(&mut self, release: &Release, prefix: &str) {
        self.push(&release.fragment);
        self.push(",\"urls\":[");
        self.string(&download::url(prefix, release));
        self.push("]}");
    }
}

/// The time at which the newest chart was made.
fn newest(releases: &[Release]) -> &str {
    let times = releases.iter().filter_map(|release| release.created.as_deref());
    let newest = times
        .filter_map(|time| instant::parse(time).map(|seconds| (seconds, time)))
        .max();
    newest.map_or(NO_TIME, |(_, time)| time)
}

/// Takes one page of the charts out of a listing: `limit` of them after the first `offset`.
pub fn page(releases: &[Release], offset: usize, limit: Option<usize>) -> &[Release] {
    let starts: Vec<usize> = releases
        .chunk_by(|left, right| left.name == right.name)
        .scan(0, |at, versions| {
            let start = *at;
            *at += versions.len();
            Some(start)
        })
        .collect();
    let at = |chart: usize| starts.get(chart).copied().unwrap_or(releases.len());
    let end = limit.map_or(releases.len(), |limit| at(offset.saturating_add(limit)));
    releases.get(at(offset)..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn release(repository: &str, name: &str, version: &str, created: &str) -> Release {
        Release {
            repository: repository.into(),
            tag: version.into(),
            digest: "sha256:1".into(),
            name: name.into(),
            version: version.into(),
            created: (!created.is_empty()).then(|| created.into()),
            fragment: json!({ "name": name, "version": version })
                .to_string()
                .trim_end_matches('}')
                .to_owned(),
        }
    }

    fn written(write: impl FnOnce(&mut Writer<&mut dyn FnMut(&[u8])>)) -> String {
        let mut bytes = Vec::new();
        let mut sink = |piece: &[u8]| bytes.extend_from_slice(piece);
        let mut writer = Writer::new(&mut sink as &mut dyn FnMut(&[u8]));
        write(&mut writer);
        writer.finish();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_index_is_json_with_known_keys() {
        let releases = [
            release("team/api", "api", "1.0.0", "2024-01-01T00:00:00+05:00"),
            release("team/web", "web", "1.1.0", "2024-01-01T00:00:00Z"),
            release("other/web", "web", "1.1.0", ""),
        ];
        let index: Value = serde_json::from_str(&written(|writer| writer.index(&releases, "", "/helm"))).unwrap();
        let expected = json!({
            "apiVersion": "v1",
            "serverInfo": { "contextPath": "/helm" },
            "generated": "2024-01-01T00:00:00Z",
            "entries": {
                "api": [{ "name": "api", "version": "1.0.0", "urls": ["charts/team/api/api-1.0.0.tgz"] }],
                "web": [
                    { "name": "web", "version": "1.1.0", "urls": ["charts/team/web/web-1.1.0.tgz"] },
                    { "name": "web", "version": "1.1.0", "urls": ["charts/other/web/web-1.1.0.tgz"] },
                ],
            },
        });
        assert_eq!(index, expected);
    }

    #[test]
    fn an_empty_index_is_one_too() {
        let text = written(|writer| writer.index(&[], "team", "/helm"));
        let expected = "{\"apiVersion\":\"v1\",\"serverInfo\":{\"contextPath\":\"/helm\"},\"generated\":\"0001-01-01T00:00:00Z\",\"entries\":{}}\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn pages_hold_whole_charts() {
        let releases = [
            release("a", "a", "2.0.0", ""),
            release("a", "a", "1.0.0", ""),
            release("b", "b", "1.0.0", ""),
            release("c", "c", "1.0.0", ""),
        ];
        let names = |offset, limit| {
            page(&releases, offset, limit)
                .iter()
                .map(|release| release.name.as_str())
                .collect::<String>()
        };
        assert_eq!(
            (names(0, None), names(0, Some(1)), names(1, Some(2))),
            ("aabc".into(), "aa".into(), "bc".into())
        );
        assert_eq!(
            (names(2, Some(9)), names(3, None), names(9, Some(1))),
            ("c".into(), String::new(), String::new())
        );
        assert_eq!(names(1, Some(0)), "");
    }
}
