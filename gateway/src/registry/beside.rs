//! Work of the processor that is too long for a thread of the server.

/// From how many bytes on documents are read and written beside: that takes about as long as a hop to another thread and back.
const BYTES_MAX: usize = 64 << 10;

/// Reads or writes a document of roughly this many bytes: at once where they are few, and on a thread for what takes long where they are
/// many.
pub async fn beside<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if bytes < BYTES_MAX {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and with it whoever waits here.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn large_documents_leave_the_thread_and_small_ones_do_not() {
        let here = thread::current().id();
        let there = |bytes| beside(bytes, move || thread::current().id() != here);
        assert_eq!((there(BYTES_MAX - 1).await, there(BYTES_MAX).await), (false, true));
    }
}
