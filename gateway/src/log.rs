//! The log on its way to standard error: lines wait in a bounded queue for a thread of their own, which writes them.
//!
//! The log never matters to a client. Whoever logs does not wait: a line that finds the queue full, or cannot be written, is lost and
//! counted, and once all that waits is written the log says how many were lost. At most [`LINES_MAX`] lines of [`LINE_BYTES_MAX`] bytes are
//! held, 32 MiB.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use tracing_subscriber::fmt::MakeWriter;

/// How many lines may wait. A burst of a busy second fits.
const LINES_MAX: usize = 4_096;
/// The longest line in bytes: longer ones are cut. The longest that the gateway writes itself hold one path.
const LINE_BYTES_MAX: usize = 8 << 10;
/// How much memory waiting lines may take in bytes.
pub const MEMORY_BYTES_MAX: u64 = (LINES_MAX * LINE_BYTES_MAX) as u64;
/// What a line that was cut ends with.
const CUT: &[u8] = b"... (cut)\n";

/// How long whoever flushes waits for room in the queue before looking again.
const FULL_PAUSE: Duration = Duration::from_millis(1);
/// Where lines of the log go. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lines {
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// Everything before this was written.
    Mark(SyncSender<()>),
}

impl Lines {
    /// Begins to write lines.
    ///
    /// # Errors
    /// Fails where the system gives no thread.
    pub fn to(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, waiting) = sync_channel(LINES_MAX);
        let lines = Self {
            queue,
            lost: Arc::default(),
        };
        let lost = lines.lost.clone();
        thread::Builder::new()
            .name("log".into())
            .spawn(move || write(&waiting, out, &lost))?;
        Ok(lines)
    }

    /// Returns how many lines were lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Adds a line, which ends with its end of line.
    pub fn add(&self, line: &[u8]) {
        let line = match line.get(..LINE_BYTES_MAX - CUT.len()) {
            Some(begin) if line.len() > LINE_BYTES_MAX => [begin, CUT].concat(),
            _ => line.to_vec(),
        };
        if self.queue.try_send(Message::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until what was added so far is written, but no longer than this.
    pub fn flush(&self, at_most: Duration) {
        let (deadline, (mark, written)) = (Instant::now() + at_most, sync_channel(1));
        let mut message = Message::Mark(mark);
        while let Err(TrySendError::Full(again)) = self.queue.try_send(message) {
            if Instant::now() >= deadline {
                return;
            }
            message = again;
            thread::sleep(FULL_PAUSE);
        }
        // Where it takes longer, or nothing can be written at all, there is nobody to tell.
        let _ = written.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

/// Writes lines as they come, until nobody can add any more.
fn write(waiting: &Receiver<Message>, mut out: impl Write, lost: &AtomicU64) {
    let (mut told, mut works) = (0, true);
    while let Some(message) = next(waiting, || {
        // Now there is room for this line as well.
        let lines = lost.load(Ordering::Relaxed);
        if works && lines > told {
            told = lines;
            tracing::warn!(
                lines,
                "lines of the log were lost, so many in all: they could not be written, or not fast enough"
            );
        }
    }) {
        match message {
            Message::Line(line) => {
                works = out.write_all(&line).and_then(|()| out.flush()).is_ok();
                lost.fetch_add(u64::from(!works), Ordering::Relaxed);
            }
            Message::Mark(mark) => {
                let _ = mark.try_send(());
            }
        }
    }
}

/// Waits for what comes next, and does something before, where nothing has come yet.
fn next(waiting: &Receiver<Message>, idle: impl FnOnce()) -> Option<Message> {
    match waiting.try_recv() {
        Ok(message) => Some(message),
        Err(_) => {
            idle();
            waiting.recv().ok()
        }
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.add(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc::channel};

    use super::*;

    /// Somewhere to write to that takes nothing before it is told to.
    struct Gate {
        open: Receiver<()>,
        is_open: bool,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !self.is_open {
                self.open.recv().map_err(io::Error::other)?;
                self.is_open = true;
            }
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_what_takes_nothing() {
        let (open, gate) = channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let lines = Lines::to(Gate {
            open: gate,
            is_open: false,
            written: written.clone(),
        })
        .unwrap();
        for number in 0..2 * LINES_MAX {
            lines.add(format!("{number}\n").as_bytes());
        }
        // One line may be on its way already.
        let kept = LINES_MAX as u64..=LINES_MAX as u64 + 1;
        assert!(kept.contains(&(2 * LINES_MAX as u64 - lines.lost())), "{}", lines.lost());
        open.send(()).unwrap();
        lines.flush(Duration::from_secs(60));
        let written = written.lock().unwrap();
        assert!(written.starts_with(b"0\n1\n2\n"));
        let count = written.iter().filter(|byte| **byte == b'\n').count() as u64;
        assert_eq!(count + lines.lost(), 2 * LINES_MAX as u64);
    }

    #[test]
    fn what_cannot_be_written_is_counted() {
        let lines = Lines::to(std::fs::File::options().write(true).open("/dev/full").unwrap()).unwrap();
        for _ in 0..3 {
            lines.add(b"line\n");
        }
        lines.flush(Duration::from_secs(60));
        assert_eq!(lines.lost(), 3);
    }

    #[test]
    fn long_lines_are_cut() {
        let (mut reader, writer) = io::pipe().unwrap();
        let lines = Lines::to(writer).unwrap();
        lines.add(&[b'x'; LINE_BYTES_MAX + 1]);
        lines.add(b"short\n");
        lines.flush(Duration::from_secs(60));
        drop(lines);
        let mut written = Vec::new();
        io::Read::read_to_end(&mut reader, &mut written).unwrap();
        assert_eq!(written.len(), LINE_BYTES_MAX + b"short\n".len());
        assert!(written.ends_with(b"xx... (cut)\nshort\n"));
    }
}
