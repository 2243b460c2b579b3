//! How people write durations, sizes and amounts, and how they are shown back.

use std::time::Duration;

use bytesize::ByteSize;
use jiff::fmt::friendly::SpanParser;

/// A duration such as `500ms`, `60s`, `5m` or `1h 30m`. The error says what is accepted.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    SpanParser::new()
        .parse_unsigned_duration(text.trim())
        .map_err(|_| format!("`{text}` is not a duration; write it as `500ms`, `60s`, `5m` or `1h 30m`"))
}

/// Whole milliseconds, as environment variables give them.
pub fn parse_millis(text: &str) -> Result<Duration, String> {
    text.trim()
        .parse::<u64>()
        .map(Duration::from_millis)
        .map_err(|_| format!("`{text}` is not a number of milliseconds; write it as `30000`"))
}

/// Whole hours, as environment variables give them.
pub fn parse_hours(text: &str) -> Result<Duration, String> {
    text.trim()
        .parse::<u64>()
        .ok()
        .filter(|hours| *hours <= 24 * 366 * 10)
        .map(Duration::from_hours)
        .ok_or_else(|| format!("`{text}` is not a number of hours; write it as `4`"))
}

/// A size in bytes such as `64MiB` or `1GiB`. The error says what is accepted.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    match text.parse::<ByteSize>() {
        Ok(size) if text.ends_with(['b', 'B']) => Ok(size.as_u64()),
        _ => Err(format!("`{text}` is not a size; write it as `64MiB` or `1GiB`")),
    }
}

/// Whole MiB, as environment variables give them.
pub fn parse_mebibytes(text: &str) -> Result<u64, String> {
    text.trim()
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(1 << 20))
        .ok_or_else(|| format!("`{text}` is not a number of MiB; write it as `64`"))
}

/// An amount with an optional decimal suffix: `500`, `10K`, `3M`, `10G`, `2T`.
pub fn parse_amount(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (digits, factor) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 1_000),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 1_000_000),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 1_000_000_000),
        Some(b'T' | b't') => (&text[..text.len() - 1], 1_000_000_000_000),
        _ => (text, 1),
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(factor))
        .ok_or_else(|| format!("`{text}` is not an amount; write it as `500000`, `3M` or `10G`"))
}

/// A rate such as `100/s`, `300/min` or `5/250ms`: a number, and the time that it is for. The error says what is
/// accepted.
pub fn parse_rate(text: &str) -> Result<(u64, Duration), String> {
    let wrong = || format!("`{text}` is not a rate; write it as `100/s`, `300/min`, `5/10s` or `10000/h`");
    let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
    let count: u64 = count.trim().parse().map_err(|_| wrong())?;
    let unit = match unit.trim() {
        "d" | "day" => "24h",
        unit => unit,
    };
    let time =
        if unit.starts_with(|c: char| c.is_ascii_digit()) { unit.to_owned() } else { format!("1{unit}") };
    let time = parse_duration(&time).map_err(|_| wrong())?;
    if count == 0 || time < Duration::from_millis(1) || time > Duration::from_hours(24 * 365) {
        return Err(wrong());
    }
    Ok((count, time))
}

/// A rate as [`parse_rate`] reads it.
#[must_use]
pub fn show_rate(count: u64, time: Duration) -> String {
    format!("{count}/{}", show_duration(time).replace(' ', ""))
}

/// A duration as people read it: `1h 30m`, `60s` as `1m`, `500ms`, `12.3µs`.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let whole = duration.as_secs();
    if whole == 0 {
        return match duration.as_nanos() {
            0 => "0s".to_owned(),
            n if n < 1_000_000 => format!("{:.1}µs", n as f64 / 1e3),
            n if n.is_multiple_of(1_000_000) => format!("{}ms", n / 1_000_000),
            n => format!("{:.2}ms", n as f64 / 1e6),
        };
    }
    if whole < 60 && duration.subsec_nanos() != 0 {
        return format!("{:.2}s", duration.as_secs_f64());
    }
    let parts = [(whole / 3600, "h"), (whole / 60 % 60, "m"), (whole % 60, "s")];
    let shown: Vec<_> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    shown.join(" ")
}

/// A size as people read it: `64 MiB`.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes >= 1 << shift {
            let value = bytes as f64 / f64::from(1u32 << shift);
            return if value.fract() == 0.0 {
                format!("{value} {unit}")
            } else {
                format!("{value:.1} {unit}")
            };
        }
    }
    format!("{bytes} B")
}

/// Cuts `text` to at most `max` bytes on a character boundary, marking the cut with `…`.
#[must_use]
pub fn cut(text: &str, max: usize) -> std::borrow::Cow<'_, str> {
    if text.len() <= max {
        return text.into();
    }
    let end = text.floor_char_boundary(max.saturating_sub('…'.len_utf8()));
    format!("{}…", &text[..end]).into()
}

/// The known name that `wrong` most likely meant, if one is near enough to suggest.
#[must_use]
pub fn closest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(wrong, name), name))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("500ms", Some(500))]
    #[case("60s", Some(60_000))]
    #[case("1h 30m", Some(5_400_000))]
    #[case("5 minutes", Some(300_000))]
    #[case("-1s", None)]
    #[case("5", None)]
    #[case("", None)]
    #[case("1mo", None)]
    fn durations(#[case] text: &str, #[case] millis: Option<u64>) {
        assert_eq!(parse_duration(text).ok(), millis.map(Duration::from_millis));
    }

    #[rstest::rstest]
    #[case("64MiB", Some(64 << 20))]
    #[case("1GiB", Some(1 << 30))]
    #[case("64", None)]
    #[case("lots", None)]
    fn sizes(#[case] text: &str, #[case] bytes: Option<u64>) {
        assert_eq!(parse_size(text).ok(), bytes);
    }

    #[rstest::rstest]
    #[case("10G", Some(10_000_000_000))]
    #[case("7", Some(7))]
    #[case("99999999T", None)]
    #[case("G", None)]
    fn amounts(#[case] text: &str, #[case] value: Option<u64>) {
        assert_eq!(parse_amount(text).ok(), value);
    }

    #[rstest::rstest]
    #[case(Duration::from_secs(5_400), "1h 30m")]
    #[case(Duration::from_millis(300), "300ms")]
    #[case(Duration::from_millis(1_250), "1.25s")]
    #[case(Duration::from_nanos(12_340), "12.3µs")]
    fn shows_durations(#[case] duration: Duration, #[case] text: &str) {
        assert_eq!(show_duration(duration), text);
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!(cut("höhe", 10), "höhe");
        assert_eq!(cut("ääää", 6), "ä…");
    }

    #[test]
    fn suggests_only_what_is_near() {
        assert_eq!(closest("emial", ["email", "billing"]), Some("email"));
        assert_eq!(closest("zzz", ["email", "billing"]), None);
    }

    #[rstest::rstest]
    #[case("100/s", Some((100, 1_000)))]
    #[case("300/min", Some((300, 60_000)))]
    #[case("10000/h", Some((10_000, 3_600_000)))]
    #[case("5/250ms", Some((5, 250)))]
    #[case("7 / day", Some((7, 86_400_000)))]
    #[case("0/s", None)]
    #[case("5", None)]
    #[case("5/0s", None)]
    #[case("x/s", None)]
    #[case("5/fortnight", None)]
    fn rates(#[case] text: &str, #[case] expected: Option<(u64, u64)>) {
        let rate = parse_rate(text).ok();
        assert_eq!(rate, expected.map(|(count, ms)| (count, Duration::from_millis(ms))));
        if let Some((count, time)) = rate {
            assert_eq!(parse_rate(&show_rate(count, time)), Ok((count, time)));
        }
    }
}
