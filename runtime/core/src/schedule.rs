//! When a job scheduler runs next.

use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A scheduler's pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not a cron pattern.
    #[error("`{pattern}` is no cron pattern: {why}; it has five fields, or six with seconds first")]
    Pattern {
        /// As given.
        pattern: String,
        /// What the parser says.
        why: String,
    },
    /// No such time zone.
    #[error("there is no time zone `{0}`; give a name such as `Europe/Berlin`")]
    Zone(String),
    /// No time in the future matches.
    #[error("`{0}` never comes")]
    Never(String),
}

/// Longest pattern that is looked at.
const MAX_PATTERN: usize = 256;

/// The first time after `after_ms` that matches a cron pattern of five or six fields in a time zone (`None` is UTC).
pub fn next_run(pattern: &str, zone: Option<&str>, after_ms: u64) -> Result<u64, ScheduleError> {
    let wrong = |why: String| ScheduleError::Pattern { pattern: crate::units::cut(pattern, 64).into(), why };
    if pattern.len() > MAX_PATTERN {
        return Err(wrong(format!("it is longer than {MAX_PATTERN} bytes")));
    }
    let cron = parser().parse(pattern).map_err(|error| wrong(error.to_string()))?;
    let zone = match zone {
        None | Some("") => TimeZone::UTC,
        Some(name) => TimeZone::get(name).map_err(|_| ScheduleError::Zone(name.to_owned()))?,
    };
    let never = || ScheduleError::Never(crate::units::cut(pattern, 64).into());
    let after = i64::try_from(after_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let after = after.ok_or_else(never)?.to_zoned(zone);
    let next = cron.find_next_occurrence(&after, false).map_err(|_| never())?;
    u64::try_from(next.timestamp().as_millisecond()).map_err(|_| never())
}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> u64 {
        u64::try_from(text.parse::<Timestamp>().unwrap().as_millisecond()).unwrap()
    }

    #[rstest::rstest]
    #[case("*/5 * * * *", None, "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z")]
    #[case("*/10 * * * * *", None, "2026-01-01T00:00:01Z", "2026-01-01T00:00:10Z")]
    #[case("0 9 * * 1-5", Some("Europe/Berlin"), "2026-07-03T08:00:00Z", "2026-07-06T07:00:00Z")]
    #[case("30 2 * * *", Some("America/New_York"), "2026-03-07T12:00:00Z", "2026-03-08T07:00:00Z")]
    #[case("0 0 1 1 *", Some("Asia/Tokyo"), "2026-05-01T00:00:00Z", "2026-12-31T15:00:00Z")]
    #[case("0 12 13 * 5", None, "2026-02-01T00:00:00Z", "2026-02-06T12:00:00Z")]
    fn next_runs(#[case] pattern: &str, #[case] zone: Option<&str>, #[case] after: &str, #[case] next: &str) {
        assert_eq!(next_run(pattern, zone, ms(after)).unwrap(), ms(next));
    }

    #[rstest::rstest]
    #[case("every day", None, "no cron pattern")]
    #[case("* * * * * * *", None, "no cron pattern")]
    #[case("0 0 * * *", Some("Mars/Olympus"), "no time zone `Mars/Olympus`")]
    #[case("0 0 31 2 *", None, "never comes")]
    fn bad_patterns(#[case] pattern: &str, #[case] zone: Option<&str>, #[case] says: &str) {
        let error = next_run(pattern, zone, ms("2026-01-01T00:00:00Z")).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}
