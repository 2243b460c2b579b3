//! Decimal numbers of the data and of the page.

use rust_decimal::Decimal;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

/// A number that the data gives as a text or a JSON number. Its digits are read as they stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) Decimal);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        // A text's quotes are no part of its digits; an escape in it makes it no number, which is right.
        let text = raw.get().trim_matches('"');
        parse(text).map(Self).ok_or_else(|| D::Error::custom(format!("`{text}` is not a decimal number")))
    }
}

fn parse(text: &str) -> Option<Decimal> {
    let text = text.trim();
    // Without this, `1_000` would do.
    if !text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) {
        return None;
    }
    let number = if text.contains(['e', 'E']) {
        Decimal::from_scientific(text).ok()?
    } else {
        Decimal::from_str_exact(text).ok()?
    };
    Some(number.normalize())
}

/// With exactly so many decimals.
pub(crate) fn fixed(number: Decimal, decimals: u32) -> String {
    format!("{number:.*}", decimals as usize)
}

/// With at least so many decimals, and digits in groups of three: `1 234.50`.
pub(crate) fn grouped(number: Decimal, decimals: u32) -> String {
    let text = fixed(number, decimals.max(number.normalize().scale()));
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut grouped = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            // One that no line breaks at.
            grouped.push('\u{a0}');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        parse(text).unwrap()
    }

    #[rstest::rstest]
    #[case("0.1", Some("0.1"))]
    #[case("\"19.90\"", Some("19.9"))]
    #[case("0.30000000000000004", Some("0.30000000000000004"))]
    #[case("-2", Some("-2"))]
    #[case("1e3", Some("1000"))]
    #[case("1e999999999", None)]
    #[case("\"1,5\"", None)]
    #[case("\"1_000\"", None)]
    #[case("\"\"", None)]
    #[case("true", None)]
    #[case("[1]", None)]
    #[case("99999999999999999999999999999999", None)]
    fn digits_are_read_as_they_stand(#[case] json: &str, #[case] expected: Option<&str>) {
        let number = serde_json::from_str::<Number>(json).ok().map(|n| n.0.to_string());
        assert_eq!(number.as_deref(), expected);
    }

    #[rstest::rstest]
    #[case("0", 2, "0.00")]
    #[case("-1234.5", 2, "-1 234.50")]
    #[case("1234567.8912", 2, "1 234 567.8912")]
    #[case("123", 0, "123")]
    #[case("1000", 0, "1 000")]
    fn digits_come_in_groups(#[case] number: &str, #[case] decimals: u32, #[case] expected: &str) {
        assert_eq!(grouped(decimal(number), decimals).replace('\u{a0}', " "), expected);
    }
}
