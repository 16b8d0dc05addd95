//! Finding the parts of a `multipart/form-data` body without holding it: only the window in which a boundary is looked for is in
//! memory, and what is found is where each part begins and how long it is.

use std::io::{self, Read};

/// The most parts of one body.
const PARTS_MAX: usize = 16;
/// The most bytes of the headers of one part.
const HEADERS_BYTES_MAX: usize = 8 * 1024;
/// The longest boundary, by RFC 2046.
const BOUNDARY_BYTES_MAX: usize = 70;
/// The bytes that are read at once.
const CHUNK_BYTES: usize = 128 * 1024;

/// One part of a body.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The name of the form field.
    pub name: String,
    /// Where its content begins.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
}

/// Takes the boundary out of a `Content-Type`. One that is of another type has none; one that lacks it is at fault.
pub fn boundary(content_type: &str) -> Option<Result<String, String>> {
    let (media_type, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !media_type.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let found = parameter(parameters, "boundary").filter(|found| (1..=BOUNDARY_BYTES_MAX).contains(&found.len()));
    Some(found.ok_or_else(|| {
        "The Content-Type of the form has no usable boundary. Send it as form data, for example with curl -F.".to_owned()
    }))
}

/// Finds a parameter of a header, quoted or not.
fn parameter(text: &str, name: &str) -> Option<String> {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        let (key, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted_end(quoted)?;
                (quoted.get(..end)?.replace("\\\"", "\""), quoted.get(end + 1..)?)
            }
            None => {
                let end = after.find([';', ' ', '\t']).unwrap_or(after.len());
                (after.get(..end)?.to_owned(), after.get(end..)?)
            }
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = after;
    }
}

fn quoted_end(text: &str) -> Option<usize> {
    text.match_indices('"')
        .map(|(at, _)| at)
        .find(|at| !text.get(..*at).unwrap_or_default().ends_with('\\'))
}

/// Finds the parts of a body.
pub fn parts<R: Read>(body: R, boundary: &str) -> Result<Vec<Part>, String> {
    let mut window = Window {
        body,
        bytes: Vec::new(),
        start: 0,
        ended: false,
    };
    let cut = || "The form ends in the middle: a part has no boundary at its end. Send it again.".to_owned();
    window.find(format!("--{boundary}").as_bytes())?.ok_or_else(cut)?;
    let delimiter = format!("\r\n--{boundary}");
    let mut parts = Vec::new();
    while !window.closes()? {
        if parts.len() == PARTS_MAX {
            return Err(format!("The form has more than {PARTS_MAX} parts. Send one chart at a time."));
        }
        let name = window.headers()?;
        let offset = window.start;
        let end = window.find(delimiter.as_bytes())?.ok_or_else(cut)?;
        parts.push(Part {
            name: name.unwrap_or_default(),
            offset,
            length: end - offset,
        });
    }
    Ok(parts)
}

/// The bytes of a body that are being looked at.
struct Window<R> {
    body: R,
    bytes: Vec<u8>,
    start: u64,
    ended: bool,
}

impl<R: Read> Window<R> {
    /// Finds bytes, moves behind them and returns where they were.
    fn find(&mut self, needle: &[u8]) -> Result<Option<u64>, String> {
        loop {
            if let Some(at) = position(&self.bytes, needle) {
                let found = self.start + at as u64;
                self.skip(at + needle.len());
                return Ok(Some(found));
            }
            if self.ended {
                return Ok(None);
            }
            // What may be the beginning of the needle stays.
            let keep = needle.len().saturating_sub(1);
            self.skip(self.bytes.len().saturating_sub(keep));
            self.fill()?;
        }
    }

    /// Says whether the boundary that was just passed is the last.
    fn closes(&mut self) -> Result<bool, String> {
        while self.bytes.len() < 2 && !self.ended {
            self.fill()?;
        }
        Ok(self.bytes.starts_with(b"--"))
    }

    /// Passes the headers of a part and returns the name of its field.
    fn headers(&mut self) -> Result<Option<String>, String> {
        const END: &[u8] = b"\r\n\r\n";
        let end = loop {
            if let Some(at) = position(
                self.bytes.get(..HEADERS_BYTES_MAX.min(self.bytes.len())).unwrap_or_default(),
                END,
            ) {
                break at;
            }
            if self.ended || self.bytes.len() >= HEADERS_BYTES_MAX {
                return Err(format!(
                    "The headers of a part of the form do not end within {HEADERS_BYTES_MAX} bytes."
                ));
            }
            self.fill()?;
        };
        let text = String::from_utf8_lossy(self.bytes.get(..end).unwrap_or_default()).into_owned();
        self.skip(end + END.len());
        let disposition = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim()
                .eq_ignore_ascii_case("content-disposition")
                .then(|| value.trim().to_owned())
        });
        Ok(disposition.and_then(|value| {
            value
                .split_once(';')
                .and_then(|(_, parameters)| parameter(parameters, "name"))
        }))
    }

    fn skip(&mut self, count: usize) {
        self.start += count as u64;
        self.bytes.drain(..count);
    }

    fn fill(&mut self) -> Result<(), String> {
        let before = self.bytes.len();
        self.bytes.resize(before + CHUNK_BYTES, 0);
        let read = loop {
            match self.body.read(self.bytes.get_mut(before..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => break outcome.map_err(|error| format!("The form cannot be read: {error}."))?,
            }
        };
        self.bytes.truncate(before + read);
        self.ended = read == 0;
        Ok(())
    }
}

/// Where bytes first occur. Looking for the first byte alone is what makes it fast.
fn position(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let first = needle.first()?;
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|byte| byte == first)?;
        if bytes.get(at..)?.starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a few bytes at a time, so that every boundary is met in two halves once.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            let (now, later) = self.0.split_at(count);
            buffer[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    fn found(body: &str) -> Result<Vec<(String, String)>, String> {
        let outcomes: Vec<_> = [1, 2, 3, 7, 1 << 20]
            .iter()
            .map(|step| parts(Slow(body.as_bytes(), *step), "xyz"))
            .collect();
        assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "{outcomes:?}");
        let content = |part: &Part| {
            let start = usize::try_from(part.offset).unwrap();
            body[start..start + usize::try_from(part.length).unwrap()].to_owned()
        };
        let parts = outcomes.into_iter().next().unwrap()?;
        Ok(parts.iter().map(|part| (part.name.clone(), content(part))).collect())
    }

    fn pair(name: &str, content: &str) -> (String, String) {
        (name.to_owned(), content.to_owned())
    }

    #[test]
    fn parts_are_found() {
        let body = "preamble\r\n--xyz\r\nContent-Disposition: form-data; name=\"chart\"; filename=\"a;b.tgz\"\r\n\
                    Content-Type: application/gzip\r\n\r\nbytes\r\n--xy\r\n\r\n--xyz  \r\ncontent-disposition: form-data; filename=\"name=x\"; name=prov\r\n\r\n\
                    \r\n--xyz\r\n\r\nnameless\r\n--xyz--\r\nepilogue";
        assert_eq!(
            found(body).unwrap(),
            [pair("chart", "bytes\r\n--xy\r\n"), pair("prov", ""), pair("", "nameless")]
        );
        assert_eq!(found("--xyz--").unwrap(), []);
    }

    #[test]
    fn broken_forms_are_told() {
        let header = "--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\n";
        for (body, expected) in [
            (String::new(), "ends in the middle"),
            ("nothing here".to_owned(), "ends in the middle"),
            (format!("{header}content"), "ends in the middle"),
            ("--xyz\r\nContent-Disposition: form-data".to_owned(), "do not end"),
            (format!("--xyz\r\n{}", "a: b\r\n".repeat(10_000)), "do not end"),
            (
                format!("{}--xyz--", format!("{header}x\r\n").repeat(20)),
                "more than 16 parts",
            ),
        ] {
            let error = found(&body).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn boundaries_are_read() {
        for (content_type, expected) in [
            ("multipart/form-data; boundary=----abc", Some(Ok("----abc"))),
            ("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\"", Some(Ok("a b"))),
            ("multipart/form-data", Some(Err(()))),
            ("multipart/form-data; boundary=", Some(Err(()))),
            ("application/gzip", None),
            ("", None),
        ] {
            let found = boundary(content_type).map(|outcome| outcome.map_err(|_| ()));
            assert_eq!(found, expected.map(|outcome| outcome.map(str::to_owned)), "{content_type}");
        }
    }
}
