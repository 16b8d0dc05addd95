//! Writing the log back into the database, beside the writer.
//!
//! A checkpoint writes and syncs many pages. Done by the writer it would be a pause for everybody who waits for a commit; readers and the
//! writer go on while this thread does it.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
};

use rusqlite::Connection;

/// How many commands are written between two checkpoints: some 500 to 1 000 pages.
const COMMANDS: usize = 128;

const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// The thread. When this is dropped, a checkpoint that is under way is finished.
pub(super) struct Checkpoints {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    commands: usize,
}

impl Checkpoints {
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("checkpoints".into())
            .spawn(move || run(&connection, &woken))?;
        Ok(Self {
            wake: Some(wake),
            thread: Some(thread),
            commands: 0,
        })
    }

    /// Takes notice of commands that were written.
    pub(super) fn written(&mut self, commands: usize) {
        self.commands += commands;
        if self.commands >= COMMANDS
            && let Some(wake) = &self.wake
        {
            self.commands = 0;
            // Where it is full, a checkpoint is about to begin anyway.
            let _ = wake.try_send(());
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes back the log of the metadata panicked; nothing is lost");
        }
    }
}

fn run(connection: &Connection, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        let done = connection
            .prepare_cached(CHECKPOINT)
            .and_then(|mut statement| statement.query_row([], |_| Ok(())));
        if let Err(error) = done {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the log of the metadata could not be written back; it grows until it can"
            );
        }
    }
}
