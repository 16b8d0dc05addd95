//! How patient the server is with one transfer: arithmetic alone, so that it can be tested without waiting.
//!
//! Only time counts in which the other side was waited for. What the gateway takes for itself is never held against a client.

use std::time::{Duration, Instant};

use crate::http::Config;

/// How soon to look again at a transfer that has used up its time, but is not waited for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What is asked of every transfer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// The longest pause.
    pub(super) pause_max: Duration,
    /// The least average rate in bytes a second, once a pause of `pause_max` is granted. Zero asks for none.
    pub(super) rate_min: u64,
}

impl Patience {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            pause_max: config.pause_max,
            rate_min: config.rate_min,
        }
    }

    /// Returns how long a transfer of some bytes may have kept the server waiting in all.
    fn granted(self, bytes: u64) -> Duration {
        match bytes.saturating_mul(1_000).checked_div(self.rate_min) {
            Some(millis) => self.pause_max.saturating_add(Duration::from_millis(millis)),
            None => Duration::MAX,
        }
    }
}

/// One transfer: how much has passed, and how long the other side was waited for.
#[derive(Debug)]
pub(super) struct Pace {
    patience: Patience,
    bytes: u64,
    waited: Duration,
    waiting_since: Option<Instant>,
}

impl Pace {
    pub(super) fn new(patience: Patience) -> Self {
        Self {
            patience,
            bytes: 0,
            waited: Duration::ZERO,
            waiting_since: None,
        }
    }

    /// It is the other side's turn now, if it was not already.
    pub(super) fn waits(&mut self, now: Instant) {
        self.waiting_since.get_or_insert(now);
    }

    /// The other side did its part: so many bytes passed.
    pub(super) fn passed(&mut self, now: Instant, bytes: u64) {
        self.waited = self.waited(now);
        self.waiting_since = None;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Returns how long the other side was waited for in all.
    pub(super) fn waited(&self, now: Instant) -> Duration {
        self.waited.saturating_add(self.pause(now))
    }

    /// Returns for how long the other side has kept the server waiting now.
    fn pause(&self, now: Instant) -> Duration {
        self.waiting_since
            .map(|since| now.saturating_duration_since(since))
            .unwrap_or_default()
    }

    /// Returns how slow the transfer is, where it is: the longest pause is the slowest, and then whoever waits at less than `rate` bytes a
    /// second after `age`.
    pub(super) fn slowness(&self, now: Instant, age: Duration, rate: u64) -> Option<Duration> {
        self.waiting_since?;
        let (pause, waited) = (self.pause(now), self.waited(now));
        let millis = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        let is_slow = waited >= age && self.bytes.saturating_mul(1_000) / millis.max(1) <= rate;
        (pause >= age || is_slow).then_some(pause)
    }

    /// Returns for how much longer the other side may keep the server waiting: nothing is left where patience is at its end. While it is
    /// the server's turn, something always is.
    pub(super) fn left(&self, now: Instant) -> Duration {
        let pause = self.patience.pause_max.saturating_sub(self.pause(now));
        let whole = self.patience.granted(self.bytes).saturating_sub(self.waited(now));
        let left = pause.min(whole);
        if self.waiting_since.is_some() {
            left
        } else {
            left.max(LOOK_AGAIN)
        }
    }

    /// Says in words what was too slow.
    pub(super) fn fault(&self, now: Instant) -> String {
        let (pause_max, rate_min) = (self.patience.pause_max.as_secs_f32(), self.patience.rate_min);
        if self.pause(now) >= self.patience.pause_max {
            format!("nothing came for {pause_max} seconds")
        } else {
            let (bytes, waited) = (self.bytes, self.waited(now).as_secs());
            format!(
                "{bytes} bytes came in {waited} seconds; at least {rate_min} a second have to, beside a pause of {pause_max} seconds"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        pause_max: Duration::from_secs(600),
        rate_min: 1_000,
    };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn one_pause_may_be_long() {
        let (begin, mut pace) = (Instant::now(), Pace::new(PATIENCE));
        pace.waits(begin);
        assert_eq!(pace.left(begin + seconds(599)), seconds(1));
        assert_eq!(pace.left(begin + seconds(600)), seconds(0));
        assert!(pace.fault(begin + seconds(600)).contains("nothing came for 600 seconds"));
    }

    #[test]
    fn what_passed_fast_is_credit_but_no_pause_is_longer() {
        let (begin, mut pace) = (Instant::now(), Pace::new(PATIENCE));
        pace.waits(begin);
        pace.passed(begin, 100_000_000);
        pace.waits(begin);
        assert_eq!(pace.left(begin + seconds(1)), seconds(599));
        pace.passed(begin + seconds(599), 1);
        pace.waits(begin + seconds(599));
        assert_eq!(pace.left(begin + seconds(599)), seconds(600));
    }

    #[test]
    fn drops_now_and_then_do_not_hold_a_place_for_ever() {
        let (mut now, mut pace) = (Instant::now(), Pace::new(PATIENCE));
        let begin = now;
        // A byte every minute.
        while !pace.left(now).is_zero() {
            pace.waits(now);
            now += seconds(60).min(pace.left(now));
            if pace.left(now).is_zero() {
                break;
            }
            pace.passed(now, 1);
        }
        assert_eq!((now - begin).as_secs(), 600);
        assert!(pace.fault(now).contains("at least 1000 a second"), "{}", pace.fault(now));
    }

    #[test]
    fn only_waiting_for_the_other_side_counts() {
        let (begin, mut pace) = (Instant::now(), Pace::new(PATIENCE));
        pace.waits(begin);
        pace.passed(begin + seconds(1), 10);
        assert!(pace.left(begin + seconds(100_000)) > seconds(598));
        assert_eq!(pace.waited(begin + seconds(100_000)), seconds(1));
        assert_eq!(pace.slowness(begin + seconds(100_000), seconds(0), 1_000), None);
    }

    #[test]
    fn the_longest_pause_is_the_slowest() {
        let (begin, mut pace) = (Instant::now(), Pace::new(PATIENCE));
        pace.waits(begin);
        pace.passed(begin + seconds(9), 45_000);
        pace.waits(begin + seconds(9));
        let now = begin + seconds(10);
        assert_eq!(pace.slowness(now, seconds(5), 4_499), None);
        assert_eq!(pace.slowness(now, seconds(5), 4_500), Some(seconds(1)));
        assert_eq!(pace.slowness(now + seconds(4), seconds(5), 0), Some(seconds(5)));
    }

    #[test]
    fn no_rate_need_be_asked_for() {
        let (begin, mut pace) = (Instant::now(), Pace::new(Patience { rate_min: 0, ..PATIENCE }));
        for hour in 0..1_000 {
            let at = begin + seconds(hour * 500);
            pace.waits(at);
            assert!(!pace.left(at + seconds(499)).is_zero());
            pace.passed(at + seconds(499), 0);
        }
    }
}
