//! How long a failed job waits for its next attempt; BullMQ's formulas.

/// No delay is longer than ten years, whatever the exponent: scores stay exact and nothing overflows.
pub const MAX_DELAY_MS: u64 = 10 * 365 * 24 * 3600 * 1000;

/// A job's backoff as the producer or the job type's configuration wrote it.
#[derive(Debug, Clone, PartialEq)]
pub enum Backoff {
    /// The same delay each time, in ms.
    Fixed {
        /// Base delay in ms.
        delay_ms: u64,
        /// Share of the delay that is random, 0 to 1.
        jitter: f64,
    },
    /// Doubles with each failed attempt.
    Exponential {
        /// Delay after the first failed attempt, in ms.
        delay_ms: u64,
        /// Share of the delay that is random, 0 to 1.
        jitter: f64,
    },
    /// A strategy that only the producer's own workers know.
    Unknown(String),
}

impl Backoff {
    /// Delay in ms after the `failed`-th failed attempt (1 is the first), `random` in [0, 1).
    /// `None` for a strategy that this host does not know.
    #[must_use]
    pub fn delay_ms(&self, failed: u32, random: f64) -> Option<u64> {
        let (base, jitter) = match self {
            Self::Fixed { delay_ms, jitter } => (*delay_ms as f64, *jitter),
            Self::Exponential { delay_ms, jitter } => {
                let exponent = f64::from(failed.saturating_sub(1));
                ((exponent.exp2() * *delay_ms as f64).round(), *jitter)
            }
            Self::Unknown(_) => return None,
        };
        let base = base.min(MAX_DELAY_MS as f64);
        let jittered =
            if jitter > 0.0 { (random * base * jitter + base * (1.0 - jitter)).floor() } else { base };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within 0..=MAX_DELAY_MS"
        )]
        Some(jittered as u64)
    }

    /// Reads `exponential:1s`, `fixed:500ms` or `none`-less forms of configuration and command line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a backoff; write it as `fixed:500ms` or `exponential:1s`");
        let (kind, delay) = text.split_once(':').ok_or_else(wrong)?;
        let delay = crate::units::parse_duration(delay)?;
        let delay_ms = u64::try_from(delay.as_millis()).map_err(|_| wrong())?;
        match kind {
            "fixed" => Ok(Self::Fixed { delay_ms, jitter: 0.0 }),
            "exponential" => Ok(Self::Exponential { delay_ms, jitter: 0.0 }),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[rstest::rstest]
    #[case(Backoff::Fixed { delay_ms: 500, jitter: 0.0 }, 7, 0.9, Some(500))]
    #[case(Backoff::Exponential { delay_ms: 1_000, jitter: 0.0 }, 1, 0.9, Some(1_000))]
    #[case(Backoff::Exponential { delay_ms: 1_000, jitter: 0.0 }, 4, 0.9, Some(8_000))]
    #[case(Backoff::Exponential { delay_ms: 1_000, jitter: 0.0 }, 4_000_000, 0.9, Some(MAX_DELAY_MS))]
    #[case(Backoff::Fixed { delay_ms: 1_000, jitter: 0.5 }, 1, 0.0, Some(500))]
    #[case(Backoff::Fixed { delay_ms: 1_000, jitter: 0.5 }, 1, 0.999, Some(999))]
    #[case(Backoff::Unknown("mine".into()), 1, 0.0, None)]
    fn delays(
        #[case] backoff: Backoff,
        #[case] failed: u32,
        #[case] random: f64,
        #[case] expected: Option<u64>,
    ) {
        assert_eq!(backoff.delay_ms(failed, random), expected);
    }

    #[test]
    fn reads_the_written_forms() {
        assert_eq!(
            Backoff::parse("exponential:1s"),
            Ok(Backoff::Exponential { delay_ms: 1_000, jitter: 0.0 })
        );
        assert!(Backoff::parse("linear:1s").is_err());
        assert!(Backoff::parse("fixed").is_err());
    }

    proptest! {
        #[test]
        fn jitter_stays_inside_its_band(delay_ms in 0u64..1_000_000, jitter in 0.0f64..=1.0, random in 0.0f64..1.0, n in 1u32..12) {
            let base = Backoff::Exponential { delay_ms, jitter: 0.0 }.delay_ms(n, 0.0).expect("known");
            let got = Backoff::Exponential { delay_ms, jitter }.delay_ms(n, random).expect("known");
            prop_assert!(got <= base);
            prop_assert!(got as f64 >= (base as f64 * (1.0 - jitter)).floor() - 1.0);
        }
    }
}
