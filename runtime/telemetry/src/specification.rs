//! What every metric is: the page of reference is made of it, and a test compares the two.

use prometheus::core::Collector;
use prometheus::proto::MetricType;

/// One metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricSpec {
    /// Its name.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// What it says.
    pub help: String,
}

impl MetricSpec {
    /// What a collector says of itself; a family has its kind also without a series.
    pub(crate) fn of(collector: &dyn Collector) -> Option<Self> {
        let desc = collector.desc().into_iter().next()?;
        let kind = match collector.collect().first()?.get_field_type() {
            MetricType::COUNTER => "counter",
            MetricType::GAUGE => "gauge",
            MetricType::HISTOGRAM => "histogram",
            _ => return None,
        };
        Some(Self {
            name: desc.fq_name.clone(),
            kind,
            labels: desc.variable_labels.clone(),
            help: desc.help.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::path::Path;

    use crate::Metrics;

    const HEAD: &str = "# Metrics\n\nWhat `/metrics` shows, made from the code that shows it. Names are in base units. What each is for, and \
                        which values labels have, is in [operations.md](../operations.md#metrics). Metrics of handlers \
                        (`gristmill_handler_…`) and of the process (`process_…`) come beside them.\n\n| name | type | labels | \
                        says |\n|---|---|---|---|\n";

    /// `GRISTMILL_WRITE_DOCS=1 cargo test --package gristmill-telemetry` writes the page.
    #[test]
    fn the_page_of_reference_lists_every_metric() {
        let mut page = HEAD.to_owned();
        for spec in Metrics::new().unwrap().specification() {
            let labels = spec.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
            writeln!(page, "| `{}` | {} | {labels} | {} |", spec.name, spec.kind, spec.help).unwrap();
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/metrics.md");
        if std::env::var_os("GRISTMILL_WRITE_DOCS").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == page, "docs/reference/metrics.md is not what the code says; see this test");
    }
}
