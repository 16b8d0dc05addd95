//! What guests say to the operator: bounded, on one line each, marked with the plugin's name.

use std::sync::Arc;

/// The longest message in bytes.
const MESSAGE_BYTES_MAX: usize = 4_000;
/// The longest line of standard output that is gathered before it is cut.
const LINE_BYTES_MAX: usize = MESSAGE_BYTES_MAX;

/// The log of one call.
pub(super) struct GuestLog {
    plugin: Arc<str>,
    left: u32,
    dropped: u64,
    /// The last error that the guest logged: where it panics, this says why.
    pub(super) last_error: Option<String>,
    /// What was written to standard output and has no end of line yet.
    unfinished: Vec<u8>,
}

impl GuestLog {
    pub(super) fn new(plugin: Arc<str>, lines_max: u32) -> Self {
        Self {
            plugin,
            left: lines_max,
            dropped: 0,
            last_error: None,
            unfinished: Vec::new(),
        }
    }

    /// Writes one message.
    pub(super) fn write(&mut self, level: &str, message: &str) {
        let room = self.left.checked_sub(1);
        if room.is_none() && level != "error" {
            self.dropped += 1;
            return;
        }
        let message = cleaned(message);
        if level == "error" {
            self.last_error = Some(message.clone());
        }
        match room {
            Some(left) => self.left = left,
            None => {
                self.dropped += 1;
                return;
            }
        }
        let plugin = &*self.plugin;
        match level {
            "error" => tracing::error!(target: "plugin", plugin, "{message}"),
            "warn" => tracing::warn!(target: "plugin", plugin, "{message}"),
            "debug" => tracing::debug!(target: "plugin", plugin, "{message}"),
            _ => tracing::info!(target: "plugin", plugin, "{message}"),
        }
    }

    /// Takes in a fragment of standard output or standard error, and writes the lines that it completes.
    pub(super) fn print(&mut self, fragment: &[u8]) {
        for piece in fragment.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_BYTES_MAX.saturating_sub(self.unfinished.len());
            self.unfinished.extend(piece.iter().take(room));
            if piece.ends_with(b"\n") {
                self.flush();
            }
        }
    }

    /// Writes what has no end of line.
    fn flush(&mut self) {
        let line = std::mem::take(&mut self.unfinished);
        let line = String::from_utf8_lossy(&line);
        if !line.trim().is_empty() {
            // A guest that panics says so on standard error, which arrives here like anything else that is printed.
            self.last_error = Some(cleaned(&line));
            self.write("info", line.trim_end());
        }
    }

    /// Ends the log: nothing that was said disappears without a trace.
    pub(super) fn finish(&mut self) {
        self.flush();
        if self.dropped > 0 {
            let (plugin, dropped) = (&*self.plugin, self.dropped);
            tracing::warn!(target: "plugin", plugin, dropped, "the plugin logged more lines than it may; the rest was dropped");
            self.dropped = 0;
        }
    }
}

/// Cuts a message and takes out what could forge lines or colours of a log.
fn cleaned(message: &str) -> String {
    let mut end = message.len().min(MESSAGE_BYTES_MAX);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message
        .get(..end)
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_and_cleaned() {
        assert_eq!(cleaned("a\nb\u{1b}[31m"), "a b [31m");
        assert_eq!(cleaned(&"ä".repeat(3_000)).len(), 4_000);
    }

    #[test]
    fn lines_are_counted_when_they_are_whole() {
        let mut log = GuestLog::new("x".into(), 2);
        for fragment in ["one", " line\ntwo", "\nthr", "ee\n", "four"] {
            log.print(fragment.as_bytes());
        }
        assert_eq!((log.left, log.dropped), (0, 1));
        log.flush();
        assert_eq!((log.dropped, log.last_error.as_deref()), (2, Some("four")));
        log.finish();
        assert_eq!(log.dropped, 0);
    }
}
