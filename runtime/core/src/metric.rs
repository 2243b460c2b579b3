//! What handlers may record as metrics, and the rules their names and labels must pass before they become a series.

/// The three kinds that a handler can record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Set to a value.
    Gauge,
    /// Observed into buckets.
    Histogram,
}

/// One record of a handler, not yet checked.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRecord {
    /// Which kind of series.
    pub kind: MetricKind,
    /// The handler's name for it, without our prefix.
    pub name: String,
    /// Amount to add, value to set, or value to observe.
    pub value: f64,
    /// The handler's labels, in its order.
    pub labels: Vec<(String, String)>,
}

/// Labels a handler may give to one metric.
pub const MAX_LABELS: usize = 5;
/// Bytes of a metric or label name.
pub const MAX_NAME: usize = 64;
/// Bytes of a label value; longer ones are cut.
pub const MAX_LABEL_VALUE: usize = 128;
/// Label names that the host sets itself.
pub const RESERVED_LABELS: [&str; 3] = ["queue", "job", "le"];

/// Why a record was refused; the words label the counter of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum MetricRefusal {
    /// Not `[a-zA-Z_][a-zA-Z0-9_]*`, or too long.
    #[error("name")]
    Name,
    /// A label name that is malformed, reserved or repeated, or too many labels.
    #[error("labels")]
    Labels,
    /// Not finite, or a counter that would shrink.
    #[error("value")]
    Value,
    /// The name is in use with another kind or other labels.
    #[error("conflict")]
    Conflict,
    /// The worker holds as many series of handlers as it may.
    #[error("series")]
    Series,
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= MAX_NAME
        && bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Checks a record by itself; conflicts and the series cap need the registry and are checked there.
pub fn check(record: &MetricRecord) -> Result<(), MetricRefusal> {
    if !is_name(&record.name) {
        return Err(MetricRefusal::Name);
    }
    if !record.value.is_finite() || (record.kind == MetricKind::Counter && record.value < 0.0) {
        return Err(MetricRefusal::Value);
    }
    let labels = &record.labels;
    let bad = |(i, (name, _)): (usize, &(String, String))| {
        !is_name(name)
            || name.starts_with("__")
            || RESERVED_LABELS.contains(&name.as_str())
            || labels[..i].iter().any(|(other, _)| other == name)
    };
    if labels.len() > MAX_LABELS || labels.iter().enumerate().any(bad) {
        return Err(MetricRefusal::Labels);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::plain("emails_sent", 1.0, &[("template", "welcome")], Ok(()))]
    #[case::empty("", 1.0, &[], Err(MetricRefusal::Name))]
    #[case::newline("a\nb", 1.0, &[], Err(MetricRefusal::Name))]
    #[case::leading_digit("1a", 1.0, &[], Err(MetricRefusal::Name))]
    #[case::nan("a", f64::NAN, &[], Err(MetricRefusal::Value))]
    #[case::shrinking("a", -1.0, &[], Err(MetricRefusal::Value))]
    #[case::reserved("a", 1.0, &[("queue", "x")], Err(MetricRefusal::Labels))]
    #[case::repeated("a", 1.0, &[("k", "x"), ("k", "y")], Err(MetricRefusal::Labels))]
    #[case::internal("a", 1.0, &[("__name__", "x")], Err(MetricRefusal::Labels))]
    #[case::many("a", 1.0, &[("a", ""), ("b", ""), ("c", ""), ("d", ""), ("e", ""), ("f", "")], Err(MetricRefusal::Labels))]
    fn checks_a_counter(
        #[case] name: &str,
        #[case] value: f64,
        #[case] labels: &[(&str, &str)],
        #[case] expected: Result<(), MetricRefusal>,
    ) {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let record = MetricRecord { kind: MetricKind::Counter, name: name.to_owned(), value, labels };
        assert_eq!(check(&record), expected);
    }
}
